import { expect, test } from "vitest";
import { newPath } from "../../test/crash/scratch-directory.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { failWith } from "../testing/fault-plan.ts";
import { withFaults } from "../testing/fault-injecting-storage.ts";
import { FileLog } from "./file-log.ts";

test("more unacknowledged bytes than maxPendingBytes are SEQLOG_QUEUE_FULL, and what was accepted is written", async () => {
  const log = await FileLog.open(newPath(), { maxPendingBytes: 1000 });
  const accepted = Array.from({ length: 7 }, () => log.append("x".repeat(100)));
  await expect(log.append("x".repeat(100))).rejects.toMatchObject({
    code: "SEQLOG_QUEUE_FULL",
    facts: { pendingBytes: 7 * 132 },
  });
  await expect(log.appendBatch(["x".repeat(50), "x".repeat(50)])).rejects.toMatchObject({ code: "SEQLOG_QUEUE_FULL" });
  const small = log.append("x".repeat(20));
  expect((await Promise.all([...accepted, small])).map(({ seq }) => seq)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(await log.append("x".repeat(100))).toMatchObject({ seq: 8 });
  await log.close();
});

test("a record or a batch larger than maxPendingBytes passes when nothing else waits", async () => {
  const log = await FileLog.open(newPath(), { maxPendingBytes: 100 });
  expect(await log.append("x".repeat(1000))).toMatchObject({ seq: 0 });
  expect(await log.appendBatch(["x".repeat(1000), "y".repeat(1000)])).toMatchObject({ first: 1, last: 2 });
  expect(log.appendSync("x".repeat(1000))).toMatchObject({ seq: 3 });
  await log.close();
});

test("ready lets a program append without end and without waiting for each", async () => {
  const log = await FileLog.open(newPath(), { maxPendingBytes: 2000 });
  const appends: Promise<unknown>[] = [];
  for (let i = 0; i < 500; i++) {
    await log.ready();
    appends.push(log.append("x".repeat(100)));
  }
  await Promise.all(appends);
  expect(log.nextSeq).toBe(500);
  await log.close();
});

test("ready resolves at once while no more than half waits, else when half of it is on the disk", async () => {
  const log = await FileLog.open(newPath(), { maxPendingBytes: 1000 });
  const first = log.append("x".repeat(400));
  await log.ready();
  expect(log.nextSeq).toBe(0);
  const second = log.append("x".repeat(400));
  await log.ready();
  expect(log.nextSeq).toBeGreaterThan(0);
  await Promise.all([first, second]);
  await log.close();
});

test("a signal ends the wait for room with its reason", async () => {
  const log = await FileLog.open(newPath(), { maxPendingBytes: 100 });
  const append = log.append("x".repeat(1000));
  const abort = new AbortController();
  const waiting = log.ready(abort.signal);
  const other = log.ready();
  const reason = new Error("no longer");
  abort.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  await expect(log.ready(AbortSignal.abort(reason))).rejects.toBe(reason);
  await other;
  await append;
  await log.close();
});

test("a rejected batch gives its room back", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine, maxPendingBytes: 1000 });
  storage.faults.on({ kind: "write", path: ".log" }, (operation) =>
    operation.background ? failWith("ENOSPC") : undefined,
  );
  await expect(log.append("x".repeat(900))).rejects.toMatchObject({ code: "SEQLOG_NO_SPACE" });
  await log.ready();
  expect(await log.append("x".repeat(900))).toMatchObject({ seq: 0 });
  await log.close();
});

test("ready on a poisoned log resolves: the append behind it tells", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine, maxPendingBytes: 100 });
  storage.faults.on({ kind: "write", path: ".log" }, (operation) =>
    operation.background ? failWith("EIO") : undefined,
  );
  const lost = log.append("x".repeat(1000));
  const ready = log.ready();
  await expect(lost).rejects.toMatchObject({ code: "SEQLOG_POISONED" });
  await ready;
  await expect(log.append("x")).rejects.toMatchObject({ code: "SEQLOG_POISONED" });
  await log.close();
});
