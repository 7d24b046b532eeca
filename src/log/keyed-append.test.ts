import { expect, test } from "vitest";
import { linesOf, textsOf } from "../../test/crash/read-data.ts";
import { crashCopy, newPath } from "../../test/crash/scratch-directory.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import type { Machine } from "../storage/storage.ts";
import { failWith } from "../testing/fault-plan.ts";
import { withFaults } from "../testing/fault-injecting-storage.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import { json } from "./codec.ts";
import { FileLog } from "./file-log.ts";
import type { FileOpenOptions } from "./file-open-options.ts";
import type { FileAppended } from "./log.ts";

const start = Date.UTC(2026, 0, 1);

function machineAt(clock: { ms: number }): Machine {
  return { ...nodeMachine, clock: { ...nodeMachine.clock, now: () => clock.ms } };
}

function plain({ seq, id, time, duplicate, segment, offset }: FileAppended): FileAppended {
  return { seq, id, time, duplicate, segment, offset };
}

function nextTick(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

test("the same key gives the first record, whole, and appends nothing", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  const first = await log.append("payment", { key: "4711" });
  expect(first.duplicate).toBe(false);
  expect(first.id[14]).toBe("7");
  await log.appendBatch(Array.from({ length: 20 }, () => "x".repeat(100)));
  for (const again of [
    await log.append("payment", { key: "4711" }),
    await log.append(Buffer.from("payment"), { key: Buffer.from("4711") }),
    log.appendSync("payment", { key: "4711" }),
  ]) {
    expect(plain(again)).toEqual({ ...plain(first), duplicate: true });
  }
  expect(log.nextSeq).toBe(21);
  expect((await log.get(0))?.toJSON()).toMatchObject({ seq: 0, id: first.id, time: first.time });
  await log.close();
});

test("keys are known again after a close and after a crash, whichever way the record was appended", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  const first: FileAppended[] = [];
  for (let i = 0; i < 40; i++) {
    const options = { key: `key ${i}` };
    first.push(
      plain(
        i % 2 === 0
          ? await log.append(`data ${i}`.padEnd(i * 3), options)
          : log.appendSync(`data ${i}`.padEnd(i * 3), options),
      ),
    );
    if (i % 5 === 0) await log.append("without a key");
  }
  const crashed = crashCopy(log.location);
  await log.close();
  for (const path of [log.location, crashed]) {
    const again = await FileLog.open(path, { segmentBytes: 1024 });
    const { nextSeq } = again;
    for (let i = 39; i >= 0; i--) {
      const appended = await again.append(`data ${i}`.padEnd(i * 3), { key: `key ${i}` });
      expect(plain(appended)).toEqual({ ...first[i], duplicate: true });
    }
    expect(again.nextSeq).toBe(nextSeq);
    await again.close();
  }
});

test("a key is another log's key no more: each log has its own secret, and a copy keeps it", async () => {
  const log = await FileLog.open(newPath());
  const other = await FileLog.open(newPath());
  const { id } = await log.append("a", { key: "k" });
  expect((await other.append("a", { key: "k" })).id.slice(14)).not.toBe(id.slice(14));
  const copyPath = newPath();
  await log.copyTo(copyPath);
  const copy = await FileLog.open(copyPath);
  expect(await copy.append("a", { key: "k" })).toMatchObject({ id, duplicate: true });
  for (const opened of [log, other, copy]) await opened.close();
});

test("a repeat of an append in flight waits for it, and shares its success", async () => {
  const log = await FileLog.open(newPath());
  const first = log.append("a", { key: "k" });
  const queued = log.append("a", { key: "k" });
  await nextTick();
  const inFlight = log.append("a", { key: "k" });
  const blocking = log.appendSync("a", { key: "k" });
  expect(blocking).toMatchObject({ seq: 0, duplicate: true });
  const answers = await Promise.all([first, queued, inFlight]);
  expect(answers.map(({ seq, duplicate }) => [seq, duplicate])).toEqual([
    [0, false],
    [0, true],
    [0, true],
  ]);
  expect(new Set([blocking, ...answers].map(({ id }) => id)).size).toBe(1);
  expect(await textsOf(log)).toEqual(["a"]);
  await log.close();
});

