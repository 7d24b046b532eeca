import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { newPath } from "../../test/crash/scratch-directory.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import type { Machine, Storage } from "../storage/storage.ts";
import { FileLog } from "./file-log.ts";

const start = Date.UTC(2026, 0, 1);

/** A machine whose clock says what the test wants. */
function machineAt(clock: { ms: number }): Machine {
  return { ...nodeMachine, clock: { ...nodeMachine.clock, now: () => clock.ms } };
}

/** A log with a record at each of these times, in segments of a few records. */
async function logOf(times: readonly number[], ids: "v7" | "v4" = "v7"): Promise<FileLog> {
  const clock = { ms: start };
  const log = await FileLog.open(newPath(), { machine: machineAt(clock), segmentBytes: 1024, ids });
  for (const time of times) {
    clock.ms = start + time;
    log.appendSync(`${time}`.padEnd(100));
  }
  return log;
}

test("get and getSync give any record by its number, in every segment", async () => {
  const log = await logOf(Array.from({ length: 50 }, (_, i) => i));
  expect((await log.stats()).segments).toBeGreaterThan(5);
  for (let seq = 49; seq >= 0; seq--) {
    const record = await log.get(seq);
    expect(record?.seq).toBe(seq);
    expect(Buffer.from(record?.bytes ?? []).toString()).toBe(`${seq}`.padEnd(100));
    expect(log.getSync(seq)?.toJSON()).toEqual(record?.toJSON());
  }
  await log.close();
});

test("an entry of the record index at another's place is not taken for that one's", async () => {
  const path = newPath();
  const log = await FileLog.open(path);
  await log.appendBatch(Array.from({ length: 3000 }, (_, i) => `record ${String(i).padStart(6, "0")}`));
  await log.close();
  const index = join(path, readdirSync(path).find((name) => name.endsWith(".idx")) ?? "");
  const bytes = readFileSync(index);
  // As a write of a whole block to the wrong place leaves it: each entry is one of this very index.
  bytes.copyWithin(768 * 16, 512 * 16, 768 * 16);
  writeFileSync(index, bytes);
  const again = await FileLog.open(path);
  for (const seq of [767, 768, 800, 1023, 1024]) {
    const found = [await again.get(seq), again.getSync(seq)].map((record) =>
      Buffer.from(record?.bytes ?? []).toString(),
    );
    const expected = `record ${String(seq).padStart(6, "0")}`;
    expect(found).toEqual([expected, expected]);
  }
  await again.close();
});

test("getSync gives records as they are appended, also from a page of entries that it has begun to keep", async () => {
  const log = await FileLog.open(newPath(), { durability: "os" });
  for (let seq = 0; seq < 1100; seq++) {
    log.appendSync(`record ${seq}`);
    expect(Buffer.from(log.getSync(seq)?.bytes ?? []).toString()).toBe(`record ${seq}`);
    expect(log.getSync(seq >> 1)?.seq).toBe(seq >> 1);
  }
  await log.close();
});

test("there is no record at the next seq or beyond", async () => {
  const log = await logOf([1, 2]);
  expect(await log.get(2)).toBeUndefined();
  expect(log.getSync(2)).toBeUndefined();
  expect(await log.get(Number.MAX_SAFE_INTEGER)).toBeUndefined();
  await log.close();
});

test.each([-1, 0.5, NaN, Infinity, 2 ** 53])("get(%d) is a RangeError", async (seq) => {
  const log = await logOf([1]);
  await expect(log.get(seq)).rejects.toBeInstanceOf(RangeError);
  expect(() => log.getSync(seq)).toThrow(RangeError);
  await log.close();
});

test("a removed record is SEQLOG_TRIMMED with the first one available", async () => {
  const log = await logOf(Array.from({ length: 30 }, (_, i) => i));
  await log.trim({ before: 20 });
  const { firstSeq } = log;
  expect(firstSeq).toBeGreaterThan(0);
  await expect(log.get(0)).rejects.toMatchObject({ code: "SEQLOG_TRIMMED", facts: { firstSeq } });
  expect(() => log.getSync(firstSeq - 1)).toThrow(expect.objectContaining({ code: "SEQLOG_TRIMMED" }));
  expect((await log.get(firstSeq))?.seq).toBe(firstSeq);
  await log.close();
});

test("find gives the record with an id, also among many of the same millisecond", async () => {
  const log = await logOf([...Array.from({ length: 20 }, () => 5), ...Array.from({ length: 20 }, (_, i) => 6 + i)]);
  expect(log.supports.findById).toBe(true);
  for (const seq of [0, 7, 19, 20, 39]) {
    const record = await log.get(seq);
    expect((await log.find(record?.id ?? ""))?.seq).toBe(seq);
    expect((await log.find((record?.id ?? "").toUpperCase()))?.seq).toBe(seq);
  }
  await log.close();
});

test("find gives nothing for an id that the log has not, whatever its time or version", async () => {
  const log = await logOf([5, 6, 7]);
  for (const ms of [0, start + 4, start + 6, start + 100]) {
    const hex = ms.toString(16).padStart(12, "0");
    expect(await log.find(`${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000001`)).toBeUndefined();
  }
  expect(await log.find("11111111-1111-4111-8111-111111111111")).toBeUndefined();
  const empty = await FileLog.open(newPath());
  expect(await empty.find("11111111-1111-4111-8111-111111111111")).toBeUndefined();
  await expect(log.find("no id")).rejects.toBeInstanceOf(TypeError);
  await empty.close();
  await log.close();
});

