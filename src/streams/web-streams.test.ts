import { expect, expectTypeOf, test } from "vitest";
import { collect, take, textsOf } from "../../test/crash/read-data.ts";
import { newPath } from "../../test/crash/scratch-directory.ts";
import { countDescriptors } from "../../test/faults/descriptors.ts";
import { json, text } from "../log/codec.ts";
import { FileLog } from "../log/file-log.ts";
import type { LogRecord, RecordBatch } from "../segment/log-record.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { failWith } from "../testing/fault-plan.ts";
import { withFaults } from "../testing/fault-injecting-storage.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import { toReadableStream } from "./to-readable-stream.ts";
import { toWritableStream } from "./to-writable-stream.ts";

type BatchOptions = Parameters<FileLog["readBatches"]>[0];

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(i));
}

async function logOf(count: number): Promise<FileLog<string>> {
  const log = await FileLog.open(newPath(), { codec: text() });
  await log.appendBatch(numbers(count));
  return log;
}

test("a readable gives every record, in order, and closes", async () => {
  const log = await logOf(1000);
  const records = await collect(toReadableStream(log, { highWaterMark: 500 }));
  expectTypeOf(records).toEqualTypeOf<LogRecord<string>[]>();
  expect(records.map(({ data }) => data)).toEqual(numbers(1000));
  await log.close();
});

test("records go from log to log through a transform", async () => {
  const from = await logOf(300);
  const to = await FileLog.open(newPath(), { codec: json<{ n: number }>() });
  const asNumber = new TransformStream<LogRecord<string>, { n: number }>({
    transform: ({ data }, controller) => controller.enqueue({ n: Number(data) }),
  });
  await toReadableStream(from, { from: 100 }).pipeThrough(asNumber).pipeTo(toWritableStream(to));
  expect(to.pendingBytes).toBe(0);
  expect(await textsOf(to)).toEqual(
    numbers(300)
      .slice(100)
      .map((n) => `{"n":${n}}`),
  );
  await Promise.all([from.close(), to.close()]);
});

test("a readable that nobody reads from reads nothing, and then no more than the batch at hand", async () => {
  const log = await logOf(1000);
  let batches = 0;
  async function* readBatches(options?: BatchOptions): AsyncGenerator<RecordBatch<string>> {
    for await (const batch of log.readBatches(options)) {
      batches++;
      yield batch;
    }
  }
  const reader = toReadableStream({ readBatches }, { highWaterMark: 1000 }).getReader();
  await log.get(0);
  expect(batches).toBe(0);
  await reader.read();
  await reader.read();
  await log.get(0);
  expect(batches).toBe(1);
  await reader.cancel();
  await log.close();
});

test("with live it waits for records, and closing the log closes it", async () => {
  const log = await logOf(1);
  const reader = toReadableStream(log, { live: true }).getReader();
  expect((await reader.read()).value?.data).toBe("0");
  const next = reader.read();
  await log.append("1");
  expect((await next).value?.data).toBe("1");
  const last = reader.read();
  await log.close();
  expect(await last).toEqual({ done: true, value: undefined });
});

test("cancel, and leaving a loop, end a read that waits, and leave no descriptor or watch", async () => {
  const machine = new SimulatedDisk().boot();
  const open = countDescriptors(machine);
  const writer = await FileLog.open("/log", { machine });
  await writer.append("x");
  const follower = await FileLog.open("/log", { machine, readOnly: true });
  const reader = toReadableStream(follower, { live: true }).getReader();
  await reader.read();
  const waiting = reader.read();
  await reader.cancel();
  expect(await waiting).toEqual({ done: true, value: undefined });
  await take(toReadableStream(follower, { live: true }), 1);
  expect(open().filter((path) => path.startsWith("a watch"))).toEqual([]);
  await follower.close();
  await writer.close();
  expect(open()).toEqual([]);
});

