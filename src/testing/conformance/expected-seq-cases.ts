/** Appends on a condition. */
import type { CaseBody } from "./conformance-case.ts";
import { outcomeOf, refused, refusedAs, same } from "./rules.ts";
import { textsIn } from "./stored.ts";

export const expectedSeqCases: readonly CaseBody[] = [
  {
    name: "expectedSeq lets an append through only when it is the next seq",
    async run(t) {
      const log = await t.open();
      same((await log.append("a", { expectedSeq: log.nextSeq })).seq, 0, "an append that expects the next seq passes");
      const { nextSeq } = log;
      for (const expectedSeq of [0, nextSeq + 1, nextSeq + 1000]) {
        const facts = { expectedSeq, nextSeq };
        const rule = `an append that expects ${expectedSeq} when the next seq is ${nextSeq} is a conflict`;
        await refused(() => log.append("b", { expectedSeq }), "SEQLOG_CONFLICT", rule, facts);
        await refused(() => log.appendBatch(["b", "c"], { expectedSeq }), "SEQLOG_CONFLICT", rule, facts);
      }
      same(await textsIn(log), ["a"], "of a conflicting append nothing is stored");
      const { seq } = await log.append("b", { expectedSeq: nextSeq });
      same(seq, nextSeq, "a conflict takes no seq");
    },
  },
  {
    name: "expectedSeq of a batch is the seq of its first record",
    async run(t) {
      const log = await t.open();
      await log.append("a");
      const { nextSeq } = log;
      const range = await log.appendBatch(["b", "c"], { expectedSeq: nextSeq });
      same(range.first, nextSeq, "a batch that expects the next seq begins there");
      same(await textsIn(log), ["a", "b", "c"], "a batch that expects the next seq is stored");
    },
  },
  {
    name: "of many that expect the same seq at the same time exactly one gets through",
    async run(t) {
      const log = await t.open();
      const { nextSeq } = log;
      const work = Array.from({ length: 20 }, (_, i) => outcomeOf(log.append(String(i), { expectedSeq: nextSeq })));
      const outcomes = await Promise.all(work);
      const winners = outcomes.flatMap((outcome, i) => ("value" in outcome ? [String(i)] : []));
      same(winners.length, 1, "exactly one append that expects a seq gets it");
      for (const outcome of outcomes) {
        if ("error" in outcome) await refused(Promise.resolve(outcome), "SEQLOG_CONFLICT", "the others are conflicts");
      }
      same(await textsIn(log), winners, "only the one that got through is stored");
    },
  },
  {
    name: "expectedSeq counts what was appended before and is not acknowledged yet",
    async run(t) {
      const log = await t.open();
      // Where there may be holes nobody can know the seqs of records on their way.
      if (!log.supports.dense) return;
      const [a, b, cd] = await Promise.all([
        log.append("a"),
        log.append("b", { expectedSeq: 1 }),
        log.appendBatch(["c", "d"], { expectedSeq: 2 }),
      ]);
      same([a.seq, b.seq, cd.first, cd.last], [0, 1, 2, 3], "appends on their way count");
    },
  },
  {
    name: "an expectedSeq that is no seq is a RangeError, and nothing is appended",
    async run(t) {
      const log = await t.open();
      for (const expectedSeq of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
        const rule = `expectedSeq ${expectedSeq} is a RangeError`;
        await refusedAs(() => log.append("a", { expectedSeq }), RangeError, rule);
        await refusedAs(() => log.appendBatch(["a"], { expectedSeq }), RangeError, rule);
      }
      same(log.nextSeq, 0, "nothing is appended");
    },
  },
];
