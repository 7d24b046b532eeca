import { describe, expect, test } from "vitest";
import { SeqlogError } from "../errors.ts";
import { crc32, crc32OfHeader } from "../format/crc32.ts";
import { entryLength, noSeed, writeEntry } from "../format/index-entry.ts";
import { headerAt, headerLength, writeHeader } from "../format/record.ts";
import { createIdSourceV4 } from "../format/uuid.ts";
import { runSync } from "../storage/plan.ts";
import type { Machine } from "../storage/storage.ts";
import { crashAfter, crashBefore, failWith } from "../testing/fault-plan.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { SimulatedCrash } from "../testing/simulated-crash.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import { IndexFile } from "./index-file.ts";
import { type Known, singleFileWindow } from "./inspect.ts";
import { type SegmentRecovery, recoverSegment } from "./recover-segment.ts";
import { chunkOf, verifyChunk } from "./verify-chunk.ts";

const logAt = "/events.log";
const indexAt = "/events.idx";
const ids = createIdSourceV4(new SeededRandom("ids"));
const singleFile: Known = { base: 0, window: { atLeast: singleFileWindow }, closed: undefined };
const narrow: Known = { base: 0, window: 100, closed: undefined };

function segmentOf(...datas: readonly string[]): Buffer {
  let offset = 0;
  const records = datas.map((data) => {
    const record = Buffer.alloc(headerLength + data.length);
    record.write(data, headerLength, "latin1");
    writeHeader(chunkOf(record, 0).view, 0, data.length, offset, crc32(record, headerLength));
    ids.write(record, headerAt.id);
    offset += record.length;
    return record;
  });
  return Buffer.concat(records);
}

/** The record index that a writer would have left for these bytes. */
function indexOf(segment: Uint8Array, base = 0, seed = noSeed): Buffer {
  const chunk = chunkOf(segment, 0);
  const { starts } = verifyChunk(chunk, segment.length, Infinity);
  const entries = Buffer.alloc(starts.length * entryLength);
  for (const [i, start] of starts.entries()) {
    const headerCrc = crc32OfHeader(chunk.view, start);
    writeEntry(chunkOf(entries, 0).view, i * entryLength, seed, base + i, start, headerCrc, "firm");
  }
  return entries;
}

/** Eight records with data of 20 to 90 bytes. */
const whole = segmentOf(...Array.from({ length: 8 }, (_, i) => String.fromCharCode(97 + i).repeat(20 + 10 * i)));
const wholeIndex = indexOf(whole);
const lastStart = whole.length - headerLength - 90;
const garbage = Buffer.from(Array.from({ length: 60 }, (_, i) => (i * 37) | 1));

function diskWith(log: Uint8Array, index?: Uint8Array): SimulatedDisk {
  const disk = new SimulatedDisk();
  disk.writeFile(logAt, log);
  if (index !== undefined) disk.writeFile(indexAt, index);
  return disk;
}

function recover(machine: Machine, known: Known = singleFile): SegmentRecovery {
  const { storage } = machine;
  const open = (): IndexFile => IndexFile.openSync(storage, indexAt, "create", known.base, noSeed);
  const file = storage.openSync(logAt, "write");
  const index = storage.statSync(indexAt) === undefined ? undefined : open();
  return runSync(recoverSegment(storage, file, index, open, known));
}

/** Every file with its bytes in hex. */
function contents(disk: SimulatedDisk, from: "cache" | "medium" = "medium"): Record<string, string> {
  const files = disk
    .list("/")
    .map((name) => [name, Buffer.from(disk.readFile(`/${name}`, from) ?? []).toString("hex")]);
  return Object.fromEntries(files) as Record<string, string>;
}

function hex(...pieces: readonly Uint8Array[]): string {
  return Buffer.concat(pieces).toString("hex");
}

/** What a call returned or threw. */
function outcomeOf<T>(call: () => T): T | Error {
  try {
    return call();
  } catch (error) {
    return error as Error;
  }
}

function failure(call: () => unknown): SeqlogError {
  const error = outcomeOf(call);
  if (error instanceof SeqlogError) return error;
  throw new Error("it did not fail as it should", { cause: error });
}

const nothingFound: SegmentRecovery = {
  nextSeq: 8,
  end: whole.length,
  redone: 0,
  tornBytes: 0,
  tornOffset: undefined,
  savedAs: undefined,
  indexRebuilt: false,
};

