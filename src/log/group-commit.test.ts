import { expect, test } from "vitest";
import { textsOf } from "../../test/crash/read-data.ts";
import { crashCopy, newPath } from "../../test/crash/scratch-directory.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { failWith, shortWrite } from "../testing/fault-plan.ts";
import { type FaultInjectingStorage, withFaults } from "../testing/fault-injecting-storage.ts";
import { FileLog } from "./file-log.ts";

/** Writes of records; zeros that are laid ahead are not waited for and bring nothing to the disk. */
function recordWrites(storage: FaultInjectingStorage): number {
  return storage.operations.entries.filter(
    ({ kind, path, background }) => kind === "write" && path.endsWith(".log") && background,
  ).length;
}

function syncs(storage: FaultInjectingStorage): number {
  return storage.counts.fsync + storage.counts.fsyncDirectory;
}

test("64 callers who append at the same time share writes: fewer than one for 20 records", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  storage.operations.clear();
  const callers = Array.from({ length: 64 }, async (_, caller) => {
    for (let i = 0; i < 50; i++) await log.append(`${caller} ${i}`);
  });
  await Promise.all(callers);
  expect(log.nextSeq).toBe(3200);
  expect(recordWrites(storage)).toBeLessThan(3200 / 20);
  expect(syncs(storage)).toBeLessThan(3200 / 20);
  await log.close();
});

test("appends of one turn are one write", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  storage.operations.clear();
  await Promise.all(Array.from({ length: 1000 }, (_, i) => log.append(String(i))));
  expect(recordWrites(storage)).toBe(1);
  await log.close();
});

test("appendBatch is one write for 8 MiB", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  storage.operations.clear();
  await log.appendBatch(Array.from({ length: 1000 }, () => "x".repeat(1000)));
  expect(recordWrites(storage)).toBe(1);
  await log.appendBatch(Array.from({ length: 20 }, () => new Uint8Array(1024 * 1024 - 32)));
  expect(recordWrites(storage)).toBe(1 + 3);
  await log.close();
});

test("a record larger than a batch is a batch of its own", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  const large = Buffer.alloc(10 * 1024 * 1024, "large");
  storage.operations.clear();
  await Promise.all([log.append("small"), log.append(large), log.append("next")]);
  expect(recordWrites(storage)).toBe(3);
  expect(Buffer.compare((await log.get(1))?.bytes as Uint8Array, large)).toBe(0);
  expect(Buffer.from((await log.get(2))?.bytes ?? []).toString()).toBe("next");
  await log.close();
});

test("no write begins before the one before it is durable", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  let inFlight = 0;
  let most = 0;
  const { openSync } = storage;
  machine.storage.openSync = (path, mode, options) => {
    const file = openSync.call(storage, path, mode, options);
    const { write } = file;
    file.write = (bytes, position, done) => {
      most = Math.max(most, ++inFlight);
      write.call(file, bytes, position, (error, written) => {
        inFlight--;
        done(error, written);
      });
    };
    return file;
  };
  const log = await FileLog.open(newPath(), { machine });
  const callers = Array.from({ length: 8 }, async () => {
    for (let i = 0; i < 20; i++) await log.append("x".repeat(i * 100));
  });
  await Promise.all(callers);
  expect(most).toBe(1);
  await log.close();
});

test("a full disk rejects the batch that did not fit, and those after it go on", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  await log.append("0");
  storage.faults.on({ kind: "write", path: ".log" }, (operation) =>
    operation.background ? failWith("ENOSPC", 20) : undefined,
  );
  const first = log.append("gone");
  const together = log.append("gone as well");
  await expect(first).rejects.toMatchObject({ code: "SEQLOG_NO_SPACE", facts: { errno: "ENOSPC" } });
  await expect(together).rejects.toMatchObject({ code: "SEQLOG_NO_SPACE" });
  expect(await log.append("1")).toMatchObject({ seq: 1, offset: 33 });
  await log.close();
  const again = await FileLog.open(log.location);
  expect(await textsOf(again)).toEqual(["0", "1"]);
  await again.close();
});

test("a write that comes back short without an error is not acknowledged", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  storage.faults.on({ kind: "write", path: ".log" }, (operation) =>
    operation.background ? shortWrite(33) : undefined,
  );
  await expect(log.appendBatch(["a", "b"])).rejects.toMatchObject({ code: "SEQLOG_NO_SPACE" });
  expect(await log.append("c")).toMatchObject({ seq: 0, offset: 0 });
  expect(await textsOf(log)).toEqual(["c"]);
  await log.close();
});

