/** `seqlog consumers`: what is told of consumers, and how they are moved and deleted, also beside a writer. */
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Checkpoint, FileLog } from "../../src/index.ts";
import { type Outcome, runInProcess } from "./run-in-process.ts";
import { newLogPath, SeqlogProcess } from "./seqlog-process.ts";

/** Ten records of ten bytes each, and a consumer at each of these places. */
async function logWith(places: Readonly<Record<string, number>>): Promise<string> {
  const location = newLogPath();
  const log = await FileLog.open(location);
  for (let i = 0; i < 10; i++) await log.append("0123456789");
  for (const [name, place] of Object.entries(places)) await log.seekConsumer(name, place);
  await log.close();
  return location;
}

function consumers(...args: string[]): Promise<Outcome> {
  return runInProcess(["consumers", ...args]);
}

async function json(...args: string[]): Promise<unknown> {
  const { code, text, stderr } = await consumers(...args, "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(text) as unknown;
}

function damage(location: string, name: string): void {
  writeFileSync(join(location, "consumers", `${name}.ckpt`), "not a checkpoint");
}

const recordBytes = 32 + 10;

describe("list and show", () => {
  test("tell where each one stands, and how far it is behind", async () => {
    const location = await logWith({ billing: 4, "mail-2": 10 });
    const { code, text } = await consumers("list", location);
    expect(code).toBe(0);
    expect(text.replaceAll(/\d+s/g, "0s")).toBe(
      [
        "NAME     NEXT  LAG  BYTES  AGE  OPEN  CHECKPOINT  PROBLEM",
        "billing     4    6  252 B   0s  no    log",
        "mail-2     10    0    0 B    -  no    log",
        "",
      ].join("\n"),
    );
    const billing = {
      name: "billing",
      nextSeq: 4,
      lag: { records: 6, bytes: 6 * recordBytes, ms: expect.any(Number) as unknown },
      isActive: false,
      hasStore: false,
      problem: null,
    };
    const mail = { ...billing, name: "mail-2", nextSeq: 10, lag: { records: 0, bytes: 0, ms: 0 } };
    expect(await json("list", location)).toEqual({ consumers: [billing, mail] });
    expect(await json("show", location, "billing")).toEqual(billing);
    expect((await consumers("show", location, "billing")).text.replaceAll(/\d+s/g, "0s")).toBe(
      "name     billing\nnext     4\nlag      6 records, 252 B\nage      0s\nopen     no\n",
    );
  });

  test("where there are none, say how one is made", async () => {
    const location = await logWith({});
    expect(await consumers("list", location)).toMatchObject({
      code: 0,
      text: expect.stringMatching(/^no consumers yet; `seqlog tail --consumer NAME .*` makes one/) as unknown,
    });
    expect(await json("list", location)).toEqual({ consumers: [] });
    expect(readdirSync(location)).not.toContain("consumers");
  });

  test("an unknown name is usage, with the names that there are", async () => {
    const location = await logWith({ a: 1, b: 2 });
    const { code, text, stderr } = await consumers("show", location, "c");
    expect({ code, text }).toEqual({ code: 2, text: "" });
    expect(stderr).toBe(`seqlog: ${location}: there is no consumer "c"; it has a, b\n`);
    const asJson = await consumers("show", location, "c", "--json");
    expect(JSON.parse(asJson.stderr)).toMatchObject({
      error: { code: "NO_CONSUMER", facts: { consumer: "c", consumers: ["a", "b"] } },
    });
    expect((await consumers("show", await logWith({}), "c")).stderr).toMatch(/it has none/);
  });

  test("say what is wrong with a checkpoint that is damaged, of before a reset, or whose record was removed", async () => {
    const location = await logWith({ broken: 1, old: 2 });
    const log = await FileLog.open(location, { segmentBytes: 1024 });
    await log.reset();
    for (let i = 0; i < 60; i++) await log.append("0123456789");
    await log.seekConsumer("slow", 0);
    await log.trim({ before: "end" });
    const { firstSeq } = log;
    await log.close();
    damage(location, "broken");
    const told = (await json("list", location)) as { consumers: { nextSeq: unknown; problem: string }[] };
    expect(told.consumers.map(({ nextSeq }) => nextSeq)).toEqual([null, null, 0]);
    expect(told.consumers[0]?.problem).toMatch(/neither of its two slots/);
    expect(told.consumers[1]?.problem).toMatch(/it is of generation 0, this is generation 1: the log was reset/);
    expect(told.consumers[2]?.problem).toBe(`the records before ${firstSeq} were removed`);
    const { text } = await consumers("show", location, "old");
    expect(text).toMatch(/^name {5}old\nnext {5}-\nlag {6}-\nage {6}-\nopen {5}no\nproblem {2}it is of generation 0/);
  });
});

describe("seek", () => {
  test("moves a consumer back and ahead; --dry-run only says so", async () => {
    const location = await logWith({ a: 4 });
    const to = async (...args: string[]): Promise<string> => (await consumers("seek", location, "a", ...args)).text;
    expect(await to("--to", "1", "--dry-run")).toBe(
      "would be done: a moves from seq 4 to seq 1; 3 records will be delivered again\n",
    );
    expect(await json("show", location, "a")).toMatchObject({ nextSeq: 4 });
    expect(await to("--to", "3")).toBe("a moves from seq 4 to seq 3; 1 record will be delivered again\n");
    expect(await to("--to", "end")).toBe("a moves from seq 3 to seq 10; 7 records will not be delivered to it\n");
    expect(await to("--to", "10")).toBe("a stays at seq 10\n");
    expect(await to("--to", "1h")).toBe("a moves from seq 10 to seq 0; 10 records will be delivered again\n");
    expect(await json("seek", location, "a", "--to", "2", "--dry-run")).toMatchObject({
      dryRun: true,
      name: "a",
      before: { generation: 0, nextSeq: 0, lastId: null },
      after: { generation: 0, nextSeq: 2, lastId: expect.any(String) as unknown },
    });
    expect(await json("show", location, "a")).toMatchObject({ nextSeq: 0 });
  });

  test("makes none, goes nowhere that is not in the log, and needs a position", async () => {
    const location = await logWith({ a: 4 });
    expect(await consumers("seek", location, "b", "--to", "1")).toMatchObject({ code: 2, text: "" });
    expect(await json("list", location)).toMatchObject({ consumers: [{ name: "a" }] });
    const past = await consumers("seek", location, "a", "--to", "11");
    expect(past.code).toBe(2);
    expect(past.stderr).toMatch(/ends before 10, so no consumer can stand at 11/);
    expect((await consumers("seek", location, "a")).stderr).toMatch(/required option '--to <position>'/);
    expect((await consumers("seek", location, "a", "--to", "soon")).code).toBe(2);
  });

  test("leaves a checkpoint that is none of this log to reset", async () => {
    const location = await logWith({ a: 4 });
    damage(location, "a");
    const { code, stderr } = await consumers("seek", location, "a", "--to", "1");
    expect(code).toBe(2);
    expect(stderr).toMatch(/no position to move from: neither of its two slots.*`seqlog consumers reset`/);
  });
});

describe("reset", () => {
  test("mends a checkpoint, and without --to begins at the start", async () => {
    const location = await logWith({ a: 4 });
    damage(location, "a");
    const dry = await consumers("reset", location, "a", "--dry-run");
    expect(dry.text).toMatch(/^would be done: a begins anew at seq 0; before: neither of its two slots/);
    expect(await json("show", location, "a")).toMatchObject({ nextSeq: null });
    expect(await json("reset", location, "a", "--to", "7")).toMatchObject({ before: null, after: { nextSeq: 7 } });
    expect(await json("show", location, "a")).toMatchObject({ nextSeq: 7, problem: null });
    expect((await consumers("reset", location, "a")).text).toBe(
      "a moves from seq 7 to seq 0; 7 records will be delivered again\n",
    );
  });

  test("after the log was reset, the consumer goes on in the new generation", async () => {
    const location = await logWith({ a: 4 });
    const log = await FileLog.open(location);
    await log.reset();
    await log.append("new");
    await log.close();
    expect((await consumers("seek", location, "a", "--to", "0")).code).toBe(2);
    expect((await consumers("reset", location, "a")).code).toBe(0);
    const { text } = await runInProcess(["tail", location, "--consumer", "a"]);
    expect(text).toBe("new\n");
  });

  test("makes a consumer where there is none, under a name that can be one", async () => {
    const location = await logWith({});
    expect((await consumers("reset", location, "a", "--to", "end", "--dry-run")).text).toBe(
      "would be done: the consumer a is new, and begins at seq 10\n",
    );
    expect(await json("list", location)).toEqual({ consumers: [] });
    expect((await consumers("reset", location, "a", "--to", "end")).code).toBe(0);
    expect(await json("show", location, "a")).toMatchObject({ nextSeq: 10 });
    const { code, stderr } = await consumers("reset", location, "../a");
    expect(code).toBe(2);
    expect(stderr).toMatch(/a consumer's name is 1 to 128 of the characters/);
  });
});

describe("delete", () => {
  test("needs --yes, and says what would be gone", async () => {
    const location = await logWith({ a: 4 });
    const { code, text, stderr } = await consumers("delete", location, "a");
    expect({ code, text }).toEqual({ code: 2, text: "" });
    expect(stderr).toMatch(/would delete the consumer a, whose next record is 4, for good; run it again with --yes/);
    expect(await json("show", location, "a")).toMatchObject({ nextSeq: 4 });
    expect((await consumers("delete", location, "a", "--yes")).text).toBe(
      "deleted the consumer a, whose next record is 4\n",
    );
    expect(await json("list", location)).toEqual({ consumers: [] });
    expect((await consumers("delete", location, "a", "--yes")).stderr).toMatch(/there is no consumer "a"/);
  });

  test("takes away one that is damaged", async () => {
    const location = await logWith({ a: 4 });
    damage(location, "a");
    expect(await json("delete", location, "a", "--yes")).toMatchObject({ deleted: { name: "a", nextSeq: null } });
  });
});

describe("of a consumer with a store of its own", () => {
  /** A log, and in it the mirror of a store that stands at 4. */
  async function mirrored(): Promise<string> {
    const location = await logWith({ plain: 1 });
    const log = await FileLog.open(location);
    const held: { checkpoint?: Checkpoint } = {};
    const store = { load: () => held.checkpoint, save: (at: Checkpoint) => void (held.checkpoint = at) };
    await (await log.consumer("own", { from: 4, store })).close();
    await log.close();
    return location;
  }

  test("list and show say that the log has a mirror", async () => {
    const location = await mirrored();
    const { text } = await consumers("list", location);
    expect(text).toMatch(/^own .* own store \(mirror\)$/m);
    expect(text).toMatch(/^plain .* log$/m);
    expect((await consumers("show", location, "own")).text).toMatch(
      /^kept {5}in a store of its own; the log has a mirror, up to a second behind$/m,
    );
    expect(await json("show", location, "own")).toMatchObject({ nextSeq: 4, hasStore: true });
  });

  test("seek, reset and tail are refused, say where the checkpoint is, and change nothing", async () => {
    const location = await mirrored();
    for (const args of [
      ["consumers", "seek", location, "own", "--to", "9"],
      ["consumers", "seek", location, "own", "--to", "9", "--dry-run"],
      ["consumers", "reset", location, "own"],
      ["tail", location, "--consumer", "own"],
    ]) {
      const { code, text, stderr } = await runInProcess(args);
      expect({ args, code, text }).toEqual({ args, code: 2, text: "" });
      expect(stderr).toMatch(/the checkpoint of the consumer "own" is in the store of its program/);
      expect(stderr).toMatch(/Open the consumer with that store: its seek\(position\) moves both/);
      expect(stderr).toContain(`\`seqlog consumers delete ${location} own\` forgets the mirror`);
      expect(stderr).not.toContain("log.");
    }
    expect(await json("show", location, "own")).toMatchObject({ nextSeq: 4 });
  });

  test("delete says that the store keeps it", async () => {
    const location = await mirrored();
    const said = /\(its own store keeps its checkpoint; retention keeps no records for it until it is opened again\)/;
    expect((await consumers("delete", location, "own")).stderr).toMatch(said);
    expect((await consumers("delete", location, "own", "--yes")).text).toMatch(said);
    expect(await json("list", location)).toMatchObject({ consumers: [{ name: "plain" }] });
  });
});

test("all work beside a writer; one that is open elsewhere is looked at and not changed (3)", async () => {
  const location = await logWith({ a: 4, b: 1 });
  const writer = new SeqlogProcess(["append", location]);
  writer.write("more\n");
  const holder = new SeqlogProcess(["tail", "-f", "--consumer", "a", location]);
  await holder.until(({ stdout }) => stdout.toString().endsWith("more\n"));
  const told = (await json("list", location)) as { consumers: { name: string; isActive: boolean }[] };
  expect(told.consumers.map(({ name, isActive }) => [name, isActive])).toEqual([
    ["a", true],
    ["b", false],
  ]);
  expect((await consumers("seek", location, "a", "--to", "1", "--dry-run")).text).toMatch(
    /\na process has it open now: end that first\n$/,
  );
  for (const change of [["seek", "--to", "1"], ["reset"], ["delete", "--yes"]]) {
    const [command = "", ...options] = change;
    const { code, stderr } = await consumers(command, location, "a", ...options);
    expect({ change, code }).toEqual({ change, code: 3 });
    expect(stderr).toMatch(
      new RegExp(`^seqlog: .*process ${holder.child.pid} on .+, since .*has the consumer a open\\. [^\\n]*\\n$`),
    );
    expect(stderr).not.toContain("is writing this log");
  }
  const asJson = await consumers("reset", location, "a", "--json");
  expect(JSON.parse(asJson.stderr)).toMatchObject({ error: { code: "SEQLOG_LOCKED", facts: { consumer: "a" } } });
  expect((await consumers("seek", location, "b", "--to", "2")).code).toBe(0);
  expect((await consumers("delete", location, "b", "--yes")).code).toBe(0);
  writer.end();
  expect((await writer.finished).code).toBe(0);
});

test("are of directory logs that are there", async () => {
  const single = newLogPath("a.log");
  await runInProcess(["append", single], { input: "x\n" });
  const missing = newLogPath();
  for (const [command = "", ...options] of [
    ["list"],
    ["show", "a"],
    ["seek", "a", "--to", "0"],
    ["reset", "a"],
    ["delete", "a"],
  ]) {
    const file = await consumers(command, single, ...options);
    expect(file.code).toBe(2);
    expect(file.stderr).toMatch(/is a single file, which has no consumers/);
    expect((await consumers(command, missing, ...options)).code).toBe(4);
  }
  expect(readdirSync(join(missing, ".."))).toEqual([]);
});

test("where ids hold no time there is no age", async () => {
  const location = newLogPath();
  const log = await FileLog.open(location, { ids: "v4" });
  onTestFinished(() => log.close());
  await log.append("x");
  await log.seekConsumer("a", 0);
  expect((await consumers("list", location)).text).toMatch(/\na {8}0 {4}1 {3}33 B {4}- {2}no {4}log\n$/);
  expect(await json("show", location, "a")).toMatchObject({ lag: { records: 1, bytes: 33, ms: null } });
});