describe("nothing was interrupted", () => {
  test("a whole file with a whole record index stays as it is", () => {
    const disk = diskWith(whole, wholeIndex);
    const machine = disk.boot();
    expect(recover(machine)).toEqual(nothingFound);
    expect(contents(disk)).toEqual({ "events.log": hex(whole), "events.idx": hex(wholeIndex) });
    expect(disk.operations.count("write")).toBe(0);
  });

  test("an empty file is an empty log", () => {
    const disk = diskWith(new Uint8Array(0));
    expect(recover(disk.boot())).toEqual({ ...nothingFound, nextSeq: 0, end: 0 });
    expect(contents(disk, "cache")).toEqual({ "events.log": "", "events.idx": "" });
  });

  test("after close() nothing but the end is looked at", () => {
    const disk = diskWith(whole, wholeIndex);
    const closed = { nextSeq: 8, bytes: whole.length };
    expect(recover(disk.boot(), { ...narrow, closed })).toEqual(nothingFound);
    const bytesRead = disk.log.filter(({ kind, path }) => kind === "read" && path === logAt);
    expect(bytesRead.every(({ position }) => position >= lastStart)).toBe(true);
  });
});

describe("an interrupted write behind the records", () => {
  test.each<[string, Uint8Array]>([
    ["a record cut inside its header", segmentOf("x").subarray(0, 20)],
    ["a record cut inside its data", segmentOf("x".repeat(50)).subarray(0, 60)],
    ["bytes of no record at all", garbage],
    ["a record of another place", segmentOf("whole, but its offset is 0")],
    ["a single byte", Buffer.from([1])],
  ])("%s is set aside, byte for byte, and cut off", (_, torn) => {
    const disk = diskWith(Buffer.concat([whole, torn]), wholeIndex);
    const end = torn.length - [...torn].reverse().findIndex((byte) => byte !== 0);
    const savedAs = `${logAt}.${whole.length}.torn`;
    expect(recover(disk.boot())).toEqual({ ...nothingFound, tornBytes: end, tornOffset: whole.length, savedAs });
    expect(contents(disk)).toEqual({
      "events.log": hex(whole),
      "events.idx": hex(wholeIndex),
      [`events.log.${whole.length}.torn`]: hex(torn.subarray(0, end)),
    });
  });

  test("zeros are cut off and nothing is set aside", () => {
    const disk = diskWith(Buffer.concat([whole, Buffer.alloc(5000)]), wholeIndex);
    expect(recover(disk.boot())).toEqual(nothingFound);
    expect(contents(disk)).toEqual({ "events.log": hex(whole), "events.idx": hex(wholeIndex) });
  });

  test("what stands between zeros is set aside with the zeros before it", () => {
    const disk = diskWith(Buffer.concat([whole, Buffer.alloc(30), Buffer.from([7]), Buffer.alloc(900)]), wholeIndex);
    expect(recover(disk.boot(), narrow)).toMatchObject({ tornBytes: 31, tornOffset: whole.length });
    expect(contents(disk)[`events.log.${whole.length}.torn`]).toBe(hex(Buffer.alloc(30), Buffer.from([7])));
  });

  test("records past the mark are kept, and durable when recovery returns", () => {
    const disk = diskWith(Buffer.concat([whole, garbage]), wholeIndex.subarray(0, 5 * entryLength));
    expect(recover(disk.boot())).toMatchObject({ nextSeq: 8, end: whole.length, redone: 3, tornBytes: 60 });
    disk.crash({ keep: 0 });
    expect(contents(disk)).toMatchObject({ "events.log": hex(whole), "events.idx": hex(wholeIndex) });
    expect(disk.list("/")).toHaveLength(3);
  });

  test("the window ends where it ends: one byte more is damage", () => {
    const fits = Buffer.concat([whole, Buffer.alloc(99), Buffer.from([1])]);
    expect(recover(diskWith(fits, wholeIndex).boot(), narrow)).toMatchObject({ tornBytes: 100 });
    const disk = diskWith(Buffer.concat([whole, Buffer.alloc(100), Buffer.from([1])]), wholeIndex);
    expect(failure(() => recover(disk.boot(), narrow))).toMatchObject({
      code: "SEQLOG_DAMAGED",
      facts: { file: logAt, offset: whole.length, reason: expect.stringContaining(`${whole.length + 101}`) },
    });
  });

  test("the window of a single file, which has no MANIFEST, ends where it ends, too", () => {
    const past = (bytes: number): Buffer => Buffer.concat([whole, Buffer.alloc(bytes - 1), Buffer.from([1])]);
    expect(recover(diskWith(past(singleFileWindow), wholeIndex).boot())).toMatchObject({ tornBytes: singleFileWindow });
    const disk = diskWith(past(singleFileWindow + 1), wholeIndex);
    expect(failure(() => recover(disk.boot())).code).toBe("SEQLOG_DAMAGED");
  });

  test("a single file has a larger window when the torn record itself says that it is larger", () => {
    const torn = Buffer.alloc(singleFileWindow + 5000, 1);
    writeHeader(chunkOf(torn, 0).view, 0, 2 * singleFileWindow, whole.length, 0);
    ids.write(torn, headerAt.id);
    const disk = diskWith(Buffer.concat([whole, torn]), wholeIndex);
    expect(recover(disk.boot())).toMatchObject({ tornBytes: torn.length, end: whole.length });
  });

  test("what is set aside never takes the place of another file", () => {
    const disk = diskWith(Buffer.concat([whole, garbage]), wholeIndex);
    const name = `events.log.${whole.length}`;
    disk.writeFile(`/${name}.torn`, Buffer.from("something else"));
    disk.writeFile(`/${name}-2.torn`, Buffer.alloc(garbage.length, 9));
    expect(recover(disk.boot())).toMatchObject({ savedAs: `/${name}-3.torn` });
    expect(contents(disk)).toMatchObject({
      [`${name}.torn`]: hex(Buffer.from("something else")),
      [`${name}-2.torn`]: hex(Buffer.alloc(garbage.length, 9)),
      [`${name}-3.torn`]: hex(garbage),
    });
  });

  test("bytes that an earlier, interrupted recovery has set aside are not set aside twice", () => {
    const disk = diskWith(Buffer.concat([whole, garbage]), wholeIndex);
    const savedAs = `${logAt}.${whole.length}.torn`;
    disk.writeFile(savedAs, garbage);
    expect(recover(disk.boot())).toMatchObject({ savedAs, tornBytes: garbage.length });
    expect(disk.list("/")).toEqual(["events.idx", "events.log", `events.log.${whole.length}.torn`]);
  });

  test("when the bytes cannot be set aside, opening fails and they stay where they are", () => {
    const disk = diskWith(Buffer.concat([whole, garbage]), wholeIndex);
    const before = contents(disk);
    for (const kind of ["open", "write", "fsync", "rename"] as const) {
      const machine = disk.boot();
      machine.faults.on({ kind, path: /torn/ }, failWith(kind === "write" ? "ENOSPC" : "EACCES"));
      expect(failure(() => recover(machine)).code).toMatch(/SEQLOG_(NO_SPACE|IO)/);
      expect(contents(disk, "cache")[`events.log`]).toBe(before["events.log"]);
    }
    expect(recover(disk.boot())).toMatchObject({ tornBytes: garbage.length });
  });
});

