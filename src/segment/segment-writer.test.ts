import { describe, expect, test } from "vitest";
import { noSeed } from "../format/index-entry.ts";
import { createIdSourceV4 } from "../format/uuid.ts";
import { runSync } from "../storage/plan.ts";
import { failWith, shortWrite } from "../testing/fault-plan.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { SimulatedDisk, type SimulatedDiskOptions } from "../testing/simulated-disk.ts";
import { Batch } from "./batch.ts";
import { IndexFile } from "./index-file.ts";
import { SegmentWriter, type SegmentWriterOptions } from "./segment-writer.ts";
import { endOfNonZero, walkChain } from "./walk-chain.ts";

const ids = createIdSourceV4(new SeededRandom("ids"));
const kib = 1024;

class Setup {
  readonly disk: SimulatedDisk;
  readonly machine;
  readonly index: IndexFile;
  readonly segment: SegmentWriter;

  constructor(options: Partial<SegmentWriterOptions> = {}, diskOptions: SimulatedDiskOptions = {}, base = 0) {
    this.disk = new SimulatedDisk(diskOptions);
    this.machine = this.disk.boot();
    const { storage } = this.machine;
    this.index = IndexFile.openSync(storage, "/s.idx", "create", base, noSeed);
    const at = { end: 0, nextSeq: base };
    const all = { ackPoint: "durable", zeroAhead: false, ...options } as const;
    this.segment = SegmentWriter.openSync(storage, "/s.log", this.index, at, all);
    storage.fsyncDirectorySync("/");
  }

  batch(...datas: readonly string[]): Batch {
    const batch = new Batch(this.segment.end, false, 64);
    for (const data of datas) batch.add(data, data.length, ids);
    return batch;
  }

  write(batch: Batch): Promise<Error | undefined> {
    return new Promise((resolve) => this.segment.write(batch, resolve));
  }

  async append(...datas: readonly string[]): Promise<void> {
    const batch = this.batch(...datas);
    const error = await this.write(batch);
    if (error !== undefined) throw error;
    this.segment.settle(batch);
  }

  sync(): Promise<Error | undefined> {
    return new Promise((resolve) => this.segment.sync(resolve));
  }

  /** Records and bytes of the chain, and where the last byte that is not zero ends. */
  chain(): { records: number; end: number; nonZeroEnd: number; size: number } {
    const bytes = this.disk.readFile("/s.log") as Uint8Array;
    const file = this.disk.boot().storage.openSync("/s.log", "read");
    const { nextSeq, end } = runSync(walkChain(file, { seq: 0, offset: 0 }, bytes.length));
    return { records: nextSeq, end, nonZeroEnd: runSync(endOfNonZero(file, 0, bytes.length)), size: bytes.length };
  }

  get mark(): number | undefined {
    return runSync(this.index.last("firm"))?.seq;
  }
}

