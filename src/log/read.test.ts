import fc from "fast-check";
import { expect, test } from "vitest";
import { collect, seqsOf, textsOf } from "../../test/crash/read-data.ts";
import { newPath } from "../../test/crash/scratch-directory.ts";
import type { Position, ReadOptions } from "../segment/positions.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { FileLog } from "./file-log.ts";

/** A log with the records "0", "1", …, about seven in a segment. */
async function logOf(count: number): Promise<FileLog> {
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  log.appendBatchSync(Array.from({ length: count }, (_, i) => String(i).padEnd(100)));
  return log;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
}

test("a read without options gives every record in order", async () => {
  const log = await logOf(40);
  expect(await seqsOf(log)).toEqual(range(0, 40));
  expect((await textsOf(log)).map((data) => data.trim())).toEqual(range(0, 40).map(String));
  await log.close();
});

test("an empty log gives nothing, in either direction", async () => {
  const log = await logOf(0);
  expect(await seqsOf(log)).toEqual([]);
  expect(await seqsOf(log, { reverse: true })).toEqual([]);
  expect(await seqsOf(log, { from: { last: 5 } })).toEqual([]);
  expect(await seqsOf(log, { from: "end" })).toEqual([]);
  await log.close();
});

test.each<[string, ReadOptions, number[]]>([
  ["a seq as from", { from: 35 }, range(35, 40)],
  ["a seq as to, which is exclusive", { to: 3 }, range(0, 3)],
  ["both", { from: 10, to: 20 }, range(10, 20)],
  ["an empty range", { from: 10, to: 10 }, []],
  ["a range that ends before it begins", { from: 20, to: 10 }, []],
  ["a range past the end", { from: 38, to: 1000 }, [38, 39]],
  ["from past the end", { from: 1000 }, []],
  ["start to end", { from: "start", to: "end" }, range(0, 40)],
  ["from the end", { from: "end" }, []],
  ["the last three", { from: { last: 3 } }, [37, 38, 39]],
  ["the last none", { from: { last: 0 } }, []],
  ["more of the last than there are", { from: { last: 1000 } }, range(0, 40)],
  ["all but the last ones", { to: { last: 38 } }, [0, 1]],
  ["a limit", { from: 5, limit: 3 }, [5, 6, 7]],
  ["a limit of none", { limit: 0 }, []],
  ["a limit larger than the range", { from: 38, limit: 100 }, [38, 39]],
])("a range: %s, forward and in reverse", async (_name, options, seqs) => {
  const log = await logOf(40);
  expect(await seqsOf(log, options)).toEqual(seqs);
  const { limit, ...whole } = options;
  const reversed = (await seqsOf(log, whole)).reverse();
  expect(await seqsOf(log, { ...options, reverse: true, live: false })).toEqual(reversed.slice(0, limit));
  await log.close();
});

test("a range by ids and by times", async () => {
  let ms = Date.UTC(2026, 0, 1);
  const machine = { ...nodeMachine, clock: { ...nodeMachine.clock, now: () => ms++ } };
  const log = await FileLog.open(newPath(), { machine, segmentBytes: 1024 });
  for (let i = 0; i < 30; i++) log.appendSync("x".repeat(100));
  const at = (seq: number): { id: string; time: Date } => log.getSync(seq) as { id: string; time: Date };
  expect(await seqsOf(log, { from: { id: at(12).id } })).toEqual(range(12, 30));
  expect(await seqsOf(log, { from: { id: at(12).id }, to: { id: at(20).id } })).toEqual(range(12, 20));
  expect(await seqsOf(log, { from: { id: at(28).id }, to: { id: at(3).id } })).toEqual([]);
  expect(await seqsOf(log, { from: at(7).time, to: at(9).time })).toEqual([7, 8]);
  expect(await seqsOf(log, { from: at(7).time, to: at(10).time, reverse: true })).toEqual([9, 8, 7]);
  expect(await seqsOf(log, { to: new Date(0) })).toEqual([]);
  expect(await seqsOf(log, { from: new Date(8.64e15) })).toEqual([]);
  await log.close();
});

test("any from, to, limit and direction give the same as slicing all the seqs", async () => {
  const count = 30;
  const log = await logOf(count);
  const position = fc.oneof(
    fc.nat(count + 5),
    fc.constantFrom("start" as const, "end" as const),
    fc.nat(count + 5).map((last) => ({ last })),
  );
  const place = (given: Position | undefined, fallback: number): number => {
    if (given === undefined) return fallback;
    if (given === "start") return 0;
    if (given === "end") return count;
    return typeof given === "number" ? given : Math.max(0, count - (given as { last: number }).last);
  };
  const option = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
    fc.option(arbitrary, { nil: undefined });
  await fc.assert(
    fc.asyncProperty(
      option(position),
      option(position),
      option(fc.nat(count + 5)),
      fc.boolean(),
      async (from, to, limit, reverse) => {
        const seqs = range(0, count).slice(place(from, 0), Math.max(place(from, 0), place(to, count)));
        if (reverse) seqs.reverse();
        const options = {
          ...(from === undefined ? {} : { from }),
          ...(to === undefined ? {} : { to }),
          ...(limit === undefined ? {} : { limit }),
          ...(reverse ? { reverse } : {}),
        };
        expect(await seqsOf(log, options)).toEqual(seqs.slice(0, limit));
      },
    ),
    { numRuns: 150, seed: 7 },
  );
  await log.close();
});

test("without live a read ends where the log ended when it began", async () => {
  const log = await logOf(3);
  const seqs: number[] = [];
  for await (const record of log.read()) {
    seqs.push(record.seq);
    await log.append("more");
  }
  expect(seqs).toEqual([0, 1, 2]);
  await log.close();
});

