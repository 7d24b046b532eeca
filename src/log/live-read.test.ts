import { expect, test } from "vitest";
import { collect, seqsOf, take } from "../../test/crash/read-data.ts";
import { newPath } from "../../test/crash/scratch-directory.ts";
import { FileLog } from "./file-log.ts";

test("a live read gives what is there, then what comes, across rolls", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  await log.appendBatch(["0".repeat(400), "1".repeat(400)]);
  const reading = take(log.read({ live: true }), 60);
  for (let i = 2; i < 60; i++) await log.append(String(i).padEnd(400));
  expect((await reading).map(({ seq }) => seq)).toEqual(Array.from({ length: 60 }, (_, i) => i));
  expect((await log.stats()).segments).toBeGreaterThan(20);
  await log.close();
});

test("a live read from the end gives only what comes", async () => {
  const log = await FileLog.open(newPath());
  await log.appendBatch(["a", "b"]);
  const records = log.read({ from: "end", live: true });
  const step = records.next();
  // The position is looked up at the first step, which is under way; it takes more than this turn.
  await new Promise((resolve) => setImmediate(resolve));
  await log.append("c");
  expect((await step).value).toMatchObject({ seq: 2 });
  await records.return?.();
  await log.close();
});

test("a live read with to or limit ends when it has them", async () => {
  const log = await FileLog.open(newPath());
  await log.append("0");
  const reads = [
    seqsOf(log, { live: true, to: 3 }),
    seqsOf(log, { live: true, limit: 2 }),
    seqsOf(log, { live: true, from: 2, to: 100, limit: 1 }),
  ];
  for (let i = 1; i < 5; i++) await log.append(String(i));
  expect(await Promise.all(reads)).toEqual([[0, 1, 2], [0, 1], [2]]);
  await log.close();
});

test("a live read may begin at a record that does not exist yet", async () => {
  const log = await FileLog.open(newPath());
  const reading = take(log.read({ live: true, from: 3 }), 1);
  for (let i = 0; i < 5; i++) await log.append(String(i));
  expect((await reading).map(({ seq }) => seq)).toEqual([3]);
  await log.close();
});

test("close ends live reads normally, after what was appended before", async () => {
  const log = await FileLog.open(newPath());
  const reads = [seqsOf(log, { live: true }), seqsOf(log, { live: true, from: 100 })];
  await log.append("0");
  const step = log.read({ live: true, from: 1 }).next();
  const last = log.append("1");
  await last;
  await step;
  await log.close();
  expect(await Promise.all(reads)).toEqual([[0, 1], []]);
});

test("an abort ends the wait of a live read with its reason", async () => {
  const log = await FileLog.open(newPath());
  await log.append("0");
  const reason = { any: "value" };
  const abort = new AbortController();
  const records = log.read({ live: true, signal: abort.signal });
  await records.next();
  const step = records.next();
  abort.abort(reason);
  await expect(step).rejects.toBe(reason);
  expect(await records.next()).toEqual({ done: true, value: undefined });
  await log.close();
});

test("return ends the wait of a live read", async () => {
  const log = await FileLog.open(newPath());
  const records = log.read({ live: true });
  const step = records.next();
  expect(await records.return?.()).toEqual({ done: true, value: undefined });
  expect(await step).toEqual({ done: true, value: undefined });
  await log.close();
});

test("a reset ends live and finite reads with SEQLOG_RESET", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  await log.appendBatch(Array.from({ length: 20 }, () => "x".repeat(400)));
  const live = log.read({ live: true, from: "end" });
  const waiting = live.next();
  const finite = log.read();
  await finite.next();
  const backward = log.read({ reverse: true });
  await backward.next();
  await new Promise((resolve) => setImmediate(resolve));
  await log.reset();
  const reset = { code: "SEQLOG_RESET", facts: { generation: 1 } };
  await expect(waiting).rejects.toMatchObject(reset);
  await expect(collect(finite)).rejects.toMatchObject(reset);
  await expect(collect(backward)).rejects.toMatchObject(reset);
  const fresh = take(log.read({ live: true }), 1);
  await log.append("new");
  expect((await fresh)[0]?.seq).toBe(0);
  await log.close();
});

test("a live reader that falls behind a trim is told the first record available", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  await log.appendBatch(Array.from({ length: 20 }, () => "x".repeat(400)));
  const records = log.read({ live: true });
  await records.next();
  await records.next();
  await log.trim({ before: 10 });
  await expect(collect(records)).rejects.toMatchObject({ code: "SEQLOG_TRIMMED", facts: { firstSeq: log.firstSeq } });
  await log.close();
});

test("many live readers each get every record once, in order", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 4096 });
  const readers = Array.from({ length: 10 }, () => take(log.read({ live: true }), 500));
  const callers = Array.from({ length: 5 }, async (_, caller) => {
    for (let i = 0; i < 100; i++) await log.append(`${caller} ${i}`);
  });
  await Promise.all(callers);
  const wanted = Array.from({ length: 500 }, (_, i) => i);
  for (const reader of readers) expect((await reader).map(({ seq }) => seq)).toEqual(wanted);
  await log.close();
});
