/** The rows of the recovery table that concern a directory; one test for each. */
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { linesOf, seqsOf } from "../../test/crash/read-data.ts";
import { crashCopy, newPath } from "../../test/crash/scratch-directory.ts";
import { bytesOf, flipBit, namesIn, overwrite } from "../../test/errors/directory-bytes.ts";
import { SeqlogError } from "../errors.ts";
import { IndexFile } from "../segment/index-file.ts";
import { saveTail } from "../segment/redo.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { runSync } from "../storage/plan.ts";
import { failWith } from "../testing/fault-plan.ts";
import { withFaults } from "../testing/fault-injecting-storage.ts";
import { FileLog } from "./file-log.ts";
import type { FileOpenOptions } from "./file-open-options.ts";
import { type Manifest, encodeManifest, loadManifest } from "./manifest.ts";

const first = "00000000000000000000";
const second = "00000000000000000010";
const active = "00000000000000000020";
const bytesEach = 128;
const count = 25;

interface Fixture {
  readonly path: string;
  /** All records, as `linesOf` gives them. */
  readonly lines: readonly string[];
}

/** Ten records in each of two sealed segments, five in the active one. */
async function build(end: "closed" | "crashed"): Promise<Fixture> {
  const log = await FileLog.open(newPath(), { segmentBytes: 10 * bytesEach });
  for (let i = 0; i < count; i++) log.appendSync(String(i).padEnd(96, "."));
  const lines = await linesOf(log);
  const crashed = crashCopy(log.location);
  await log.close();
  return { path: end === "closed" ? log.location : crashed, lines };
}

function fileIn(path: string, stem: string, kind: "log" | "idx"): string {
  return join(path, `${stem}.${kind}`);
}

function manifestOf(path: string): Manifest {
  return runSync(loadManifest(nodeMachine.storage, path)) as Manifest;
}

function setManifest(path: string, changes: Partial<Manifest>): void {
  writeFileSync(join(path, "MANIFEST"), encodeManifest({ ...manifestOf(path), ...changes }));
}

/** Opens for writing, checks that all records are there and that appending goes on, and gives the report. */
async function opensWith({ path, lines }: Fixture, options: FileOpenOptions = {}): Promise<FileLog["recovery"]> {
  const log = await FileLog.open(path, options);
  try {
    expect(await linesOf(log)).toEqual(lines);
    expect(await log.append("next")).toMatchObject({ seq: lines.length });
    return log.recovery;
  } finally {
    await log.close();
  }
}

/** Opening for writing says where the damage is, and changes no byte. */
async function isDamaged(path: string, facts: object): Promise<SeqlogError> {
  const before = bytesOf(path);
  const error: unknown = await FileLog.open(path).then(
    async (log) => {
      await log.close();
      return "opened";
    },
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code: "SEQLOG_DAMAGED", facts });
  expect(() => FileLog.openSync(path)).toThrow(expect.objectContaining({ code: "SEQLOG_DAMAGED" }));
  expect(bytesOf(path)).toEqual(before);
  return error as SeqlogError;
}

describe("in order", () => {
  test("a closed log opens as it is", async () => {
    const fixture = await build("closed");
    expect(await opensWith(fixture)).toEqual({ records: count, tornBytes: 0, redone: 0, indexRebuilt: false });
  });

  test("a log whose process was killed opens as it is: zeros ahead are cut, nothing is torn", async () => {
    const fixture = await build("crashed");
    expect(await opensWith(fixture)).toEqual({ records: count, tornBytes: 0, redone: 0, indexRebuilt: false });
    expect(statSync(fileIn(fixture.path, active, "log")).size).toBe(5 * bytesEach + 36);
  });
});