describe("damage changes nothing", () => {
  const flipped = (at: number): Buffer => {
    const bytes = Buffer.from(whole);
    bytes[at] = (bytes[at] as number) ^ 4;
    return bytes;
  };
  const holed = Buffer.from(wholeIndex).fill(0, 32, 48);

  test.each<[string, Uint8Array, Uint8Array | undefined, Known, number, RegExp]>([
    ["the file is empty, but records are proven", Buffer.alloc(0), wholeIndex, singleFile, lastStart, /the file ends/],
    [
      "the file ends before the mark's record",
      whole.subarray(0, 200),
      wholeIndex,
      singleFile,
      lastStart,
      /ends at 200/,
    ],
    [
      "the file ends inside the mark's record",
      whole.subarray(0, lastStart + 40),
      wholeIndex,
      singleFile,
      lastStart,
      /ends inside it/,
    ],
    [
      "a flipped bit in the mark's data",
      flipped(lastStart + 50),
      wholeIndex,
      singleFile,
      lastStart,
      /CRC-32 of its data/,
    ],
    ["a flipped bit in the mark's length", flipped(lastStart), wholeIndex, singleFile, lastStart, /another header/],
    ["a flipped bit in the mark's UUID", flipped(lastStart + 20), wholeIndex, singleFile, lastStart, /another header/],
    [
      "a record before the mark, found because the record index has a hole",
      flipped(40),
      holed,
      singleFile,
      0,
      /CRC-32 of the data does not match, before offset/,
    ],
    [
      "bytes beyond the window",
      Buffer.concat([whole, Buffer.alloc(200, 1)]),
      wholeIndex,
      narrow,
      whole.length,
      /further than any interrupted write/,
    ],
    [
      "a record in the middle, without a record index, and what follows is more than the window",
      flipped(90),
      undefined,
      narrow,
      52,
      /CRC-32/,
    ],
    [
      "closed, and then cut",
      whole.subarray(0, lastStart),
      wholeIndex,
      { ...narrow, closed: { nextSeq: 8, bytes: whole.length } },
      lastStart,
      /close\(\) left/,
    ],
    [
      "closed, and then something was appended",
      Buffer.concat([whole, garbage]),
      wholeIndex,
      { ...narrow, closed: { nextSeq: 8, bytes: whole.length } },
      whole.length,
      /close\(\) left/,
    ],
    [
      "closed, and without the record index a record is found that is not valid",
      flipped(90),
      undefined,
      { ...narrow, closed: { nextSeq: 8, bytes: whole.length } },
      52,
      /CRC-32/,
    ],
  ])("%s", (_, log, index, known, offset, reason) => {
    const disk = diskWith(log, index);
    const before = contents(disk);
    const error = failure(() => recover(disk.boot(), known));
    expect(error).toMatchObject({
      code: "SEQLOG_DAMAGED",
      facts: { file: logAt, offset, reason: expect.stringMatching(reason) },
    });
    expect(error.message).toContain("Nothing was changed");
    expect(contents(disk, "cache")).toEqual(before);
  });

  test("a disk that cannot be read is an I/O error, whichever read it is", () => {
    let reads = 0;
    for (let isOver = false; !isOver; reads++) {
      const disk = diskWith(Buffer.concat([whole, garbage]), wholeIndex.subarray(0, 64));
      const before = contents(disk);
      const machine = disk.boot();
      machine.faults.on({ kind: "read", skip: reads }, failWith("EIO"));
      const outcome = outcomeOf(() => recover(machine));
      const isRepaired = disk.operations.count("truncate") > 0;
      isOver = !(outcome instanceof Error);
      expect([nothingFound.nextSeq, "SEQLOG_IO"]).toContain(
        outcome instanceof SeqlogError ? outcome.code : (outcome as SegmentRecovery).nextSeq,
      );
      expect(isRepaired || contents(disk, "cache")["events.log"] === before["events.log"]).toBe(true);
      expect(recover(disk.boot())).toMatchObject({ nextSeq: 8, end: whole.length });
    }
    expect(reads).toBeGreaterThan(5);
  });
});

