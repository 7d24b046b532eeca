import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { SeqlogError } from "../errors.ts";
import { crc32, crc32OfHeader } from "../format/crc32.ts";
import { entryLength, noSeed, writeEntry } from "../format/index-entry.ts";
import { headerAt, headerLength, writeHeader } from "../format/record.ts";
import { createIdSourceV7 } from "../format/uuid.ts";
import { runSync } from "../storage/plan.ts";
import type { Machine } from "../storage/storage.ts";
import { crashBefore, failWith } from "../testing/fault-plan.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { SimulatedDisk, type SimulatedDiskOptions } from "../testing/simulated-disk.ts";
import { LogReader, indexPathOf } from "./log-reader.ts";
import type { LogRecord } from "./log-record.ts";
import { LogWriter } from "./log-writer.ts";
import type { ReadOptions } from "./positions.ts";
import { RecordIndex } from "./record-index.ts";
import { chunkOf } from "./verify-chunk.ts";
import { walkChain } from "./walk-chain.ts";

const logAt = "/events.log";
const indexAt = "/events.idx";

interface Pair {
  readonly writer: LogWriter;
  readonly recordIndex: RecordIndex;
}

async function write(machine: Machine, ...datas: readonly string[]): Promise<Pair> {
  const recordIndex = await RecordIndex.open(indexAt, { machine });
  const writer = await LogWriter.open(logAt, recordIndex, { machine });
  for (const data of datas) await writer.append(data);
  return { writer, recordIndex };
}

/** A disk with a log that was closed. */
async function closedLog(...datas: readonly string[]): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  const { writer, recordIndex } = await write(disk.boot(), ...datas);
  await writer.close();
  await recordIndex.close();
  return disk;
}

function textOf(record: LogRecord): string {
  return Buffer.from(record.bytes).toString("latin1");
}

async function texts(reader: LogReader, options?: ReadOptions): Promise<string[]> {
  const found: string[] = [];
  for await (const record of reader.read(options)) found.push(textOf(record));
  return found;
}

/** The texts that a read gives before it fails, and the error. */
async function textsAndError(
  records: AsyncIterable<LogRecord>,
): Promise<{ readonly served: readonly string[]; readonly error: unknown }> {
  const served: string[] = [];
  try {
    for await (const record of records) served.push(textOf(record));
    return { served, error: undefined };
  } catch (error) {
    return { served, error };
  }
}

const ten = Array.from({ length: 10 }, (_, i) => `record ${i} ${"x".repeat(i * 20)}`);

describe("opening", () => {
  test("a file that is not there is SEQLOG_NOT_FOUND, and none is made", async () => {
    const disk = new SimulatedDisk();
    await expect(LogReader.open(logAt, { machine: disk.boot() })).rejects.toMatchObject({
      code: "SEQLOG_NOT_FOUND",
      facts: { path: logAt },
    });
    expect(disk.list("/")).toEqual([]);
  });

  test.each([undefined, "", 5, new URL("http://localhost/a.log"), "s3://bucket/a.log"])(
    "%s is no path",
    async (path) => {
      await expect(LogReader.open(path as string)).rejects.toThrow(TypeError);
    },
  );

  test("the record index is looked for by the log's name, or where one says", async () => {
    expect([indexPathOf("/a/b.log"), indexPathOf("/a/b"), indexPathOf("/a.log/b.txt")]).toEqual([
      "/a/b.idx",
      "/a/b.idx",
      "/a.log/b.txt.idx",
    ]);
    const disk = await closedLog(...ten);
    disk.writeFile("/elsewhere", disk.readFile(indexAt) as Uint8Array);
    disk.writeFile(indexAt, Buffer.alloc(3));
    disk.flipBit(logAt, headerAt.id + 14, 0);
    const machine = disk.boot();
    const recordIndex = await RecordIndex.open("/elsewhere", { machine });
    for (const index of ["/elsewhere", recordIndex]) {
      const reader = await LogReader.open(logAt, { machine, index });
      await expect(reader.get(0)).rejects.toMatchObject({ code: "SEQLOG_DAMAGED" });
      await reader.close();
    }
    expect((await (await LogReader.open(logAt, { machine })).get(0))?.seq).toBe(0);
  });

  test("changes nothing and leaves no descriptor behind", async () => {
    const disk = await closedLog(...ten);
    const before = disk.list("/");
    disk.operations.clear();
    const reader = await LogReader.open(logAt, { machine: disk.boot() });
    expect(await texts(reader)).toEqual(ten);
    await reader.close();
    await reader.close();
    expect(disk.list("/")).toEqual(before);
    for (const kind of ["write", "truncate", "fsync", "rename", "unlink"] as const) {
      expect(disk.operations.count(kind)).toBe(0);
    }
    expect(disk.operations.count("open")).toBe(disk.operations.count("close"));
  });

  test("an I/O error is told, and leaves no descriptor behind", async () => {
    const disk = await closedLog(...ten);
    disk.operations.clear();
    const machine = disk.boot();
    machine.faults.on({ kind: "read" }, failWith("EIO"));
    await expect(LogReader.open(logAt, { machine })).rejects.toMatchObject({ code: "SEQLOG_IO" });
    expect(disk.operations.count("open")).toBe(disk.operations.count("close"));
  });
});

