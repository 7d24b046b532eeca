/** Positions by time: how much is read to find one, and what a clock that goes back does to it. */
import { expect, test } from "vitest";
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

test("a log of version 4 ids refuses a time as either end of a read, forward, in reverse, live and in batches", async () => {
  const log = await FileLog.open(newPath(), { ids: "v4" });
  log.appendBatchSync(["a", "b"]);
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
  await log.close();
});
