import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { textsOf } from "../../test/crash/read-data.ts";
import { crashCopy, newPath } from "../../test/crash/scratch-directory.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { failWith } from "../testing/fault-plan.ts";
import { withFaults } from "../testing/fault-injecting-storage.ts";
import { SimulatedClock } from "../testing/simulated-clock.ts";
import type { Durability } from "./directory-writer.ts";
import { FileLog } from "./file-log.ts";

const modes: readonly [string, Durability][] = [
  ["record", "record"],
  ["interval", { intervalMs: 3_600_000 }],
  ["os", "os"],
];

function windowOf(directory: string): unknown {
  const [line] = readFileSync(join(directory, "MANIFEST"), "utf8").split("\n");
  return (JSON.parse(line ?? "") as { window: unknown }).window;
}

test.each(modes)(
  "durability %s: a crash of the process takes nothing that was acknowledged",
  async (_name, durability) => {
    const log = await FileLog.open(newPath(), { durability, segmentBytes: 1024 });
    await log.appendBatch(["0", "1"]);
    for (let i = 2; i < 60; i++) await log.append(String(i));
    log.appendSync("60");
    const crashed = await FileLog.open(crashCopy(log.location));
    expect(await textsOf(crashed)).toEqual(Array.from({ length: 61 }, (_, i) => String(i)));
    expect(crashed.recovery).toMatchObject({ records: 61, tornBytes: 0 });
    await crashed.close();
    await log.close();
  },
);

test.each(modes)(
  "durability %s: close makes everything durable, and the next open is quick",
  async (_name, durability) => {
    const log = await FileLog.open(newPath(), { durability, segmentBytes: 1024 });
    await log.appendBatch(Array.from({ length: 50 }, (_, i) => String(i)));
    await log.close();
    const again = await FileLog.open(log.location, { durability: "record" });
    expect(again.recovery).toEqual({ records: 50, tornBytes: 0, redone: 0, indexRebuilt: false });
    expect(await again.append("next")).toMatchObject({ seq: 50 });
    await again.close();
  },
);

test.each(modes)(
  "durability %s: a second reader beside the writer sees what was acknowledged",
  async (_name, durability) => {
    const log = await FileLog.open(newPath(), { durability, segmentBytes: 1024 });
    const reader = await FileLog.open(log.location, { readOnly: true });
    for (let i = 0; i < 40; i++) {
      await log.append(String(i));
      expect(Buffer.from((await reader.get(i))?.bytes ?? []).toString()).toBe(String(i));
    }
    await reader.close();
    await log.close();
  },
);

test.each(modes)("durability %s: flush brings what was appended to the disk", async (name, durability) => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine, durability });
  const appends = [log.append("0"), log.append("1")];
  storage.operations.clear();
  await log.flush();
  expect(await Promise.all(appends)).toHaveLength(2);
  expect(storage.operations.count("fsync", ".log")).toBe(name === "record" ? 0 : 1);
  // Behind the mark nothing has to be made durable again.
  const crashed = await FileLog.open(crashCopy(log.location));
  expect(crashed.recovery).toMatchObject({ records: 2, redone: 0 });
  await crashed.close();
  await log.close();
});

test("without a flush the weaker modes leave records past the mark, and opening makes them durable", async () => {
  const log = await FileLog.open(newPath(), { durability: "os" });
  await log.appendBatch(["0", "1", "2"]);
  const crashed = await FileLog.open(crashCopy(log.location));
  expect(crashed.recovery).toMatchObject({ records: 3, redone: 3 });
  await crashed.close();
  await log.close();
});

test("appending under the weaker modes does not wait for any fsync", async () => {
  for (const durability of [{ intervalMs: 3_600_000 }, "os"] as const) {
    const { machine, storage } = withFaults(nodeMachine);
    const log = await FileLog.open(newPath(), { machine, durability });
    storage.operations.clear();
    for (let i = 0; i < 20; i++) await log.append("x");
    log.appendSync("x");
    expect(storage.counts.fsync).toBe(0);
    await log.close();
  }
});

test("with an interval the disk is told after that time, once for all that was written", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const clock = new SimulatedClock();
  const log = await FileLog.open(newPath(), { machine: { ...machine, clock }, durability: { intervalMs: 100 } });
  storage.operations.clear();
  const synced = (): number => storage.operations.count("fsync", ".log");
  await log.append("0");
  await log.append("1");
  await clock.advance(99);
  expect(synced()).toBe(0);
  await clock.advance(1);
  expect(synced()).toBe(1);
  await untilFirm(log, 2);
  await clock.advance(10_000);
  expect(synced()).toBe(1);
  await log.append("2");
  await clock.advance(100);
  expect(synced()).toBe(2);
  await log.close();
});