describe("EIO anywhere: an I/O error", () => {
  test("whatever operation fails, nothing is lost: the next open finds every record", async () => {
    const fixture = await build("crashed");
    truncateSync(fileIn(fixture.path, active, "idx"), 3 * 16);
    rmSync(fileIn(fixture.path, first, "idx"));
    overwrite(fileIn(fixture.path, active, "log"), 5 * bytesEach, Buffer.from("torn"));
    const { machine: whole, storage: counted } = withFaults(nodeMachine);
    await opensWith({ ...fixture, path: crashCopy(fixture.path) }, { machine: whole });
    const operations = counted.operations.entries.length;
    expect(operations).toBeGreaterThan(50);
    for (let number = 0; number < operations; number += 3) {
      const path = crashCopy(fixture.path);
      const { machine, storage } = withFaults(nodeMachine);
      storage.faults.at(number, failWith("EIO"));
      const outcome: unknown = await opensWith({ ...fixture, path }, { machine }).catch((error: unknown) => error);
      if (outcome instanceof SeqlogError) {
        expect(["SEQLOG_IO", "SEQLOG_POISONED", "SEQLOG_LOCK_UNAVAILABLE"]).toContain(outcome.code);
      }
      const log = await FileLog.open(path);
      expect((await linesOf(log)).slice(0, count)).toEqual(fixture.lines);
      await log.close();
      rmSync(path, { recursive: true });
    }
  });

  test("an error while the evidence is gathered changes nothing", async () => {
    const { path } = await build("crashed");
    const before = bytesOf(path);
    for (const name of ["MANIFEST", `${second}.log`, `${active}.log`, `${active}.idx`]) {
      const { machine, storage } = withFaults(nodeMachine);
      storage.faults.on({ kind: "read", path: name }, failWith("EIO"));
      await expect(FileLog.open(path, { machine })).rejects.toMatchObject({
        code: "SEQLOG_IO",
        facts: { path: join(path, name), errno: "EIO", syscall: "read" },
      });
      expect(bytesOf(path)).toEqual(before);
    }
  });
});

describe("MANIFEST", () => {
  test("missing, with segments: an error, nothing is changed", async () => {
    const { path } = await build("closed");
    rmSync(join(path, "MANIFEST"));
    await isDamaged(path, { file: join(path, "MANIFEST"), reason: "the directory holds 3 segments, but no MANIFEST" });
    await expect(FileLog.open(path, { readOnly: true })).rejects.toMatchObject({ code: "SEQLOG_DAMAGED" });
  });

  test("missing, with nothing but an empty first segment: a creation that was interrupted goes on", async () => {
    for (const files of [[], ["log"], ["log", "idx"]]) {
      const path = newPath();
      mkdirSync(path);
      for (const kind of files) writeFileSync(join(path, `${first}.${kind}`), "");
      writeFileSync(join(path, "MANIFEST.tmp"), "half a MANI");
      await expect(FileLog.open(path, { create: false })).rejects.toMatchObject({ code: "SEQLOG_NOT_FOUND" });
      await opensWith({ path, lines: [] });
      expect(namesIn(path)).toEqual([`${first}.idx`, `${first}.log`, "MANIFEST"]);
    }
  });

  test("naming a first record that no segment holds: damage", async () => {
    const { path } = await build("closed");
    rmSync(fileIn(path, first, "log"));
    await isDamaged(path, { file: fileIn(path, first, "log"), offset: 0 });
  });

  test("with no segment at all: damage", async () => {
    const { path } = await build("closed");
    for (const stem of [first, second, active]) rmSync(fileIn(path, stem, "log"));
    await isDamaged(path, { file: fileIn(path, first, "log"), offset: 0 });
  });
});

