import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { SeqlogError } from "../errors.ts";
import { headerLength } from "../format/record.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { runSync } from "../storage/plan.ts";
import type { Machine } from "../storage/storage.ts";
import { withFaults } from "../testing/fault-injecting-storage.ts";
import { crashAfter, crashBefore, failWith, shortWrite } from "../testing/fault-plan.ts";
import { SimulatedDisk, type SimulatedDiskOptions } from "../testing/simulated-disk.ts";
import { LogWriter, type LogWriterOptions } from "./log-writer.ts";
import { RecordIndex } from "./record-index.ts";
import { type ChainRun, walkChain } from "./walk-chain.ts";

const logAt = "/events.log";
const indexAt = "/events.idx";

interface Pair {
  readonly writer: LogWriter;
  readonly recordIndex: RecordIndex;
}

async function open(machine: Machine, options: LogWriterOptions = {}): Promise<Pair> {
  const recordIndex = await RecordIndex.open(indexAt, { machine });
  return { recordIndex, writer: await LogWriter.open(logAt, recordIndex, { ...options, machine }) };
}

/** The data of the valid records of the file, and what stands behind them. */
function texts(disk: SimulatedDisk, from: "cache" | "medium" = "cache"): string[] {
  const bytes = Buffer.from(disk.readFile(logAt, from) ?? []);
  const copy = new SimulatedDisk({ keepLog: false });
  copy.writeFile(logAt, bytes);
  const found: string[] = [];
  const visit = ({ offset, count, end, ...run }: ChainRun): void => {
    const starts = run.starts();
    for (let i = 0; i < count; i++) {
      const start = offset + (starts[i] as number) + headerLength;
      found.push(bytes.toString("latin1", start, offset + (starts[i + 1] ?? end)));
    }
  };
  const file = copy.boot().storage.openSync(logAt, "read");
  const { end } = runSync(walkChain(file, { seq: 0, offset: 0 }, bytes.length, { visit }));
  return end === bytes.length ? found : [...found, `${bytes.length - end} bytes behind the records`];
}

function nextTick(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

/** What a promise came to: its value, or the code of its error. */
async function outcome(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise;
  } catch (error) {
    return error instanceof SeqlogError ? error.code : (error as Error).name;
  }
}

function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), "seqlog-writer-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