test("record by record, only the record index is synced in the background, a second after something was written", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const clock = new SimulatedClock();
  const log = await FileLog.open(newPath(), { machine: { ...machine, clock } });
  storage.operations.clear();
  await log.append("0");
  log.appendSync("1");
  await clock.advance(999);
  expect(storage.operations.count("fsync", ".idx")).toBe(0);
  await clock.advance(1);
  expect(storage.operations.count("fsync", ".idx")).toBe(1);
  expect(storage.operations.count("fsync", ".log")).toBe(0);
  await log.close();
});

/** Waits for the fsync in the background, which shows in the record index. */
async function untilFirm(log: FileLog, records: number): Promise<void> {
  for (;;) {
    const crashed = await FileLog.open(crashCopy(log.location));
    const { redone } = crashed.recovery;
    expect(crashed.nextSeq).toBe(records);
    await crashed.close();
    if (redone === 0) return;
  }
}

test("a background fsync that fails poisons the log: nothing more is acknowledged", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const clock = new SimulatedClock();
  const log = await FileLog.open(newPath(), { machine: { ...machine, clock }, durability: { intervalMs: 100 } });
  await log.append("0");
  storage.faults.on({ kind: "fsync", path: ".log" }, failWith("EIO"));
  await clock.advance(100);
  const error: unknown = await untilRejected(() => log.append("later"));
  expect(error).toMatchObject({ code: "SEQLOG_POISONED" });
  await expect(log.flush()).rejects.toMatchObject({ code: "SEQLOG_POISONED" });
  // Some of what was acknowledged may be gone: whoever closes is told.
  await expect(log.close()).rejects.toMatchObject({ code: "SEQLOG_POISONED" });
});

async function untilRejected(call: () => Promise<unknown>): Promise<unknown> {
  for (;;) {
    try {
      await call();
    } catch (error) {
      return error;
    }
  }
}

test("a flush that fails is rejected, and poisons", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine, durability: "os" });
  await log.append("0");
  storage.faults.on({ kind: "fsync", path: ".log" }, failWith("EIO"));
  await expect(log.flush()).rejects.toMatchObject({ code: "SEQLOG_IO", facts: { errno: "EIO", syscall: "fsync" } });
  await expect(log.append("1")).rejects.toMatchObject({ code: "SEQLOG_POISONED" });
  await expect(log.close()).rejects.toMatchObject({ code: "SEQLOG_POISONED" });
});

test("MANIFEST says before the first write how far a write may reach past what is durable", async () => {
  const path = newPath();
  const log = await FileLog.open(path);
  expect(windowOf(path)).toBe(64 * 1024);
  await log.append("x".repeat(64 * 1024 - 32));
  expect(windowOf(path)).toBe(64 * 1024);
  await log.append("x".repeat(64 * 1024));
  expect(windowOf(path)).toBe(256 * 1024);
  log.appendSync("x".repeat(300 * 1024));
  expect(windowOf(path)).toBe(1024 * 1024);
  await log.close();
  // Closed: what was written is durable, so the next writer begins anew.
  const weak = await FileLog.open(path, { durability: "os" });
  expect(windowOf(path)).toBeNull();
  await weak.append("x");
  const strong = await FileLog.open(crashCopy(path));
  expect(windowOf(strong.location)).toBeNull();
  await strong.close();
  await weak.close();
  const again = await FileLog.open(path);
  expect(windowOf(path)).toBe(64 * 1024);
  await again.close();
});

test("the window is durable before the write that needs it begins", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  storage.operations.clear();
  await log.append("x".repeat(100_000));
  const steps = storage.operations.entries
    .filter(({ kind, background, path }) => kind === "fsyncDirectory" || (background && path.endsWith(".log")))
    .map(({ kind }) => kind);
  expect(steps).toEqual(["fsyncDirectory", "write"]);
  await log.close();
});

test("zeros are laid ahead of the records, and the file is cut to them at close", async () => {
  const log = await FileLog.open(newPath());
  const segment = join(log.location, "00000000000000000000.log");
  await log.append("hello");
  const expected = nodeMachine.storage.prefersZeroAheadSync(log.location) ? 4096 : 37;
  expect(statSync(segment).size).toBeGreaterThanOrEqual(expected);
  expect(
    readFileSync(segment)
      .subarray(37)
      .every((byte) => byte === 0),
  ).toBe(true);
  await log.close();
  expect(statSync(segment).size).toBe(37);
});

test("zeros that cannot be laid never fail an append", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine, writes: "background" });
  storage.faults.on({ kind: "write", path: ".log", times: Infinity }, (operation) =>
    operation.background ? undefined : failWith("ENOSPC"),
  );
  for (let i = 0; i < 5; i++) expect(await log.append("x")).toMatchObject({ seq: i });
  await log.close();
});