test("a repeat of an append in flight shares its failure on a full disk, and then the key is free again", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  storage.faults.on({ kind: "write", path: ".log" }, ({ background }) =>
    background ? failWith("ENOSPC", 20) : undefined,
  );
  const first = log.append("a", { key: "k" });
  const queued = log.append("a", { key: "k" });
  await nextTick();
  const inFlight = log.append("a", { key: "k" });
  const other = log.append("b", { key: "other" });
  const failures = await Promise.allSettled([first, queued, inFlight]);
  const reasons = failures.map((outcome) => (outcome.status === "rejected" ? (outcome.reason as unknown) : undefined));
  expect(reasons[0]).toMatchObject({ code: "SEQLOG_NO_SPACE" });
  expect(reasons[1]).toBe(reasons[0]);
  expect(reasons[2]).toBe(reasons[0]);
  expect(await other).toMatchObject({ seq: 0, duplicate: false });
  expect(await log.append("a", { key: "k" })).toMatchObject({ seq: 1, duplicate: false });
  expect(await log.append("a", { key: "k" })).toMatchObject({ seq: 1, duplicate: true });
  // The record that was written to another place than it was encoded for.
  expect(await log.append("b", { key: "other" })).toMatchObject({ seq: 0, offset: 0, duplicate: true });
  await log.close();
});

test("a repeat of an append in flight shares its failure when the log is poisoned, and so does every later one until it is opened again", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  await log.append("before", { key: "before" });
  storage.faults.on({ kind: "write", path: ".log" }, ({ background }) => (background ? failWith("EIO") : undefined));
  const outcomes = await Promise.allSettled([
    log.append("a", { key: "k" }),
    log.append("a", { key: "k" }),
    log.append("a", { key: "k" }),
  ]);
  for (const outcome of outcomes) {
    expect(outcome).toMatchObject({ status: "rejected", reason: { code: "SEQLOG_POISONED" } });
  }
  await expect(log.append("before", { key: "before" })).rejects.toMatchObject({ code: "SEQLOG_POISONED" });
  await log.close();
  const again = await FileLog.open(log.location);
  expect(await again.append("before", { key: "before" })).toMatchObject({ seq: 0, duplicate: true });
  expect(await again.append("a", { key: "k" })).toMatchObject({ seq: 1 });
  await again.close();
});

test("a key with other data is SEQLOG_KEY_REUSED with the first record's seq and id, also of an append in flight and after an open", async () => {
  const log = await FileLog.open(newPath());
  await log.append("filler");
  const first = log.append("data", { key: "k" });
  const whileInFlight = [log.append("other", { key: "k" }), log.append("date", { key: "k" })];
  for (const refused of whileInFlight) {
    await expect(refused).rejects.toMatchObject({
      code: "SEQLOG_KEY_REUSED",
      facts: { seq: 1, id: (await first).id },
    });
  }
  await log.close();
  const again = await FileLog.open(log.location);
  const facts = { seq: 1, id: (await first).id };
  await expect(again.append("date", { key: "k" })).rejects.toMatchObject({ code: "SEQLOG_KEY_REUSED", facts });
  expect(() => again.appendSync("dat", { key: "k" })).toThrow(
    expect.objectContaining({ code: "SEQLOG_KEY_REUSED", facts, message: expect.stringContaining("record 1") }),
  );
  expect(again.nextSeq).toBe(2);
  expect(await again.append("data", { key: "k" })).toMatchObject({ seq: 1, duplicate: true });
  await again.close();
});

test("the window ends after so many records, kept in memory or read back", async () => {
  const log = await FileLog.open(newPath(), { keyWindow: { records: 3 }, segmentBytes: 1024 });
  await log.append("a", { key: "a" });
  await log.append("b", { key: "b" });
  await log.append("no key");
  expect(await log.append("a", { key: "a" })).toMatchObject({ seq: 0, duplicate: true });
  await log.append("no key");
  const crashed = crashCopy(log.location);
  expect(await log.append("b", { key: "b" })).toMatchObject({ seq: 1, duplicate: true });
  expect(await log.append("a", { key: "a" })).toMatchObject({ seq: 4, duplicate: false });
  expect(await log.append("a", { key: "a" })).toMatchObject({ seq: 4, duplicate: true });
  await log.close();
  const again = await FileLog.open(crashed, { keyWindow: { records: 3 } });
  expect(await again.append("b", { key: "b" })).toMatchObject({ seq: 1, duplicate: true });
  expect(await again.append("a", { key: "a" })).toMatchObject({ seq: 4, duplicate: false });
  await again.close();
});

