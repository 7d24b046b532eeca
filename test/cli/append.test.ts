/** `seqlog append`: what becomes a record, what is reported, and what stops it. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { newLogPath, seqlog, SeqlogProcess, seqlogJson, temporaryDirectory } from "./seqlog-process.ts";

async function rawOf(log: string): Promise<Buffer> {
  const { code, stdout } = await seqlog(["cat", log, "--format", "raw"]);
  expect(code).toBe(0);
  return stdout;
}

/** Lines as a package manager's log has them, with a few that are not as nice. */
function packageLog(): Buffer {
  const actions = ["install", "status half-installed", "status unpacked", "configure", "trigproc", "remove"];
  const lines: Buffer[] = [];
  for (let i = 0; i < 4_723; i++) {
    const second = String(i % 60).padStart(2, "0");
    const action = actions[i % actions.length] ?? "";
    lines.push(
      Buffer.from(`2026-03-02 06:${second}:${second} ${action} lib${i * 7_919}:amd64 1.${i}-${i % 9}ubuntu\n`),
    );
    if (i % 500 === 0)
      lines.push(Buffer.from("\n"), Buffer.from("été ☃ 😀\r\n"), Buffer.from([0xff, 0x00, 0x1b, 0x0a]));
  }
  return Buffer.concat(lines);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

test("a log file goes in line by line and comes out byte for byte", async () => {
  const log = newLogPath();
  const input = packageLog();
  const count = input.filter((byte) => byte === 0x0a).length;
  expect(await seqlogJson(["append", log], input)).toEqual({ first: 0, last: count - 1, count });
  expect(sha256(await rawOf(log))).toBe(sha256(input));
  expect(await seqlogJson(["stats", log])).toMatchObject({ firstSeq: 0, nextSeq: count, records: count });
});

test("--file reads a file, and a second append goes on", async () => {
  const log = newLogPath();
  const file = join(temporaryDirectory(), "input");
  writeFileSync(file, "one\ntwo\n");
  const first = await seqlog(["append", log, "--file", file]);
  expect(first).toMatchObject({ code: 0, text: "appended 2 records: seq 0 to 1\n", stderr: "" });
  const second = await seqlog(["append", log], "three");
  expect(second.text).toBe("appended 1 record: seq 2\n");
  expect(String(await rawOf(log))).toBe("one\ntwo\nthree\n");
});

test("empty lines are records, and no input is none", async () => {
  const log = newLogPath();
  expect(await seqlogJson(["append", log], "\n\n")).toEqual({ first: 0, last: 1, count: 2 });
  expect(await seqlogJson(["append", log], "")).toEqual({ first: null, last: null, count: 0 });
  expect((await seqlog(["append", log])).text).toBe("appended 0 records\n");
  expect(String(await rawOf(log))).toBe("\n\n");
});

test("a carriage return stays with its record", async () => {
  const log = newLogPath();
  await seqlog(["append", log], "a\r\nb\r\n");
  expect(String(await rawOf(log))).toBe("a\r\nb\r\n");
  expect((await seqlog(["get", log, "0", "--format", "hex"])).text).toBe("610d\n");
});

test("slow input is durable as it comes", async () => {
  const log = newLogPath();
  const writer = new SeqlogProcess(["append", log]);
  const follower = async (text: string): Promise<void> => {
    const reader = new SeqlogProcess(["tail", "-f", "-n", "100", log]);
    await reader.until(({ stdout }) => stdout.toString() === text);
    reader.child.kill();
    await reader.finished;
  };
  writer.write("one\n");
  await logExists(log);
  await follower("one\n");
  writer.write("tw");
  writer.write("o\nthr");
  await follower("one\ntwo\n");
  writer.end("ee\n");
  expect((await writer.finished).text).toBe("appended 3 records: seq 0 to 2\n");
});

/** A reader cannot open a log that is not there yet. */
async function logExists(log: string): Promise<void> {
  while (!existsSync(join(log, "MANIFEST"))) await seqlog(["stats", log]);
}

test("NDJSON stops at the first bad line and keeps the ones before", async () => {
  const log = newLogPath();
  const good = '{"n":1}\n  [2, 3]\n';
  const { code, text, stderr } = await seqlog(["append", log, "--ndjson", "--json"], `${good}{"n":,}\n{"n":4}\n`);
  expect(code).toBe(2);
  expect(JSON.parse(text)).toEqual({ first: 0, last: 1, count: 2 });
  expect(JSON.parse(stderr)).toEqual({
    error: {
      code: "INVALID_INPUT",
      message: 'line 3, column 6: expected a value, found ",}"',
      facts: { line: 3, column: 6, expected: "a value" },
    },
  });
  expect(String(await rawOf(log))).toBe(good);
});

test("NDJSON that is not UTF-8 is refused", async () => {
  const { code, stderr } = await seqlog(["append", newLogPath(), "--ndjson"], Buffer.from('"\xff"\n', "latin1"));
  expect({ code, stderr }).toEqual({ code: 2, stderr: "seqlog: line 1 is not UTF-8, so it is not JSON\n" });
});

test("binary frames come back as they went in", async () => {
  const log = newLogPath();
  const records = Array.from({ length: 300 }, (_, i) => Buffer.alloc((i * 37) % 301, i));
  const frames = Buffer.concat(
    records.flatMap((record) => [Buffer.from(new Uint32Array([record.length]).buffer), record]),
  );
  expect(await seqlogJson(["append", log, "--binary"], frames)).toEqual({ first: 0, last: 299, count: 300 });
  const { stdout } = await seqlog(["cat", log, "--format", "binary"]);
  expect(stdout.equals(frames)).toBe(true);
});

test("a frame that was cut is named by its position, and what came before is kept", async () => {
  const log = newLogPath();
  const { code, text, stderr } = await seqlog(
    ["append", log, "--binary"],
    Buffer.from("\x02\0\0\0ab\x05\0\0\0c", "latin1"),
  );
  expect(code).toBe(2);
  expect(text).toBe("appended 1 record: seq 0\n");
  expect(stderr).toBe("seqlog: the input ends inside the frame that starts at byte 6: 5 of 9 bytes are there\n");
});

test("a line of 16 MiB is a record, a longer one is refused by its number", async () => {
  const log = newLogPath();
  const most = Buffer.alloc(16 * 1024 * 1024 + 1, "x");
  most[most.length - 1] = 0x0a;
  expect(await seqlogJson(["append", log], most)).toEqual({ first: 0, last: 0, count: 1 });
  const { code, text, stderr } = await seqlog(
    ["append", log],
    Buffer.concat([Buffer.from("a\n"), Buffer.from("x"), most]),
  );
  expect({ code, text, stderr }).toEqual({
    code: 2,
    text: "appended 1 record: seq 1\n",
    stderr: "seqlog: line 2 is longer than 16777216 bytes, the most that one record holds\n",
  });
});

test("Ctrl-C keeps and counts what was read, and leaves out an unfinished line", async () => {
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    const log = newLogPath();
    const writer = new SeqlogProcess(["append", log, "--json"]);
    writer.write("one\ntwo\nthr");
    await logExists(log);
    const reader = new SeqlogProcess(["tail", "-f", log]);
    await reader.until(({ stdout }) => stdout.toString() === "one\ntwo\n");
    writer.child.kill(signal);
    const finished = await writer.finished;
    expect(finished.code).toBe(code);
    expect(JSON.parse(finished.text)).toEqual({ first: 0, last: 1, count: 2 });
    expect(finished.stderr).toBe(
      "seqlog: interrupted; what was read is in the log; 3 bytes of an unfinished record were left out\n",
    );
    expect(await seqlogJson(["verify", log])).toMatchObject({ ok: true, records: 2 });
  }
});

