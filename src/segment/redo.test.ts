import { describe, expect, test } from "vitest";
import { crc32, crc32OfHeader } from "../format/crc32.ts";
import { entryLength, noSeed, writeEntry } from "../format/index-entry.ts";
import { headerAt, headerLength, writeHeader } from "../format/record.ts";
import { createIdSourceV4 } from "../format/uuid.ts";
import { runSync } from "../storage/plan.ts";
import type { Machine } from "../storage/storage.ts";
import { failWith, shortWrite } from "../testing/fault-plan.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import { IndexFile } from "./index-file.ts";
import { copyRange, redoTail, saveTail, tailPath } from "./redo.ts";
import { chunkOf, verifyChunk } from "./verify-chunk.ts";

const logAt = "/events.log";
const indexAt = "/events.idx";
const tailAt = tailPath(logAt);
const ids = createIdSourceV4(new SeededRandom("ids"));

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

function indexOf(segment: Uint8Array): Buffer {
  const chunk = chunkOf(segment, 0);
  const { starts } = verifyChunk(chunk, segment.length, Infinity);
  const entries = Buffer.alloc(starts.length * entryLength);
  for (const [seq, start] of starts.entries()) {
    const headerCrc = crc32OfHeader(chunk.view, start);
    writeEntry(chunkOf(entries, 0).view, seq * entryLength, noSeed, seq, start, headerCrc, "firm");
  }
  return entries;
}

const whole = segmentOf("one", "two", "three", "four", "five");
const wholeIndex = indexOf(whole);
/** Where record 2 starts: the mark of the examples. */
const mark = 2 * headerLength + 6;

function save(machine: Machine, start: number, end: number, firstSeq: number): void {
  runSync(saveTail(machine.storage, machine.storage.openSync(logAt, "write"), start, end, firstSeq));
}

function redo(machine: Machine): boolean {
  const { storage } = machine;
  const index = IndexFile.openSync(storage, indexAt, "create", 0, noSeed);
  return runSync(redoTail(storage, storage.openSync(logAt, "write"), index));
}

function hex(disk: SimulatedDisk, path: string, from: "cache" | "medium" = "medium"): string {
  return Buffer.from(disk.readFile(path, from) ?? []).toString("hex");
}

/** A whole redo copy of what stands from the mark on. */
const tail = ((): Buffer => {
  const disk = new SimulatedDisk();
  disk.writeFile(logAt, whole);
  save(disk.boot(), mark, whole.length, 2);
  return Buffer.from(disk.readFile(tailAt, "medium") ?? []);
})();

describe("redo", () => {
  const broken = Buffer.from(whole.subarray(mark)).fill(0x55, 20);

  test.each<[string, Uint8Array, Uint8Array]>([
    ["before the cut", whole, wholeIndex.subarray(0, 32)],
    ["after the cut", whole.subarray(0, mark), wholeIndex.subarray(0, 32)],
    ["half written back", whole.subarray(0, mark + 40), wholeIndex.subarray(0, 32)],
    ["written back, but not as it was", Buffer.concat([whole.subarray(0, mark), broken]), wholeIndex.subarray(0, 32)],
    ["written back, entries missing", whole, wholeIndex.subarray(0, 48)],
    ["all done but the copy not removed", whole, wholeIndex],
    ["the record index gone", whole, Buffer.alloc(0)],
  ])("from any stage comes to the same end: %s", (_, log, index) => {
    const disk = new SimulatedDisk();
    disk.writeFile(logAt, log);
    disk.writeFile(indexAt, index);
    disk.writeFile(tailAt, tail);
    expect(redo(disk.boot())).toBe(true);
    disk.crash({ keep: 0 });
    expect(hex(disk, logAt)).toBe(whole.toString("hex"));
    expect(hex(disk, indexAt).slice(64)).toBe(wholeIndex.subarray(32).toString("hex"));
    expect(disk.list("/")).toEqual(["events.idx", "events.log"]);
  });

  test("without a copy there is nothing to do", () => {
    const disk = new SimulatedDisk();
    disk.writeFile(logAt, whole);
    disk.writeFile(indexAt, wholeIndex.subarray(0, 32));
    expect(redo(disk.boot())).toBe(false);
    expect(hex(disk, logAt, "cache")).toBe(whole.toString("hex"));
  });

  test("a copy with any bit flipped is damage, and nothing is changed", () => {
    const lastBytes = [0, 1, tail.length - 40, tail.length - 30, tail.length - 20, tail.length - 8, tail.length - 1];
    for (const at of lastBytes) {
      const disk = new SimulatedDisk();
      disk.writeFile(logAt, whole);
      disk.writeFile(tailAt, tail);
      disk.flipBit(tailAt, at, 3);
      expect(() => redo(disk.boot()), `byte ${at}`).toThrow(
        expect.objectContaining({ code: "SEQLOG_DAMAGED", facts: expect.objectContaining({ file: tailAt }) }),
      );
      expect(hex(disk, logAt, "cache")).toBe(whole.toString("hex"));
      expect(disk.list("/")).toContain("events.log.tail");
    }
  });

  test.each([0, 1, 39, 40, tail.length - 1])("a copy of %i bytes is not whole", (length) => {
    const disk = new SimulatedDisk();
    disk.writeFile(logAt, whole);
    disk.writeFile(tailAt, tail.subarray(0, length));
    expect(() => redo(disk.boot())).toThrow(expect.objectContaining({ code: "SEQLOG_DAMAGED" }));
  });

  test("a segment that ends before its copy starts is damage", () => {
    const disk = new SimulatedDisk();
    disk.writeFile(logAt, whole.subarray(0, mark - 1));
    disk.writeFile(tailAt, tail);
    expect(() => redo(disk.boot())).toThrow(
      expect.objectContaining({
        code: "SEQLOG_DAMAGED",
        facts: expect.objectContaining({ file: logAt, offset: mark }),
      }),
    );
    expect(hex(disk, logAt, "cache")).toBe(whole.subarray(0, mark - 1).toString("hex"));
  });

  test("a segment that goes on behind its copy is damage: the copy is an old one", () => {
    const disk = new SimulatedDisk();
    const log = Buffer.concat([whole, Buffer.alloc(1, 3)]);
    disk.writeFile(logAt, log);
    disk.writeFile(tailAt, tail);
    expect(() => redo(disk.boot())).toThrow(expect.objectContaining({ code: "SEQLOG_DAMAGED" }));
    expect(hex(disk, logAt, "cache")).toBe(log.toString("hex"));
  });

  test("a full disk leaves the copy, and the next redo makes it good", () => {
    const disk = new SimulatedDisk();
    disk.writeFile(logAt, whole);
    disk.writeFile(tailAt, tail);
    const machine = disk.boot();
    machine.faults.on({ kind: "write", path: logAt }, shortWrite(10));
    expect(() => redo(machine)).toThrow(expect.objectContaining({ code: "SEQLOG_NO_SPACE" }));
    expect(hex(disk, tailAt)).toBe(tail.toString("hex"));
    expect(redo(disk.boot())).toBe(true);
    expect(hex(disk, logAt)).toBe(whole.toString("hex"));
  });
});