describe("leftovers", () => {
  test("segments of an earlier generation, and empty ones of a later, are unlinked, and the directory is synced", async () => {
    const { path: old } = await build("closed");
    const log = await FileLog.open(newPath());
    await log.append("old");
    await log.reset();
    await log.append("new");
    const lines = await linesOf(log);
    await log.close();
    for (const kind of ["log", "idx"] as const) {
      copyFileSync(fileIn(old, second, kind), fileIn(log.location, second, kind));
      writeFileSync(join(log.location, `${first}.g2.${kind}`), "");
    }
    writeFileSync(join(log.location, `${second}.log.tail`), "tail");
    const { machine, storage } = withFaults(nodeMachine);
    await opensWith({ path: log.location, lines }, { machine });
    expect(namesIn(log.location)).toEqual([`${first}.g1.idx`, `${first}.g1.log`, "MANIFEST"]);
    const { entries } = storage.operations;
    const lastUnlink = entries.findLastIndex(({ kind, path }) => kind === "unlink" && /\.g2|\.tail|10\.log/.test(path));
    const synced = entries.findIndex(({ kind, number }) => kind === "fsyncDirectory" && number > lastUnlink);
    const next = entries.findIndex(({ kind, number }) => kind === "write" && number > lastUnlink);
    expect(lastUnlink).toBeGreaterThan(0);
    expect(synced).toBeGreaterThan(lastUnlink);
    expect(synced).toBeLessThan(next);
  });

  test("records of a later generation than MANIFEST's are never unlinked: damage", async () => {
    const { path } = await build("closed");
    for (const kind of ["log", "idx"] as const) {
      copyFileSync(fileIn(path, second, kind), join(path, `${first}.g1.${kind}`));
    }
    await isDamaged(path, { file: join(path, `${first}.g1.log`) });
  });

  test("segments wholly before the first record are unlinked", async () => {
    const fixture = await build("closed");
    setManifest(fixture.path, { firstSeq: 20 });
    await opensWith({ ...fixture, lines: [] }).catch(() => undefined);
    const log = await FileLog.open(fixture.path);
    expect(log.firstSeq).toBe(20);
    expect((await linesOf(log)).slice(0, 5)).toEqual(fixture.lines.slice(20));
    expect(namesIn(fixture.path)).toEqual([`${active}.idx`, `${active}.log`, "MANIFEST"]);
    await log.close();
  });

  test("what interrupted steps left under a temporary name is removed, and other files stay", async () => {
    const fixture = await build("closed");
    const temporary = ["MANIFEST.tmp", `${active}.log.tail.tmp`, `${active}.log.640.torn.tmp`];
    const others = ["notes.tmp", `${active}.log.640.torn`, "x.idx"];
    for (const name of [...temporary, ...others]) writeFileSync(join(fixture.path, name), "left");
    await opensWith(fixture);
    const names = namesIn(fixture.path);
    expect(names).toEqual(expect.arrayContaining(others));
    expect(names.filter((name) => temporary.includes(name))).toEqual([]);
  });

  test("a record index without its segment is removed", async () => {
    const fixture = await build("closed");
    writeFileSync(join(fixture.path, "00000000000000000025.idx"), "left by a roll");
    await opensWith(fixture);
    expect(namesIn(fixture.path)).not.toContain("00000000000000000025.idx");
  });
});

describe("a redo copy (.tail)", () => {
  /** Leaves a redo copy of the last three records, as a crash within a redo does. */
  async function withTail(cutTo: number): Promise<Fixture> {
    const fixture = await build("crashed");
    const log = fileIn(fixture.path, active, "log");
    const file = nodeMachine.storage.openSync(log, "read");
    runSync(saveTail(nodeMachine.storage, file, 2 * bytesEach, 5 * bytesEach, 22));
    file.closeSync();
    truncateSync(log, cutTo);
    truncateSync(fileIn(fixture.path, active, "idx"), 2 * 16);
    return fixture;
  }

  test.each([
    ["before the segment was cut", 5 * bytesEach],
    ["after the segment was cut", 2 * bytesEach],
    ["while the records were written back", 3 * bytesEach + 50],
  ])("is redone first: a crash %s loses nothing", async (_name, cutTo) => {
    const fixture = await withTail(cutTo);
    await opensWith(fixture);
    expect(existsSync(`${fileIn(fixture.path, active, "log")}.tail`)).toBe(false);
  });

  test("that is not whole is damage: it takes its name only when it is", async () => {
    const { path } = await withTail(5 * bytesEach);
    const tail = `${fileIn(path, active, "log")}.tail`;
    flipBit(tail, 10);
    await isDamaged(path, { file: tail, reason: "the CRC-32 of the redo copy does not match" });
    flipBit(tail, 10);
    flipBit(tail, statSync(tail).size - 1);
    await isDamaged(path, { file: tail, reason: "the redo copy is not whole" });
  });

  test("of a segment that others follow is damage", async () => {
    const { path } = await build("crashed");
    writeFileSync(join(path, `${second}.log.tail`), "tail");
    await isDamaged(path, { file: join(path, `${second}.log.tail`) });
  });
});

test.each(["crashed", "closed"] as const)(
  "the last segment lost from a log that was %s, its record index still there, is damage to writers and readers",
  async (end) => {
    const { path } = await build(end);
    rmSync(fileIn(path, active, "log"));
    await isDamaged(path, { file: fileIn(path, active, "log"), offset: 0, seq: 20 });
    await expect(FileLog.open(path, { readOnly: true })).rejects.toMatchObject({ code: "SEQLOG_DAMAGED" });
  },
);