test("the window ends after so many milliseconds by the times of the ids, kept in memory or read back", async () => {
  const clock = { ms: start };
  const options: FileOpenOptions = { machine: machineAt(clock), keyWindow: { ms: 1000 } };
  const log = await FileLog.open(newPath(), options);
  await log.append("a", { key: "a" });
  clock.ms = start + 1;
  await nextTick();
  await log.append("b", { key: "b" });
  clock.ms = start + 1001;
  const crashed = crashCopy(log.location);
  const again = await FileLog.open(crashed, options);
  for (const opened of [log, again]) {
    expect(await opened.append("b", { key: "b" })).toMatchObject({ seq: 1, duplicate: true });
    expect(await opened.append("a", { key: "a" })).toMatchObject({ seq: 2, duplicate: false });
    await opened.close();
  }
});

test("of two records of one key the later one is the first of the window that is left, after an open too", async () => {
  const path = newPath();
  const narrow = await FileLog.open(path, { keyWindow: { records: 1 } });
  await narrow.append("a", { key: "a" });
  await narrow.append("filler");
  expect(await narrow.append("a", { key: "a" })).toMatchObject({ seq: 2, duplicate: false });
  await narrow.close();
  const wide = await FileLog.open(path, { keyWindow: { records: 3 } });
  expect(await wide.append("a", { key: "a" })).toMatchObject({ seq: 2, duplicate: true });
  await wide.append("filler");
  expect(await wide.append("a", { key: "a" })).toMatchObject({ seq: 2, duplicate: true });
  await wide.close();
});

test("the default window holds 10 minutes", async () => {
  const clock = { ms: start };
  const log = await FileLog.open(newPath(), { machine: machineAt(clock) });
  await log.append("a", { key: "a" });
  clock.ms = start + 600_000;
  await nextTick();
  expect((await log.append("a", { key: "a" })).duplicate).toBe(true);
  clock.ms++;
  await nextTick();
  expect((await log.append("a", { key: "a" })).duplicate).toBe(false);
  await log.close();
});

test("a clock that went back ends no window early", async () => {
  const clock = { ms: start };
  const log = await FileLog.open(newPath(), { machine: machineAt(clock), keyWindow: { ms: 10 } });
  await log.append("a", { key: "a" });
  clock.ms = start - 3_600_000;
  await nextTick();
  expect(await log.append("b", { key: "b" })).toMatchObject({ time: new Date(start) });
  expect((await log.append("a", { key: "a" })).duplicate).toBe(true);
  await log.close();
  const again = await FileLog.open(log.location, { machine: machineAt(clock), keyWindow: { ms: 10 } });
  expect((await again.append("a", { key: "a" })).duplicate).toBe(true);
  await again.close();
});

test("the log is read back at the first append with a key, by its headers, and not at open or before", async () => {
  const path = newPath();
  const log = await FileLog.open(path, { segmentBytes: 1024 * 1024 });
  await log.append("first", { key: "first" });
  await log.appendBatch(Array.from({ length: 200 }, () => "x".repeat(20_000)));
  await log.append("last", { key: "last" });
  await log.close();

  const { machine, storage } = withFaults(nodeMachine);
  const again = await FileLog.open(path, { machine, keyWindow: { records: 50 } });
  storage.operations.clear();
  await again.append("without a key");
  await again.appendBatch(["without", "keys"]);
  again.appendSync("without a key");
  expect(storage.operations.counts.read).toBe(0);
  expect((await again.append("last", { key: "last" })).duplicate).toBe(true);
  const { read } = storage.operations.counts;
  const bytes = storage.operations.entries.reduce((sum, { kind, length }) => sum + (kind === "read" ? length : 0), 0);
  expect(read).toBeGreaterThan(0);
  // A header for each of 50 records, and the entries of their segments.
  expect(bytes).toBeLessThan(50 * 32 + 5 * 1024 * 16);
  expect((await again.append("last", { key: "last" })).duplicate).toBe(true);
  expect((await again.append("first", { key: "first" })).duplicate).toBe(false);
  expect(storage.operations.counts.read).toBe(read);
  await again.close();
});