describe("the redo copy", () => {
  test("is the bytes and a trailer that names place, seq and length", () => {
    const bytes = whole.subarray(mark);
    expect(tail.subarray(0, -40).equals(bytes)).toBe(true);
    const trailer = tail.subarray(-40);
    expect(trailer.toString("latin1", 0, 8)).toBe("seqlogT1");
    expect([8, 16, 24].map((at) => Number(trailer.readBigUInt64LE(at)))).toEqual([mark, 2, bytes.length]);
    expect(trailer.readUInt32LE(32)).toBe(crc32(bytes));
    expect(trailer.readUInt32LE(36)).toBe(crc32(trailer, 0, 36));
  });

  test.each(["open", "write", "fsync", "rename", "fsyncDirectory"] as const)(
    "is whole or not there when %s fails",
    (kind) => {
      const disk = new SimulatedDisk();
      disk.writeFile(logAt, whole);
      const machine = disk.boot();
      machine.faults.on({ kind, path: kind === "open" ? ".tmp" : /./ }, failWith("EIO"));
      expect(() => save(machine, mark, whole.length, 2)).toThrow(expect.objectContaining({ code: "SEQLOG_IO" }));
      disk.crash();
      const left = disk.readFile(tailAt, "medium");
      expect([undefined, tail.toString("hex")]).toContain(left && Buffer.from(left).toString("hex"));
    },
  );

  test("takes the place of a temporary that an interrupted one left", () => {
    const disk = new SimulatedDisk();
    disk.writeFile(logAt, whole);
    disk.writeFile(`${tailAt}.tmp`, Buffer.alloc(9999, 1));
    save(disk.boot(), mark, whole.length, 2);
    expect(hex(disk, tailAt)).toBe(tail.toString("hex"));
    expect(disk.list("/")).toEqual(["events.log", "events.log.tail"]);
  });

  test("of more than one MiB is copied in pieces, and is the same bytes", () => {
    const disk = new SimulatedDisk();
    const large = Buffer.alloc(2_600_000);
    new SeededRandom("large").fill(large);
    disk.writeFile(logAt, large);
    const { storage } = disk.boot();
    const from = storage.openSync(logAt, "read");
    runSync(copyRange(storage, from, 1000, 2_500_000, "/copy"));
    expect(Buffer.compare(disk.readFile("/copy", "medium") as Uint8Array, large.subarray(1000, 2_500_000))).toBe(0);
    expect(Math.max(...disk.log.map((operation) => operation.length))).toBeLessThanOrEqual(1024 * 1024);
  });

  test("is not made of a file that became shorter meanwhile", () => {
    const disk = new SimulatedDisk();
    disk.writeFile(logAt, whole);
    expect(() => save(disk.boot(), mark, whole.length + 1, 2)).toThrow(
      expect.objectContaining({ code: "SEQLOG_DAMAGED" }),
    );
    expect(disk.list("/")).toEqual(["events.log"]);
  });
});
