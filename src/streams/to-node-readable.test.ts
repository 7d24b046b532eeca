import { once } from "node:events";
import { type Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { expect, expectTypeOf, test } from "vitest";
import { collect, take } from "../../test/crash/read-data.ts";
import { newPath } from "../../test/crash/scratch-directory.ts";
import { countDescriptors } from "../../test/faults/descriptors.ts";
import { json, text } from "../log/codec.ts";
import { FileLog } from "../log/file-log.ts";
import type { LogRecord, RecordBatch } from "../segment/log-record.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import type { ReadableLog } from "./record-source.ts";
import { toNodeReadable } from "./to-node-readable.ts";

type BatchOptions = Parameters<FileLog["readBatches"]>[0];

/** A log with the records "0", "1", … */
async function logOf(count: number): Promise<FileLog<string>> {
  const log = await FileLog.open(newPath(), { codec: text() });
  await log.appendBatch(Array.from({ length: count }, (_, i) => String(i)));
  return log;
}

/** Counts what a stream takes out of a log. */
function counted(log: FileLog<string>): { log: ReadableLog<string>; taken: { batches: number; bytes: number } } {
  const taken = { batches: 0, bytes: 0 };
  async function* readBatches(options?: BatchOptions): AsyncGenerator<RecordBatch<string>> {
    for await (const batch of log.readBatches(options)) {
      taken.batches++;
      taken.bytes += batch.byteLength;
      yield batch;
    }
  }
  return { log: { readBatches }, taken };
}

test("gives every record, in order, and ends", async () => {
  const log = await logOf(3000);
  const records = await collect(toNodeReadable(log));
  expectTypeOf(records).toEqualTypeOf<LogRecord<string>[]>();
  expect(records.map(({ seq, data }) => [seq, data])).toEqual(Array.from({ length: 3000 }, (_, i) => [i, String(i)]));
  await log.close();
});

test("gives every record however small the batches are, in either direction", async () => {
  const log = await logOf(100);
  const numbers = Array.from({ length: 100 }, (_, i) => i);
  expect((await collect(toNodeReadable(log, { highWaterMark: 1 }))).map(({ seq }) => seq)).toEqual(numbers);
  const reverse = await collect(toNodeReadable(log, { highWaterMark: 200, reverse: true }));
  expect(reverse.map(({ seq }) => seq)).toEqual(numbers.toReversed());
  await log.close();
});

test("takes the range of read, and works with a stream's own map and in a pipeline", async () => {
  const log = await logOf(10);
  const stream = toNodeReadable(log, { from: 2, to: 9, limit: 3 });
  expect(await stream.map((record: LogRecord<string>) => record.data).toArray()).toEqual(["2", "3", "4"]);
  const seen: string[] = [];
  await pipeline(
    toNodeReadable(log, { from: { last: 2 } }),
    new Writable({
      objectMode: true,
      write(record: LogRecord<string>, _encoding, done) {
        seen.push(record.data);
        done();
      },
    }),
  );
  expect(seen).toEqual(["8", "9"]);
  await log.close();
});

test("of a log without records it ends at once", async () => {
  const log = await FileLog.open(newPath());
  expect(await collect(toNodeReadable(log))).toEqual([]);
  await log.close();
});

test("reads no further ahead than the batch it hands out, however long nobody takes anything", async () => {
  const log = await logOf(2000);
  const { log: watched, taken } = counted(log);
  const stream = toNodeReadable(watched, { highWaterMark: 4096 });
  await once(stream, "readable");
  await log.get(0);
  await log.get(1);
  expect(taken.batches).toBe(1);
  expect(taken.bytes).toBeLessThanOrEqual(4096);
  stream.pause();
  expect(await collect(stream)).toHaveLength(2000);
  expect(taken.batches).toBeGreaterThan(10);
  await log.close();
});

test("with live it goes on as records come, and closing the log ends it", async () => {
  const log = await logOf(2);
  const seen: string[] = [];
  const stream = toNodeReadable(log, { live: true });
  const four = new Promise<void>((resolve) => {
    stream.on("data", (record: LogRecord<string>) => {
      if (seen.push(record.data) === 4) resolve();
    });
  });
  const ended = once(stream, "end");
  await log.append("2");
  await log.append("3");
  await four;
  await log.close();
  await ended;
  expect(seen).toEqual(["0", "1", "2", "3"]);
});

test("leaving a loop over a live stream destroys it", async () => {
  const log = await logOf(5);
  const stream = toNodeReadable(log, { live: true });
  expect((await take(stream, 2)).map(({ data }) => data)).toEqual(["0", "1"]);
  expect(stream.destroyed).toBe(true);
  await log.close();
});

test("destroy ends a read that waits, and leaves no descriptor, watch or timer", async () => {
  const machine = new SimulatedDisk().boot();
  const open = countDescriptors(machine);
  const writer = await FileLog.open("/log", { machine });
  await writer.append("x");
  const follower = await FileLog.open("/log", { machine, readOnly: true });
  const before = open();
  const stream = toNodeReadable(follower, { live: true });
  await once(stream, "data");
  expect(open().length).toBeGreaterThan(before.length);
  const closed = once(stream, "close");
  stream.destroy();
  await closed;
  expect(open().filter((path) => path.startsWith("a watch"))).toEqual([]);
  await follower.close();
  await writer.close();
  expect(open()).toEqual([]);
});

test("an abort destroys it with the signal's reason: while it waits, while nobody reads, and before it began", async () => {
  const log = await logOf(1);
  const reason = new Error("enough");
  const failed = async (stream: Readable): Promise<unknown> => {
    await new Promise((resolve) => stream.once("close", resolve));
    return stream.errored;
  };

  const waiting = new AbortController();
  const stream = toNodeReadable(log, { live: true, signal: waiting.signal });
  stream.on("error", () => undefined);
  await once(stream, "data");
  waiting.abort(reason);
  expect(await failed(stream)).toBe(reason);

  const idle = new AbortController();
  const unread = toNodeReadable(log, { signal: idle.signal });
  unread.on("error", () => undefined);
  idle.abort(reason);
  expect(await failed(unread)).toBe(reason);

  const late = toNodeReadable(log, { signal: AbortSignal.abort(reason) });
  late.on("error", () => undefined);
  expect(await failed(late)).toBe(reason);
  await log.close();
});

test("a signal that outlives the stream keeps no hold of it", async () => {
  const log = await logOf(1);
  const { signal } = new AbortController();
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>): void => {
    listeners++;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>): void => {
    listeners--;
    remove(...args);
  };
  const stream = toNodeReadable(log, { signal });
  expect(listeners).toBe(1);
  await collect(stream);
  expect(listeners).toBe(0);
  await log.close();
});