describe("an append", () => {
  test.each([true, false])("is durable before its entry is written (hasDsync: %s)", async (hasDsync) => {
    const on = new Setup({}, { hasDsync });
    const batch = on.batch("hello");
    expect(await on.write(batch)).toBeUndefined();
    expect([on.segment.end, on.segment.dirty, on.mark]).toEqual([0, 0, undefined]);
    on.segment.settle(batch);
    expect([on.segment.end, on.segment.nextSeq, on.segment.dirty, on.mark]).toEqual([37, 1, -1, 0]);
    expect(on.disk.readFile("/s.log", "medium")).toEqual(new Uint8Array(batch.bytes));
  });

  test("blocking is the same", () => {
    for (const hasDsync of [true, false]) {
      const on = new Setup({}, { hasDsync });
      const batch = on.batch("hello", "world");
      on.segment.writeSync(batch);
      on.segment.settle(batch);
      expect(on.disk.readFile("/s.log", "medium")).toEqual(new Uint8Array(batch.bytes));
      expect(on.mark).toBe(1);
    }
  });

  test("in flight is seen in `dirty`", async () => {
    const on = new Setup();
    await on.append("hello");
    expect(on.segment.dirty).toBe(-1);
    const done = on.write(on.batch("more"));
    expect(on.segment.dirty).toBe(37);
    await done;
    expect(on.segment.dirty).toBe(37);
  });

  test("that comes back short is an error, and cutting back undoes it durably", async () => {
    const on = new Setup();
    await on.append("hello");
    on.machine.faults.on({ kind: "write", path: ".log" }, shortWrite(20));
    expect(await on.write(on.batch("lost"))).toMatchObject({ code: "SEQLOG_NO_SPACE" });
    expect(on.chain().size).toBe(57);
    on.segment.cutBack();
    expect([on.segment.dirty, on.chain()]).toEqual([-1, { records: 1, end: 37, nonZeroEnd: 37, size: 37 }]);
    on.disk.crash();
    expect(on.chain()).toEqual({ records: 1, end: 37, nonZeroEnd: 37, size: 37 });
  });

  test("without O_DSYNC a failed fsync is its error", async () => {
    const on = new Setup({}, { hasDsync: false });
    on.machine.faults.on({ kind: "fsync", path: ".log" }, failWith("EIO"));
    expect(await on.write(on.batch("lost"))).toMatchObject({ code: "SEQLOG_IO" });
    expect(on.mark).toBeUndefined();
  });

  test("a batch in flight is written once more at the same place, on another descriptor", async () => {
    const on = new Setup();
    await on.append("hello");
    const batch = on.batch("in flight");
    const done = on.write(batch);
    on.segment.rewriteSync(batch);
    on.segment.settle(batch);
    expect([on.segment.end, on.mark]).toEqual([78, 1]);
    expect(await done).toBeUndefined();
    on.disk.crash({ keep: 0 });
    expect(on.chain()).toMatchObject({ records: 2, end: 78 });
  });

  test("what the write in flight fails with is seen by the second descriptor, too", async () => {
    const on = new Setup();
    on.machine.faults.on({ kind: "write", path: ".log" }, failWith("EIO"));
    const batch = on.batch("in flight");
    expect(await on.write(batch)).toMatchObject({ code: "SEQLOG_IO" });
    expect(() => on.segment.rewriteSync(batch)).toThrow(expect.objectContaining({ code: "SEQLOG_IO" }));
  });
});

describe("zeros ahead", () => {
  test("lie behind the records, in growing steps, and the records behind them are found", async () => {
    const on = new Setup({ zeroAhead: true });
    const sizes: number[] = [];
    let zeroWrites = 0;
    for (let i = 0; i < 300; i++) {
      await on.append("x".repeat(1000));
      const { size, end, nonZeroEnd } = on.chain();
      expect([end, nonZeroEnd]).toEqual([on.segment.end, on.segment.end]);
      expect(size).toBeGreaterThanOrEqual(on.segment.end);
      if (size !== sizes.at(-1)) sizes.push(size);
      zeroWrites = on.disk.operations.count("write", ".log") - i - 1;
    }
    expect(zeroWrites).toBeLessThan(12);
    expect(sizes[0]).toBe(8 * kib);
    for (const size of sizes) expect(size % (4 * kib)).toBe(0);
    for (const [i, size] of sizes.entries())
      expect(size - (sizes[i - 1] ?? 0)).toBeLessThanOrEqual(1024 * kib + 4 * kib);
  });

  test("are never laid before the end of a batch in flight", async () => {
    const on = new Setup({ zeroAhead: true });
    for (const length of [10, 5000, 10, 100_000, 7]) {
      const batch = on.batch("y".repeat(length));
      const { end } = on.segment;
      on.disk.operations.clear();
      const done = on.write(batch);
      const zeros = on.disk.log.filter(({ kind, background }) => kind === "write" && !background);
      for (const { position } of zeros) expect(position).toBeGreaterThanOrEqual(end + batch.length);
      expect(await done).toBeUndefined();
      on.segment.settle(batch);
    }
    expect(on.chain()).toMatchObject({ records: 5, end: on.segment.end });
  });

  test("are not laid for large batches", async () => {
    const on = new Setup({ zeroAhead: true });
    await on.append("z".repeat(256 * kib));
    expect(on.chain().size).toBe(on.segment.end);
  });

  test.each([
    ["fail", failWith("ENOSPC", 700)],
    ["come back short", shortWrite(100)],
  ])("that %s are no reason to fail, and are not tried again", async (_, fault) => {
    const on = new Setup({ zeroAhead: true });
    on.machine.faults.on({ kind: "write", path: ".log" }, fault);
    for (let i = 0; i < 5; i++) await on.append("x".repeat(1000));
    expect(on.chain()).toEqual({ records: 5, end: 5160, nonZeroEnd: 5160, size: 5160 });
    expect(on.disk.operations.count("write", ".log")).toBe(6);
  });

  test("are cut off when the segment is sealed", async () => {
    const on = new Setup({ zeroAhead: true });
    await on.append("one", "two");
    on.segment.seal();
    expect(on.mark).toBe(1);
    on.disk.crash({ keep: 0 });
    expect(on.chain()).toEqual({ records: 2, end: 70, nonZeroEnd: 70, size: 70 });
    expect(on.disk.readFile("/s.idx")).toHaveLength(32);
  });
});