test("any other write error poisons: all that waits is rejected, nothing is acknowledged, opening again recovers", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  await log.append("0");
  storage.faults.on({ kind: "write", path: ".log" }, (operation) =>
    operation.background ? failWith("EIO") : undefined,
  );
  const outcomes = await Promise.allSettled([log.append("lost"), log.appendBatch(["lost", "lost"])]);
  expect(outcomes.map((outcome) => outcome.status)).toEqual(["rejected", "rejected"]);
  await expect(log.append("later")).rejects.toMatchObject({ code: "SEQLOG_POISONED", facts: { path: log.location } });
  expect(() => log.appendSync("later")).toThrow(expect.objectContaining({ code: "SEQLOG_POISONED" }));
  await expect(log.flush()).rejects.toMatchObject({ code: "SEQLOG_POISONED" });
  await expect(log.reset()).rejects.toMatchObject({ code: "SEQLOG_POISONED" });
  expect(await textsOf(log)).toEqual(["0"]);
  await log.close();
  const again = await FileLog.open(log.location);
  expect(await textsOf(again)).toEqual(["0"]);
  expect(await again.append("1")).toMatchObject({ seq: 1 });
  await again.close();
});

test("an append is not acknowledged when its record-index entry cannot be written", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  await log.append("0");
  storage.faults.on({ kind: "write", path: ".idx" }, failWith("EIO"));
  await expect(log.append("1")).rejects.toMatchObject({ code: "SEQLOG_POISONED" });
  expect(log.nextSeq).toBe(1);
  await log.close();
  const again = await FileLog.open(log.location);
  // It was never acknowledged, but it is whole: it may survive, made durable first.
  expect(await textsOf(again)).toEqual(["0", "1"]);
  expect(again.recovery.redone).toBe(1);
  await again.close();
});

test("a disk that is full at the entry: the zeros ahead make room, else the append is undone and the log goes on", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  await log.append("0");
  storage.faults.on({ kind: "write", path: ".idx" }, failWith("ENOSPC", 5));
  expect(await log.append("1")).toMatchObject({ seq: 1 });
  for (const append of [() => log.append("no"), async () => log.appendSync("no")]) {
    storage.faults.on({ kind: "write", path: ".idx", times: 2 }, failWith("ENOSPC", 5));
    await expect(append()).rejects.toMatchObject({ code: "SEQLOG_NO_SPACE" });
    storage.faults.clear();
    expect(log.nextSeq).toBe(2);
  }
  expect(await log.append("2")).toMatchObject({ seq: 2, offset: 66 });
  const crashed = await FileLog.open(crashCopy(log.location));
  expect(await textsOf(crashed)).toEqual(["0", "1", "2"]);
  await crashed.close();
  await log.close();
});

test("after a failed batch, one that expected a seq is refused, since it would get another", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  storage.faults.on({ kind: "write", path: ".log" }, (operation) =>
    operation.background ? failWith("ENOSPC") : undefined,
  );
  const failing = log.append("a");
  await new Promise<void>((resolve) => process.nextTick(resolve));
  const orphan = log.append("b", { expectedSeq: 1 });
  const free = log.append("c");
  await expect(failing).rejects.toMatchObject({ code: "SEQLOG_NO_SPACE" });
  await expect(orphan).rejects.toMatchObject({ code: "SEQLOG_CONFLICT", facts: { expectedSeq: 1, nextSeq: 0 } });
  expect(await free).toMatchObject({ seq: 0, offset: 0 });
  expect(await textsOf(log)).toEqual(["c"]);
  await log.close();
});

test("flush resolves behind appends that failed or were refused", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  storage.faults.on({ kind: "write", path: ".log" }, (operation) =>
    operation.background ? failWith("ENOSPC") : undefined,
  );
  const failing = log.append("a");
  const flushed = [log.flush()];
  await new Promise<void>((resolve) => process.nextTick(resolve));
  const orphan = log.append("b", { expectedSeq: 1 });
  flushed.push(log.flush());
  await expect(failing).rejects.toMatchObject({ code: "SEQLOG_NO_SPACE" });
  await expect(orphan).rejects.toMatchObject({ code: "SEQLOG_CONFLICT" });
  await Promise.all(flushed);
  const kept = log.append("c");
  await log.flush();
  expect(log.nextSeq).toBe(1);
  await kept;
  await log.close();
});

test("of a batch of more than 8 MiB that did not fit, what was written before stays, and nothing of the rest", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  let parts = 0;
  storage.faults.on({ kind: "write", path: ".log" }, ({ background }) =>
    background && ++parts === 2 ? failWith("ENOSPC", 1000) : undefined,
  );
  const data = Array.from({ length: 20 }, (_, i) => Buffer.alloc(1024 * 1024, i));
  await expect(log.appendBatch(data)).rejects.toMatchObject({ code: "SEQLOG_NO_SPACE" });
  expect(log.nextSeq).toBe(7);
  expect(await log.append("next")).toMatchObject({ seq: 7 });
  await log.close();
  const again = await FileLog.open(log.location);
  expect(again.recovery).toMatchObject({ records: 8, tornBytes: 0, redone: 0 });
  expect(again.getSync(6)?.bytes[0]).toBe(6);
  expect(Buffer.from(again.getSync(7)?.bytes ?? []).toString()).toBe("next");
  await again.close();
});
