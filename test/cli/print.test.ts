/** `cat`, `tail` and `get`: which records are printed, and how. */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runInProcess } from "./run-in-process.ts";
import { mainPath, newLogPath, seqlog, SeqlogProcess, temporaryDirectory } from "./seqlog-process.ts";

const accessLog = fileURLToPath(new URL("../../examples/access-log.ndjson", import.meta.url));
const seedFile = fileURLToPath(new URL("../vectors/go-500.log", import.meta.url));
const lines = readFileSync(accessLog, "utf8").trimEnd().split("\n");
const requests = lines.map((line) => JSON.parse(line) as { status: number; path: string; user: { id: number } | null });

/** One log for all tests that only read. */
const shared = mkdtempSync(join(tmpdir(), "seqlog-cli-"));
const log = join(shared, "log");
afterAll(() => rmSync(shared, { recursive: true, force: true }));
beforeAll(() => {
  execFileSync(process.execPath, [mainPath, "append", log, "--ndjson", "--file", accessLog]);
});

async function printed(...args: string[]): Promise<string[]> {
  const { code, text, stderr } = await runInProcess(args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return text.split("\n").slice(0, -1);
}

async function seqs(...args: string[]): Promise<number[]> {
  return (await printed(...args, "--format", "%s")).map(Number);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

describe("cat", () => {
  test("prints every record raw", async () => {
    expect(await printed("cat", log)).toEqual(lines);
    expect((await seqlog(["cat", log])).text).toBe(readFileSync(accessLog, "utf8"));
  });

  test("takes a range, a limit and a direction", async () => {
    expect(await seqs("cat", log, "--from", "10", "--to", "13")).toEqual([10, 11, 12]);
    expect(await seqs("cat", log, "--from", "495")).toEqual(range(495, 500));
    expect(await seqs("cat", log, "--limit", "2", "--reverse")).toEqual([499, 498]);
    expect(await seqs("cat", log, "--from", "10", "--to", "13", "--reverse")).toEqual([12, 11, 10]);
    expect(await seqs("cat", log, "--limit", "0")).toEqual([]);
    expect(await seqs("cat", log, "--from", "end")).toEqual([]);
    expect(await seqs("cat", log, "--from", "start", "-c", "1")).toEqual([0]);
  });

  test("takes kcat's options", async () => {
    expect(await seqs("cat", log, "-o", "-10", "-c", "5", "-e")).toEqual(range(490, 495));
    expect(await seqs("cat", log, "-o", "beginning", "-c", "1")).toEqual([0]);
    expect(await seqs("cat", log, "-o", "7", "-c", "2")).toEqual([7, 8]);
    expect(await seqs("cat", log, "-o", "end")).toEqual([]);
  });

  test("finds a place by id and by time", async () => {
    const [id = "", time = ""] = (await printed("get", log, "100", "--format", "%i\\n%t")).map(String);
    expect(await seqs("cat", log, "--from", `id:${id}`, "-c", "1")).toEqual([100]);
    const since = await seqs("cat", log, "--since", time);
    expect(since).toContain(100);
    expect(since.at(-1)).toBe(499);
    expect(await seqs("cat", log, "--since", "1h")).toHaveLength(500);
    expect(await seqs("cat", log, "--until", "1h")).toHaveLength(0);
    expect(await seqs("cat", log, "--until", "2020-01-01")).toHaveLength(0);
    expect(await seqs("cat", log, "--since", "2020-01-01", "--until", "2100-01-01")).toHaveLength(500);
  });

  test("looks into JSON", async () => {
    const indexesOf = (holds: (request: (typeof requests)[number]) => boolean): number[] =>
      requests.flatMap((request, i) => (holds(request) ? [i] : []));
    expect(await seqs("cat", log, "--where", "user.id=42")).toEqual(indexesOf(({ user }) => user?.id === 42));
    expect(await seqs("cat", log, "--where", "status!=200", "--where", "path=/robots.txt")).toEqual([]);
    expect(await seqs("cat", log, "--where", "status=404", "--where", "user")).toEqual(
      indexesOf(({ status }) => status === 404),
    );
    expect(await seqs("cat", log, "--where", "!user.id", "--limit", "3")).toEqual(
      indexesOf(({ user }) => user === null).slice(0, 3),
    );
    const shown = await printed("cat", log, "--where", "user.id=42", "--fields", "user.id,status", "-c", "1");
    expect(shown).toEqual([`{"user":{"id":42},"status":${requests.find(({ user }) => user?.id === 42)?.status}}`]);
  });

  test("prints JSON with every part of a record", async () => {
    const [line = ""] = await printed("cat", log, "--json", "-c", "1");
    expect(JSON.parse(line)).toEqual({
      seq: 0,
      offset: 0,
      segment: "00000000000000000000.log",
      id: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown,
      time: expect.stringMatching(/^\d{4}-.*Z$/) as unknown,
      data: requests[0],
    });
    expect(line).toContain(`"data":${lines[0]}}`);
  });

  test("into a pipe that is closed ends well", async () => {
    const big = newLogPath();
    await seqlog(["append", big], "x".repeat(99).concat("\n").repeat(40_000));
    const reader = new SeqlogProcess(["cat", big]);
    await reader.until(({ stdout }) => stdout.length > 0);
    reader.child.stdout?.destroy();
    expect(await reader.finished).toMatchObject({ code: 0, stderr: "" });
  });

  test("loses nothing to a slow reader", async () => {
    const big = newLogPath();
    const input = `${"x".repeat(99)}\n`.repeat(20_000);
    await seqlog(["append", big], input);
    const reader = new SeqlogProcess(["cat", big]);
    const { stdout } = reader.child;
    stdout?.on("data", () => {
      stdout.pause();
      setImmediate(() => stdout.resume());
    });
    expect((await reader.finished).text).toBe(input);
  });

  test("gives hostile bytes to a pipe as they are, and never as text", async () => {
    const hostile = newLogPath();
    const input = Buffer.from("\x1b]0;title\x07\x9b2J\xff\0\r\n", "latin1");
    await seqlog(["append", hostile], input);
    expect((await seqlog(["cat", hostile])).stdout.equals(input)).toBe(true);
    const [line = ""] = await printed("cat", hostile, "--json");
    expect(line).toMatch(/^[\x20-\x7e]*$/);
    const { data } = JSON.parse(line) as { data: { base64: string } };
    expect(Buffer.from(data.base64, "base64").equals(input.subarray(0, -1))).toBe(true);
  });
});

describe("tail", () => {
  test("prints the last ten, raw into a pipe", async () => {
    expect((await seqlog(["tail", log])).text).toBe(`${lines.slice(-10).join("\n")}\n`);
    expect(await printed("tail", log)).toEqual(lines.slice(-10));
    expect(await printed("tail", log, "-n", "3")).toEqual(lines.slice(-3));
    expect(await printed("tail", log, "-n", "0")).toEqual([]);
    expect(await seqs("tail", log, "-n", "10000")).toHaveLength(500);
  });

  test("takes the last ones that --where takes", async () => {
    const found = requests.flatMap(({ status }, i) => (status === 404 ? [i] : []));
    expect(await seqs("tail", log, "-n", "4", "--where", "status=404")).toEqual(found.slice(-4));
    expect(await seqs("tail", log, "-n", "4", "--where", "status=404", "--reverse")).toEqual(found.slice(-4).reverse());
    expect(await seqs("tail", log, "-n", "4", "-c", "2")).toEqual([496, 497]);
  });

  test("starts where it is told to", async () => {
    expect(await seqs("tail", log, "--from", "490", "--to", "493")).toEqual([490, 491, 492]);
    expect(await seqs("tail", log, "-o", "-2")).toEqual([498, 499]);
    expect(await seqs("tail", log, "-f", "-o", "-2", "-e")).toEqual([498, 499]);
    expect(await seqs("tail", log, "-f", "-o", "-4", "-c", "3")).toEqual([496, 497, 498]);
    expect(await seqs("tail", log, "--to", "5", "-n", "2")).toEqual([3, 4]);
  });

  test("follows a writer in another process", async () => {
    const live = newLogPath();
    await seqlog(["append", live], "before\n");
    const follower = new SeqlogProcess(["tail", "-f", live, "--format", "%s %d"]);
    await follower.until(({ stdout }) => stdout.toString() === "0 before\n");
    const writer = new SeqlogProcess(["append", live]);
    let expected = "0 before\n";
    for (let i = 1; i <= 20; i++) {
      writer.write(`line ${i}\n`);
      expected += `${i} line ${i}\n`;
      await follower.until(({ stdout }) => stdout.length >= expected.length);
      expect(follower.stdout.toString()).toBe(expected);
    }
    writer.end();
    expect((await writer.finished).code).toBe(0);
    await seqlog(["append", live], "a later writer\n");
    await follower.until(({ stdout }) => stdout.toString() === `${expected}21 a later writer\n`);
  });

  test("follows with a condition and a limit", async () => {
    const live = newLogPath();
    await seqlog(["append", live], '{"n":0}\n');
    const follower = new SeqlogProcess(["tail", "-f", "-o", "beginning", live, "--where", "n=2", "-c", "2"]);
    await seqlog(["append", live], '{"n":1}\n{"n":2}\nnot json\n{"n":2,"again":true}\n{"n":2}\n');
    expect(await follower.finished).toMatchObject({ code: 0, text: '{"n":2}\n{"n":2,"again":true}\n' });
  });
});

describe("on a terminal", () => {
  test("tail prints seq, age and one line", async () => {
    const { code, text } = await runInProcess(["tail", log, "-n", "1", "--fields", "status"], { isTTY: true });
    expect(code).toBe(0);
    expect(stripVTControlCharacters(text)).toMatch(/^ {3}499 {2} *(now|\d+s ago) {2}\{"status":200\}\n$/);
  });

  test("cat prints no control characters, and binary not at all", async () => {
    const hostile = newLogPath();
    await runInProcess(["append", hostile], { input: "\x1b[2J\x07\tx\n" });
    expect((await runInProcess(["cat", hostile], { isTTY: true })).text).toBe("\\x1b[2J\\x07\tx\n");
    const { code, stderr } = await runInProcess(["cat", hostile, "--format", "binary"], { isTTY: true });
    expect(code).toBe(2);
    expect(stderr).toMatch(/not for a terminal/);
  });
});

describe("get", () => {
  test("prints one record by seq or id", async () => {
    expect((await seqlog(["get", log, "7"])).text).toBe(`${lines[7]}\n`);
    const [id = ""] = await printed("get", log, "7", "--format", "%i");
    expect(await printed("get", log, `id:${id}`)).toEqual([lines[7]]);
    const [json = ""] = await printed("get", log, "7", "--json");
    expect(JSON.parse(json)).toMatchObject({ seq: 7, id, data: requests[7] });
  });

  test("says what there is when there is no such record", async () => {
    const { code, stderr, text } = await seqlog(["get", log, "500"]);
    expect({ code, text }).toEqual({ code: 2, text: "" });
    expect(stderr).toBe(`seqlog: ${log}: there is no record with seq 500; the log holds seq 0 to 499\n`);
    const missing = "01890a5d-ac96-774b-bcce-b302099a8057";
    const byId = await seqlog(["get", log, `id:${missing}`, "--json"]);
    expect(byId.code).toBe(2);
    expect(JSON.parse(byId.stderr)).toMatchObject({
      error: { code: "NO_RECORD", facts: { id: missing, firstSeq: 0, nextSeq: 500 } },
    });
  });
});

describe("a file that the seed wrote", () => {
  const manifest = JSON.parse(readFileSync(new URL("../vectors/manifest.json", import.meta.url), "utf8")) as {
    "go-500.log": { samples: readonly { record: number; offset: number; length: number; id: string }[] };
  };
  const { samples } = manifest["go-500.log"];
  const copyOfSeedFile = (): string => {
    const copy = join(temporaryDirectory(), "go-500.log");
    copyFileSync(seedFile, copy);
    return copy;
  };
  const data = (i: number): Buffer => Buffer.from(range(0, (i * 37) % 301).map((j) => (i * 131 + j * 7) & 255));

  test("is printed with its offsets and ids, and no times", async () => {
    const copy = copyOfSeedFile();
    const shown = await printed("cat", copy, "--format", "%s %o %l %i %t");
    expect(shown).toHaveLength(500);
    for (const { record, offset, length, id } of samples)
      expect(shown[record]).toBe(`${record} ${offset} ${length} ${id} -`);
    const hex = await printed("cat", copy, "--format", "hex");
    expect(hex).toEqual(range(0, 500).map((i) => data(i).toString("hex")));
  });

  test("is looked into by every reading command", async () => {
    const copy = copyOfSeedFile();
    const sample = samples[1];
    expect(await seqs("get", copy, `id:${sample?.id}`)).toEqual([sample?.record]);
    expect(await seqs("tail", copy, "-n", "2")).toEqual([498, 499]);
    const { code, stderr } = await seqlog(["cat", copy, "--since", "1h"]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/no time/);
  });

  test("says so when it is not valid to its end", async () => {
    const copy = copyOfSeedFile();
    const bytes = readFileSync(copy);
    bytes.writeUInt8(0x55, 40_000);
    writeFileSync(copy, bytes);
    const { code, text, stderr } = await runInProcess(["cat", copy, "--format", "%s"]);
    expect(code).toBe(0);
    expect(text).toMatch(/\n218\n$/);
    expect(stderr).toMatch(/^seqlog: note: .*: 50954 bytes after record 218 are not a valid record/);
  });

  test("is appended to, and read on", async () => {
    const copy = copyOfSeedFile();
    expect((await seqlog(["append", copy], "more\n")).text).toBe("appended 1 record: seq 500\n");
    expect(await printed("get", copy, "500")).toEqual(["more"]);
    expect(readFileSync(copy).subarray(0, 90_864).equals(readFileSync(seedFile))).toBe(true);
  });
});
