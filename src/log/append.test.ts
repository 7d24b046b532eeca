import fc from "fast-check";
import { expect, test } from "vitest";
import { collect, linesOf, seqsOf, textsOf } from "../../test/crash/read-data.ts";
import { newPath } from "../../test/crash/scratch-directory.ts";
import { FileLog } from "./file-log.ts";

test("append resolves to the record's seq, id, time, segment and offset", async () => {
  const before = Date.now();
  const log = await FileLog.open(newPath());
  const first = await log.append("hello");
  const second = await log.append(new Uint8Array([1, 2, 3]));
  expect(first).toMatchObject({ seq: 0, segment: "00000000000000000000.log", offset: 0 });
  expect(second).toMatchObject({ seq: 1, segment: "00000000000000000000.log", offset: 32 + 5 });
  expect(first.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(first.time.getTime()).toBeGreaterThanOrEqual(before);
  expect(first.time.getTime()).toBeLessThanOrEqual(Date.now());
  const records = await collect(log.read());
  expect(records.map(({ seq, id, offset, segment }) => ({ seq, id, offset, segment }))).toEqual(
    [first, second].map(({ seq, id, offset, segment }) => ({ seq, id, offset, segment })),
  );
  expect(JSON.parse(JSON.stringify(first))).toEqual({
    seq: 0,
    id: first.id,
    duplicate: false,
    time: first.time.toISOString(),
    segment: first.segment,
    offset: 0,
  });
  await log.close();
});

test("every form of append gives the next seqs, in the order of the calls", async () => {
  const log = await FileLog.open(newPath());
  const results = [log.append("0"), log.appendBatch(["1", "2"]), log.append("3"), log.appendBatch(["4"])];
  expect(await Promise.all(results)).toMatchObject([
    { seq: 0 },
    { first: 1, last: 2, count: 2 },
    { seq: 3 },
    { first: 4, last: 4, count: 1 },
  ]);
  expect(log.appendSync("5")).toMatchObject({ seq: 5, offset: 5 * 33 });
  expect(log.appendBatchSync(["6", "7", "8"])).toEqual({ first: 6, last: 8, count: 3 });
  expect(await textsOf(log)).toEqual(["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
  expect(log.nextSeq).toBe(9);
  await log.close();
});

test("what was appended is there after closing and opening, byte for byte and with the same ids", async () => {
  const path = newPath();
  const data = fc.sample(fc.uint8Array({ maxLength: 3000 }), { numRuns: 100, seed: 1 });
  const log = await FileLog.open(path);
  const ids = (await Promise.all(data.map((bytes) => log.append(bytes)))).map(({ id }) => id);
  await log.close();
  const again = await FileLog.open(path);
  expect(again.recovery).toEqual({ records: 100, tornBytes: 0, redone: 0, indexRebuilt: false });
  expect(await linesOf(again)).toEqual(
    data.map((bytes, seq) => `${seq} ${ids[seq]} ${Buffer.from(bytes).toString("hex")}`),
  );
  await again.close();
});

test("empty data is a record", async () => {
  const log = await FileLog.open(newPath());
  await log.append("");
  log.appendSync(new Uint8Array());
  await log.appendBatch(["", "x", ""]);
  expect(await textsOf(log)).toEqual(["", "", "", "x", ""]);
  await log.close();
});

test("an empty batch appends nothing and names the next seq", async () => {
  const log = await FileLog.open(newPath());
  await log.append("x");
  expect(await log.appendBatch([])).toEqual({ first: 1, last: 1, count: 0 });
  expect(log.appendBatchSync([])).toEqual({ first: 1, last: 1, count: 0 });
  expect(log.nextSeq).toBe(1);
  await log.close();
});

test("data is copied before append returns, whatever form it is given in", async () => {
  const log = await FileLog.open(newPath());
  const reused = Buffer.from("one");
  const appends: Promise<unknown>[] = [log.append(reused)];
  reused.write("two");
  appends.push(log.appendBatch([reused, reused.subarray(1)]));
  reused.write("xxx");
  await Promise.all(appends);
  expect(await textsOf(log)).toEqual(["one", "two", "wo"]);
  await log.close();
});

test("a view of a larger buffer is stored as the view", async () => {
  const log = await FileLog.open(newPath());
  const whole = Buffer.from("0123456789");
  await log.append(whole.subarray(3, 6));
  expect(await textsOf(log)).toEqual(["345"]);
  await log.close();
});

test.each([
  ["a number", 42],
  ["null", null],
  ["undefined", undefined],
  ["an object", { a: 1 }],
  ["an ArrayBuffer", new ArrayBuffer(3)],
  ["other typed arrays", new Uint16Array(3)],
  ["a lone surrogate", "a\ud800b"],
])("data that is %s is a TypeError in every form, and nothing is appended", async (_name, data) => {
  const log = await FileLog.open(newPath());
  const wrong = data as unknown as string;
  await expect(log.append(wrong)).rejects.toBeInstanceOf(TypeError);
  await expect(log.appendBatch(["fine", wrong])).rejects.toBeInstanceOf(TypeError);
  expect(() => log.appendSync(wrong)).toThrow(TypeError);
  expect(() => log.appendBatchSync(["fine", wrong])).toThrow(TypeError);
  expect(await seqsOf(log)).toEqual([]);
  expect(log.appendSync("next")).toMatchObject({ seq: 0 });
  await log.close();
});

test("a batch that is no array is a TypeError", async () => {
  const log = await FileLog.open(newPath());
  await expect(log.appendBatch("abc" as unknown as string[])).rejects.toBeInstanceOf(TypeError);
  expect(() => log.appendBatchSync(new Set(["a"]) as unknown as string[])).toThrow(TypeError);
  await log.close();
});

test("data over maxRecordBytes is a RangeError before anything is written, counted in UTF-8 bytes", async () => {
  const log = await FileLog.open(newPath(), { maxRecordBytes: 10 });
  await log.append("0123456789");
  await expect(log.append("0123456789x")).rejects.toBeInstanceOf(RangeError);
  await expect(log.append("€€€€")).rejects.toBeInstanceOf(RangeError);
  await expect(log.appendBatch(["ok", new Uint8Array(11)])).rejects.toBeInstanceOf(RangeError);
  expect(() => log.appendSync("0123456789x")).toThrow(RangeError);
  expect(await log.append("€€€")).toMatchObject({ seq: 1 });
  expect(await textsOf(log)).toEqual(["0123456789", "€€€"]);
  await log.close();
});

test("maxRecordBytes limits appends alone: larger records of the log are read", async () => {
  const path = newPath();
  const log = await FileLog.open(path);
  await log.append("a longer record");
  await log.close();
  const small = await FileLog.open(path, { maxRecordBytes: 3 });
  expect(await textsOf(small)).toEqual(["a longer record"]);
  await small.close();
});

test("expectedSeq lets an append through only when it is the next seq", async () => {
  const log = await FileLog.open(newPath());
  expect(await log.append("a", { expectedSeq: 0 })).toMatchObject({ seq: 0 });
  await expect(log.append("b", { expectedSeq: 0 })).rejects.toMatchObject({
    code: "SEQLOG_CONFLICT",
    facts: { expectedSeq: 0, nextSeq: 1 },
  });
  await expect(log.appendBatch(["b", "c"], { expectedSeq: 2 })).rejects.toMatchObject({ code: "SEQLOG_CONFLICT" });
  expect(await log.appendBatch(["b", "c"], { expectedSeq: 1 })).toMatchObject({ first: 1, last: 2 });
  expect(() => log.appendSync("d", { expectedSeq: 4 })).toThrow(expect.objectContaining({ code: "SEQLOG_CONFLICT" }));
  expect(log.appendSync("d", { expectedSeq: 3 })).toMatchObject({ seq: 3 });
  expect(log.appendBatchSync(["e"], { expectedSeq: 4 })).toMatchObject({ first: 4 });
  expect(await textsOf(log)).toEqual(["a", "b", "c", "d", "e"]);
  await log.close();
});

test("of many that expect the same seq at the same time exactly one gets through", async () => {
  const log = await FileLog.open(newPath());
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) => log.append(String(i), { expectedSeq: 0 })),
  );
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  expect(await textsOf(log)).toEqual(["0"]);
  await log.close();
});