test("a name that ends in .log is a single file with its record index", async () => {
  const log = newLogPath("events.log");
  expect(await seqlogJson(["append", log], "a\nb\n")).toEqual({ first: 0, last: 1, count: 2 });
  expect(await seqlogJson(["append", log], "c\n")).toEqual({ first: 2, last: 2, count: 1 });
  expect(statSync(log).size).toBe(3 * 33);
  expect(existsSync(log.replace(/log$/, "idx"))).toBe(true);
  expect(String(await rawOf(log))).toBe("a\nb\nc\n");
  const line = await seqlog(["cat", log, "--format", "%s %o %t %d %l"]);
  expect(line.text).toBe("0 0 - a 1\n1 33 - b 1\n2 66 - c 1\n");
});

test("input that is not there makes no log", async () => {
  const log = newLogPath();
  const { code, stderr } = await seqlog(["append", log, "--file", join(temporaryDirectory(), "missing")]);
  expect(code).toBe(4);
  expect(stderr).toMatch(/: there is no such file\n$/);
  expect(existsSync(log)).toBe(false);
});

test("a directory with other files in it is not made into a log", async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "letter.txt"), "dear");
  const { code, stderr } = await seqlog(["append", directory], "a\n");
  expect(code).toBe(2);
  expect(stderr).toContain("is not a log, and has other files in it (letter.txt)");
  expect(readdirSync(directory)).toEqual(["letter.txt"]);
});