test("seqAt gives the first record at or after a time", async () => {
  const log = await logOf([10, 20, 20, 20, 30, ...Array.from({ length: 30 }, (_, i) => 40 + i)]);
  const at = async (time: number): Promise<number> => await log.seqAt(new Date(start + time));
  expect(await at(-1000)).toBe(0);
  expect(await at(10)).toBe(0);
  expect(await at(11)).toBe(1);
  expect(await at(20)).toBe(1);
  expect(await at(21)).toBe(4);
  expect(await at(55)).toBe(20);
  expect(await at(69)).toBe(34);
  expect(await at(70)).toBe(35);
  await expect(log.seqAt(new Date(NaN))).rejects.toBeInstanceOf(RangeError);
  await log.close();
});

test("a clock that goes back is held, so times never go back inside a log, also across an open", async () => {
  const clock = { ms: start + 100 };
  const path = newPath();
  const log = await FileLog.open(path, { machine: machineAt(clock) });
  await log.append("a");
  clock.ms = start + 50;
  await log.append("b");
  await log.close();
  const again = await FileLog.open(path, { machine: machineAt(clock) });
  await again.append("c");
  clock.ms = start + 101;
  await again.append("d");
  const times = [0, 1, 2, 3].map((seq) => (again.getSync(seq)?.time.getTime() ?? 0) - start);
  expect(times).toEqual([100, 100, 100, 101]);
  expect(await again.seqAt(new Date(start + 60))).toBe(0);
  expect(await again.seqAt(new Date(start + 101))).toBe(3);
  expect((await again.find(again.getSync(2)?.id ?? ""))?.seq).toBe(2);
  await again.close();
});

test("opening reports a clock more than a day from the last id, either way", async () => {
  const day = 24 * 60 * 60 * 1000;
  const clock = { ms: start };
  const path = newPath();
  const open = (): Promise<FileLog> => FileLog.open(path, { machine: machineAt(clock) });
  const log = await open();
  await log.append("a");
  await log.close();
  for (const [now, skew] of [
    [start + day, undefined],
    [start + day + 1, day + 1],
    [start - day - 1, -day - 1],
  ] as const) {
    clock.ms = now;
    const again = await open();
    expect(again.recovery.clockSkewMs).toBe(skew);
    await again.close();
  }
});

test("a log of version 4 ids is the seed's: no times, find goes through it, seqAt is SEQLOG_UNSUPPORTED", async () => {
  const log = await logOf([1, 2, 3], "v4");
  expect(log.supports.findById).toBe(false);
  const record = await log.get(2);
  expect(record?.id[14]).toBe("4");
  expect(record?.time.getTime()).toBeNaN();
  expect((await log.find(record?.id ?? ""))?.seq).toBe(2);
  expect(await log.find("01890a5d-ac96-774b-8cce-b302099a8057")).toBeUndefined();
  await expect(log.seqAt(new Date(start))).rejects.toMatchObject({
    code: "SEQLOG_UNSUPPORTED",
    facts: { path: log.location, reason: "its ids are UUIDs of version 4, which hold no time" },
  });
  await expect(log.read({ from: new Date(start) }).next()).rejects.toMatchObject({ code: "SEQLOG_UNSUPPORTED" });
  await log.close();
  // What it is was settled when it was made.
  const again = await FileLog.open(log.location, { ids: "v7" });
  expect((await again.append("x")).id[14]).toBe("4");
  await again.close();
});

test.each<[string, (log: FileLog) => Promise<unknown>]>([
  ["reset", (log) => log.reset()],
  ["trim", (log) => log.trim({ before: "end" })],
])(
  "a %s while a look-up is under way is not called damage: the answer is that of the log as it is then",
  async (_name, change) => {
    const { storage } = nodeMachine;
    let onRead: (() => Promise<unknown>) | undefined;
    const interrupted: Storage = {
      ...storage,
      openSync(path, mode, options) {
        const file = storage.openSync(path, mode, options);
        const { read } = file;
        file.read = async (target, position) => {
          const interrupt = onRead;
          onRead = undefined;
          await interrupt?.();
          return read.call(file, target, position);
        };
        return file;
      },
    };
    for (const look of [
      async (log: FileLog, time: Date) => log.seqAt(time),
      async (log: FileLog, time: Date) => (await log.read({ from: time }).next()).value?.seq ?? log.nextSeq,
    ]) {
      const log = await FileLog.open(newPath(), {
        machine: { ...nodeMachine, storage: interrupted },
        segmentBytes: 1024,
      });
      log.appendBatchSync(Array.from({ length: 100 }, (_, i) => String(i).padEnd(100)));
      onRead = () => change(log);
      expect(await look(log, new Date(0))).toBe(log.firstSeq);
      onRead = () => change(log);
      expect(await look(log, new Date(8e15))).toBe(log.nextSeq);
      await log.close();
    }
  },
);