describe("sealed segments", () => {
  test("a gap is damage", async () => {
    const { path } = await build("closed");
    rmSync(fileIn(path, second, "log"));
    const { message } = await isDamaged(path, { file: fileIn(path, first, "log"), offset: 10 * bytesEach });
    expect(message).toContain("a gap: its records end before 10, but the next segment begins with 20");
  });

  test("an overlap is damage", async () => {
    const { path } = await build("closed");
    for (const kind of ["log", "idx"] as const) {
      copyFileSync(fileIn(path, active, kind), join(path, `00000000000000000015.${kind}`));
    }
    const { message } = await isDamaged(path, { file: fileIn(path, second, "log"), offset: 10 * bytesEach });
    expect(message).toContain("an overlap: its records end before 20, but the next segment begins with 15");
  });

  test.each<[string, (index: string) => void]>([
    ["missing", (index) => rmSync(index)],
    ["empty", (index) => truncateSync(index, 0)],
    ["an entry too short", (index) => truncateSync(index, 9 * 16)],
    ["an entry too long", (index) => appendFileSync(index, Buffer.alloc(16, 7))],
    ["wrong in its last entry", (index) => flipBit(index, 9 * 16)],
    [
      "random bytes",
      (index) =>
        writeFileSync(
          index,
          Buffer.from(fc.sample(fc.uint8Array({ minLength: 160, maxLength: 160 }), { numRuns: 1, seed: 5 })[0] ?? []),
        ),
    ],
  ])("a record index that is %s is made anew", async (_name, spoil) => {
    const fixture = await build("closed");
    const index = fileIn(fixture.path, second, "idx");
    const right = readFileSync(index);
    spoil(index);
    expect(await opensWith(fixture)).toMatchObject({ records: count, indexRebuilt: true });
    expect(readFileSync(index)).toEqual(right);
  });

  test("whose records do not reach to the next base, with a record index that says otherwise: damage", async () => {
    const { path } = await build("closed");
    truncateSync(fileIn(path, second, "log"), 9 * bytesEach);
    await isDamaged(path, { file: fileIn(path, second, "log") });
  });

  test("with an invalid record at the end are damage, and the record index is left as it is", async () => {
    const { path } = await build("closed");
    flipBit(fileIn(path, second, "log"), 9 * bytesEach + 40);
    await isDamaged(path, { file: fileIn(path, second, "log"), offset: 9 * bytesEach });
  });

  test("with a last record that only the record index knows to be damaged are damage: it is not made anew over it", async () => {
    const { path } = await build("closed");
    flipBit(fileIn(path, second, "log"), 9 * bytesEach + 31);
    await isDamaged(path, { file: fileIn(path, second, "log"), offset: 9 * bytesEach });
  });

  test("a rebuilt record index does not cover up a record that its other entries know to be damaged", async () => {
    const { path } = await build("closed");
    flipBit(fileIn(path, second, "log"), 3 * bytesEach + 31);
    flipBit(fileIn(path, second, "idx"), 9 * 16);
    await isDamaged(path, { file: fileIn(path, second, "log"), offset: 3 * bytesEach });
  });

  test("damage behind what could be mended leaves everything as it is", async () => {
    const { path } = await build("closed");
    writeFileSync(join(path, "MANIFEST.tmp"), "left");
    rmSync(fileIn(path, first, "idx"));
    truncateSync(fileIn(path, second, "log"), 9 * bytesEach);
    await isDamaged(path, { file: fileIn(path, second, "log") });
  });
});

