import { expect, test } from "vitest";
import { collect, seqsOf } from "../../test/crash/read-data.ts";
import { newPath } from "../../test/crash/scratch-directory.ts";
import { FileLog } from "./file-log.ts";

async function logOf(count: number, length: number, segmentBytes = 64 * 1024): Promise<FileLog> {
  const log = await FileLog.open(newPath(), { segmentBytes });
  log.appendBatchSync(Array.from({ length: count }, (_, i) => String(i).padEnd(length)));
  return log;
}

test("batches hold all records, in order, and say which and how large they are", async () => {
  const log = await logOf(1000, 200);
  let next = 0;
  for await (const batch of log.readBatches()) {
    expect(batch.first).toBe(next);
    expect(batch.byteLength).toBe(batch.count * 232);
    expect([...batch].map(({ seq }) => seq)).toEqual(Array.from({ length: batch.count }, (_, i) => next + i));
    expect(Buffer.from(batch.bytesAt(0)).toString().trim()).toBe(String(next));
    expect(
      Buffer.from(batch.dataAt(batch.count - 1))
        .toString()
        .trim(),
    ).toBe(String(next + batch.count - 1));
    next += batch.count;
  }
  expect(next).toBe(1000);
  await log.close();
});

test("maxBytes bounds a batch, unless one record is larger", async () => {
  const log = await logOf(100, 200);
  log.appendSync("x".repeat(10_000));
  const sizes = (await collect(log.readBatches({ maxBytes: 1000 }))).map(({ byteLength }) => byteLength);
  expect(Math.max(...sizes.slice(0, -1))).toBeLessThanOrEqual(1000);
  expect(sizes.at(-1)).toBe(10_032);
  expect((await collect(log.readBatches({ maxBytes: 1 }))).map(({ count }) => count)).toEqual(
    Array.from({ length: 101 }, () => 1),
  );
  await log.close();
});

test("a batch in reverse has its highest seq first", async () => {
  const log = await logOf(500, 200, 16 * 1024);
  const seqs: number[] = [];
  for await (const batch of log.readBatches({ reverse: true, maxBytes: 3000 })) {
    const inBatch = [...batch].map(({ seq }) => seq);
    expect(batch.first).toBe(inBatch[0]);
    expect(Buffer.from(batch.bytesAt(0)).toString().trim()).toBe(String(batch.first));
    expect(batch.recordAt(batch.count - 1).seq).toBe(batch.first - batch.count + 1);
    seqs.push(...inBatch);
  }
  expect(seqs).toEqual(Array.from({ length: 500 }, (_, i) => 499 - i));
  await log.close();
});

test("ranges and limits hold for batches too", async () => {
  const log = await logOf(100, 200);
  const seqs = async (options: Parameters<FileLog["readBatches"]>[0]): Promise<number[]> =>
    (await collect(log.readBatches(options))).flatMap((batch) => [...batch].map(({ seq }) => seq));
  expect(await seqs({ from: 10, to: 13 })).toEqual([10, 11, 12]);
  expect(await seqs({ from: { last: 10 }, limit: 2 })).toEqual([90, 91]);
  expect(await seqs({ to: 20, limit: 2, reverse: true })).toEqual([19, 18]);
  expect(await seqs({ limit: 0 })).toEqual([]);
  await log.close();
});

test("live batches go on with what comes", async () => {
  const log = await logOf(3, 10);
  const reading = (async (): Promise<number> => {
    let count = 0;
    for await (const batch of log.readBatches({ live: true })) {
      count += batch.count;
      if (count === 10) break;
    }
    return count;
  })();
  for (let i = 3; i < 10; i++) await log.append(String(i));
  expect(await reading).toBe(10);
  await log.close();
});

test.each([0, -1, 1.5, NaN, 2 ** 30 + 1])("maxBytes of %d is a RangeError at once", async (maxBytes) => {
  const log = await logOf(1, 1);
  expect(() => log.readBatches({ maxBytes })).toThrow(RangeError);
  await log.close();
});

test.each([-1, 3, 0.5])("record %d of a batch of three is a RangeError", async (i) => {
  const log = await logOf(3, 1);
  const [batch] = await collect(log.readBatches());
  expect(() => batch?.bytesAt(i)).toThrow(RangeError);
  expect(() => batch?.dataAt(i)).toThrow(RangeError);
  expect(() => batch?.recordAt(i)).toThrow(RangeError);
  await log.close();
});

test("read and readBatches give the same records through records of every size around a chunk", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 8 * 1024 * 1024 });
  const sizes = [0, 1, 31, 32, 33, 1024 * 1024 - 33, 1024 * 1024 - 32, 1024 * 1024 - 31, 3 * 1024 * 1024, 5];
  for (const size of sizes) log.appendSync(new Uint8Array(size).fill(size % 251));
  const lengths: number[] = [];
  for await (const batch of log.readBatches()) for (const { bytes } of batch) lengths.push(bytes.length);
  expect(lengths).toEqual(sizes);
  expect(await seqsOf(log, { reverse: true })).toEqual(sizes.map((_, i) => sizes.length - 1 - i));
  await log.close();
});
