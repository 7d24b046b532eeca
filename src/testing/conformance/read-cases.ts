/** Finite reads: which records, in which order, and what is no read. */
import type { Log } from "../../log/log.ts";
import type { Position, ReadOptions } from "../../segment/positions.ts";
import type { CaseBody } from "./conformance-case.ts";
import { given, refusedAs, same } from "./rules.ts";
import { type Stored, collect, decode, fill, next, readAll, stored, textsIn } from "./stored.ts";

const count = 40;

/** The same read, walked from its end. */
function reversed(options: ReadOptions): ReadOptions {
  return { ...options, reverse: true, live: false };
}

function seqsOf(records: readonly Stored[]): number[] {
  return records.map(({ seq }) => seq);
}

/** Forward and in reverse a read gives the records `from` up to `to` of all, and of these `limit`. */
async function checkRange(
  log: Log,
  all: readonly Stored[],
  options: ReadOptions,
  from: number,
  to: number,
): Promise<void> {
  const wanted = all.slice(from, Math.max(from, to));
  const { limit = wanted.length } = options;
  const name = JSON.stringify(options);
  same(await readAll(log, options), wanted.slice(0, limit), `read(${name}) gives exactly its range`);
  const backward = wanted.toReversed().slice(0, limit);
  same(await readAll(log, reversed(options)), backward, `read(${name}) in reverse gives the same range from its end`);
}