describe("closed, but the chain is another", () => {
  test.each<[string, (log: string, index: string) => void, number]>([
    ["a record is missing at the end", (log) => truncateSync(log, 4 * bytesEach), 4 * bytesEach],
    [
      "a record is missing at the end, and the record index agrees",
      (log, index) => (truncateSync(log, 4 * bytesEach), truncateSync(index, 4 * 16)),
      4 * bytesEach,
    ],
    [
      "a record is missing at the end, and the record index too",
      (log, index) => (truncateSync(log, 4 * bytesEach), rmSync(index)),
      4 * bytesEach,
    ],
    ["the file ends within a record", (log) => truncateSync(log, 5 * bytesEach - 1), 4 * bytesEach],
    ["the file is empty", (log) => truncateSync(log, 0), 0],
    ["bytes were appended", (log) => appendFileSync(log, "x"), 5 * bytesEach],
    ["zeros were appended", (log) => appendFileSync(log, Buffer.alloc(4096)), 5 * bytesEach],
    ["the data of the last record is wrong", (log) => flipBit(log, 4 * bytesEach + 50), 4 * bytesEach],
    [
      "a record is wrong, and the record index is missing",
      (log, index) => (flipBit(log, 2 * bytesEach + 50), rmSync(index)),
      2 * bytesEach,
    ],
  ])("%s: damage, whatever the record index says", async (_name, spoil, offset) => {
    const { path } = await build("closed");
    spoil(fileIn(path, active, "log"), fileIn(path, active, "idx"));
    await isDamaged(path, { file: fileIn(path, active, "log"), offset });
  });

  test("a last record that only the record index knows to be damaged is damage: it is not covered up", async () => {
    const { path } = await build("closed");
    flipBit(fileIn(path, active, "log"), 4 * bytesEach + 31);
    await isDamaged(path, { file: fileIn(path, active, "log"), offset: 4 * bytesEach });
  });

  test.each<[string, (index: string) => void]>([
    ["missing", (index) => rmSync(index)],
    ["empty", (index) => truncateSync(index, 0)],
    ["too short", (index) => truncateSync(index, 2 * 16 + 5)],
    ["too long", (index) => appendFileSync(index, Buffer.alloc(160, 1))],
    ["random bytes", (index) => writeFileSync(index, Buffer.alloc(80, 0x5a))],
  ])("but a record index that is %s is made anew", async (_name, spoil) => {
    const fixture = await build("closed");
    const index = fileIn(fixture.path, active, "idx");
    const right = readFileSync(index);
    spoil(index);
    const log = await FileLog.open(fixture.path);
    expect(await linesOf(log)).toEqual(fixture.lines);
    await log.close();
    expect(readFileSync(index)).toEqual(right);
  });
});

describe("open, and the last segment before the mark", () => {
  test.each<[string, number, number]>([
    ["ends before the mark, at a record", 4 * bytesEach, 4 * bytesEach],
    ["ends before the mark, within a record", 5 * bytesEach - 1, 4 * bytesEach],
    ["is empty", 0, 4 * bytesEach],
  ])("%s: damage", async (_name, size, offset) => {
    const { path } = await build("crashed");
    truncateSync(fileIn(path, active, "log"), size);
    await isDamaged(path, { file: fileIn(path, active, "log"), offset });
    await expect(FileLog.open(path, { readOnly: true })).rejects.toMatchObject({ code: "SEQLOG_DAMAGED" });
  });

  test.each([
    ["length", 0],
    ["own offset", 4],
    ["CRC", 12],
    ["UUID", 31],
    ["data", 60],
  ])("holds the mark's record with a wrong %s: damage", async (_name, at) => {
    const { path } = await build("crashed");
    flipBit(fileIn(path, active, "log"), 4 * bytesEach + at);
    await isDamaged(path, { file: fileIn(path, active, "log"), offset: 4 * bytesEach });
  });

  test("an invalid record before the mark is damage as soon as the record index must be made anew", async () => {
    const { path } = await build("crashed");
    flipBit(fileIn(path, active, "log"), bytesEach + 60);
    flipBit(fileIn(path, active, "idx"), 2 * 16);
    await isDamaged(path, { file: fileIn(path, active, "log"), offset: bytesEach });
  });

  test("a record index that is invalid before the mark is made anew; reads are the same", async () => {
    const fixture = await build("crashed");
    flipBit(fileIn(fixture.path, active, "idx"), 2 * 16 + 3);
    expect(await opensWith(fixture)).toEqual({ records: count, tornBytes: 0, redone: 0, indexRebuilt: true });
  });

  test("a missing record index is made anew; the records within a window of the end are made durable again", async () => {
    const fixture = await build("crashed");
    rmSync(fileIn(fixture.path, active, "idx"));
    expect(await opensWith(fixture)).toEqual({ records: count, tornBytes: 0, redone: 5, indexRebuilt: true });
  });
});