describe("opening", () => {
  test.each([undefined, null, {}, "events.idx", 5])("without a record index (%s) is a TypeError", async (index) => {
    const { machine, storage } = withFaults(new SimulatedDisk().boot());
    await expect(LogWriter.open(logAt, index as unknown as RecordIndex, { machine })).rejects.toThrow(TypeError);
    expect(storage.operations.entries).toEqual([]);
  });

  test("makes an empty file with both names durable, and the write offset at its end", async () => {
    const disk = new SimulatedDisk();
    const { writer } = await open(disk.boot());
    expect(writer.recovery).toEqual({ records: 0, tornBytes: 0, redone: 0, indexRebuilt: false });
    expect([writer.path, writer.writeOffset, writer.dirtyOffset]).toEqual([logAt, 0, -1]);
    disk.crash({ keep: 0 });
    expect(disk.list("/")).toEqual(expect.arrayContaining(["events.idx", "events.log"]));
  });

  test("goes on where the file ends", async () => {
    const disk = new SimulatedDisk();
    const first = await open(disk.boot());
    await first.writer.append("one");
    await first.writer.close();
    const { writer, recordIndex } = await open(disk.boot());
    expect(writer.recovery.records).toBe(1);
    expect([writer.writeOffset, await writer.append("two"), recordIndex.get(1)]).toEqual([35, 35, 35]);
    expect(texts(disk)).toEqual(["one", "two"]);
  });

  test("takes a path or a file: URL, and makes files that others may read", async () => {
    const directory = scratch();
    const path = join(directory, "events.log");
    const recordIndex = await RecordIndex.open(pathToFileURL(join(directory, "events.idx")));
    const writer = await LogWriter.open(pathToFileURL(path), recordIndex);
    expect(writer.path).toBe(path);
    await writer.append("hello");
    await writer.close();
    await recordIndex.close();
    expect(statSync(path)).toMatchObject({ size: 37, mode: 0o100644 & ~process.umask() });
  });

  test.each<[string, LogWriterOptions]>([
    ["maxRecordBytes below 0", { maxRecordBytes: -1 }],
    ["maxRecordBytes over 1 GiB", { maxRecordBytes: 2 ** 30 + 1 }],
    ["maxRecordBytes that is no whole number", { maxRecordBytes: 1.5 }],
    ["maxPendingBytes of 0", { maxPendingBytes: 0 }],
    ["maxPendingBytes that is no number", { maxPendingBytes: NaN }],
  ])("with %s is a RangeError", async (_, options) => {
    const disk = new SimulatedDisk();
    await expect(open(disk.boot(), options)).rejects.toThrow(RangeError);
    expect(disk.list("/")).toEqual(["events.idx"]);
  });

  test("a record index serves one writer at a time", async () => {
    const machine = new SimulatedDisk().boot();
    const { writer, recordIndex } = await open(machine);
    await expect(LogWriter.open("/other.log", recordIndex, { machine })).rejects.toThrow(/already serves the writer/);
    await writer.append("one");
    await writer.close();
    const again = await LogWriter.open(logAt, recordIndex, { machine });
    expect(again.recovery.records).toBe(1);
  });

  test("that fails holds neither the lock nor the record index", async () => {
    const disk = new SimulatedDisk();
    const machine = disk.boot();
    const recordIndex = await RecordIndex.open(indexAt, { machine });
    machine.faults.on({ kind: "open", path: ".log", times: 2 }, failWith("EACCES"));
    expect(await outcome(LogWriter.open(logAt, recordIndex, { machine }))).toBe("SEQLOG_IO");
    expect(await outcome(LogWriter.open(logAt, recordIndex, { machine }))).toBe("SEQLOG_IO");
    const writer = await LogWriter.open(logAt, recordIndex, { machine });
    expect(await writer.append("one")).toBe(0);
  });

  test("sets a torn tail aside instead of appending to it", async () => {
    const disk = new SimulatedDisk();
    const first = await open(disk.boot());
    await first.writer.append("one");
    await first.writer.close();
    const torn = Buffer.from("a record that a crash has cut");
    disk.writeFile(logAt, Buffer.concat([disk.readFile(logAt) as Uint8Array, torn]));
    const { writer } = await open(disk.boot());
    const savedAs = `${logAt}.35.torn`;
    expect(writer.recovery).toEqual({
      records: 1,
      tornBytes: torn.length,
      tornOffset: 35,
      savedAs,
      redone: 0,
      indexRebuilt: false,
    });
    expect(await writer.append("two")).toBe(35);
    expect(texts(disk)).toEqual(["one", "two"]);
    expect(Buffer.from(disk.readFile(savedAs) ?? []).equals(torn)).toBe(true);
  });

  test("sets a large torn record aside, too, also when the disk has all of it but its header", async () => {
    const disk = new SimulatedDisk({ keepLog: false });
    const first = await open(disk.boot());
    await first.writer.append("one");
    await first.writer.close();
    const torn = Buffer.concat([Buffer.alloc(512), Buffer.alloc(15 * 1024 * 1024, 7)]);
    disk.writeFile(logAt, Buffer.concat([disk.readFile(logAt) as Uint8Array, torn]));
    const { writer } = await open(disk.boot());
    expect(writer.recovery).toMatchObject({ records: 1, tornBytes: torn.length, tornOffset: 35 });
  });

  test("a damaged file is an error, and the file stays as it is", async () => {
    const disk = new SimulatedDisk();
    const first = await open(disk.boot());
    await first.writer.append("one");
    await first.writer.append("two");
    await first.writer.close();
    disk.flipBit(logAt, 35 + headerLength, 0);
    const before = disk.readFile(logAt);
    expect(await outcome(open(disk.boot()))).toBe("SEQLOG_DAMAGED");
    expect(disk.readFile(logAt)).toEqual(before);
  });
});