test("a window of many records in few segments is read back whole", async () => {
  const path = newPath();
  const log = await FileLog.open(path, { segmentBytes: 1_000_000 });
  const data = (i: number): string => `${i}`.padEnd(300);
  const count = 5000;
  await Promise.all(Array.from({ length: count }, (_, i) => log.append(data(i), { key: `key ${i}` })));
  expect((await log.stats()).segments).toBe(2);
  await log.close();
  const again = await FileLog.open(path, { keyWindow: { records: 4999 } });
  const repeated = await Promise.all(
    Array.from({ length: count - 1 }, (_, i) => again.append(data(i + 1), { key: `key ${i + 1}` })),
  );
  expect(repeated.every(({ seq, duplicate }, i) => duplicate && seq === i + 1)).toBe(true);
  expect(await again.append(data(0), { key: "key 0" })).toMatchObject({ seq: count, duplicate: false });
  await again.close();
});

test.each<[string, (path: string, disk: SimulatedDisk) => void]>([
  ["missing", (path, disk) => disk.boot().storage.unlinkSync(path)],
  [
    "wrong here and there",
    (path, disk) => {
      for (let entry = 0; entry < 30; entry += 3) disk.flipBit(path, entry * 16 + 2, 1);
    },
  ],
])("keys are found while the record index of a sealed segment is %s", async (_name, spoil) => {
  const disk = new SimulatedDisk();
  const machine = disk.boot();
  const done = await machine.run(async () => {
    const options = { machine, segmentBytes: 4096 };
    const log = await FileLog.open("/log", options);
    for (let i = 0; i < 60; i++) await log.append(`${i}`.padEnd(60), { key: `key ${i}` });
    await log.close();
    const again = await FileLog.open("/log", options);
    spoil("/log/00000000000000000000.idx", disk);
    for (let i = 0; i < 60; i++) {
      expect(await again.append(`${i}`.padEnd(60), { key: `key ${i}` })).toMatchObject({ seq: i, duplicate: true });
    }
    await again.close();
  });
  expect(done).toMatchObject({ kind: "done" });
});

test("a record in the window that cannot be read refuses keys, since nobody can say which one it had", async () => {
  const disk = new SimulatedDisk();
  const machine = disk.boot();
  const done = await machine.run(async () => {
    const log = await FileLog.open("/log", { machine });
    for (let i = 0; i < 10; i++) await log.append(`${i}`.padEnd(60), { key: `key ${i}` });
    await log.close();
    const again = await FileLog.open("/log", { machine });
    disk.flipBit("/log/00000000000000000000.log", 5 * 92 + 20, 1);
    await expect(again.append("new", { key: "new" })).rejects.toMatchObject({
      code: "SEQLOG_DAMAGED",
      facts: { seq: 5 },
    });
    expect(await again.append("without a key")).toMatchObject({ seq: 10 });
    await again.close();
  });
  expect(done).toMatchObject({ kind: "done" });
});

test("a key goes before expectedSeq: what was appended is the answer, though the log has moved on", async () => {
  const log = await FileLog.open(newPath());
  await log.append("a", { key: "a", expectedSeq: 0 });
  await log.append("b");
  expect(await log.append("a", { key: "a", expectedSeq: 0 })).toMatchObject({ seq: 0, duplicate: true });
  await expect(log.append("c", { key: "c", expectedSeq: 1 })).rejects.toMatchObject({ code: "SEQLOG_CONFLICT" });
  expect(await log.append("c", { key: "c", expectedSeq: 2 })).toMatchObject({ seq: 2, duplicate: false });
  await log.close();
});

test("an append that is refused leaves its key free", async () => {
  const log = await FileLog.open(newPath(), { maxRecordBytes: 100, maxPendingBytes: 1000 });
  await expect(log.append("x".repeat(101), { key: "k" })).rejects.toBeInstanceOf(RangeError);
  await expect(log.append("\ud800", { key: "k" })).rejects.toBeInstanceOf(TypeError);
  const filling = log.appendBatch(Array.from({ length: 9 }, () => "x".repeat(70)));
  await expect(log.append("x".repeat(100), { key: "k" })).rejects.toMatchObject({ code: "SEQLOG_QUEUE_FULL" });
  await filling;
  expect(await log.append("k", { key: "k" })).toMatchObject({ seq: 9, duplicate: false });
  await log.close();
});

test.each<[unknown, ErrorConstructor, RegExp]>([
  ["", RangeError, /1 to 1024 bytes, got 0/],
  ["k".repeat(1025), RangeError, /got 1025/],
  ["ä".repeat(513), RangeError, /got 1026/],
  [new Uint8Array(0), RangeError, /got 0/],
  [new Uint8Array(1025), RangeError, /got 1025/],
  ["\udc00", TypeError, /lone surrogate/],
  [7, TypeError, /got number/],
  [null, TypeError, /got null/],
  [{}, TypeError, /got object/],
])("the key %o is a %o", async (key, type, message) => {
  const log = await FileLog.open(newPath());
  const options = { key: key as string };
  const failure: unknown = await log.append("x", options).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(type);
  expect((failure as Error).message).toMatch(message);
  expect(() => log.appendSync("x", options)).toThrow(type);
  expect(log.nextSeq).toBe(0);
  await log.close();
});