describe("acknowledged when written", () => {
  const weak = { ackPoint: "written" } as const;

  test("entries are provisional until a sync; then the last one is firm and speaks for all", async () => {
    const on = new Setup(weak);
    await on.append("one", "two");
    await on.append("three");
    expect([on.mark, runSync(on.index.last("provisional"))?.seq]).toEqual([undefined, 2]);
    expect(await on.sync()).toBeUndefined();
    expect(on.mark).toBe(2);
    on.disk.crash({ keep: 0 });
    expect(on.chain()).toMatchObject({ records: 3 });
  });

  test("a sync proves what was written before it began, not what came meanwhile", async () => {
    const on = new Setup(weak);
    await on.append("one");
    const synced = on.sync();
    const batch = on.batch("two");
    on.segment.writeSync(batch);
    on.segment.settle(batch);
    await synced;
    expect(on.mark).toBe(0);
    on.segment.syncSync();
    expect(on.mark).toBe(1);
  });

  test("a failed sync proves nothing", async () => {
    const on = new Setup(weak);
    await on.append("one");
    on.machine.faults.on({ kind: "fsync", path: ".log" }, failWith("EIO"));
    expect(await on.sync()).toMatchObject({ code: "SEQLOG_IO" });
    expect(on.mark).toBeUndefined();
  });

  test("of an empty segment there is nothing to prove", async () => {
    const on = new Setup(weak, {}, 500);
    expect(await on.sync()).toBeUndefined();
    on.segment.syncSync();
    expect(on.mark).toBeUndefined();
  });

  test("sealing proves all", async () => {
    const on = new Setup(weak);
    await on.append("one", "two");
    on.segment.seal();
    expect(on.mark).toBe(1);
    on.disk.crash({ keep: 0 });
    expect([on.disk.readFile("/s.idx")?.length, on.chain().records]).toEqual([32, 2]);
  });
});

describe("closing", () => {
  test("waits for the callbacks that still use the descriptors", async () => {
    const on = new Setup();
    const events: string[] = [];
    on.segment.write(on.batch("in flight"), () => void events.push("landed"));
    on.segment.syncIndex(() => void events.push("index synced"));
    const closed = new Promise<void>((resolve) => on.segment.close(resolve)).then(() => void events.push("closed"));
    expect(events).toEqual([]);
    await closed;
    expect(events.toSorted()).toEqual(["closed", "index synced", "landed"]);
    expect(events.at(-1)).toBe("closed");
  });

  test("leaves the record index open", async () => {
    const on = new Setup();
    await on.append("one");
    on.segment.close(() => {});
    expect(on.mark).toBe(0);
  });
});