describe("reading", () => {
  test("gives number, id, offset, file and data of each record", async () => {
    const disk = await closedLog("one", "", "three");
    const reader = await LogReader.open(logAt, { machine: disk.boot() });
    expect([reader.location, reader.firstSeq, reader.nextSeq]).toEqual([logAt, 0, 3]);
    const records: LogRecord[] = [];
    for await (const record of reader.read()) records.push(record);
    expect(records.map(({ seq, offset, segment }) => ({ seq, offset, segment }))).toEqual([
      { seq: 0, offset: 0, segment: "events.log" },
      { seq: 1, offset: 35, segment: "events.log" },
      { seq: 2, offset: 67, segment: "events.log" },
    ]);
    expect(records.map(textOf)).toEqual(["one", "", "three"]);
    expect(records[0]?.data).toEqual(records[0]?.bytes);
    expect(new Set(records.map(({ id }) => id)).size).toBe(3);
    expect(records[0]?.time.getTime()).toBeNaN();
    expect(await reader.stats()).toEqual({ firstSeq: 0, nextSeq: 3, records: 3, bytes: 104, segments: 1 });
  });

  test.each<[ReadOptions, readonly number[]]>([
    [{ from: 7 }, [7, 8, 9]],
    [{ to: 2 }, [0, 1]],
    [{ from: 3, to: 6 }, [3, 4, 5]],
    [{ from: 3, limit: 2 }, [3, 4]],
    [{ limit: 0 }, []],
    [{ from: { last: 2 } }, [8, 9]],
    [{ from: { last: 99 } }, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    [{ from: "end" }, []],
    [{ from: 99 }, []],
    [{ from: 6, to: 3 }, []],
    [{ to: 99, from: 8 }, [8, 9]],
    [{ reverse: true }, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]],
    [{ reverse: true, limit: 3 }, [9, 8, 7]],
    [{ reverse: true, from: 3, to: 6 }, [5, 4, 3]],
    [{ reverse: true, from: 8, limit: 5 }, [9, 8]],
    [{ reverse: true, to: 2 }, [1, 0]],
    [{ reverse: true, limit: 0 }, []],
    [{ reverse: true, from: 99 }, []],
  ])("%j", async (options, expected) => {
    const disk = await closedLog(...ten);
    for (const index of [indexAt, "/none.idx"]) {
      const reader = await LogReader.open(logAt, { machine: disk.boot(), index });
      expect(await texts(reader, options)).toEqual(expected.map((i) => ten[i]));
    }
  });

  test("batches are about as large as asked for, in the order of the read", async () => {
    const disk = await closedLog(...ten);
    const reader = await LogReader.open(logAt, { machine: disk.boot() });
    for (const options of [{ maxBytes: 200 }, { maxBytes: 200, reverse: true as const }, { maxBytes: 1 }]) {
      const found: string[] = [];
      for await (const batch of reader.readBatches(options)) {
        expect(batch.count === 1 || batch.byteLength <= 200).toBe(true);
        expect([...batch].map(({ seq }) => seq)[0]).toBe(batch.first);
        for (let i = 0; i < batch.count; i++) {
          expect(batch.recordAt(i).bytes).toEqual(batch.bytesAt(i));
          expect(batch.dataAt(i)).toEqual(batch.bytesAt(i));
          found.push(textOf(batch.recordAt(i)));
        }
        expect(() => batch.bytesAt(batch.count)).toThrow(RangeError);
        expect(() => batch.recordAt(-1)).toThrow(RangeError);
      }
      expect(found).toEqual(options.reverse === true ? ten.toReversed() : ten);
    }
  });

  test("records larger than a piece, among small ones, forward and backward", async () => {
    const datas = ["a", "b".repeat(3_000_000), "c", "d".repeat(1_048_576 - 32), "e".repeat(1_048_577), ""];
    const disk = await closedLog(...datas);
    const reader = await LogReader.open(logAt, { machine: disk.boot() });
    expect(await texts(reader)).toEqual(datas);
    expect(await texts(reader, { reverse: true })).toEqual(datas.toReversed());
  });

  test("thousands of records, backward, over more than one piece", async () => {
    const disk = new SimulatedDisk({ keepLog: false });
    const { writer } = await write(disk.boot());
    const datas = Array.from({ length: 3000 }, (_, i) => `${i} ${"z".repeat(i % 900)}`);
    await Promise.all(datas.map((data) => writer.append(data)));
    await writer.close();
    const reader = await LogReader.open(logAt, { machine: disk.boot() });
    expect(await texts(reader, { reverse: true })).toEqual(datas.toReversed());
    expect(await texts(reader)).toEqual(datas);
  });

  test.each<[string, unknown]>([
    ["a seq below 0", { from: -1 }],
    ["a seq that is no whole number", { to: 1.5 }],
    ["a limit below 0", { limit: -1 }],
    ["the n-th from the end for an n below 0", { from: { last: -1 } }],
    ["an id that no record has", { from: { id: "9f3c1d2e-5b6a-4c7d-8e9f-0a1b2c3d4e5f" } }],
    ["an invalid Date", { from: new Date(NaN) }],
  ])("%s is a RangeError", async (_, options) => {
    const reader = await LogReader.open(logAt, { machine: (await closedLog("one")).boot() });
    await expect(texts(reader, options as ReadOptions)).rejects.toThrow(RangeError);
  });

  test("what is no position, live in reverse, or a bad maxBytes is told at once or at the first record", async () => {
    const reader = await LogReader.open(logAt, { machine: (await closedLog("one")).boot() });
    expect(() => reader.read({ reverse: true, live: true } as unknown as ReadOptions)).toThrow(TypeError);
    for (const maxBytes of [0, -1, 1.5, 2 ** 31]) expect(() => reader.readBatches({ maxBytes })).toThrow(RangeError);
    for (const from of ["begin", {}, { last: "2" }, true]) {
      await expect(texts(reader, { from } as unknown as ReadOptions)).rejects.toThrow(TypeError);
    }
    await expect(texts(reader, { from: { id: "no id" } })).rejects.toThrow(TypeError);
  });

  test("single records by seq and by id", async () => {
    const disk = await closedLog(...ten);
    const reader = await LogReader.open(logAt, { machine: disk.boot() });
    for (const [i, text] of ten.entries()) {
      const record = (await reader.get(i)) as LogRecord;
      expect(textOf(record)).toBe(text);
      expect((await reader.find(record.id))?.seq).toBe(i);
      expect((await reader.find(record.id.toUpperCase()))?.seq).toBe(i);
      expect(await texts(reader, { from: { id: record.id }, limit: 1 })).toEqual([text]);
    }
    expect(await reader.get(10)).toBeUndefined();
    expect(await reader.find("9f3c1d2e-5b6a-4c7d-8e9f-0a1b2c3d4e5f")).toBeUndefined();
    await expect(reader.get(-1)).rejects.toThrow(RangeError);
    await expect(reader.find("no id")).rejects.toThrow(TypeError);
  });

  test("by time, where ids are of version 7", async () => {
    let now = 1_000_000;
    const ids = createIdSourceV7(new SeededRandom("v7"), () => now, 0);
    let offset = 0;
    const log = Buffer.concat(
      [0, 0, 5, 5, 5, 9].map((step, i) => {
        now = 1_000_000 + step;
        const record = Buffer.alloc(headerLength + 1, i);
        writeHeader(chunkOf(record, 0).view, 0, 1, offset, crc32(record, headerLength));
        ids.begin();
        ids.write(record, headerAt.id);
        offset += record.length;
        return record;
      }),
    );
    const disk = new SimulatedDisk();
    disk.writeFile(logAt, log);
    const reader = await LogReader.open(logAt, { machine: disk.boot() });
    const seqAt = (ms: number): Promise<number> => reader.seqAt(new Date(ms));
    expect([await seqAt(0), await seqAt(1_000_000), await seqAt(1_000_001)]).toEqual([0, 0, 2]);
    expect([await seqAt(1_000_005), await seqAt(1_000_006), await seqAt(1_000_010)]).toEqual([2, 5, 6]);
    const from = new Date(1_000_005);
    expect((await texts(reader, { from })).length).toBe(4);
    for (let seq = 0; seq < 6; seq++) {
      const { id, time } = (await reader.get(seq)) as LogRecord;
      expect((await reader.find(id))?.seq).toBe(seq);
      expect(time.getTime()).toBe(1_000_000 + ([0, 0, 5, 5, 5, 9][seq] as number));
    }
    expect(await reader.find("00000000-0000-7000-8000-000000000001")).toBeUndefined();
    await expect(seqAt(NaN)).rejects.toThrow(RangeError);
  });

  test("by time is not possible where ids are of version 4", async () => {
    const reader = await LogReader.open(logAt, { machine: (await closedLog("one")).boot() });
    await expect(reader.seqAt(new Date())).rejects.toMatchObject({ code: "SEQLOG_UNSUPPORTED" });
  });
});