describe("the record index is not as it should be", () => {
  const random = Buffer.alloc(wholeIndex.length);
  new SeededRandom("random bytes").fill(random);

  test.each<[string, Uint8Array | undefined]>([
    ["missing", undefined],
    ["empty", Buffer.alloc(0)],
    ["random bytes", random],
    ["random bytes, more than there are records", Buffer.concat([random, random, random])],
    ["cut after five entries", wholeIndex.subarray(0, 5 * entryLength)],
    ["cut inside an entry", wholeIndex.subarray(0, 5 * entryLength + 7)],
    ["zeroed in the middle", Buffer.from(wholeIndex).fill(0, 32, 80)],
    ["zeroed at the start", Buffer.from(wholeIndex).fill(0, 0, 16)],
    ["zeroed at the end", Buffer.from(wholeIndex).fill(0, 64)],
    ["that of another log", indexOf(whole, 0, 12345)],
    ["that of another segment", indexOf(whole, 100)],
    ["followed by zeros", Buffer.concat([wholeIndex, Buffer.alloc(4096)])],
    ["followed by a torn entry", Buffer.concat([wholeIndex, garbage.subarray(0, 9)])],
  ])("%s: the records stay, and it is made right", (_, index) => {
    const disk = diskWith(whole, index);
    expect(recover(disk.boot())).toMatchObject({ nextSeq: 8, end: whole.length, tornBytes: 0 });
    expect(contents(disk)["events.log"]).toBe(hex(whole));
    expect(contents(disk, "cache")["events.idx"]?.slice(0, 2 * wholeIndex.length)).toBe(hex(wholeIndex));
    expect(recover(disk.boot())).toMatchObject({ nextSeq: 8, redone: 0, indexRebuilt: false });
  });

  test("the report says whether it was made anew", () => {
    const hole = Buffer.from(wholeIndex).fill(0, 32, 48);
    expect(recover(diskWith(whole, hole).boot()).indexRebuilt).toBe(true);
    expect(recover(diskWith(whole).boot()).indexRebuilt).toBe(true);
    expect(recover(diskWith(whole, wholeIndex.subarray(0, 32)).boot()).indexRebuilt).toBe(false);
  });

  test("of a closed log it is rebuilt and no record is written again", () => {
    const disk = diskWith(whole, random);
    const closed = { nextSeq: 8, bytes: whole.length };
    expect(recover(disk.boot(), { ...narrow, closed })).toEqual({ ...nothingFound, indexRebuilt: true });
    expect(disk.operations.count("write", ".log")).toBe(0);
    expect(contents(disk)["events.idx"]).toBe(hex(wholeIndex));
  });

  test("a segment that does not begin with record 0 has the seqs that belong to it", () => {
    const disk = diskWith(whole, indexOf(whole.subarray(0, 116), 5000));
    expect(recover(disk.boot(), { ...narrow, base: 5000 })).toMatchObject({ nextSeq: 5008, redone: 6 });
    expect(contents(disk)["events.idx"]).toBe(hex(indexOf(whole, 5000)));
  });

  test("without a mark no more than the window is written again", () => {
    const piece = "p".repeat(64 * 1024 - headerLength);
    const large = segmentOf(...Array.from({ length: 100 }, () => piece));
    const disk = diskWith(large);
    const window = 1024 * 1024;
    const { redone, nextSeq } = recover(disk.boot(), { base: 0, window: { atLeast: window }, closed: undefined });
    expect(nextSeq).toBe(100);
    expect(redone * 64 * 1024).toBeGreaterThanOrEqual(window);
    expect(redone * 64 * 1024).toBeLessThanOrEqual(1.25 * window);
    expect(Buffer.compare(disk.readFile(logAt, "medium") as Uint8Array, large)).toBe(0);
    expect(hex(disk.readFile(indexAt, "medium") as Uint8Array)).toBe(hex(indexOf(large)));
  });
});