export const readCases: readonly CaseBody[] = [
  {
    name: "a read without options gives every record in order, as it was appended",
    async run(t) {
      const log = await t.open();
      const records = await fill(log, count, 100);
      same(await readAll(log), records, "a read gives every record, in order, byte for byte");
      same(await readAll(log, reversed({})), records.toReversed(), "in reverse it gives the same from the end");
    },
  },
  {
    name: "an empty log gives nothing, whatever is asked of it",
    async run(t) {
      const log = await t.open();
      for (const options of [{}, { from: { last: 5 } }, { from: "end" }, { from: 7 }, { to: 3 }] as const) {
        same(await readAll(log, options), [], "an empty log gives nothing");
        same(await readAll(log, reversed(options)), [], "an empty log gives nothing in reverse");
      }
    },
  },
  {
    name: "from is inclusive, to is exclusive, and both may lie outside the log",
    async run(t) {
      const log = await t.open();
      const all = await fill(log, count, 100);
      const seqAt = (i: number): number => given(all[i], "the record was appended").seq;
      await checkRange(log, all, { from: seqAt(35) }, 35, count);
      await checkRange(log, all, { to: seqAt(3) }, 0, 3);
      await checkRange(log, all, { from: seqAt(10), to: seqAt(20) }, 10, 20);
      await checkRange(log, all, { from: seqAt(10), to: seqAt(11) }, 10, 11);
      await checkRange(log, all, { from: seqAt(10), to: seqAt(10) }, 10, 10);
      await checkRange(log, all, { from: seqAt(20), to: seqAt(10) }, 20, 10);
      await checkRange(log, all, { from: seqAt(38), to: log.nextSeq + 1000 }, 38, count);
      await checkRange(log, all, { from: log.nextSeq }, count, count);
      await checkRange(log, all, { from: log.nextSeq + 1000 }, count, count);
    },
  },
  {
    name: "start, end and the last n are positions",
    async run(t) {
      const log = await t.open();
      const all = await fill(log, count, 100);
      await checkRange(log, all, { from: "start", to: "end" }, 0, count);
      await checkRange(log, all, { from: "end" }, count, count);
      await checkRange(log, all, { to: "start" }, 0, 0);
      await checkRange(log, all, { from: { last: 0 } }, count, count);
      await checkRange(log, all, { from: { last: 1000 } }, 0, count);
      // The n-th record from the end, where every seq has one; where not, it may be nearer to the end.
      if (!log.supports.dense) return;
      await checkRange(log, all, { from: { last: 3 } }, count - 3, count);
      await checkRange(log, all, { to: { last: count - 2 } }, 0, 2);
      await checkRange(log, all, { from: { last: 10 }, to: { last: 5 } }, count - 10, count - 5);
    },
  },
  {
    name: "a record's id is a position, as from and as to",
    async run(t) {
      const log = await t.open();
      if (!log.supports.findById) return;
      const all = await fill(log, count, 100);
      const at = (i: number): { id: string } => ({ id: given(all[i], "the record was appended").id });
      await checkRange(log, all, { from: at(12) }, 12, count);
      await checkRange(log, all, { from: at(12), to: at(20) }, 12, 20);
      await checkRange(log, all, { from: at(28), to: at(3) }, 28, 3);
      const unknown = { id: "11111111-1111-4111-8111-111111111111" };
      await refusedAs(
        async () => log.read({ from: unknown }).next(),
        RangeError,
        "an id that no record has is no position",
      );
    },
  },
  {
    name: "limit bounds a read, in either direction",
    async run(t) {
      const log = await t.open();
      const all = await fill(log, count, 100);
      const from = given(all[5], "the record was appended").seq;
      for (const limit of [0, 1, 3, count - 5, count, 1000]) {
        await checkRange(log, all, { from, limit }, 5, count);
        await checkRange(log, all, { to: from, limit }, 0, 5);
      }
    },
  },
  {
    name: "without live a read ends where the log ended when it began",
    async run(t) {
      const log = await t.open();
      const all = await fill(log, 3);
      const seqs: number[] = [];
      for await (const record of log.read()) {
        seqs.push(record.seq);
        await log.append("more");
      }
      same(seqs, seqsOf(all), "what is appended while a finite read runs is not part of it");
    },
  },
  {
    name: "two readers at once each get all records",
    async run(t) {
      const log = await t.open();
      const all = await fill(log, count, 100);
      const readers = [log.read(), log.read(), log.read({ reverse: true })];
      const found: Stored[][] = readers.map(() => []);
      for (let i = 0; i < count; i++) {
        for (const [r, reader] of readers.entries()) found[r]?.push(...(await next(reader, 1)).map(stored));
      }
      same(found, [all, all, all.toReversed()], "readers do not disturb one another");
    },
  },
  {
    name: "steps that are asked for at the same time are answered in order, and a finished read stays finished",
    async run(t) {
      const log = await t.open();
      const all = await fill(log, 3);
      const reader = log.read();
      same(reader[Symbol.asyncIterator]() === reader, true, "a read is its own iterator");
      const steps = await Promise.all([reader.next(), reader.next(), reader.next(), reader.next()]);
      const seqs = steps.flatMap((step) => (step.done === true ? [] : [step.value.seq as number]));
      same(seqs, seqsOf(all), "steps are answered in the order in which they were asked for");
      same(steps[3]?.done, true, "behind the last record a finite read is done");
      await log.append("more");
      same((await reader.next()).done, true, "a finished read stays finished");
    },
  },
  {
    name: "a loop that is left ends the read, and so does return before the first step",
    async run(t) {
      const log = await t.open();
      const all = await fill(log, count, 100);
      const left = log.read();
      for await (const { seq } of left) if (seq >= (all[3]?.seq ?? 0)) break;
      same((await left.next()).done, true, "a read that was left is done");
      const unused = log.read();
      await unused.return?.();
      same((await unused.next()).done, true, "a read that was never begun can be ended");
      same(await readAll(log), all, "the log can be read after that");
    },
  },
  {
    name: "bytes that were handed out are never overwritten",
    async run(t) {
      const log = await t.open();
      const texts = (await fill(log, count, 100)).map(({ text }) => text);
      const kept = await collect(log.read());
      const held = kept.map(({ bytes }) => bytes);
      await fill(log, 100, 100);
      await collect(log.read());
      await collect(log.read({ reverse: true }));
      for await (const batch of log.readBatches()) batch.bytesAt(0);
      same(held.map(decode), texts, "bytes that a read handed out stay as they were");
      same(
        kept.map(({ bytes }) => decode(bytes)),
        texts,
        "a record that was handed out stays as it was",
      );
    },
  },
  {
    name: "what is no position is a TypeError or a RangeError, as from, as to and for trim",
    async run(t) {
      const log = await t.open();
      await fill(log, 3);
      const wrong: readonly [string, unknown, typeof TypeError | typeof RangeError][] = [
        ["a negative seq", -1, RangeError],
        ["a fraction", 1.5, RangeError],
        ["NaN", Number.NaN, RangeError],
        ["an invalid Date", new Date(Number.NaN), RangeError],
        ["a negative last", { last: -1 }, RangeError],
        ["another word", "first", TypeError],
        ["null", null, TypeError],
        ["an object of another shape", { seq: 1 }, TypeError],
        ["an id that is no UUID", { id: "1" }, TypeError],
      ];
      for (const [name, value, kind] of wrong) {
        const position = value as Position;
        const rule = `${name} is a ${kind.name}`;
        await refusedAs(async () => log.read({ from: position }).next(), kind, `${rule} as from`);
        await refusedAs(async () => log.read({ to: position, reverse: true }).next(), kind, `${rule} as to`);
        await refusedAs(async () => log.readBatches({ from: position }).next(), kind, `${rule} of readBatches`);
        await refusedAs(() => log.trim({ before: position }), kind, `${rule} for trim`);
      }
      same((await textsIn(log)).length, 3, "a trim that is refused removes nothing");
    },
  },
  {
    name: "a read both live and in reverse is a TypeError, a limit that is no count a RangeError",
    async run(t) {
      const log = await t.open();
      await fill(log, 3);
      const both = { live: true, reverse: true } as unknown as ReadOptions;
      await refusedAs(async () => log.read(both).next(), TypeError, "a read is live or in reverse, not both");
      await refusedAs(
        async () => log.readBatches(both).next(),
        TypeError,
        "readBatches is live or in reverse, not both",
      );
      for (const limit of [-1, 1.5, Number.NaN]) {
        await refusedAs(async () => log.read({ limit }).next(), RangeError, `limit ${limit} is a RangeError`);
      }
    },
  },
];