describe("appending", () => {
  test("resolves with the offset; the write offset is the file's size", async () => {
    const disk = new SimulatedDisk();
    const { writer, recordIndex } = await open(disk.boot());
    let offset = 0;
    for (const length of [5, 0, 1000, 33]) {
      expect(await writer.append(new Uint8Array(length))).toBe(offset);
      offset += headerLength + length;
      expect([writer.writeOffset, writer.dirtyOffset]).toEqual([offset, -1]);
      expect(disk.readFile(logAt)).toHaveLength(offset);
    }
    expect(recordIndex.length).toBe(4);
  });

  test.each<[string, SimulatedDiskOptions]>([
    ["with O_DSYNC", { hasDsync: true }],
    ["without", { hasDsync: false }],
  ])("resolves when the record is durable, %s", async (_, options) => {
    const disk = new SimulatedDisk(options);
    const { writer } = await open(disk.boot());
    await Promise.all([writer.append("one"), writer.append("two")]);
    disk.crash({ keep: 0 });
    expect(texts(disk)).toEqual(["one", "two"]);
    const { writer: again } = await open(disk.boot());
    expect(again.recovery).toMatchObject({ records: 2, tornBytes: 0 });
  });

  test("many at the same time share a write", async () => {
    const { machine, storage } = withFaults(new SimulatedDisk().boot());
    const { writer } = await open(machine);
    storage.operations.clear();
    const rounds = Array.from({ length: 64 }, async (_, caller) => {
      for (let i = 0; i < 20; i++) await writer.append(`caller ${caller} record ${i}`);
    });
    await Promise.all(rounds);
    expect(storage.operations.count("write", ".log") * 20).toBeLessThanOrEqual(64 * 20);
    expect(storage.operations.count("fsync", ".log")).toBe(0);
  });

  test("shows in `dirtyOffset` where the write in flight starts", async () => {
    const { writer } = await open(new SimulatedDisk().boot());
    await writer.append("one");
    const answer = writer.append("two");
    expect(writer.dirtyOffset).toBe(-1);
    await nextTick();
    expect([writer.dirtyOffset, writer.writeOffset]).toEqual([35, 35]);
    await answer;
    expect([writer.dirtyOffset, writer.writeOffset]).toEqual([-1, 70]);
  });

  test("copies the data before it returns", async () => {
    const disk = new SimulatedDisk();
    const { writer } = await open(disk.boot());
    const data = Buffer.from("before");
    const answer = writer.append(data);
    data.fill("x");
    await answer;
    expect(texts(disk)).toEqual(["before"]);
  });

  test("of text stores UTF-8", async () => {
    const disk = new SimulatedDisk();
    const { writer } = await open(disk.boot());
    expect(await writer.append("ü😀")).toBe(0);
    expect(writer.writeOffset).toBe(headerLength + 6);
    expect(texts(disk)).toEqual([Buffer.from("ü😀").toString("latin1")]);
  });

  test.each([["a\ud800"], ["\udc00"], [null], [undefined], [5], [{}], [[1]], [new ArrayBuffer(2)], [new Date(0)]])(
    "of %j rejects with a TypeError",
    async (data) => {
      const { writer } = await open(new SimulatedDisk().boot());
      await expect(writer.append(data as string)).rejects.toThrow(TypeError);
      expect(await writer.append("fine")).toBe(0);
    },
  );

  test("of data over maxRecordBytes rejects with a RangeError before anything is written", async () => {
    const { machine, storage } = withFaults(new SimulatedDisk().boot());
    const { writer } = await open(machine, { maxRecordBytes: 5 });
    storage.operations.clear();
    await expect(writer.append("123456")).rejects.toThrow(RangeError);
    await expect(writer.append("ääb€")).rejects.toThrow(RangeError);
    expect(storage.operations.entries).toEqual([]);
    expect(await writer.append("12345")).toBe(0);
  });

  test("is limited to 16 MiB by default", async () => {
    const { writer } = await open(new SimulatedDisk().boot());
    await expect(writer.append(new Uint8Array(16 * 1024 * 1024 + 1))).rejects.toThrow(RangeError);
    expect(await writer.append(new Uint8Array(16 * 1024 * 1024))).toBe(0);
  });

  test("over maxPendingBytes rejects with SEQLOG_QUEUE_FULL", async () => {
    const { writer } = await open(new SimulatedDisk().boot(), { maxPendingBytes: 100 });
    const first = writer.append("x".repeat(60));
    expect(await outcome(writer.append("y"))).toBe("SEQLOG_QUEUE_FULL");
    expect(await first).toBe(0);
    expect(await writer.append("y")).toBe(92);
  });
});