describe("after the mark", () => {
  /** A crash after `durable` of the five records of the active segment had their entries written. */
  async function withMarkAt(durable: number): Promise<Fixture> {
    const fixture = await build("crashed");
    truncateSync(fileIn(fixture.path, active, "idx"), durable * 16);
    return fixture;
  }

  test.each([
    ["zeros", 5 * bytesEach + 3000],
    ["the end of the file", 5 * bytesEach],
  ])("whole records, then %s: they are made durable again before anybody sees them", async (_name, size) => {
    const fixture = await withMarkAt(2);
    truncateSync(fileIn(fixture.path, active, "log"), size);
    const { machine, storage } = withFaults(nodeMachine);
    expect(await opensWith(fixture, { machine })).toEqual({
      records: count,
      tornBytes: 0,
      redone: 3,
      indexRebuilt: false,
    });
    // A copy, the cut, the records written anew: never a sync of what the cache says is there.
    const steps = storage.operations.entries
      .filter(
        ({ kind, path }) => ["write", "truncate", "fsync", "rename"].includes(kind) && path.includes(`${active}.log`),
      )
      .map(({ kind, path }) => `${kind} ${path.slice(path.indexOf(".log"))}`);
    expect(steps.slice(steps.indexOf("write .log.tail.tmp"), steps.indexOf("rename .log.tail.tmp") + 5)).toEqual([
      "write .log.tail.tmp",
      "write .log.tail.tmp",
      "fsync .log.tail.tmp",
      "rename .log.tail.tmp",
      "truncate .log",
      "fsync .log",
      "write .log",
      "fsync .log",
    ]);
  });

  test.each([
    ["text", Buffer.from("half a record")],
    ["a whole header whose data is missing", undefined],
    ["a record of another place", undefined],
  ])("a torn tail of %s is set aside, cut off and reported", async (name, bytes) => {
    const fixture = await withMarkAt(3);
    const log = fileIn(fixture.path, active, "log");
    const whole = readFileSync(log);
    const torn = bytes ?? whole.subarray(0, name.startsWith("a whole header") ? 32 : bytesEach);
    if (name.startsWith("a whole header")) torn.writeBigUInt64LE(BigInt(5 * bytesEach), 4);
    overwrite(log, 5 * bytesEach, torn);
    const saved = `${log}.${5 * bytesEach}.torn`;
    const nonZero = Buffer.from(torn).subarray(0, torn.findLastIndex((byte) => byte !== 0) + 1);
    expect(await opensWith(fixture)).toEqual({
      records: count,
      tornBytes: nonZero.length,
      tornOffset: 5 * bytesEach,
      savedAs: saved,
      redone: 2,
      indexRebuilt: false,
    });
    expect(readFileSync(saved)).toEqual(nonZero);
  });

  test("a torn tail right behind the mark is set aside", async () => {
    const fixture = await withMarkAt(5);
    overwrite(fileIn(fixture.path, active, "log"), 5 * bytesEach + 100, Buffer.from("x"));
    expect(await opensWith(fixture)).toMatchObject({ tornBytes: 101, tornOffset: 5 * bytesEach, redone: 0 });
  });

  test("a second torn tail at the same place does not overwrite the first; the same one is kept once", async () => {
    const fixture = await build("crashed");
    const log = fileIn(fixture.path, active, "log");
    const tear = async (text: string): Promise<string | undefined> => {
      setManifest(fixture.path, { state: "open" });
      overwrite(log, 5 * bytesEach, Buffer.from(text));
      const opened = await FileLog.open(fixture.path);
      const { savedAs } = opened.recovery;
      expect(await linesOf(opened)).toEqual(fixture.lines);
      await opened.close();
      return savedAs;
    };
    expect(await tear("one")).toBe(`${log}.640.torn`);
    expect(await tear("other")).toBe(`${log}.640-2.torn`);
    expect(await tear("one")).toBe(`${log}.640.torn`);
    expect(readFileSync(`${log}.640.torn`, "utf8")).toBe("one");
    expect(readFileSync(`${log}.640-2.torn`, "utf8")).toBe("other");
  });

  test("bytes as far as the window reaches are a torn tail, one byte further is damage", async () => {
    const fixture = await build("crashed");
    const window = manifestOf(fixture.path).window as number;
    const log = fileIn(fixture.path, active, "log");
    overwrite(log, 5 * bytesEach + window, Buffer.from("x"));
    await isDamaged(fixture.path, { file: log, offset: 5 * bytesEach });
    truncateSync(log, 5 * bytesEach + window);
    overwrite(log, 5 * bytesEach + window - 1, Buffer.from("x"));
    expect(await opensWith(fixture)).toMatchObject({ tornBytes: window });
  });

  test("under an unbounded window no torn tail is too long", async () => {
    const fixture = await build("crashed");
    setManifest(fixture.path, { window: null });
    overwrite(fileIn(fixture.path, active, "log"), 1_000_000, Buffer.from("x"));
    expect(await opensWith(fixture)).toMatchObject({ tornOffset: 5 * bytesEach, tornBytes: 1_000_001 - 5 * bytesEach });
  });

  test("when the torn tail cannot be set aside opening for writing fails; reading works up to the mark", async () => {
    const fixture = await withMarkAt(3);
    const { path, lines } = fixture;
    overwrite(fileIn(path, active, "log"), 5 * bytesEach, Buffer.from("torn"));
    const before = bytesOf(path);
    const { machine, storage } = withFaults(nodeMachine);
    storage.faults.on({ kind: "write", path: ".torn.tmp" }, failWith("ENOSPC"));
    await expect(FileLog.open(path, { machine })).rejects.toMatchObject({ code: "SEQLOG_NO_SPACE" });
    expect(bytesOf(path)).toEqual(before);
    const reader = await FileLog.open(path, { readOnly: true });
    expect(await linesOf(reader)).toEqual(lines.slice(0, 23));
    await reader.close();
    expect(bytesOf(path)).toEqual(before);
    expect(await opensWith(fixture)).toMatchObject({ tornBytes: 4, redone: 2 });
  });

  test("a segment that was just begun and got no record is in order", async () => {
    const fixture = await build("crashed");
    const name = "00000000000000000025";
    truncateSync(fileIn(fixture.path, active, "log"), 5 * bytesEach);
    for (const kind of ["log", "idx"] as const) writeFileSync(fileIn(fixture.path, name, kind), "");
    expect(await opensWith(fixture)).toEqual({ records: count, tornBytes: 0, redone: 0, indexRebuilt: false });
  });

  test("a first record of a segment whose entry was not yet written is no fault of the record index", async () => {
    const fixture = await withMarkAt(0);
    expect(await opensWith(fixture)).toEqual({ records: count, tornBytes: 0, redone: 5, indexRebuilt: false });
  });
});

