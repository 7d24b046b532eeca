import { describe, expect, test } from "vitest";
import { crc32, crc32OfHeader } from "../format/crc32.ts";
import { entryLength, noSeed, writeEntry } from "../format/index-entry.ts";
import { headerAt, headerLength, writeHeader } from "../format/record.ts";
import { createIdSourceV4 } from "../format/uuid.ts";
import { run as runLater, runSync } from "../storage/plan.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import { IndexFile } from "./index-file.ts";
import type { Run } from "./log-record.ts";
import { type ReadLimit, SegmentReader } from "./segment-reader.ts";
import { chunkOf } from "./verify-chunk.ts";

const mebibyte = 1024 * 1024;
const base = 100;
const ids = createIdSourceV4(new SeededRandom("ids"));

interface Content {
  readonly log: Buffer;
  readonly index: Buffer;
  readonly starts: readonly number[];
}

/** A segment with records of these lengths, byte i of record k being k + i, and its record index. */
function content(...lengths: readonly number[]): Content {
  let offset = 0;
  const starts: number[] = [];
  const index = Buffer.alloc(lengths.length * entryLength);
  const log = Buffer.concat(
    lengths.map((length, k) => {
      const record = Buffer.alloc(headerLength + length);
      for (let i = 0; i < length; i++) record[headerLength + i] = k + i;
      const { view } = chunkOf(record, 0);
      writeHeader(view, 0, length, offset, crc32(record, headerLength));
      ids.write(record, headerAt.id);
      writeEntry(
        chunkOf(index, 0).view,
        k * entryLength,
        noSeed,
        base + k,
        offset,
        crc32OfHeader(view, 0),
        k % 2 === 0 ? "firm" : "provisional",
      );
      starts.push(offset);
      offset += record.length;
      return record;
    }),
  );
  return { log, index, starts };
}

class Setup {
  readonly disk = new SimulatedDisk();
  readonly reader: SegmentReader;
  readonly limit: ReadLimit;

  constructor(log: Uint8Array, index: Uint8Array | undefined, records: number, end = log.length) {
    this.disk.writeFile("/s.log", log);
    const { storage } = this.disk.boot();
    if (index !== undefined) this.disk.writeFile("/s.idx", index);
    const indexFile = index && IndexFile.openSync(storage, "/s.idx", "read", base, noSeed);
    this.reader = new SegmentReader(storage.openSync("/s.log", "read"), indexFile, base);
    this.limit = { nextSeq: base + records, end };
  }

  locate(seq: number): number {
    return runSync(this.reader.locate(seq, this.limit));
  }

  run(seq: number, offset: number, maxBytes = mebibyte, most = Infinity): Run {
    return runSync(this.reader.run(seq, offset, this.limit, maxBytes, most));
  }

  one(seq: number): Run {
    return runSync(this.reader.one(seq, this.limit));
  }

  /** Where the bytes that were read of the segment end. */
  get readTo(): number {
    const reads = this.disk.log.filter(({ kind, path }) => kind === "read" && path === "/s.log");
    return Math.max(...reads.map(({ position, length }) => position + length));
  }
}

const five = content(10, 0, 300, 5, 40);

describe("where a record starts", () => {
  test.each<[string, Uint8Array | undefined]>([
    ["a whole record index", five.index],
    ["none", undefined],
    ["an empty one", Buffer.alloc(0)],
    ["one of zeros", Buffer.alloc(80)],
    ["one that ends early", five.index.subarray(0, 40)],
    ["one with a hole", Buffer.from(five.index).fill(0, 32, 64)],
    ["one of random bytes", Buffer.alloc(80, 0x5a)],
    ["one whose first entry is wrong", Buffer.from(five.index).fill(9, 0, 4)],
  ])("is found with %s", (_, index) => {
    const on = new Setup(five.log, index, 5);
    expect([0, 1, 2, 3, 4].map((k) => on.locate(base + k))).toEqual(five.starts);
    expect(on.locate(base + 5)).toBe(five.log.length);
  });

  test("costs one entry where that is valid", () => {
    const on = new Setup(five.log, five.index, 5);
    on.locate(base + 3);
    expect(on.disk.operations.count("read")).toBe(1);
  });

  test("an entry that points behind the end is not followed", () => {
    const index = Buffer.from(five.index);
    writeEntry(chunkOf(index, 0).view, 2 * entryLength, noSeed, base + 2, 10_000, 1, "firm");
    expect(new Setup(five.log, index, 5).locate(base + 2)).toBe(five.starts[2]);
  });
});