test("expectedSeq counts what was appended before and is not on the disk yet", async () => {
  const log = await FileLog.open(newPath());
  const appends = [
    log.append("a"),
    log.append("b", { expectedSeq: 1 }),
    log.appendBatch(["c", "d"], { expectedSeq: 2 }),
  ];
  expect(await Promise.all(appends)).toMatchObject([{ seq: 0 }, { seq: 1 }, { first: 2, last: 3 }]);
  await log.close();
});

test.each([-1, 1.5, NaN, 2 ** 53])("expectedSeq %d is a RangeError", async (expectedSeq) => {
  const log = await FileLog.open(newPath());
  await expect(log.append("a", { expectedSeq })).rejects.toBeInstanceOf(RangeError);
  expect(() => log.appendSync("a", { expectedSeq })).toThrow(RangeError);
  expect(log.nextSeq).toBe(0);
  await log.close();
});

test.each([
  [{ segmentBytes: 1023 }],
  [{ maxRecordBytes: -1 }],
  [{ maxRecordBytes: 2 ** 30 + 1 }],
  [{ maxPendingBytes: 0 }],
  [{ lockTimeoutMs: -1 }],
  [{ durability: { intervalMs: 0 } }],
])("opening with %o is a RangeError", async (options) => {
  await expect(FileLog.open(newPath(), options)).rejects.toBeInstanceOf(RangeError);
});

test.each([[{ durability: "always" }], [{ durability: null }], [{ ids: "v1" }]])(
  "opening with %o is a TypeError, and no directory is made",
  async (options) => {
    const path = newPath();
    await expect(FileLog.open(path, options as unknown as { readOnly?: true })).rejects.toBeInstanceOf(TypeError);
    await expect(FileLog.open(path, { readOnly: true })).rejects.toMatchObject({ code: "SEQLOG_NOT_FOUND" });
  },
);