describe("recovery that is interrupted", () => {
  /** Five records proven, three past the mark, a torn tail; and an index with a hole, or none. */
  const situations: readonly [string, Uint8Array, Uint8Array | undefined][] = [
    ["a lagging index and a torn tail", Buffer.concat([whole, garbage]), wholeIndex.subarray(0, 5 * entryLength)],
    ["an index with a hole", whole, Buffer.from(wholeIndex.subarray(0, 6 * entryLength)).fill(0, 16, 32)],
    ["no index and a torn tail", Buffer.concat([whole, garbage]), undefined],
  ];

  test.each(situations)("by a power cut at any step comes to the same end: %s", (_, log, index) => {
    const torn = log.length > whole.length ? { [`events.log.${whole.length}.torn`]: hex(garbage) } : {};
    const expected = { "events.log": hex(whole), "events.idx": hex(wholeIndex), ...torn };
    let steps = 0;
    for (let isOver = false; !isOver; steps++) {
      for (const [fault, keep] of [
        [crashBefore, 0],
        [crashAfter, 0],
        [crashAfter, 1],
        [crashAfter, 0.5],
      ] as const) {
        const disk = diskWith(log, index);
        const machine = disk.boot();
        machine.faults.at(steps, fault);
        const outcome = outcomeOf(() => recover(machine));
        isOver = !(outcome instanceof Error);
        expect(isOver || outcome instanceof SimulatedCrash).toBe(true);
        disk.crash({ keep });
        expect(recover(disk.boot())).toMatchObject({ nextSeq: 8, end: whole.length });
        disk.crash({ keep: 0 });
        const { "events.idx": found, ...files } = contents(disk);
        const { "events.idx": wanted, ...others } = expected;
        expect(files, `crash at operation ${steps}`).toEqual(others);
        expect(wanted.startsWith((found ?? "").slice(0, wanted.length))).toBe(true);
      }
    }
    expect(steps).toBeGreaterThan(20);
  });

  test("by an error at any step leaves no record behind: the next one comes to the same end", () => {
    let steps = 0;
    for (let isOver = false; !isOver; steps++) {
      const disk = diskWith(Buffer.concat([whole, garbage]), wholeIndex.subarray(0, 5 * entryLength));
      const machine = disk.boot();
      machine.faults.at(steps, failWith("EIO"));
      const outcome = outcomeOf(() => recover(machine));
      isOver = machine.operations <= steps;
      expect(outcome instanceof SeqlogError || !(outcome instanceof Error)).toBe(true);
      disk.kill(machine);
      expect(recover(disk.boot()), `error at operation ${steps}`).toMatchObject({ nextSeq: 8, end: whole.length });
      disk.crash({ keep: 0 });
      expect(recover(disk.boot())).toMatchObject({ nextSeq: 8, end: whole.length });
      expect(contents(disk)).toMatchObject({ "events.log": hex(whole) });
    }
    expect(steps).toBeGreaterThan(20);
  });

  test.each(situations)("run twice is as run once: %s", (_, log, index) => {
    const disk = diskWith(log, index);
    recover(disk.boot());
    const once = contents(disk, "cache");
    expect(recover(disk.boot())).toEqual(nothingFound);
    expect(contents(disk, "cache")).toEqual(once);
  });
});