describe("a run of records", () => {
  test("holds as many as fit, and at least one", () => {
    const on = new Setup(five.log, five.index, 5);
    expect(on.run(base, 0).starts).toEqual(five.starts);
    expect(on.run(base, 0, 100)).toMatchObject({ starts: [0, 42], end: 74, firstSeq: base, segment: "s.log" });
    expect(on.run(base + 2, 74, 1)).toMatchObject({ starts: [0], end: 332, firstSeq: base + 2 });
    expect(on.run(base, 0, mebibyte, 3).starts).toHaveLength(3);
  });

  test("blocking or not, it is the same", async () => {
    const on = new Setup(five.log, five.index, 5);
    expect(await runLater(on.reader.run(base, 0, on.limit, mebibyte, Infinity))).toEqual(on.run(base, 0));
  });

  test("a record larger than what is read at once is read whole", () => {
    const { log, index } = content(5, 3 * mebibyte, 7);
    const on = new Setup(log, index, 3);
    const run = on.run(base + 1, 37);
    expect([run.starts, run.end]).toEqual([[0], 3 * mebibyte + headerLength]);
    expect(Buffer.compare(run.chunk.bytes, log.subarray(37, 37 + run.end))).toBe(0);
  });

  test("a header that the piece cuts is read whole, too", () => {
    const { log, index, starts } = content(40, 8, 100);
    const on = new Setup(log, index, 3);
    // 64 bytes are read at least: none of these ends with a header.
    expect(on.run(base, 0, 1)).toMatchObject({ starts: [0], end: 72 });
    expect(on.run(base + 1, starts[1] as number, 60)).toMatchObject({ starts: [0], end: 40 });
    expect(on.run(base + 2, starts[2] as number, 1)).toMatchObject({ starts: [0], end: 132 });
  });

  test("never reads past its limit, whatever stands there", () => {
    const log = Buffer.concat([five.log, Buffer.alloc(5000, 0xff)]);
    const end = five.starts[3] as number;
    const on = new Setup(log, five.index, 3, end);
    expect(on.run(base, 0).starts).toEqual(five.starts.slice(0, 3));
    expect(on.one(base + 2).end).toBe(332);
    expect(on.locate(base + 3)).toBe(end);
    expect(on.readTo).toBe(end);
  });

  test("data over 16 MiB is checked in a stream before memory is taken for it", () => {
    const { log, index } = content(17 * mebibyte);
    const on = new Setup(log, index, 1);
    expect(on.one(base).end).toBe(log.length);
    log[log.length - 1] = (log[log.length - 1] as number) ^ 1;
    const bad = new Setup(log, index, 1);
    expect(() => bad.run(base, 0)).toThrow(expect.objectContaining({ code: "SEQLOG_DAMAGED" }));
    expect(Math.max(...bad.disk.log.map(({ length }) => length))).toBe(mebibyte);
  });

  test("bytes that were handed out are never written over", () => {
    const on = new Setup(five.log, five.index, 5);
    const first = on.run(base, 0);
    const copy = Buffer.from(first.chunk.bytes);
    on.run(base, 0);
    on.one(base + 2);
    expect(Buffer.compare(first.chunk.bytes, copy)).toBe(0);
    expect(first.chunk.bytes.buffer).not.toBe(on.run(base, 0).chunk.bytes.buffer);
  });
});

test("one record is found by its number, with one read of the segment where the index helps", () => {
  const on = new Setup(five.log, five.index, 5);
  for (const [k, start] of five.starts.entries()) {
    on.disk.operations.clear();
    const run = on.one(base + k);
    expect([run.firstSeq, run.chunk.position + (run.starts[0] as number)]).toEqual([base + k, start]);
    expect(on.disk.operations.count("read", ".log")).toBe(1);
  }
  const without = new Setup(five.log, undefined, 5);
  expect(without.one(base + 4)).toMatchObject({ firstSeq: base + 4, starts: [0], end: 72 });
});

describe("a record that is not valid", () => {
  const third = five.starts[2] as number;
  const flip = (at: number): Buffer => {
    const log = Buffer.from(five.log);
    log[third + at] = (log[third + at] as number) ^ 0x10;
    return log;
  };

  test.each<[string, number, RegExp]>([
    ["its length", 3, /the length runs past the end/],
    ["its own offset", 4, /own offset is not its position/],
    ["its CRC", 12, /CRC-32 of the data does not match/],
    ["the version of its UUID", 22, /UUID/],
    ["its data", 100, /CRC-32 of the data does not match/],
    ["the free bits of its UUID", 30, /not the one that the record index holds/],
  ])("with a flipped bit in %s is an error, after the ones before it were served", (_, at, reason) => {
    const on = new Setup(flip(at), five.index, 5);
    expect(on.run(base, 0)).toMatchObject({ starts: [0, 42], end: third });
    const error = expect.objectContaining({
      code: "SEQLOG_DAMAGED",
      facts: { file: "/s.log", offset: third, seq: base + 2, reason: expect.stringMatching(reason) },
    });
    expect(() => on.run(base + 2, third)).toThrow(error);
    expect(() => on.one(base + 2)).toThrow(error);
    expect(on.one(base + 3).firstSeq).toBe(base + 3);
  });

  test("without a record index it is found as well, but for the free bits of a UUID", () => {
    for (const at of [3, 4, 12, 22, 100]) {
      expect(() => new Setup(flip(at), undefined, 5).one(base + 4)).toThrow(
        expect.objectContaining({ code: "SEQLOG_DAMAGED" }),
      );
    }
    expect(new Setup(flip(30), undefined, 5).one(base + 2).starts).toHaveLength(1);
  });

  test("a segment that became shorter is an error, not a hang", () => {
    for (const left of [third, third + 10, third + 31, third + 32, third + 100]) {
      const on = new Setup(five.log.subarray(0, left), five.index, 5, five.log.length);
      expect(() => on.run(base + 2, third)).toThrow(
        expect.objectContaining({ code: "SEQLOG_DAMAGED", facts: expect.objectContaining({ seq: base + 2 }) }),
      );
    }
  });

  test("an entry that is not self-valid is no reason to refuse a record", () => {
    const index = Buffer.from(five.index).fill(0xee, 36, 48);
    expect(new Setup(five.log, index, 5).run(base, 0).starts).toHaveLength(5);
  });
});