test("keys of 1 and of 1024 bytes are keys", async () => {
  const log = await FileLog.open(newPath());
  for (const key of ["k", "k".repeat(1024), new Uint8Array(1), new Uint8Array(1024)]) {
    expect((await log.append("x", { key })).duplicate).toBe(false);
    expect((await log.append("x", { key })).duplicate).toBe(true);
  }
  await log.close();
});

test("a batch takes no key", async () => {
  const log = await FileLog.open(newPath());
  const options = { key: "k" } as { expectedSeq?: number };
  await expect(log.appendBatch(["a"], options)).rejects.toThrow(/appendBatch takes no key/);
  expect(() => log.appendBatchSync(["a"], options)).toThrow(TypeError);
  expect(log.nextSeq).toBe(0);
  await log.close();
});

test("a log of version 4 ids takes no key", async () => {
  const log = await FileLog.open(newPath(), { ids: "v4" });
  await expect(log.append("x", { key: "k" })).rejects.toMatchObject({
    code: "SEQLOG_UNSUPPORTED",
    facts: { path: log.location },
  });
  expect(log.nextSeq).toBe(0);
  await log.close();
});

test.each([
  [{ ms: 0 }, RangeError],
  [{ records: 0 }, RangeError],
  [{ records: 10_000_001 }, RangeError],
  [{ ms: 0.5 }, RangeError],
  [7, TypeError],
])("keyWindow %o is a %o, and no directory is made", async (keyWindow, type) => {
  const path = newPath();
  await expect(FileLog.open(path, { keyWindow: keyWindow as object })).rejects.toBeInstanceOf(type);
  expect(nodeMachine.storage.statSync(path)).toBeUndefined();
});

test("a reset forgets all keys, those of appends made before it also while it is under way", async () => {
  const log = await FileLog.open(newPath());
  await log.append("a", { key: "a" });
  const before = log.append("b", { key: "b" });
  const reset = log.reset();
  const after = log.append("b", { key: "b" });
  const repeated = log.append("b", { key: "b" });
  const old = log.append("a", { key: "a" });
  expect(await before).toMatchObject({ seq: 1, duplicate: false });
  await reset;
  expect(await after).toMatchObject({ seq: 0, duplicate: false });
  expect(await repeated).toMatchObject({ seq: 0, duplicate: true });
  expect(await old).toMatchObject({ seq: 1, duplicate: false });
  expect(await textsOf(log)).toEqual(["b", "a"]);
  await log.close();
  const again = await FileLog.open(log.location);
  expect(await again.append("a", { key: "a" })).toMatchObject({ seq: 1, duplicate: true });
  await again.close();
});

test("a reset before the first key, and one that fails", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const path = newPath();
  const log = await FileLog.open(path, { machine });
  await log.append("a", { key: "a" });
  await log.close();
  const again = await FileLog.open(path, { machine });
  storage.faults.on({ kind: "fsync", path: ".g1.log" }, failWith("ENOSPC"));
  await expect(again.reset()).rejects.toMatchObject({ code: "SEQLOG_NO_SPACE" });
  expect(await again.append("a", { key: "a" })).toMatchObject({ seq: 0, duplicate: true });
  await again.reset();
  expect(await again.append("a", { key: "a" })).toMatchObject({ seq: 0, duplicate: false });
  await again.close();
});

test("what was trimmed is known as long as the log stays open", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  const first = await log.append("a", { key: "a" });
  await log.appendBatch(Array.from({ length: 20 }, () => "x".repeat(100)));
  await log.trim({ before: "end" });
  expect(log.firstSeq).toBeGreaterThan(0);
  expect(plain(await log.append("a", { key: "a" }))).toEqual({ ...plain(first), duplicate: true });
  await log.close();
  const again = await FileLog.open(log.location, { segmentBytes: 1024 });
  expect(await again.append("a", { key: "a" })).toMatchObject({ duplicate: false });
  await again.close();
});