describe("damage", () => {
  test("any flipped bit of any record is an error naming file, offset and seq, and the records before it are served", async () => {
    const datas = ["first", "", "the third record"];
    const starts = [0, 37, 69];
    const pristine = await closedLog(...datas);
    const log = pristine.readFile(logAt) as Uint8Array;
    for (let bit = 0; bit < log.length * 8; bit++) {
      const disk = new SimulatedDisk({ keepLog: false });
      disk.writeFile(logAt, log);
      disk.writeFile(indexAt, pristine.readFile(indexAt) as Uint8Array);
      disk.flipBit(logAt, bit >> 3, bit & 7);
      const hit = starts.findLastIndex((start) => start <= bit >> 3);
      const opened = await LogReader.open(logAt, { machine: disk.boot() }).catch((error: unknown) => error);
      const { served, error } =
        opened instanceof LogReader ? await textsAndError(opened.read()) : { served: [], error: opened };
      expect(error, `bit ${bit}`).toMatchObject({
        code: "SEQLOG_DAMAGED",
        facts: { file: logAt, offset: starts[hit], seq: hit },
      });
      expect(served).toEqual(hit === 2 ? [] : datas.slice(0, hit));
    }
  });

  test("in a record index changes nothing that is served", async () => {
    const disk = await closedLog(...ten);
    const index = disk.readFile(indexAt) as Uint8Array;
    for (let at = 0; at < index.length - entryLength; at++) {
      const copy = Buffer.from(index);
      copy[at] = (copy[at] as number) ^ 0x40;
      disk.writeFile(indexAt, copy);
      const reader = await LogReader.open(logAt, { machine: disk.boot() });
      expect(await texts(reader)).toEqual(ten);
    }
  });

  test.each<[string, (index: Buffer) => Uint8Array]>([
    ["random bytes", (index) => Buffer.alloc(index.length, 0x77)],
    ["empty", () => Buffer.alloc(0)],
    ["zeros", (index) => Buffer.alloc(index.length)],
    ["half of it", (index) => index.subarray(0, 80)],
    ["zeroed in the middle", (index) => index.fill(0, 40, 100)],
    ["followed by zeros", (index) => Buffer.concat([index, Buffer.alloc(4096)])],
    ["followed by other bytes", (index) => Buffer.concat([index, Buffer.alloc(100, 9)])],
  ])("of the whole record index of a closed log hides nothing: %s", async (_, change) => {
    const disk = await closedLog(...ten);
    disk.writeFile(indexAt, change(Buffer.from(disk.readFile(indexAt) as Uint8Array)));
    const reader = await LogReader.open(logAt, { machine: disk.boot() });
    expect(await texts(reader)).toEqual(ten);
    expect(await texts(reader, { reverse: true, limit: 2 })).toEqual([ten[9], ten[8]]);
    expect(textOf((await reader.get(7)) as LogRecord)).toBe(ten[7]);
  });

  test("a torn tail is not served, with a record index or without", async () => {
    const disk = await closedLog(...ten);
    disk.writeFile(logAt, Buffer.concat([disk.readFile(logAt) as Uint8Array, Buffer.from("a torn tail")]));
    for (const index of [indexAt, "/none.idx"]) {
      expect(await texts(await LogReader.open(logAt, { machine: disk.boot(), index }))).toEqual(ten);
    }
  });

  test("a log that is shorter than its record index proves is an error at open", async () => {
    const disk = await closedLog(...ten);
    const log = disk.readFile(logAt) as Uint8Array;
    disk.writeFile(logAt, log.subarray(0, log.length - 1));
    await expect(LogReader.open(logAt, { machine: disk.boot() })).rejects.toMatchObject({
      code: "SEQLOG_DAMAGED",
      facts: { file: logAt, seq: 9 },
    });
  });
});

