import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { collect, take, textsOf } from "../../test/crash/read-data.ts";
import { newPath } from "../../test/crash/scratch-directory.ts";
import { bytesOf } from "../../test/errors/directory-bytes.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { failWith } from "../testing/fault-plan.ts";
import { withFaults } from "../testing/fault-injecting-storage.ts";
import { FileLog } from "./file-log.ts";

/** Open descriptors of this process in a directory; where the system tells. */
function descriptorsIn(directory: string): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      return path.startsWith(directory) ? [path] : [];
    } catch {
      return [];
    }
  });
}

test("close waits for what was appended before, in every form", async () => {
  const log = await FileLog.open(newPath());
  const pending = [log.append("0"), log.append("1"), log.appendBatch(["2", "3"])];
  await log.close();
  expect(await Promise.all(pending)).toMatchObject([{ seq: 0 }, { seq: 1 }, { first: 2, last: 3 }]);
  const again = await FileLog.open(log.location);
  expect(await textsOf(again)).toEqual(["0", "1", "2", "3"]);
  await again.close();
});

test("closing twice, in any of the ways, is fine", async () => {
  const log = await FileLog.open(newPath());
  await log.append("0");
  await Promise.all([log.close(), log.close(), log[Symbol.asyncDispose]()]);
  await log.close();
  log.closeSync();
  await log[Symbol.asyncDispose]();
  const sync = FileLog.openSync(log.location);
  sync.closeSync();
  sync.closeSync();
  await sync.close();
});

test("await using closes the log at the end of the block", async () => {
  const path = newPath();
  {
    await using log = await FileLog.open(path);
    await log.append("0");
  }
  const again = FileLog.openSync(path);
  expect(again.nextSeq).toBe(1);
  again.closeSync();
});

test("closeSync writes what waits and tells those who wait", async () => {
  const log = await FileLog.open(newPath());
  const pending = [log.append("0"), log.append("1")];
  log.closeSync();
  const again = FileLog.openSync(log.location);
  expect(again.recovery).toMatchObject({ records: 2, redone: 0 });
  again.closeSync();
  expect((await Promise.all(pending)).map(({ seq }) => seq)).toEqual([0, 1]);
});

test("closeSync with a write in flight loses nothing, and the log is free when its callback has come", async () => {
  const log = await FileLog.open(newPath());
  const first = log.append("0");
  await new Promise<void>((resolve) => process.nextTick(resolve));
  const second = log.append("1");
  log.closeSync();
  expect((await Promise.all([first, second])).map(({ seq }) => seq)).toEqual([0, 1]);
  const again = await FileLog.open(log.location, { lockTimeoutMs: 60_000 });
  expect(await textsOf(again)).toEqual(["0", "1"]);
  await again.close();
});

test("close leaves MANIFEST saying where the log ends, and no descriptor", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  const reader = await FileLog.open(log.location, { readOnly: true });
  await log.appendBatch(Array.from({ length: 40 }, () => "x".repeat(96)));
  await collect(log.read());
  await collect(reader.read({ reverse: true }));
  const left = log.read();
  await take(left, 3);
  const held = log.read();
  await held.next();
  await reader.close();
  await log.close();
  await held.return?.();
  expect(descriptorsIn(log.location)).toEqual([]);
  const [line] = readFileSync(join(log.location, "MANIFEST"), "utf8").split("\n");
  expect(JSON.parse(line ?? "")).toMatchObject({ state: { nextSeq: 40, activeBytes: 1024 } });
});

test("opening and closing without an append changes no byte of the records, and needs none of them to be read", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 64 * 1024 });
  log.appendBatchSync(Array.from({ length: 1000 }, () => "x".repeat(500)));
  await log.close();
  const before = bytesOf(log.location);
  const { machine, storage } = withFaults(nodeMachine);
  const again = await FileLog.open(log.location, { machine, segmentBytes: 64 * 1024 });
  const read = storage.operations.entries
    .filter(({ kind, path }) => kind === "read" && path.endsWith(".log"))
    .reduce((sum, { length }) => sum + length, 0);
  // The last record of each segment, not the segments.
  const { segments } = await again.stats();
  expect(read).toBeLessThan(segments * 2000);
  await again.close();
  expect(bytesOf(log.location)).toEqual(before);
});

test("a close that cannot make the log durable is rejected, gives up the lock, and the next open recovers", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  await log.append("0");
  storage.faults.on({ kind: "fsync", path: ".log" }, failWith("EIO"));
  await expect(log.close()).rejects.toMatchObject({ code: "SEQLOG_IO", facts: { errno: "EIO" } });
  await expect(log.append("1")).rejects.toMatchObject({ code: "SEQLOG_CLOSED" });
  expect(descriptorsIn(log.location)).toEqual([]);
  const again = await FileLog.open(log.location);
  expect(await textsOf(again)).toEqual(["0"]);
  await again.close();
});

test("a poisoned log closes without an error and without calling itself closed", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  await log.append("0");
  storage.faults.on({ kind: "write", path: ".log" }, (operation) =>
    operation.background ? failWith("EIO", 10) : undefined,
  );
  await expect(log.append("1")).rejects.toMatchObject({ code: "SEQLOG_POISONED" });
  await log.close();
  const [line] = readFileSync(join(log.location, "MANIFEST"), "utf8").split("\n");
  expect(JSON.parse(line ?? "")).toMatchObject({ state: "open" });
  const again = await FileLog.open(log.location);
  expect(again.recovery).toMatchObject({ records: 1, tornBytes: expect.any(Number) });
  expect(await textsOf(again)).toEqual(["0"]);
  await again.close();
});
