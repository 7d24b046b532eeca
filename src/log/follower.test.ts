/** Reading a log while another process, or another handle, writes it. */
import { copyFileSync, readFileSync, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ChildWriter } from "../../test/crash/child-writer.ts";
import { collect, seqsOf, take, textsOf } from "../../test/crash/read-data.ts";
import { crashCopy, newPath } from "../../test/crash/scratch-directory.ts";
import { bytesOf } from "../../test/errors/directory-bytes.ts";
import { SeqlogError } from "../errors.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import type { Machine, Storage } from "../storage/storage.ts";
import { FileLog } from "./file-log.ts";

const firstLog = "00000000000000000000.log";
const firstIndex = "00000000000000000000.idx";

function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => String(from + i));
}

test("a reader follows the writer of another process live, across many rolls", async () => {
  const path = newPath();
  const writer = await ChildWriter.open(path, { segmentBytes: 1024 });
  const log = await FileLog.open(path, { readOnly: true });
  const reading = take(log.read({ live: true }), 500);
  for (let i = 0; i < 500; i += 50) await writer.append(...numbers(i, i + 50));
  expect((await reading).map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(numbers(0, 500));
  expect((await log.stats()).segments).toBeGreaterThan(15);
  expect(await log.stats()).toEqual(await writer.order("stats"));
  await log.close();
});

test("what the other process acknowledged is there at once for get, find, stats and a new read", async () => {
  const path = newPath();
  const writer = await ChildWriter.open(path, { segmentBytes: 1024 });
  const log = await FileLog.open(path, { readOnly: true });
  for (let i = 0; i < 30; i++) {
    const { seq, id } = (await writer.order("append", String(i).padEnd(100))) as { seq: number; id: string };
    if (i % 3 === 0) expect((await log.get(seq))?.id).toBe(id);
    else if (i % 3 === 1) expect((await log.find(id))?.seq).toBe(seq);
    else expect((await seqsOf(log)).at(-1)).toBe(seq);
  }
  expect(log.nextSeq).toBe(30);
  await log.close();
});

test("a reader that the other process's trim overtook is SEQLOG_TRIMMED with the first record available", async () => {
  const path = newPath();
  const writer = await ChildWriter.open(path, { segmentBytes: 1280 });
  await writer.append(...numbers(0, 45).map((data) => data.padEnd(96)));
  const log = await FileLog.open(path, { readOnly: true });
  const records = log.read({ live: true });
  await take(records, 0);
  await records.next();
  await writer.order("trim", 30);
  const trimmed = { code: "SEQLOG_TRIMMED", facts: { firstSeq: 30 } };
  await expect(collect(records)).rejects.toMatchObject(trimmed);
  expect(await seqsOf(log)).toEqual(numbers(30, 45).map(Number));
  expect(log.firstSeq).toBe(30);
  await expect(collect(log.read({ from: 3 }))).rejects.toMatchObject(trimmed);
  await log.close();
});

test("get of a record that the other process just removed is SEQLOG_TRIMMED, not a missing file", async () => {
  const path = newPath();
  const writer = await ChildWriter.open(path, { segmentBytes: 1280 });
  await writer.append(...numbers(0, 45).map((data) => data.padEnd(96)));
  const log = await FileLog.open(path, { readOnly: true });
  await writer.order("trim", 30);
  await expect(log.get(3)).rejects.toMatchObject({ code: "SEQLOG_TRIMMED", facts: { firstSeq: 30 } });
  await log.close();
});

test("a reset by the other process ends live and finite reads with SEQLOG_RESET; a new read sees the new records", async () => {
  const path = newPath();
  const writer = await ChildWriter.open(path, { segmentBytes: 1280 });
  await writer.append(...numbers(0, 45).map((data) => data.padEnd(96)));
  const log = await FileLog.open(path, { readOnly: true });
  const live = log.read({ live: true });
  for (let i = 0; i < 45; i++) await live.next();
  const waiting = live.next();
  const finite = log.read();
  await finite.next();
  await writer.order("reset");
  await writer.append("new");
  const reset = { code: "SEQLOG_RESET", facts: { generation: 1 } };
  await expect(waiting).rejects.toMatchObject(reset);
  await expect(collect(finite)).rejects.toMatchObject(reset);
  expect(await textsOf(log)).toEqual(["new"]);
  expect(log.generation).toBe(1);
  await log.close();
});

test("after a reset by the other process get gives the new generation's records, never the old one's", async () => {
  const path = newPath();
  const writer = await ChildWriter.open(path);
  await writer.append("old 0", "old 1");
  const log = await FileLog.open(path, { readOnly: true });
  expect(Buffer.from((await log.get(0))?.bytes ?? []).toString()).toBe("old 0");
  await writer.order("reset");
  await writer.append("new 0");
  expect(Buffer.from((await log.get(0))?.bytes ?? []).toString()).toBe("new 0");
  expect(await log.get(1)).toBeUndefined();
  await log.close();
});

test("a read-only log outlives its writer, the writer's death and the next writer", async () => {
  const path = newPath();
  const writer = await ChildWriter.open(path, { segmentBytes: 1024 });
  await writer.append(...numbers(0, 20));
  const log = await FileLog.open(path, { readOnly: true });
  const reading = take(log.read({ live: true }), 60);
  await writer.kill();
  const next = await ChildWriter.open(path, { segmentBytes: 1024 });
  await next.append(...numbers(20, 40));
  await next.order("close");
  const last = await FileLog.open(path);
  await last.appendBatch(numbers(40, 60));
  await last.close();
  expect((await reading).map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(numbers(0, 60));
  await log.close();
});

test("closing a read-only log ends its live reads normally", async () => {
  const path = newPath();
  const writer = await ChildWriter.open(path);
  await writer.append("0", "1");
  const log = await FileLog.open(path, { readOnly: true });
  const reading = seqsOf(log, { live: true });
  const other = log.read({ live: true });
  await take(other, 2);
  await log.close();
  expect([[], [0, 1]]).toContainEqual(await reading);
});

/** A machine on which writes of records wait, though their bytes are in the file, until the test lets them go. */
function holdingMachine(): { machine: Machine; release(): void } {
  const held: (() => void)[] = [];
  let isReleased = false;
  const { storage } = nodeMachine;
  const holding: Storage = {
    ...storage,
    openSync(path, mode, options) {
      const file = storage.openSync(path, mode, options);
      const { write } = file;
      file.write = (bytes, position, done) =>
        write.call(file, bytes, position, (error, written) => {
          if (isReleased) done(error, written);
          else held.push(() => done(error, written));
        });
      return file;
    },
  };
  return {
    machine: { ...nodeMachine, storage: holding },
    release() {
      isReleased = true;
      for (const done of held.splice(0)) done();
    },
  };
}

test("a record whose write has not come back yet is seen by nobody, though its bytes are in the file", async () => {
  const { machine, release } = holdingMachine();
  const log = await FileLog.open(newPath(), { machine });
  const reader = await FileLog.open(log.location, { readOnly: true });
  const live = reader.read({ live: true });
  const step = live.next();
  let isSettled = false;
  const append = log.append("in flight").then(() => (isSettled = true));
  const segment = join(log.location, firstLog);
  while (!readFileSync(segment).includes("in flight")) await new Promise((go) => setImmediate(go));
  for (const view of [log, reader]) {
    expect(await seqsOf(view)).toEqual([]);
    expect(await view.get(0)).toBeUndefined();
    expect(await view.stats()).toMatchObject({ records: 0, bytes: 0 });
  }
  const late = await FileLog.open(log.location, { readOnly: true });
  expect(late.nextSeq).toBe(0);
  expect(isSettled).toBe(false);
  release();
  await append;
  expect((await step).value).toMatchObject({ seq: 0 });
  expect((await late.get(0))?.seq).toBe(0);
  await Promise.all([live.return?.(), late.close(), reader.close()]);
  await log.close();
});

/** A log as a crash leaves it: five records, of which the record index proves three. */
async function crashedPastMark(): Promise<string> {
  const log = await FileLog.open(newPath());
  for (const data of numbers(0, 5)) await log.append(data);
  const crashed = crashCopy(log.location);
  await log.close();
  truncateSync(join(crashed, firstIndex), 3 * 16);
  return crashed;
}

test("a read-only open after a crash goes up to the mark, and changes no byte", async () => {
  const crashed = await crashedPastMark();
  const before = bytesOf(crashed);
  const log = await FileLog.open(crashed, { readOnly: true });
  expect(log.recovery).toEqual({ records: 3, tornBytes: 0, redone: 0, indexRebuilt: false });
  expect(await textsOf(log)).toEqual(["0", "1", "2"]);
  expect(await log.get(3)).toBeUndefined();
  expect(bytesOf(crashed)).toEqual(before);
  // The writer makes the rest durable; then it is seen.
  const writer = await FileLog.open(crashed);
  expect(writer.recovery.redone).toBe(2);
  expect(await textsOf(log)).toEqual(["0", "1", "2", "3", "4"]);
  await writer.close();
  await log.close();
});

test("a reader beside a recovery, which cuts records and writes them anew, does not call that damage", async () => {
  const log = await FileLog.open(newPath(), { durability: "os" });
  for (const data of numbers(0, 5)) await log.append(data);
  const crashed = crashCopy(log.location);
  await log.close();
  const reader = await FileLog.open(crashed, { readOnly: true });
  expect(await textsOf(reader)).toEqual(numbers(0, 5));
  // When the segment was cut, and before it is whole again, the reader asks.
  const asked: Promise<unknown>[] = [];
  const { storage } = nodeMachine;
  const slow: Storage = {
    ...storage,
    openSync(path, mode, options) {
      const file = storage.openSync(path, mode, options);
      const { read, truncateSync: truncate } = file;
      file.truncateSync = (length) => {
        truncate.call(file, length);
        if (path.endsWith(firstLog) && length === 0) {
          const failure = (error: unknown): unknown => error;
          asked.push(reader.get(3).catch(failure), collect(reader.read({ from: 2 })).catch(failure));
        }
      };
      file.read = async (target, position) => {
        for (let turn = 0; path.endsWith(".tail") && turn < 200; turn++) await new Promise((go) => setImmediate(go));
        return read.call(file, target, position);
      };
      return file;
    },
  };
  const writer = await FileLog.open(crashed, { machine: { ...nodeMachine, storage: slow } });
  expect(writer.recovery.redone).toBe(5);
  expect(asked).toHaveLength(2);
  for (const outcome of await Promise.all(asked)) {
    expect(outcome instanceof SeqlogError ? outcome.code : "fine").not.toBe("SEQLOG_DAMAGED");
  }
  expect(await textsOf(reader)).toEqual(numbers(0, 5));
  await writer.close();
  await reader.close();
});

test("a record index that was replaced is opened anew", async () => {
  const log = await FileLog.open(newPath());
  await log.append("0");
  const reader = await FileLog.open(log.location, { readOnly: true });
  expect(await textsOf(reader)).toEqual(["0"]);
  const index = join(log.location, firstIndex);
  await log.close();
  copyFileSync(index, `${index}.copy`);
  renameSync(`${index}.copy`, index);
  const again = await FileLog.open(log.location);
  await again.append("1");
  expect(await textsOf(reader)).toEqual(["0", "1"]);
  await again.close();
  await reader.close();
});

test("a read-only open while the log is being made finds none yet, instead of damage", async () => {
  const path = newPath();
  const log = await FileLog.open(path);
  await log.close();
  // What is there just before the first MANIFEST takes its name.
  rmSync(join(path, "MANIFEST"));
  await expect(FileLog.open(path, { readOnly: true })).rejects.toMatchObject({ code: "SEQLOG_NOT_FOUND" });
});

test("a segment that is sealed between two looks of a reader ends where its records end", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  await log.append("0".padEnd(900));
  // The writer rolls just before the reader looks whether a next segment is there.
  let roll: (() => void) | undefined;
  const watched: Storage = {
    ...nodeMachine.storage,
    statSync(path) {
      if (path.endsWith("00000000000000000001.log")) roll?.();
      return nodeMachine.storage.statSync(path);
    },
  };
  const reader = await FileLog.open(log.location, { readOnly: true, machine: { ...nodeMachine, storage: watched } });
  roll = () => {
    roll = undefined;
    log.appendSync("1".padEnd(900));
  };
  await reader.stats();
  expect(await reader.stats()).toEqual(await log.stats());
  expect(await reader.copyTo(newPath())).toEqual({ records: 2, bytes: 2 * 932 });
  await reader.close();
  await log.close();
});

test("a next segment that was seen and then taken back, since its roll failed, does not stop a reader", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  await log.append("0".padEnd(900));
  // The reader looks in the moment in which the name is there; then the disk is full, and it goes again.
  let isSeen = true;
  const { storage } = nodeMachine;
  const watched: Storage = {
    ...storage,
    statSync(path) {
      const isNext = isSeen && path.endsWith("00000000000000000001.log");
      return isNext ? { kind: "file", size: 0, inode: 1, modifiedMs: 0 } : storage.statSync(path);
    },
  };
  const reader = await FileLog.open(log.location, { readOnly: true, machine: { ...nodeMachine, storage: watched } });
  await reader.stats().catch(() => undefined);
  isSeen = false;
  const reading = take(reader.read({ live: true }), 3);
  await log.append("1");
  await log.append("2".padEnd(900));
  expect((await reading).map(({ seq }) => seq)).toEqual([0, 1, 2]);
  expect(await reader.stats()).toEqual(await log.stats());
  await reader.close();
  await log.close();
});

test("files that are none of the log's own are not looked at, and stay", async () => {
  const path = newPath();
  const log = await FileLog.open(path, { segmentBytes: 1024 });
  const others = [
    "README",
    "1.log",
    "00000000000000000000.log.bak",
    "x.tmp",
    "00000000000000000000.g0.log",
    "99999999999999999999.log",
  ];
  for (const name of others) writeFileSync(join(path, name), "mine");
  await log.appendBatch(numbers(0, 40));
  await log.trim({ before: "end" });
  await log.reset();
  await log.append("0");
  await log.close();
  const reader = await FileLog.open(path, { readOnly: true });
  expect(await textsOf(reader)).toEqual(["0"]);
  await reader.close();
  const again = await FileLog.open(path);
  await again.close();
  expect(readdirSync(path)).toEqual(expect.arrayContaining(others));
});