describe("a write that fails", () => {
  test.each([
    ["a short write", shortWrite(11)],
    ["ENOSPC after a part", failWith("ENOSPC", 40)],
    ["ENOSPC before anything", failWith("ENOSPC")],
    ["EDQUOT after all of it", failWith("EDQUOT", 1000)],
  ])("%s is undone, and the records behind it have the right offsets", async (_, fault) => {
    const disk = new SimulatedDisk();
    const { machine, storage } = withFaults(disk.boot());
    const { writer, recordIndex } = await open(machine);
    await writer.append("one");
    storage.faults.on({ kind: "write", path: ".log" }, fault);
    expect(await outcome(writer.append("lost"))).toBe("SEQLOG_NO_SPACE");
    expect([writer.writeOffset, writer.dirtyOffset, disk.readFile(logAt)?.length]).toEqual([35, -1, 35]);
    expect([await writer.append("two"), recordIndex.get(1)]).toEqual([35, 35]);
    await writer.close();
    expect(texts(disk)).toEqual(["one", "two"]);
    expect((await open(disk.boot())).writer.recovery).toMatchObject({ records: 2, tornBytes: 0, redone: 0 });
  });

  test("on a disk that is really full nothing acknowledged is lost, and there is room again after it was made", async () => {
    const disk = new SimulatedDisk();
    const { writer } = await open(disk.boot());
    await writer.append("one");
    disk.capacity = disk.used + 300;
    expect(await outcome(writer.append("x".repeat(400)))).toBe("SEQLOG_NO_SPACE");
    disk.capacity = 100_000;
    expect(await writer.append("two")).toBe(35);
    disk.crash({ keep: 0 });
    expect(texts(disk)).toEqual(["one", "two"]);
  });

  test.each<[string, SimulatedDiskOptions, "write" | "fsync"]>([
    ["an O_DSYNC write", { hasDsync: true }, "write"],
    ["a write", { hasDsync: false }, "write"],
    ["an fsync", { hasDsync: false }, "fsync"],
  ])("%s with EIO: nothing is acknowledged and nothing touched until the log is opened again", async (_, on, kind) => {
    const disk = new SimulatedDisk(on);
    const machine = disk.boot();
    const { writer } = await open(machine);
    await writer.append("one");
    machine.faults.on({ kind, path: ".log" }, failWith("EIO"));
    // Of several sectors: what a failed fsync gave up stays off the disk until it is cut away.
    const answers = [writer.append("in flight".repeat(500))];
    await nextTick();
    answers.push(writer.append("waits"));
    expect(await Promise.all(answers.map(outcome))).toEqual(["SEQLOG_POISONED", "SEQLOG_POISONED"]);

    const before = disk.readFile(logAt);
    disk.operations.clear();
    expect(await outcome(writer.append("later"))).toBe("SEQLOG_POISONED");
    expect(await outcome(writer.reset())).toBe("SEQLOG_POISONED");
    await disk.clock.advance(5000);
    await writer.close();
    const touching = disk.log.filter(({ kind: did, path }) => !path.endsWith(".lock") && did !== "close");
    expect(touching).toEqual([]);
    expect(disk.readFile(logAt)).toEqual(before);

    const again = await open(disk.boot());
    const { records } = again.writer.recovery;
    expect(await again.writer.append("two")).toBe(again.recordIndex.get(records));
    disk.crash({ keep: 0 });
    const found = texts(disk);
    expect(found).toHaveLength(records + 1);
    expect([found[0], found.at(-1)]).toEqual(["one", "two"]);
  });

  test("an index entry that cannot be written: the record stays, unacknowledged, and the next open completes the index", async () => {
    const disk = new SimulatedDisk();
    const machine = disk.boot();
    const { writer, recordIndex } = await open(machine);
    await writer.append("one");
    machine.faults.on({ kind: "write", path: ".idx" }, failWith("EIO", 5));
    expect(await outcome(writer.append("two"))).toBe("SEQLOG_POISONED");
    expect(recordIndex.length).toBe(1);
    await writer.close();
    const again = await open(disk.boot());
    expect(again.writer.recovery).toMatchObject({ records: 2, redone: 1 });
    expect([again.recordIndex.length, again.recordIndex.get(1)]).toEqual([2, 35]);
    expect(texts(disk, "medium")).toEqual(["one", "two"]);
  });

  test("a failed background sync of the record index poisons", async () => {
    const disk = new SimulatedDisk();
    const machine = disk.boot();
    const { writer } = await open(machine);
    await writer.append("one");
    machine.faults.on({ kind: "fsync", path: ".idx" }, failWith("EIO"));
    await disk.clock.advance(1000);
    expect(await outcome(writer.append("two"))).toBe("SEQLOG_POISONED");
  });
});

