import { expect, test } from "vitest";
import { textsOf } from "../../test/crash/read-data.ts";
import { crashCopy, newPath } from "../../test/crash/scratch-directory.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { failWith } from "../testing/fault-plan.ts";
import { withFaults } from "../testing/fault-injecting-storage.ts";
import { FileLog } from "./file-log.ts";

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(i));
}

test("appendSync behind a write in flight and a queue keeps the order, and all of it is on the disk when it returns", async () => {
  const log = await FileLog.open(newPath());
  const waiting = [log.append("0")];
  // The first append is on its way to the disk after this turn; its callback has not come yet.
  await new Promise<void>((resolve) => process.nextTick(resolve));
  waiting.push(log.append("1"), log.append("2"));
  expect(log.appendSync("3")).toMatchObject({ seq: 3 });
  expect(log.nextSeq).toBe(4);
  const crashed = await FileLog.open(crashCopy(log.location));
  expect(await textsOf(crashed)).toEqual(numbers(4));
  await crashed.close();
  expect((await Promise.all(waiting)).map(({ seq }) => seq)).toEqual([0, 1, 2]);
  await log.close();
});

test("the records of a batch in flight are written once more at the same place, not twice", async () => {
  const log = await FileLog.open(newPath());
  const first = log.append("first");
  await new Promise<void>((resolve) => process.nextTick(resolve));
  const second = log.appendSync("second");
  expect(second.offset).toBe(32 + 5);
  expect(await first).toMatchObject({ seq: 0, offset: 0 });
  await log.close();
  const again = await FileLog.open(log.location);
  expect(await textsOf(again)).toEqual(["first", "second"]);
  await again.close();
});

test("blocking and waiting appends mixed through many rolls stay in order", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  const waiting: Promise<{ seq: number }>[] = [];
  for (let i = 0; i < 300; i++) {
    if (i % 3 === 0) expect(log.appendSync(String(i)).seq).toBe(i);
    else waiting.push(log.append(String(i)));
    if (i % 7 === 0) await Promise.resolve();
    if (i % 50 === 0) await waiting.at(-1);
  }
  await Promise.all(waiting);
  expect(await textsOf(log)).toEqual(numbers(300));
  await log.close();
  const again = await FileLog.open(log.location);
  expect(await textsOf(again)).toEqual(numbers(300));
  expect((await again.stats()).segments).toBeGreaterThan(5);
  await again.close();
});

test("a blocking batch goes behind what waits", async () => {
  const log = await FileLog.open(newPath());
  const waiting = [log.appendBatch(["0", "1"]), log.appendBatch(["2"])];
  expect(log.appendBatchSync(["3", "4"])).toEqual({ first: 3, last: 4, count: 2 });
  expect(await Promise.all(waiting)).toEqual([
    { first: 0, last: 1, count: 2 },
    { first: 2, last: 2, count: 1 },
  ]);
  expect(await textsOf(log)).toEqual(numbers(5));
  await log.close();
});

test("a write that fails after a blocking append wrote the same bytes poisons the log", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  storage.faults.on({ kind: "write", path: ".log" }, (operation) =>
    operation.background ? failWith("EIO") : undefined,
  );
  const first = log.append("first");
  await new Promise<void>((resolve) => process.nextTick(resolve));
  log.appendSync("second");
  expect(await first).toMatchObject({ seq: 0 });
  await expect(untilPoisoned(log)).resolves.toMatchObject({ code: "SEQLOG_POISONED", facts: { path: log.location } });
  await log.close();
  const again = await FileLog.open(log.location);
  expect((await textsOf(again)).slice(0, 2)).toEqual(["first", "second"]);
  await again.close();
});

async function untilPoisoned(log: FileLog): Promise<unknown> {
  for (;;) {
    try {
      await log.append("later");
    } catch (error) {
      return error;
    }
  }
}

test("appendSync tells its own failure, and the log goes on after a full disk", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  log.appendSync("0");
  const before = storage.operations.count("write", ".log");
  expect(before).toBeGreaterThan(0);
  storage.faults.on({ kind: "write", path: ".log" }, failWith("ENOSPC", 10));
  expect(() => log.appendSync("x".repeat(5000))).toThrow(expect.objectContaining({ code: "SEQLOG_NO_SPACE" }));
  expect(log.appendSync("1")).toMatchObject({ seq: 1, offset: 33 });
  expect(await textsOf(log)).toEqual(["0", "1"]);
  await log.close();
});