test("recovery done twice is the same as done once", async () => {
  const fixture = await build("crashed");
  truncateSync(fileIn(fixture.path, active, "idx"), 16);
  overwrite(fileIn(fixture.path, active, "log"), 5 * bytesEach, Buffer.from("torn"));
  const log = await FileLog.open(fixture.path);
  const once = crashCopy(fixture.path);
  await log.close();
  const again = await FileLog.open(once);
  expect(again.recovery).toEqual({ records: count, tornBytes: 0, redone: 0, indexRebuilt: false });
  expect(await linesOf(again)).toEqual(fixture.lines);
  await again.close();
});

test("no state of the record index changes what is read", async () => {
  const { path, lines } = await build("closed");
  const index = fileIn(path, active, "idx");
  const right = readFileSync(index);
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc.tuple(fc.nat(79), fc.nat(7)).map(([at, bit]) => {
          const bytes = Buffer.from(right);
          bytes[at] = (bytes[at] as number) ^ (1 << bit);
          return bytes;
        }),
        fc.nat(80).map((length) => right.subarray(0, length)),
      ),
      async (bytes) => {
        writeFileSync(index, bytes);
        const reader = await FileLog.open(path, { readOnly: true });
        expect(await linesOf(reader)).toEqual(lines);
        expect((await seqsOf(reader, { reverse: true })).reverse()).toEqual(lines.map((_, i) => i));
        for (const seq of [20, 22, 24]) expect((await reader.get(seq))?.seq).toBe(seq);
        await reader.close();
      },
    ),
    { numRuns: 60, seed: 11 },
  );
});

test("a log that was moved or copied is the same log", async () => {
  const fixture = await build("closed");
  const moved = newPath("moved");
  renameSync(fixture.path, moved);
  expect(await opensWith({ ...fixture, path: moved })).toMatchObject({ indexRebuilt: false });
});

test("segments of another log are not taken for this one's by their record index", async () => {
  const fixture = await build("closed");
  const other = await build("closed");
  copyFileSync(fileIn(other.path, second, "idx"), fileIn(fixture.path, second, "idx"));
  expect(await opensWith(fixture)).toMatchObject({ indexRebuilt: true });
  const index = IndexFile.openSync(nodeMachine.storage, fileIn(fixture.path, second, "idx"), "read", 10, 0);
  expect(index.capacitySync()).toBe(10);
  index.closeSync();
});