test("the record index is synced in the background within a second, and not with each append", async () => {
  const disk = new SimulatedDisk();
  const { writer } = await open(disk.boot());
  disk.operations.clear();
  for (let i = 0; i < 10; i++) await writer.append("x");
  expect(disk.operations.count("fsync", ".idx")).toBe(0);
  await disk.clock.advance(1000);
  expect(disk.operations.count("fsync", ".idx")).toBe(1);
  expect(disk.readFile(indexAt, "medium")).toHaveLength(160);
  await disk.clock.advance(5000);
  expect(disk.operations.count("fsync", ".idx")).toBe(1);
});

describe("one writer", () => {
  test("a second one in this process gets SEQLOG_LOCKED, naming the holder", async () => {
    const disk = new SimulatedDisk();
    const machine = disk.boot({ pid: 4711, host: "db-1" });
    const { writer } = await open(machine);
    const since = new Date(disk.clock.now());
    disk.clock.jump(60_000);
    const other = await RecordIndex.open("/other.idx", { machine });
    const second = LogWriter.open(logAt, other, { machine });
    await expect(second).rejects.toMatchObject({
      code: "SEQLOG_LOCKED",
      facts: { path: `${logAt}.lock`, pid: 4711, host: "db-1", since },
      message: expect.stringContaining(`process 4711 on db-1, since ${since.toISOString()}`),
    });
    await writer.close();
    expect((await LogWriter.open(logAt, other, { machine })).writeOffset).toBe(0);
  });

  test("a second one in another process gets SEQLOG_LOCKED until the first one has ended, however it ended", async () => {
    const disk = new SimulatedDisk();
    const first = disk.boot({ pid: 1 });
    const { writer } = await open(first);
    await writer.append("one");
    await expect(open(disk.boot({ pid: 2 }))).rejects.toMatchObject({ code: "SEQLOG_LOCKED", facts: { pid: 1 } });
    disk.kill(first);
    expect((await open(disk.boot({ pid: 3 }))).writer.recovery.records).toBe(1);
  });

  test("really: a lock held by another process keeps this one out, until that was killed", async () => {
    const directory = scratch();
    const path = join(directory, "events.log");
    const native = createRequire(import.meta.url).resolve("fs-native-extensions");
    const holder = spawn(process.execPath, [
      "-e",
      `const fs = require("node:fs");
      const fd = fs.openSync(process.argv[2], "w+");
      fs.writeSync(fd, JSON.stringify({ pid: process.pid, host: "elsewhere", since: 86400000, kind: "kernel" }) + "\\n");
      require(process.argv[1]).tryLock(fd, 2 ** 30, 1);
      process.stdout.write("held");
      process.stdin.resume();`,
      native,
      `${path}.lock`,
    ]);
    onTestFinished(() => void holder.kill("SIGKILL"));
    await once(holder.stdout, "data");
    const recordIndex = await RecordIndex.open(join(directory, "events.idx"));
    await expect(LogWriter.open(path, recordIndex)).rejects.toMatchObject({
      code: "SEQLOG_LOCKED",
      facts: { pid: holder.pid, host: "elsewhere", since: new Date(86_400_000) },
    });
    expect(readdirSync(directory).sort()).toEqual(["events.idx", "events.log.lock"]);
    holder.kill("SIGKILL");
    await once(holder, "close");
    const writer = await LogWriter.open(path, recordIndex);
    expect(await writer.append("mine")).toBe(0);
    expect(JSON.parse(readFileSync(`${path}.lock`, "utf8"))).toMatchObject({ pid: process.pid, host: hostname() });
    await writer.close();
    await recordIndex.close();
    expect(readFileSync(`${path}.lock`, "utf8")).toBe("");
  });

  test("really: a second one in this process is kept out, too, and other programs may read the file", async () => {
    const directory = scratch();
    const path = join(directory, "events.log");
    const recordIndex = await RecordIndex.open(join(directory, "events.idx"));
    const writer = await LogWriter.open(path, recordIndex);
    await writer.append("hello");
    const other = await RecordIndex.open(join(directory, "other.idx"));
    await expect(LogWriter.open(path, other)).rejects.toMatchObject({
      code: "SEQLOG_LOCKED",
      facts: { pid: process.pid, host: hostname() },
    });
    const read = execFileSync(process.execPath, ["-p", "require('fs').readFileSync(process.argv[1]).length", path]);
    expect(read.toString().trim()).toBe("37");
    await writer.close();
    await recordIndex.close();
    await other.close();
  });

  test("where there are no locks, opening is an error, unless the pid-file is asked for", async () => {
    const disk = new SimulatedDisk({ hasLocks: false });
    expect(await outcome(open(disk.boot()))).toBe("SEQLOG_LOCK_UNAVAILABLE");
    const first = disk.boot();
    const { writer } = await open(first, { lock: "pid-file" });
    expect(await outcome(open(disk.boot(), { lock: "pid-file" }))).toBe("SEQLOG_LOCKED");
    await writer.close();
    expect((await open(disk.boot(), { lock: "pid-file" })).writer.writeOffset).toBe(0);
  });
});

