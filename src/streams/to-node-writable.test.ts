import { once } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { expect, test } from "vitest";
import { textsOf } from "../../test/crash/read-data.ts";
import { newPath } from "../../test/crash/scratch-directory.ts";
import { json } from "../log/codec.ts";
import { FileLog } from "../log/file-log.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { failWith } from "../testing/fault-plan.ts";
import { withFaults } from "../testing/fault-injecting-storage.ts";
import { toNodeReadable } from "./to-node-readable.ts";
import { toNodeWritable } from "./to-node-writable.ts";

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(i));
}

test("each chunk is a record, and the end of the pipeline says that all are on the disk, sharing writes", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  const before = storage.operations.count("write", ".log");
  await pipeline(Readable.from(numbers(5000)), toNodeWritable(log));
  expect(log.pendingBytes).toBe(0);
  expect(log.nextSeq).toBe(5000);
  expect(storage.operations.count("write", ".log") - before).toBeLessThan(500);
  expect(await textsOf(log)).toEqual(numbers(5000));
  await log.close();
});

test("takes what the log's codec takes, an empty string and a buffer too", async () => {
  const values = await FileLog.open(newPath(), { codec: json<unknown>() });
  await pipeline(Readable.from([{ a: 1 }, "", [2], false, 0]), toNodeWritable(values));
  expect(await textsOf(values)).toEqual(['{"a":1}', '""', "[2]", "false", "0"]);
  await values.close();
  const bytes = await FileLog.open(newPath());
  await pipeline(Readable.from(["", Buffer.from("b"), "ü"]), toNodeWritable(bytes));
  expect(await textsOf(bytes)).toEqual(["", "b", "ü"]);
  await bytes.close();
});

test("copies one log into another", async () => {
  const from = await FileLog.open(newPath());
  await from.appendBatch(numbers(100));
  const to = await FileLog.open(newPath());
  await pipeline(
    toNodeReadable(from).map((record) => record.bytes),
    toNodeWritable(to),
  );
  expect(await textsOf(to)).toEqual(numbers(100));
  await Promise.all([from.close(), to.close()]);
});

test("no more than highWaterMark bytes and one record wait for the disk, whatever the writer does", async () => {
  const log = await FileLog.open(newPath());
  const stream = toNodeWritable(log, { highWaterMark: 10_000 });
  let most = 0;
  let said = 0;
  for (let i = 0; i < 500; i++) {
    if (!stream.write("x".repeat(968))) said++;
    most = Math.max(most, log.pendingBytes);
  }
  // Nobody has given the disk a turn: what the log did not take waits in the stream.
  expect(most).toBe(11_000);
  expect(said).toBeGreaterThan(480);
  stream.on("drain", () => (most = Math.max(most, log.pendingBytes)));
  stream.end();
  await once(stream, "finish");
  expect(most).toBe(11_000);
  expect(log.nextSeq).toBe(500);
  await log.close();
});

test("holds back before a log with a small maxPendingBytes refuses", async () => {
  const log = await FileLog.open(newPath(), { maxPendingBytes: 4096 });
  await pipeline(Readable.from(numbers(2000)), toNodeWritable(log));
  expect(log.nextSeq).toBe(2000);
  await log.close();
});

test("shares a log with others that fill it", async () => {
  const log = await FileLog.open(newPath(), { maxPendingBytes: 64 * 1024 });
  const others = Promise.all(Array.from({ length: 30 }, () => log.append("x".repeat(2000))));
  await Promise.all([others, pipeline(Readable.from(numbers(200)), toNodeWritable(log))]);
  expect(log.nextSeq).toBe(230);
  await log.close();
});

test("works on a log that only says when it is ready", async () => {
  const log = await FileLog.open(newPath());
  let asked = 0;
  const other = {
    append: (data: string) => log.append(data),
    flush: () => log.flush(),
    ready: () => {
      asked++;
      return log.ready();
    },
  };
  await pipeline(Readable.from(numbers(50)), toNodeWritable(other));
  expect(asked).toBe(50);
  expect(await textsOf(log)).toEqual(numbers(50));
  await log.close();
});

test("finish is a flush under the weaker durabilities", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine, durability: "os" });
  const before = storage.operations.count("fsync", ".log");
  await pipeline(Readable.from(numbers(10)), toNodeWritable(log));
  expect(storage.operations.count("fsync", ".log")).toBeGreaterThan(before);
  await log.close();
});

test("a record that the log refuses destroys it with the log's error, and finish does not come", async () => {
  const log = await FileLog.open(newPath());
  const stream = toNodeWritable(log);
  let finished = false;
  stream.on("finish", () => (finished = true));
  stream.write("good");
  stream.write(17);
  stream.end();
  await expect(once(stream, "close")).rejects.toBeInstanceOf(TypeError);
  expect(finished).toBe(false);
  await log.close();
  const closed = toNodeWritable(log);
  await expect(pipeline(Readable.from(["x"]), closed)).rejects.toMatchObject({ code: "SEQLOG_CLOSED" });
});

test("a full disk fails the pipeline, also at its last record; the log goes on", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  storage.faults.on({ kind: "write", path: ".log" }, ({ background }) => (background ? failWith("ENOSPC") : undefined));
  await expect(pipeline(Readable.from(["a"]), toNodeWritable(log))).rejects.toMatchObject({
    code: "SEQLOG_NO_SPACE",
  });
  await log.append("b");
  expect(await textsOf(log)).toEqual(["b"]);
  await log.close();
});

test("behind an append that failed nothing is appended, and nobody is told that it was taken", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  storage.faults.on({ kind: "write", path: ".log" }, ({ background }) => (background ? failWith("ENOSPC") : undefined));
  const stream = toNodeWritable(log, { highWaterMark: 4 });
  const told: unknown[] = [];
  const closed = once(stream, "close").catch((error: unknown) => error);
  for (const data of ["aaaaaaaa", "bbbbbbbb", "cccccccc"]) stream.write(data, (error) => told.push(error?.message));
  expect(await closed).toMatchObject({ code: "SEQLOG_NO_SPACE" });
  expect(told.length).toBe(3);
  expect(told[0]).toBeUndefined();
  expect(told.slice(1)).not.toContain(undefined);
  expect(log.nextSeq).toBe(0);
  await log.close();
});

test("a source that fails destroys it, and the log stays open", async () => {
  const log = await FileLog.open(newPath());
  async function* failing(): AsyncGenerator<string> {
    yield "a";
    throw new Error("the source is broken");
  }
  await expect(pipeline(failing, toNodeWritable(log))).rejects.toThrow("the source is broken");
  await log.append("still open");
  await log.close();
});

test("a wrong highWaterMark is found at the call", async () => {
  const log = await FileLog.open(newPath());
  for (const highWaterMark of [0, -1, 0.5, Number.NaN]) {
    expect(() => toNodeWritable(log, { highWaterMark })).toThrow(RangeError);
  }
  await log.close();
});
