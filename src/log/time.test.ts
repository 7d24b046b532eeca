/** Positions by time: how much is read to find one, and what a clock that goes back does to it. */
import { describe, expect, test } from "vitest";
import { seqsOf } from "../../test/crash/read-data.ts";
import { newPath } from "../../test/crash/scratch-directory.ts";
import type { SimulatedMachine } from "../testing/simulated-machine.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import { FileLog } from "./file-log.ts";

const start = Date.UTC(2026, 0, 1);

async function done(machine: SimulatedMachine, work: () => Promise<void>): Promise<void> {
  const outcome = await machine.run(work);
  if (outcome.kind !== "done") throw outcome.kind === "failed" ? outcome.error : outcome.crash;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

test.each([
  ["as the writer", false],
  ["read-only beside it", true],
])("a time is found with O(log n) reads in a log of many segments, %s", async (_name, readOnly) => {
  const disk = new SimulatedDisk({ startMs: start });
  const machine = disk.boot();
  await done(machine, async () => {
    const writer = await FileLog.open("/log", { machine, segmentBytes: 1024 });
    const count = 2000;
    for (let i = 0; i < count; i++) {
      writer.appendSync("x".repeat(200));
      disk.clock.jump(10);
    }
    expect((await writer.stats()).segments).toBe(500);
    const log = readOnly ? await FileLog.open("/log", { machine: disk.boot(), readOnly }) : writer;
    // Each of 11 steps makes four reads to find and check a record, and may open a segment; a read-only log looks at MANIFEST before.
    const most = 4 * 11 + 4;
    for (const [ms, seq] of [
      [-1, 0],
      [0, 0],
      [1, 1],
      [9990, 999],
      [9991, 1000],
      [19_990, 1999],
      [19_991, count],
    ] as const) {
      disk.operations.clear();
      expect(await log.seqAt(new Date(start + ms))).toBe(seq);
      expect(disk.counts.read).toBeLessThanOrEqual(most);
      expect(disk.counts.open).toBeLessThanOrEqual(2 * 11 + 2);
    }
    disk.operations.clear();
    const span = { from: new Date(start + 9995), to: new Date(start + 10_020) };
    expect(await seqsOf(log, span)).toEqual([1000, 1001]);
    expect(disk.counts.read).toBeLessThanOrEqual(2 * most + 8);
    if (log !== writer) await log.close();
    await writer.close();
  });
});

test("times are right across segments when the clock went back, once and again over a restart", async () => {
  const disk = new SimulatedDisk({ startMs: start });
  const machine = disk.boot();
  await done(machine, async () => {
    const options = { machine, segmentBytes: 1024 };
    let log = await FileLog.open("/log", options);
    const times: number[] = [];
    const append = (count: number): void => {
      for (let i = 0; i < count; i++) {
        times.push(log.appendSync("x".repeat(200)).time.getTime());
        disk.clock.jump(10);
      }
    };
    append(30);
    disk.clock.jump(-3_600_000);
    append(30);
    await log.close();
    log = await FileLog.open("/log", options);
    append(30);
    disk.clock.jump(3_600_000);
    append(30);
    disk.clock.jump(-60_000);
    append(30);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect((await log.stats()).segments).toBeGreaterThan(30);
    for (const ms of new Set(times.flatMap((time) => [time - 1, time, time + 1]))) {
      const first = times.findIndex((time) => time >= ms);
      expect(await log.seqAt(new Date(ms))).toBe(first < 0 ? times.length : first);
    }
    // All records that were appended while the clock was held have the time at which it stopped.
    const held = times[30] as number;
    expect(await seqsOf(log, { from: new Date(held), to: new Date(held + 1) })).toEqual(range(29, 90));
    await log.close();
  });
});

/** A log whose last record has the time `start`, and its disk's clock; read by itself or from beside it. */
async function follow(
  readOnly: boolean,
  work: (read: FileLog, append: (...ms: number[]) => void) => Promise<void>,
): Promise<void> {
  const disk = new SimulatedDisk({ startMs: start });
  const machine = disk.boot();
  await done(machine, async () => {
    const writer = await FileLog.open("/log", { machine, segmentBytes: 1024 });
    let now = 0;
    const append = (...times: number[]): void => {
      for (const ms of times) {
        disk.clock.jump(ms - now);
        now = ms;
        writer.appendSync("x".repeat(200));
      }
    };
    append(0, 0);
    const log = readOnly ? await FileLog.open("/log", { machine: disk.boot(), readOnly }) : writer;
    await work(log, append);
    if (log !== writer) await log.close();
    await writer.close();
  });
}

/** Waits until a read that has nothing to give stands at the end. */
async function wait(log: FileLog): Promise<void> {
  const seen = log.read({ from: log.nextSeq - 1, limit: 1 });
  for await (const record of seen) expect(record.seq).toBe(log.nextSeq - 1);
}

describe.each([
  ["of the writer", false],
  ["beside it", true],
])("a live read %s, bounded by a time for which there is no record yet,", (_name, readOnly) => {
  test("ends before the first record at or after `to`", async () => {
    await follow(readOnly, async (log, append) => {
      const reads = [
        log.read({ to: new Date(start + 1000), live: true }),
        log.readBatches({ to: new Date(start + 1000), live: true }),
      ] as const;
      expect((await reads[0].next()).value).toMatchObject({ seq: 0 });
      expect((await reads[0].next()).value).toMatchObject({ seq: 1 });
      expect((await reads[1].next()).value).toMatchObject({ first: 0, count: 2 });
      const next = [reads[0].next(), reads[1].next()] as const;
      append(500, 999, 1000, 1000, 1001);
      expect((await next[0]).value).toMatchObject({ seq: 2 });
      expect((await reads[0].next()).value).toMatchObject({ seq: 3 });
      expect(await reads[0].next()).toEqual({ done: true, value: undefined });
      const counts: number[] = [];
      for (let step = await next[1]; step.done !== true; step = await reads[1].next()) {
        expect(step.value.byteLength).toBe([...step.value].reduce((sum, { bytes }) => sum + bytes.length + 32, 0));
        counts.push(...[...step.value].map(({ seq }) => seq));
      }
      expect(counts).toEqual([2, 3]);
      expect(await seqsOf(log, { to: new Date(start + 1000) })).toEqual([0, 1, 2, 3]);
    });
  });

  test("leaves out what comes before `from`, which does not count for the limit", async () => {
    await follow(readOnly, async (log, append) => {
      const read = log.read({ from: new Date(start + 1000), limit: 2, live: true });
      const batches = log.readBatches({ from: new Date(start + 1000), limit: 2, live: true });
      const next = [read.next(), batches.next()] as const;
      await wait(log);
      append(1, 999, 1000, 1000, 1001);
      expect((await next[0]).value).toMatchObject({ seq: 4 });
      expect((await read.next()).value).toMatchObject({ seq: 5 });
      expect(await read.next()).toEqual({ done: true, value: undefined });
      const seqs: number[] = [];
      for (let step = await next[1]; step.done !== true; step = await batches.next()) {
        seqs.push(...[...step.value].map(({ seq }) => seq));
      }
      expect(seqs).toEqual([4, 5]);
    });
  });

  test("gives what lies between both", async () => {
    await follow(readOnly, async (log, append) => {
      const seqs = seqsOf(log, { from: new Date(start + 10), to: new Date(start + 20), live: true });
      const none = seqsOf(log, { from: new Date(start + 20), to: new Date(start + 10), live: true });
      await wait(log);
      append(9, 10, 19, 20, 21);
      expect(await seqs).toEqual([3, 4]);
      expect(await none).toEqual([]);
    });
  });

  test("ends at once where `to` was reached before", async () => {
    await follow(readOnly, async (log) => {
      expect(await seqsOf(log, { from: "end", to: new Date(start), live: true })).toEqual([]);
      expect(await seqsOf(log, { from: new Date(start + 1), limit: 0, live: true })).toEqual([]);
    });
  });
});

test("a consumer does not begin at a time in the future, nor go there, but at one that was", async () => {
  await follow(false, async (log, append) => {
    const future = new Date(start + 1000);
    const refused = { name: "RangeError", message: expect.stringContaining("is in the future") as string };
    await expect(log.consumer("a", { from: future })).rejects.toMatchObject(refused);
    expect(await log.consumers()).toEqual([]);
    append(500);
    const consumer = await log.consumer("a", { from: new Date(start + 500) });
    expect(consumer.nextSeq).toBe(2);
    await expect(consumer.seek(future)).rejects.toMatchObject(refused);
    await consumer.close();
    await expect(log.seekConsumer("a", future)).rejects.toMatchObject(refused);
    append(1000);
    await log.seekConsumer("a", future);
    expect(await log.consumers()).toMatchObject([{ nextSeq: 3 }]);
  });
});

test.each([
  ["with records", ["a", "b"]],
  ["that is empty", []],
])(
  "a log of version 4 ids %s refuses a time as either end of a read, forward, in reverse, live and in batches",
  async (_name, data) => {
    const log = await FileLog.open(newPath(), { ids: "v4" });
    log.appendBatchSync(data);
    const time = new Date(start);
    const refused = { code: "SEQLOG_UNSUPPORTED", message: expect.stringContaining("Use a seq or an id") as string };
    await expect(log.seqAt(time)).rejects.toMatchObject(refused);
    for (const options of [
      { from: time },
      { to: time },
      { from: time, reverse: true },
      { to: time, live: true },
    ] as const) {
      await expect(log.read(options).next()).rejects.toMatchObject(refused);
      await expect(log.readBatches(options).next()).rejects.toMatchObject(refused);
    }
    await expect(log.trim({ before: time })).rejects.toMatchObject(refused);
    await expect(log.consumer("c", { from: time })).rejects.toMatchObject(refused);
    await log.close();
  },
);