describe("closing", () => {
  test("twice is fine, and what was appended before is written", async () => {
    const disk = new SimulatedDisk();
    const { writer, recordIndex } = await open(disk.boot());
    const answers = [writer.append("one"), writer.append("two")];
    const closed = writer.close();
    expect(writer.close()).toBe(closed);
    await closed;
    expect(await Promise.all(answers)).toEqual([0, 35]);
    expect(recordIndex.get(1)).toBe(35);
    disk.crash({ keep: 0 });
    expect(texts(disk)).toEqual(["one", "two"]);
    expect(disk.readFile(indexAt)).toHaveLength(32);
  });

  test("ends it: append and reset reject with SEQLOG_CLOSED", async () => {
    const { writer } = await open(new SimulatedDisk().boot());
    const closed = writer.close();
    expect(await outcome(writer.append("late"))).toBe("SEQLOG_CLOSED");
    expect(await outcome(writer.reset())).toBe("SEQLOG_CLOSED");
    await closed;
    await expect(writer.append("later")).rejects.toMatchObject({ code: "SEQLOG_CLOSED", facts: { path: logAt } });
  });

  test("leaves no descriptor and no lock behind", async () => {
    const disk = new SimulatedDisk();
    const { writer, recordIndex } = await open(disk.boot());
    await writer.append("one");
    await writer.close();
    await recordIndex.close();
    expect(disk.operations.count("open")).toBe(disk.operations.count("close"));
    expect(disk.readFile(`${logAt}.lock`)).toHaveLength(0);
    await disk.clock.advance(5000);
    expect(disk.clock.timers).toBe(0);
  });

  test("by `await using`", async () => {
    const machine = new SimulatedDisk().boot();
    const { writer } = await open(machine);
    {
      await using scoped = writer;
      await scoped.append("one");
    }
    expect(await outcome(writer.append("late"))).toBe("SEQLOG_CLOSED");
  });

  test("when the disk fails at the end, the lock is free and the error is told", async () => {
    const disk = new SimulatedDisk();
    const machine = disk.boot();
    const { writer, recordIndex } = await open(machine);
    await writer.append("one");
    machine.faults.on({ kind: "fsync", path: ".log" }, failWith("EIO"));
    expect(await outcome(writer.close())).toBe("SEQLOG_IO");
    await recordIndex.close();
    expect((await open(disk.boot())).writer.recovery.records).toBe(1);
  });
});