test.each<[string, unknown, typeof TypeError | typeof RangeError]>([
  ["a negative seq", -1, RangeError],
  ["a fraction", 1.5, RangeError],
  ["an invalid Date", new Date(NaN), RangeError],
  ["another word", "first", TypeError],
  ["an object of another shape", { seq: 1 }, TypeError],
  ["a negative last", { last: -1 }, RangeError],
  ["an id that is no UUID", { id: "1" }, TypeError],
  ["an id that no record has", { id: "11111111-1111-4111-8111-111111111111" }, RangeError],
])("%s is no position", async (_name, given, kind) => {
  const log = await logOf(3);
  const position = given as Position;
  await expect(log.read({ from: position }).next()).rejects.toBeInstanceOf(kind);
  await expect(log.read({ to: position, reverse: true }).next()).rejects.toBeInstanceOf(kind);
  await expect(log.trim({ before: position })).rejects.toBeInstanceOf(kind);
  await log.close();
});

test("live together with reverse is a TypeError at once", async () => {
  const log = await logOf(1);
  expect(() => log.read({ live: true, reverse: true } as unknown as ReadOptions)).toThrow(TypeError);
  expect(() => log.readBatches({ live: true, reverse: true } as unknown as ReadOptions)).toThrow(TypeError);
  await log.close();
});

test.each([-1, 1.5, NaN])("a limit of %d is a RangeError", async (limit) => {
  const log = await logOf(1);
  await expect(log.read({ limit }).next()).rejects.toBeInstanceOf(RangeError);
  await log.close();
});

test("a signal that was aborted before rejects the first step with its reason", async () => {
  const log = await logOf(3);
  const reason = new Error("no longer wanted");
  await expect(log.read({ signal: AbortSignal.abort(reason) }).next()).rejects.toBe(reason);
  await expect(log.readBatches({ signal: AbortSignal.abort(reason) }).next()).rejects.toBe(reason);
  await log.close();
});

test.each<[string, ReadOptions]>([
  ["forward", {}],
  ["in reverse", { reverse: true }],
  ["live", { live: true }],
])("an abort between two records of a read %s rejects the next step with its reason", async (_name, options) => {
  const log = await logOf(3);
  const reason = new Error("enough");
  const abort = new AbortController();
  const records = log.read({ ...options, signal: abort.signal });
  expect((await records.next()).done).toBe(false);
  abort.abort(reason);
  await expect(records.next()).rejects.toBe(reason);
  expect(await records.next()).toEqual({ done: true, value: undefined });
  await log.close();
});

test("an abort between two segments rejects the next step with its reason", async () => {
  const log = await logOf(30);
  const reason = new Error("enough");
  const abort = new AbortController();
  const read = async (): Promise<void> => {
    for await (const record of log.read({ signal: abort.signal })) {
      if (record.seq === 10) abort.abort(reason);
    }
  };
  await expect(read()).rejects.toBe(reason);
  await log.close();
});

test("a loop that is left ends the read; so does return() before the first step", async () => {
  const log = await logOf(30);
  const records = log.read();
  for await (const record of records) if (record.seq === 3) break;
  expect(await records.next()).toEqual({ done: true, value: undefined });
  const unused = log.read();
  await unused.return?.();
  expect(await unused.next()).toEqual({ done: true, value: undefined });
  await log.close();
});

test("steps that are asked for at the same time are answered in order", async () => {
  const log = await logOf(3);
  const records = log.read();
  const steps = await Promise.all([records.next(), records.next(), records.next(), records.next(), records.next()]);
  expect(steps.map(({ done, value }) => (done === true ? "done" : (value as { seq: number }).seq))).toEqual([
    0,
    1,
    2,
    "done",
    "done",
  ]);
  await log.close();
});

test("bytes that were handed out are never overwritten", async () => {
  const log = await logOf(20);
  const kept = await collect(log.read());
  log.appendBatchSync(Array.from({ length: 200 }, () => "y".repeat(100)));
  await collect(log.read());
  expect(kept.map(({ bytes }) => Buffer.from(bytes).toString().trim())).toEqual(range(0, 20).map(String));
  await log.close();
});

test("a finite read of a log that is closed meanwhile is rejected, not cut short", async () => {
  const log = await logOf(30);
  const records = log.read();
  await records.next();
  await log.close();
  const rest = async (): Promise<number> => (await collect(records)).length;
  await expect(rest()).rejects.toMatchObject({ code: "SEQLOG_CLOSED", facts: { path: log.location } });
});

test("reading ranges whose first records were removed is SEQLOG_TRIMMED; from the start it begins with what is there", async () => {
  const log = await logOf(40);
  await log.trim({ before: 20 });
  const { firstSeq } = log;
  expect(await seqsOf(log)).toEqual(range(firstSeq, 40));
  expect(await seqsOf(log, { from: { last: 1000 } })).toEqual(range(firstSeq, 40));
  expect(await seqsOf(log, { reverse: true })).toEqual(range(firstSeq, 40).reverse());
  const trimmed = { code: "SEQLOG_TRIMMED", facts: { firstSeq } };
  await expect(log.read({ from: 0 }).next()).rejects.toMatchObject(trimmed);
  await expect(collect(log.read({ from: 0, reverse: true }))).rejects.toMatchObject(trimmed);
  await log.close();
});

test("records are shown as plain objects", async () => {
  const log = await logOf(1);
  const record = await log.get(0);
  expect(record?.toJSON()).toMatchObject({ seq: 0, segment: "00000000000000000000.log", offset: 0 });
  expect(JSON.parse(JSON.stringify(record))).toHaveProperty("id", record?.id);
  await log.close();
});