describe("beside a writer", () => {
  /** What proves a record: the index has an entry for it. */
  function provenRecords(disk: SimulatedDisk): number {
    return (disk.readFile(indexAt) as Uint8Array).length / entryLength;
  }

  test("no record is served that a power cut could still take away", async () => {
    for (let seed = 0; seed < 40; seed++) {
      const disk = new SimulatedDisk({ seed, hasDsync: seed % 2 === 0 });
      const { writer } = await write(disk.boot(), ...ten.slice(0, seed % 3));
      const other = disk.boot();
      const reader = await LogReader.open(logAt, { machine: other });
      const answers = Array.from({ length: 5 }, (_, i) => writer.append(`${seed} ${i}`));
      const answered = { all: false };
      void Promise.allSettled(answers).then(() => (answered.all = true));
      while (!answered.all) {
        const { records } = await reader.stats();
        expect(records).toBeLessThanOrEqual(provenRecords(disk));
        const durable = new SimulatedDisk({ keepLog: false });
        durable.writeFile("/copy", disk.readFile(logAt, "medium") as Uint8Array);
        const file = durable.boot().storage.openSync("/copy", "read");
        const { nextSeq } = runSync(walkChain(file, { seq: 0, offset: 0 }, file.statSync().size));
        expect(records).toBeLessThanOrEqual(nextSeq);
        expect(await texts(reader)).toHaveLength(reader.nextSeq);
      }
      expect((await reader.stats()).records).toBe((seed % 3) + 5);
    }
  });

  test("a record whose writer died before it was durable is not served, also when it is the first", async () => {
    for (const before of [0, 3]) {
      const disk = new SimulatedDisk({ hasDsync: false });
      const machine = disk.boot();
      const { writer } = await write(machine, ...ten.slice(0, before));
      machine.faults.on({ kind: "fsync", path: ".log" }, crashBefore);
      void writer.append("not durable").catch(() => undefined);
      await machine.died;
      const reader = await LogReader.open(logAt, { machine: disk.boot() });
      expect(await texts(reader)).toEqual(ten.slice(0, before));
      await reader.close();
    }
  });

  test("what is appended after opening is seen by the next read, and by get", async () => {
    const disk = new SimulatedDisk();
    const { writer } = await write(disk.boot(), "one");
    const reader = await LogReader.open(logAt, { machine: disk.boot() });
    await writer.append("two");
    expect(await texts(reader)).toEqual(["one", "two"]);
    await writer.append("three");
    expect(textOf((await reader.get(2)) as LogRecord)).toBe("three");
    expect(reader.nextSeq).toBe(3);
  });

  test("a finite read ends where the log ended when it began", async () => {
    const disk = new SimulatedDisk();
    const { writer } = await write(disk.boot(), "one", "two");
    const reader = await LogReader.open(logAt, { machine: disk.boot() });
    const found: string[] = [];
    for await (const record of reader.read()) {
      found.push(textOf(record));
      await writer.append("more");
    }
    expect(found).toEqual(["one", "two"]);
  });
});