test("an abort is the stream's error, with the signal's reason", async () => {
  const log = await logOf(1);
  const reason = new Error("enough");
  const abort = new AbortController();
  const reader = toReadableStream(log, { live: true, signal: abort.signal }).getReader();
  await reader.read();
  const waiting = reader.read();
  abort.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  await expect(reader.closed).rejects.toBe(reason);
  const late = toReadableStream(log, { signal: AbortSignal.abort(reason) }).getReader();
  await expect(late.read()).rejects.toBe(reason);
  await log.close();
});

test("what the log reports is the readable's error; wrong options are found at the call", async () => {
  const log = await logOf(1);
  expect(() => toReadableStream(log, { highWaterMark: -1 })).toThrow(RangeError);
  expect(() => toWritableStream(log, { highWaterMark: 0 })).toThrow(RangeError);
  const reader = toReadableStream(log).getReader();
  await log.close();
  await expect(reader.read()).rejects.toMatchObject({ code: "SEQLOG_CLOSED" });
});

test("close of a writable says that all records are on the disk; a write waits while too many bytes wait for it", async () => {
  const log = await FileLog.open(newPath());
  const writer = toWritableStream(log, { highWaterMark: 10_000 }).getWriter();
  expect(writer.desiredSize).toBe(10_000);
  let most = 0;
  const writes = Array.from({ length: 100 }, async () => {
    await writer.write("x".repeat(968));
    most = Math.max(most, log.pendingBytes);
  });
  expect(writer.desiredSize).toBe(10_000 - 100 * 968);
  await writer.close();
  await Promise.all(writes);
  expect(most).toBeGreaterThan(5000);
  expect(most).toBeLessThanOrEqual(11_000);
  expect(log.pendingBytes).toBe(0);
  expect(log.nextSeq).toBe(100);
  await log.close();
});

test("an append that fails is the writable's error, also when it was the last before close", async () => {
  const log = await FileLog.open(newPath());
  const writer = toWritableStream<string | number>(log as never).getWriter();
  await writer.write(17);
  await expect(writer.close()).rejects.toBeInstanceOf(TypeError);
  await expect(writer.closed).rejects.toBeInstanceOf(TypeError);
  await log.close();

  const { machine, storage } = withFaults(nodeMachine);
  const full = await FileLog.open(newPath(), { machine });
  storage.faults.on({ kind: "write", path: ".log" }, ({ background }) => (background ? failWith("ENOSPC") : undefined));
  const last = toWritableStream(full).getWriter();
  await last.write("a");
  await expect(last.close()).rejects.toMatchObject({ code: "SEQLOG_NO_SPACE" });
  await full.append("b");
  await full.close();
});

test("aborting a writable leaves the log open, with what it had taken", async () => {
  const log = await FileLog.open(newPath());
  const writer = toWritableStream(log).getWriter();
  await writer.write("a");
  await writer.abort(new Error("no more"));
  await log.append("b");
  expect(await textsOf(log)).toEqual(["a", "b"]);
  await log.close();
});

test("behind an append that failed nothing is appended, whoever waits for room; nor after an abort", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const full = await FileLog.open(newPath(), { machine });
  let isFull = true;
  storage.faults.on({ kind: "write", path: ".log" }, ({ background }) =>
    background && isFull ? failWith("ENOSPC") : undefined,
  );
  const writer = toWritableStream(full, { highWaterMark: 4 }).getWriter();
  const closed = writer.closed.catch((error: unknown) => error);
  const first = writer.write("aaaaaaaa").then(() => (isFull = true));
  const written = await Promise.allSettled([first, writer.write("bbbbbbbb"), writer.write("cccccccc")]);
  expect(written.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
  expect(await closed).toMatchObject({ code: "SEQLOG_NO_SPACE" });
  isFull = false;
  expect(full.nextSeq).toBe(0);
  await full.close();

  const log = await FileLog.open(newPath());
  const aborted = toWritableStream(log, { highWaterMark: 4 }).getWriter();
  const waiting = [aborted.write("aaaaaaaa"), aborted.write("bbbbbbbb")];
  await waiting[0];
  await Promise.allSettled([aborted.abort(new Error("no more")), ...waiting]);
  await log.flush();
  expect(await textsOf(log)).toEqual(["aaaaaaaa"]);
  await log.close();
});