test("with a codec the encoded data is compared", async () => {
  const log = await FileLog.open(newPath(), { codec: json<{ n: number }>() });
  await log.append({ n: 1 }, { key: "k" });
  expect((await log.append({ n: 1 }, { key: "k" })).duplicate).toBe(true);
  await expect(log.append({ n: 2 }, { key: "k" })).rejects.toMatchObject({ code: "SEQLOG_KEY_REUSED" });
  await log.close();
});

test("an append without a key beside many with one keeps its random id, and the order of the calls", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 2048 });
  const appended = await Promise.all(
    Array.from({ length: 100 }, (_, i) => log.append(String(i), i % 2 === 0 ? { key: `key ${i}` } : undefined)),
  );
  expect(appended.map(({ seq }) => seq)).toEqual(Array.from({ length: 100 }, (_, i) => i));
  expect(await linesOf(log)).toEqual(
    appended.map(({ seq, id }) => `${seq} ${id} ${Buffer.from(String(seq)).toString("hex")}`),
  );
  expect(new Set(appended.map(({ id }) => id.slice(14))).size).toBe(100);
  await log.close();
});

/** Keys that may be repeated; some appends share a write, some block. */
async function appendAll(log: FileLog, acknowledged: Map<string, { seq: number; id: string }>): Promise<void> {
  const append = async (i: number): Promise<void> => {
    const { seq, id } = await log.append(`data ${i}`.padEnd(250 + i), { key: `key ${i}` });
    acknowledged.set(`data ${i}`, { seq, id });
  };
  await Promise.all([append(0), append(1), append(0), log.append("without a key")]);
  for (let i = 2; i < 8; i++) await Promise.all([append(i), append(i)]);
  log.appendSync("data 8".padEnd(258), { key: "key 8" });
  await Promise.all([append(8), append(9)]);
}

test("a crash at any operation of keyed appends, and the same appends again: each key is there once", async () => {
  const options = { segmentBytes: 1024, keyWindow: { records: 100 } };
  const count = async (): Promise<number> => {
    const machine = new SimulatedDisk({ seed: "count" }).boot();
    await machine.run(async () => {
      const log = await FileLog.open("/log", { ...options, machine });
      await appendAll(log, new Map());
      await log.close();
    });
    return machine.operations;
  };
  const operations = await count();
  expect(operations).toBeGreaterThan(100);
  let crashes = 0;
  let toldBeforeCrash = 0;
  for (let at = 0; at < operations; at++) {
    for (const when of ["before", "during", "after"] as const) {
      const disk = new SimulatedDisk({ seed: `${at} ${when}` });
      const machine = disk.boot();
      machine.faults.at(at, { kind: "crash", when, written: 30 });
      const told = new Map<string, { seq: number; id: string }>();
      const outcome = await machine.run(async () => {
        const log = await FileLog.open("/log", { ...options, machine });
        await appendAll(log, told);
        await log.close();
      });
      if (outcome.kind === "died") {
        crashes++;
        toldBeforeCrash += told.size;
      }
      disk.crash();
      const next = disk.boot();
      const repeated = await next.run(async () => {
        const log = await FileLog.open("/log", { ...options, machine: next });
        const again = new Map<string, { seq: number; id: string }>();
        await appendAll(log, again);
        const texts = (await textsOf(log)).map((text) => text.trimEnd()).filter((text) => text !== "without a key");
        await log.close();
        return { again, texts };
      });
      if (repeated.kind !== "done") throw new Error(`at ${at} ${when}`, { cause: repeated });
      expect(repeated.value.texts.toSorted(), `at ${at} ${when}`).toEqual(
        Array.from({ length: 10 }, (_, i) => `data ${i}`),
      );
      for (const [data, appended] of told) expect(repeated.value.again.get(data)).toEqual(appended);
    }
  }
  expect(crashes).toBeGreaterThan(operations);
  expect(toldBeforeCrash).toBeGreaterThan(operations);
});

test("a key is free again after an append that failed before it was on its way", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  // A write this large needs a MANIFEST that allows for it, and begins at once.
  const data = Buffer.alloc(300 * 1024, 7);
  storage.faults.on({ kind: "write", path: "MANIFEST.tmp" }, failWith("ENOSPC"));
  await expect(log.append(data, { key: "k" })).rejects.toMatchObject({ code: "SEQLOG_NO_SPACE" });
  expect(await log.append(data, { key: "k" })).toMatchObject({ seq: 0, duplicate: false });
  expect(await log.append(data, { key: "k" })).toMatchObject({ seq: 0, duplicate: true });
  await log.close();
});