test("a finite read that a reset overtakes ends with SEQLOG_RESET, not with the records of two logs", async () => {
  const disk = new SimulatedDisk();
  const { writer } = await write(disk.boot(), ...ten);
  const reader = await LogReader.open(logAt, { machine: disk.boot() });
  const batches = reader.readBatches({ maxBytes: 100 });
  expect((await batches.next()).value).toMatchObject({ first: 0 });
  await writer.reset();
  await Promise.all(ten.map((data) => writer.append(data.toUpperCase())));
  // What was read ahead may still come: it belongs to the log that was begun with.
  const rest = async (): Promise<void> => {
    for await (const batch of batches) {
      for (const record of batch) expect(textOf(record)).toBe(ten[record.seq]);
    }
  };
  await expect(rest()).rejects.toMatchObject({ code: "SEQLOG_RESET" });
  expect(await texts(reader)).toEqual(ten.map((data) => data.toUpperCase()));
});

describe("a live read", () => {
  async function follow(options: SimulatedDiskOptions = {}, ...datas: readonly string[]) {
    const disk = new SimulatedDisk(options);
    const { writer, recordIndex } = await write(disk.boot(), ...datas);
    const machine = disk.boot();
    return { disk, writer, recordIndex, machine, reader: await LogReader.open(logAt, { machine }) };
  }

  test("gives what is there, then what comes", async () => {
    const { writer, reader } = await follow({}, "one");
    const found: string[] = [];
    for await (const record of reader.read({ live: true })) {
      found.push(textOf(record));
      if (found.length === 6) break;
      void writer.append(`after ${found.length}`);
    }
    expect(found).toEqual(["one", "after 1", "after 2", "after 3", "after 4", "after 5"]);
  });

  test("of an empty log waits for the first record", async () => {
    const { writer, reader } = await follow();
    const records = reader.read({ live: true });
    const first = records.next();
    await writer.append("first");
    expect(textOf((await first).value as LogRecord)).toBe("first");
    await records.return?.();
  });

  test("from the end, or from a seq that is not there yet", async () => {
    const { writer, reader } = await follow({}, "one");
    const fromEnd = reader.read({ live: true, from: "end" });
    const fromThree = reader.read({ live: true, from: 3 });
    const [next, third] = [fromEnd.next(), fromThree.next()];
    // Where the end is, is looked up at the first `next`.
    while (reader.nextSeq === 1) await writer.append("more");
    expect(((await next).value as LogRecord).seq).toBeGreaterThanOrEqual(1);
    for (let i = 0; i < 3; i++) await writer.append("even more");
    expect(((await third).value as LogRecord).seq).toBe(3);
    await reader.close();
  });

  test("ends at `to` and at its limit", async () => {
    const { writer, reader } = await follow({}, "zero");
    const bounded = [texts(reader, { live: true, to: 3 }), texts(reader, { live: true, limit: 2 })];
    for (const data of ["one", "two", "three"]) await writer.append(data);
    expect(await Promise.all(bounded)).toEqual([
      ["zero", "one", "two"],
      ["zero", "one"],
    ]);
  });

  test("is woken by a slow poll where watches say nothing", async () => {
    const { disk, writer, reader } = await follow({ watchMissChance: 1 });
    const records = reader.read({ live: true });
    const first = records.next();
    await writer.append("first");
    await disk.clock.advance(300);
    expect(textOf((await first).value as LogRecord)).toBe("first");
    await records.return?.();
  });

  test("holds the process, and no longer than it lasts", async () => {
    const { machine, disk, reader } = await follow({}, "one");
    expect(machine.keepsAlive).toBe(false);
    const records = reader.read({ live: true });
    await records.next();
    const waiting = records.next();
    await disk.clock.advance(0);
    expect(machine.keepsAlive).toBe(true);
    await records.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(machine.keepsAlive).toBe(false);
  });

  test("is ended by close, normally; a finite read that comes later rejects", async () => {
    const { disk, machine, reader } = await follow({}, "one");
    const records = reader.read({ live: true });
    await records.next();
    const waiting = [records.next(), records.next()];
    await disk.clock.advance(0);
    await reader.close();
    for (const end of waiting) expect(await end).toEqual({ done: true, value: undefined });
    await expect(texts(reader)).rejects.toMatchObject({ code: "SEQLOG_CLOSED" });
    await expect(reader.get(0)).rejects.toMatchObject({ code: "SEQLOG_CLOSED" });
    await expect(reader.find("9f3c1d2e-5b6a-4c7d-8e9f-0a1b2c3d4e5f")).rejects.toMatchObject({ code: "SEQLOG_CLOSED" });
    expect([machine.keepsAlive, disk.operations.count("open", ".idx")]).toEqual([false, 2]);
  });

  test("is ended by its signal, with the signal's reason", async () => {
    const { disk, reader } = await follow({}, "one");
    const controller = new AbortController();
    const records = reader.read({ live: true, signal: controller.signal });
    await records.next();
    const waiting = records.next().catch((error: unknown) => error);
    await disk.clock.advance(0);
    const reason = new Error("enough");
    controller.abort(reason);
    expect(await waiting).toBe(reason);
    expect(await records.next()).toEqual({ done: true, value: undefined });
    await expect(reader.read({ signal: AbortSignal.abort(new Error("before")) }).next()).rejects.toThrow("before");
  });

  test("is ended by leaving the loop, also while it waits", async () => {
    const { disk, reader } = await follow({}, "one");
    const records = reader.read({ live: true });
    await records.next();
    const waiting = records.next();
    await disk.clock.advance(0);
    expect(await records.return?.()).toEqual({ done: true, value: undefined });
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  test("ends with SEQLOG_RESET when the log is reset, and a new read begins with the new records", async () => {
    const { disk, writer, reader } = await follow({}, "old");
    const records = reader.read({ live: true });
    await records.next();
    const waiting = records.next().catch((error: unknown) => error);
    await disk.clock.advance(0);
    await writer.reset();
    expect(await waiting).toMatchObject({ code: "SEQLOG_RESET" });
    await writer.append("new");
    expect(await texts(reader)).toEqual(["new"]);
  });

  test("of many readers is one watch", async () => {
    const { disk, writer, reader } = await follow({}, "one");
    const reads = Array.from({ length: 5 }, () => texts(reader, { live: true, limit: 3 }));
    await disk.clock.advance(0);
    expect(disk.clock.timers).toBeLessThanOrEqual(2);
    await writer.append("two");
    await writer.append("three");
    for (const read of reads) expect(await read).toEqual(["one", "two", "three"]);
  });
});

describe("really, beside another process", () => {
  /** A writer that knows nothing but FORMAT.md: for each line of its input a record, synced, then its index entry. */
  const program = `
    const fs = require("node:fs"), zlib = require("node:zlib"), { randomBytes } = require("node:crypto");
    const [log, idx] = [process.argv[1], process.argv[2]].map((path) => fs.openSync(path, "w"));
    fs.writeFileSync(process.argv[1] + ".lock", JSON.stringify({ pid: process.pid, host: "h", since: 0, kind: "kernel" }));
    let seq = 0, offset = 0;
    require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
      const data = Buffer.from(line), record = Buffer.concat([Buffer.alloc(16), randomBytes(16), data]);
      record.writeUInt32LE(data.length, 0);
      record.writeBigUInt64LE(BigInt(offset), 4);
      record.writeUInt32LE(zlib.crc32(data), 12);
      record[22] = 0x40 | (record[22] & 15);
      record[24] = 0x80 | (record[24] & 63);
      fs.writeSync(log, record);
      if (line === "never proven") return process.stdout.write("written\\n");
      fs.fsyncSync(log);
      const entry = Buffer.alloc(28);
      entry.writeBigUInt64LE(BigInt(seq++), 0);
      entry.writeBigUInt64LE(BigInt(offset), 8);
      entry.writeUInt32LE(zlib.crc32(record.subarray(0, 32)), 16);
      entry.writeUInt32LE(zlib.crc32(entry.subarray(0, 20)), 20);
      fs.writeSync(idx, entry.subarray(8, 24));
      offset += record.length;
      process.stdout.write("proven\\n");
    });
    process.stdout.write("ready\\n");`;

  async function startWriter(): Promise<{ directory: string; path: string; child: ChildProcess }> {
    const directory = mkdtempSync(join(tmpdir(), "seqlog-reader-"));
    const path = join(directory, "events.log");
    const child = spawn(process.execPath, ["-e", program, path, join(directory, "events.idx")], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    onTestFinished(() => {
      child.kill("SIGKILL");
      rmSync(directory, { recursive: true, force: true });
    });
    await once(child.stdout as NodeJS.ReadableStream, "data");
    return { directory, path, child };
  }

  test("a live read gives each record as the other process proves it, and none before", async () => {
    const { directory, path, child } = await startWriter();
    const reader = await LogReader.open(path);
    const records = reader.read({ live: true });
    for (let i = 0; i < 20; i++) {
      const next = records.next();
      child.stdin?.write(`record ${i}\n`);
      const { value } = (await next) as { value: LogRecord };
      expect([value.seq, textOf(value)]).toEqual([i, `record ${i}`]);
    }
    child.stdin?.write("never proven\n");
    await once(child.stdout as NodeJS.ReadableStream, "data");
    expect((await reader.stats()).records).toBe(20);
    const left = records.next();
    child.kill("SIGKILL");
    await once(child, "close");
    expect((await reader.stats()).records).toBe(20);
    expect(readdirSync(directory).sort()).toEqual(["events.idx", "events.log", "events.log.lock"]);
    await reader.close();
    expect((await left).done).toBe(true);
  });

  test("LogWriter takes over what it left", async () => {
    const { directory, path, child } = await startWriter();
    for (const line of ["one", "two", "never proven"]) {
      const answered = once(child.stdout as NodeJS.ReadableStream, "data");
      child.stdin?.write(`${line}\n`);
      await answered;
    }
    child.kill("SIGKILL");
    await once(child, "close");
    const recordIndex = await RecordIndex.open(join(directory, "events.idx"));
    const writer = await LogWriter.open(path, recordIndex);
    expect(writer.recovery).toEqual({ records: 3, tornBytes: 0, redone: 1, indexRebuilt: false });
    await writer.append("four");
    const reader = await LogReader.open(path);
    expect(await texts(reader)).toEqual(["one", "two", "never proven", "four"]);
    await reader.close();
    await writer.close();
    await recordIndex.close();
  });
});

test("an entry of the record index that contradicts its record is an error, whatever the record says of itself", async () => {
  const disk = await closedLog("one", "two", "three");
  const log = disk.readFile(logAt) as Uint8Array;
  const index = Buffer.from(disk.readFile(indexAt) as Uint8Array);
  writeEntry(chunkOf(index, 0).view, entryLength, noSeed, 1, 35, crc32OfHeader(chunkOf(log, 0).view, 0), "firm");
  disk.writeFile(indexAt, index);
  const { served, error } = await textsAndError((await LogReader.open(logAt, { machine: disk.boot() })).read());
  expect(served).toEqual(["one"]);
  expect(error).toBeInstanceOf(SeqlogError);
  expect(error).toMatchObject({ code: "SEQLOG_DAMAGED", facts: { offset: 35, seq: 1 } });
});