test("what the log reports destroys it: a trimmed seq, a close in the middle", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  await log.appendBatch(Array.from({ length: 100 }, () => "x".repeat(100)));
  await log.trim({ before: 50 });
  await expect(collect(toNodeReadable(log, { from: 0 }))).rejects.toMatchObject({ code: "SEQLOG_TRIMMED" });
  const finite = toNodeReadable(log, { highWaterMark: 1 });
  await once(finite, "readable");
  await log.close();
  await expect(collect(finite)).rejects.toMatchObject({ code: "SEQLOG_CLOSED" });
});

test("wrong options are found at the call", async () => {
  const log = await logOf(1);
  expect(() => toNodeReadable(log, { highWaterMark: 0 })).toThrow(RangeError);
  expect(() => toNodeReadable(log, { highWaterMark: 1.5 })).toThrow(RangeError);
  expect(() => toNodeReadable(log, { live: true, reverse: true } as never)).toThrow(TypeError);
  await log.close();
});

test("the records are of the log's type", async () => {
  const log = await FileLog.open(newPath(), { codec: json<{ n: number }>() });
  await log.append({ n: 7 });
  for await (const record of toNodeReadable(log)) {
    expectTypeOf(record.data).toEqualTypeOf<{ n: number }>();
    expect(record.data.n).toBe(7);
  }
  await log.close();
});