describe("reset", () => {
  test("empties the file and the record index, durably; object, index and writer go on", async () => {
    const disk = new SimulatedDisk();
    const { writer, recordIndex } = await open(disk.boot());
    await Promise.all([writer.append("old"), writer.append("older")]);
    await writer.reset();
    expect([writer.writeOffset, writer.dirtyOffset, recordIndex.length, recordIndex.get(0)]).toEqual([
      0,
      -1,
      0,
      undefined,
    ]);
    expect(disk.readFile(logAt, "medium")).toHaveLength(0);
    expect(disk.readFile(indexAt, "medium")).toHaveLength(0);
    expect([await writer.append("new"), recordIndex.get(0), recordIndex.length]).toEqual([0, 0, 1]);
    await writer.close();
    expect(texts(disk)).toEqual(["new"]);
    expect(disk.list("/")).toEqual(["events.idx", "events.log", "events.log.lock"]);
  });

  test("of a missing file is fine", async () => {
    const disk = new SimulatedDisk();
    const machine = disk.boot();
    const { writer } = await open(machine);
    await writer.append("old");
    machine.storage.unlinkSync(logAt);
    await writer.reset();
    await writer.append("new");
    expect(texts(disk)).toEqual(["new"]);
  });

  test("writes what was appended before, and what is appended after goes to the new file", async () => {
    const disk = new SimulatedDisk();
    const { writer, recordIndex } = await open(disk.boot());
    const before = [writer.append("in flight")];
    await nextTick();
    before.push(writer.append("waits"));
    const reset = writer.reset();
    const after = [writer.append("new one"), writer.append("new two")];
    expect(await Promise.all(before)).toEqual([0, 41]);
    await reset;
    expect(await Promise.all(after)).toEqual([0, 39]);
    expect(texts(disk)).toEqual(["new one", "new two"]);
    expect([recordIndex.length, recordIndex.get(1)]).toEqual([2, 39]);
  });

  test("asked for twice at once is one, and close waits for it", async () => {
    const disk = new SimulatedDisk();
    const { writer } = await open(disk.boot());
    await writer.append("old");
    await Promise.all([writer.reset(), writer.reset(), writer.close()]);
    expect(disk.operations.count("rename")).toBe(1);
    expect(texts(disk)).toEqual([]);
  });

  test("under a crash at any step leaves the old records or none", async () => {
    const seen = new Set<number>();
    let steps = 0;
    for (let isOver = false; !isOver; steps++) {
      for (const [fault, keep] of [
        [crashBefore, 0],
        [crashAfter, 0],
        [crashAfter, 1],
        [crashAfter, 0.5],
      ] as const) {
        const disk = new SimulatedDisk({ seed: steps });
        const machine = disk.boot();
        const { writer } = await open(machine);
        for (const data of ["one", "two", "three"]) await writer.append(data);
        machine.faults.at(machine.operations + steps, fault);
        const result = await machine.run(() => writer.reset());
        if (result.kind === "failed") throw result.error;
        isOver = result.kind === "done";
        disk.crash({ keep });
        const again = await open(disk.boot());
        const { records } = again.writer.recovery;
        seen.add(records);
        expect(texts(disk)).toEqual(["one", "two", "three"].slice(0, records));
        expect([await again.writer.append("next"), again.recordIndex.length]).toEqual([
          again.recordIndex.get(records),
          records + 1,
        ]);
      }
    }
    expect([...seen].toSorted()).toEqual([0, 3]);
    expect(steps).toBeGreaterThan(8);
  });

  test.each(["truncate", "open", "fsync", "rename", "fsyncDirectory"] as const)(
    "that fails at %s poisons, and nothing is lost but what was to go",
    async (kind) => {
      const disk = new SimulatedDisk();
      const machine = disk.boot();
      const { writer } = await open(machine);
      for (const data of ["one", "two"]) await writer.append(data);
      machine.faults.on({ kind }, failWith("EIO"));
      expect(await outcome(writer.reset())).toBe("SEQLOG_IO");
      expect(await outcome(writer.append("later"))).toBe("SEQLOG_POISONED");
      await writer.close();
      const { records } = (await open(disk.boot())).writer.recovery;
      expect([0, 2]).toContain(records);
      expect(texts(disk)).toHaveLength(records);
    },
  );
});

