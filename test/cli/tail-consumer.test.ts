/**
 * `seqlog tail --consumer`: each start goes on where the one before left off, beside a writer, and
 * whatever ends it no record is left out.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { FileLog } from "../../src/index.ts";
import { runInProcess } from "./run-in-process.ts";
import { newLogPath, seqlog, seqlogJson, SeqlogProcess } from "./seqlog-process.ts";

async function logOf(lines: readonly string[], options: { segmentBytes?: number } = {}): Promise<string> {
  const location = newLogPath();
  const log = await FileLog.open(location, options);
  if (lines.length > 0) await log.appendBatch(lines);
  await log.close();
  return location;
}

function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => String(from + i));
}

async function printed(location: string, ...options: string[]): Promise<string[]> {
  const { code, text, stderr } = await runInProcess(["tail", location, "--consumer", "c", ...options]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return text.split("\n").slice(0, -1);
}

async function position(location: string): Promise<number> {
  return ((await seqlogJson(["consumers", "show", location, "c"])) as { nextSeq: number }).nextSeq;
}

describe("to the end of the log", () => {
  test("begins at the start, goes on where it left off, and prints nothing twice", async () => {
    const location = await logOf(numbers(0, 20));
    expect(await printed(location)).toEqual(numbers(0, 20));
    expect(await printed(location)).toEqual([]);
    await runInProcess(["append", location], { input: "20\n21\n" });
    expect(await printed(location)).toEqual(["20", "21"]);
    expect(await printed(await logOf([]))).toEqual([]);
  });

  test("-c ends it after so many, and the next ones come next time", async () => {
    const location = await logOf(numbers(0, 20));
    expect(await printed(location, "-c", "3")).toEqual(["0", "1", "2"]);
    expect(await position(location)).toBe(3);
    expect(await printed(location, "-c", "0")).toEqual([]);
    expect(await printed(location, "-c", "2", "--json")).toMatchObject(
      [/"seq":3/, /"seq":4/].map((p) => expect.stringMatching(p) as unknown),
    );
    expect(await printed(location)).toEqual(numbers(5, 20));
  });

  test("what --where leaves out counts as done, up to the last record that was printed", async () => {
    const location = await logOf(numbers(0, 10).map((n) => `{"n":${n},"even":${Number(n) % 2 === 0}}`));
    expect(await printed(location, "--where", "even=true", "-c", "2", "--fields", "n")).toEqual(['{"n":0}', '{"n":2}']);
    expect(await position(location)).toBe(3);
    expect(await printed(location, "--where", "none")).toEqual([]);
    expect(await position(location)).toBe(10);
  });

  test("more records than are in flight at once, of several segments", async () => {
    const location = await logOf(numbers(0, 5000), { segmentBytes: 64 * 1024 });
    expect(await printed(location)).toEqual(numbers(0, 5000));
    expect(await position(location)).toBe(5000);
  });

  test("--from is for a new consumer; another time a note says so", async () => {
    const location = await logOf(numbers(0, 10));
    expect(await printed(location, "--from", "7", "-c", "1")).toEqual(["7"]);
    const again = await runInProcess(["tail", location, "--consumer", "c", "--from", "7"]);
    expect(again).toMatchObject({ code: 0, text: "8\n9\n" });
    expect(again.stderr).toMatch(/^seqlog: note: the consumer c goes on at seq 8, since --from is for a new one/);
    for (const [option, value] of [
      ["--since", "1h"],
      ["-o", "-2"],
    ] as const) {
      const { stderr } = await runInProcess(["tail", location, "--consumer", "c", option, value]);
      expect(stderr).toContain(`goes on at seq 10, since ${option} is for a new one`);
    }
    expect((await runInProcess(["tail", location, "--consumer", "d", "-o", "-2"])).text).toBe("8\n9\n");
  });
});

describe("with -f", () => {
  test("follows a writer in another process; Ctrl-C leaves a checkpoint behind the last line", async () => {
    const location = await logOf(["0"]);
    const writer = new SeqlogProcess(["append", location]);
    const first = new SeqlogProcess(["tail", "-f", "--consumer", "c", location]);
    await first.until(({ stdout }) => stdout.toString() === "0\n");
    writer.write("1\n2\n");
    await first.until(({ stdout }) => stdout.toString() === "0\n1\n2\n");
    first.child.kill("SIGINT");
    expect(await first.finished).toMatchObject({ code: 130, text: "0\n1\n2\n", stderr: "" });
    expect(await position(location)).toBe(3);
    writer.write("3\n");
    const second = new SeqlogProcess(["tail", "-f", "--consumer", "c", location]);
    await second.until(({ stdout }) => stdout.toString() === "3\n");
    second.child.kill("SIGTERM");
    expect(await second.finished).toMatchObject({ code: 143, text: "3\n", stderr: "" });
    writer.end();
    expect((await writer.finished).code).toBe(0);
    expect(await printed(location)).toEqual([]);
  });

  test("-e ends it at the end after all, and -c after so many", async () => {
    const location = await logOf(numbers(0, 5));
    expect(await printed(location, "-f", "-c", "2")).toEqual(["0", "1"]);
    expect(await printed(location, "-f", "-e")).toEqual(["2", "3", "4"]);
  });

  test("a reader that goes away ends it; what it was not given comes next time", async () => {
    const lines = numbers(0, 20_000).map((line) => line.padStart(200, "."));
    const location = await logOf(lines);
    const tail = new SeqlogProcess(["tail", "-f", "--consumer", "c", location]);
    await tail.until(({ stdout }) => stdout.length > 0);
    tail.child.stdout?.destroy();
    await tail.finished.then(({ code, stderr }) => expect({ code, stderr }).toEqual({ code: 0, stderr: "" }));
    const rest = await printed(location);
    expect(rest.length).toBeGreaterThan(0);
    expect(rest).toEqual(lines.slice(lines.length - rest.length));
    // Done is what was written: what the pipe holds is the most that lies between the two.
    const doneBytes = (lines.length - rest.length) * 201;
    expect(doneBytes - tail.stdout.length).toBeLessThan(1024 * 1024);
  });

  test("killed, before its checkpoint or after it, the next one leaves nothing out", async () => {
    const location = await logOf([]);
    const log = await FileLog.open(location);
    onTestFinished(() => log.close());
    let next = 0;
    for (let round = 0; round < 6; round++) {
      const tail = new SeqlogProcess(["tail", "-f", "--consumer", "c", location]);
      await log.appendBatch(numbers(round * 1000, round * 1000 + 1000));
      await tail.until(({ stdout }) => stdout.toString().endsWith(`\n${round * 1000 + 999}\n`));
      if (round % 2 === 1) while ((await position(location)) < round * 1000 + 1000);
      tail.child.kill("SIGKILL");
      const shown = (await tail.finished).text.split("\n").slice(0, -1);
      const first = Number(shown[0]);
      expect(shown).toEqual(numbers(first, first + shown.length));
      // What was kept is not printed again, and what was not is.
      expect(first).toBeLessThanOrEqual(next);
      if (round > 0 && round % 2 === 0) expect(first).toBe(next);
      next = first + shown.length;
    }
    expect(next).toBe(6000);
  });

  test("one process at a time; another name works beside it", async () => {
    const location = await logOf(["0"]);
    const holder = new SeqlogProcess(["tail", "-f", "--consumer", "c", location]);
    await holder.until(({ stdout }) => stdout.toString() === "0\n");
    const { code, text, stderr } = await seqlog(["tail", "--consumer", "c", location]);
    expect({ code, text }).toEqual({ code: 3, text: "" });
    expect(stderr).toMatch(new RegExp(`process ${holder.child.pid} on .* has the consumer c open`));
    expect((await seqlog(["tail", "--consumer", "d", location])).text).toBe("0\n");
  });
});

test("a writer that syncs nothing yet holds nothing up; what is not durable may come again", async () => {
  const location = await logOf([]);
  const log = await FileLog.open(location, { durability: "os" });
  await log.appendBatch(numbers(0, 3000));
  const first = await printed(location);
  expect(first).toEqual(numbers(0, 3000));
  await log.close();
  // No checkpoint passes what a power cut may still take.
  expect(await position(location)).toBe(0);
  expect(await printed(location)).toEqual(numbers(0, 3000));
  expect(await position(location)).toBe(3000);
});

test("a checkpoint that is none of this log says how to go on", async () => {
  const location = await logOf(numbers(0, 3));
  await printed(location);
  const log = await FileLog.open(location);
  await log.reset();
  await log.close();
  const { code, stderr } = await runInProcess(["tail", location, "--consumer", "c"]);
  expect(code).toBe(2);
  expect(stderr).toMatch(
    /it is of generation 0, this is generation 1: the log was reset\. `seqlog consumers reset .* c --to POSITION`/,
  );
  expect(stderr).not.toContain("seekConsumer");
  writeFileSync(join(location, "consumers", "c.ckpt"), "not a checkpoint");
  const damaged = await runInProcess(["tail", location, "--consumer", "c"]);
  expect(damaged.code).toBe(1);
  expect(damaged.stderr).toMatch(
    /neither of its two slots holds a valid checkpoint\. `seqlog consumers reset .* c --to POSITION`/,
  );
  expect(damaged.stderr).not.toContain("log.");
});

test("a single file has no consumers", async () => {
  const single = newLogPath("a.log");
  await runInProcess(["append", single], { input: "x\n" });
  const { code, stderr } = await runInProcess(["tail", single, "--consumer", "c"]);
  expect(code).toBe(2);
  expect(stderr).toMatch(/is a single file, which has no consumers/);
});

test.each([
  [["-n", "5"], /-n counts from the end, and --consumer goes on where it left off/],
  [["--reverse"], /--reverse goes back/],
  [["--to", "5"], /--to and --until end a range/],
  [["--until", "1h"], /--to and --until end a range/],
])("%j makes no sense beside it", async (options, message) => {
  const { code, text, stderr } = await runInProcess(["tail", "x", "--consumer", "c", ...options]);
  expect({ code, text }).toEqual({ code: 2, text: "" });
  expect(stderr).toMatch(message);
});