test("whatever the crash, what was acknowledged is there, in order, and the log goes on", async () => {
  for (let seed = 0; seed < 60; seed++) {
    const disk = new SimulatedDisk({ seed, hasDsync: seed % 2 === 0, keepLog: false });
    const acknowledged: string[] = [];
    for (let round = 0; round < 3; round++) {
      const machine = disk.boot();
      machine.faults.at(20 + ((seed * 7 + round * 13) % 60), seed % 3 === 0 ? crashBefore : crashAfter);
      const result = await machine.run(async () => {
        const { writer } = await open(machine);
        expect(texts(disk).slice(0, acknowledged.length)).toEqual(acknowledged);
        // What survived without an acknowledgement was made durable, and counts from now on.
        acknowledged.splice(0, Infinity, ...texts(disk));
        for (let i = 0; i < 40; i++) {
          const group = Array.from({ length: 3 }, (_, k) => `seed ${seed} round ${round} record ${i}.${k}`);
          await Promise.all(group.map((data) => writer.append(data + "y".repeat((i * 97) % 700))));
          acknowledged.push(...group.map((data) => data + "y".repeat((i * 97) % 700)));
        }
      });
      if (result.kind === "failed") throw result.error;
      disk.crash();
    }
    const { writer } = await open(disk.boot());
    expect(texts(disk).slice(0, acknowledged.length), `seed ${seed}`).toEqual(acknowledged);
    expect(writer.recovery.records).toBeGreaterThanOrEqual(acknowledged.length);
  }
});

test("a file with a FIFO's, a link's or a directory's name is not opened", async () => {
  const directory = scratch();
  const recordIndex = await RecordIndex.open(join(directory, "events.idx"));
  execFileSync("mkfifo", [join(directory, "fifo.log")]);
  execFileSync("ln", ["-s", "target", join(directory, "link.log")]);
  execFileSync("mkdir", [join(directory, "directory.log")]);
  writeFileSync(join(directory, "target"), "not a log");
  for (const name of ["fifo.log", "link.log", "directory.log"]) {
    expect(await outcome(LogWriter.open(join(directory, name), recordIndex, { machine: nodeMachine }))).toBe(
      "SEQLOG_DAMAGED",
    );
  }
  expect(readFileSync(join(directory, "target"), "utf8")).toBe("not a log");
  await recordIndex.close();
});
