/** Appends of many records at once. */
import type { CaseBody } from "./conformance-case.ts";
import { refusedAs, same } from "./rules.ts";
import { checkSeqs, readAll, textOf, textsIn } from "./stored.ts";

export const batchCases: readonly CaseBody[] = [
  {
    name: "appendBatch resolves with the first seq, the last and the count",
    async run(t) {
      const log = await t.open();
      await log.append("before");
      const range = await log.appendBatch(["a", "b", "c"]);
      same(range.count, 3, "count is the number of records");
      const records = await readAll(log);
      same(
        records.slice(1).map(({ text }) => text),
        ["a", "b", "c"],
        "a batch is stored in its order",
      );
      same([range.first, range.last], [records[1]?.seq, records[3]?.seq], "first and last are the seqs of its ends");
      const one = await log.appendBatch(["d"]);
      same([one.count, one.first], [1, one.last], "of a batch of one record first and last are the same");
    },
  },
  {
    name: "an empty batch appends nothing and names the next seq",
    async run(t) {
      const log = await t.open();
      for (const before of [0, 1]) {
        const { nextSeq } = log;
        const range = await log.appendBatch([]);
        same({ ...range }, { first: nextSeq, last: nextSeq, count: 0 }, "an empty batch is { nextSeq, nextSeq, 0 }");
        same((await readAll(log)).length, before, "an empty batch appends nothing");
        await log.append("x");
      }
    },
  },
  {
    name: "a batch lies together, whoever else appends",
    async run(t) {
      const log = await t.open();
      const batches = Array.from({ length: 10 }, (_, b) => Array.from({ length: 20 }, (_, i) => `${b} ${i}`));
      const work = batches.flatMap((batch) => [log.appendBatch(batch), log.append("between")]);
      await Promise.all(work);
      const wanted = batches.flatMap((batch) => [...batch, "between"]);
      same(await textsIn(log), wanted, "the records of a batch lie one behind the other");
    },
  },
  {
    name: "a batch of many records is stored whole and in order",
    async run(t) {
      const log = await t.open();
      const texts = Array.from({ length: 1000 }, (_, i) => textOf(i));
      const range = await log.appendBatch(texts);
      same(range.count, 1000, "count is the number of records");
      const records = await readAll(log);
      same(
        records.map(({ text }) => text),
        texts,
        "a batch is stored whole and in order",
      );
      const seqs = records.map(({ seq }) => seq);
      checkSeqs(log, seqs, range.first, "the seqs of a batch follow one another");
    },
  },
  {
    name: "what is no array, or has holes, is a TypeError, and nothing is appended",
    async run(t) {
      const log = await t.open();
      const holey = ["a", "b"];
      holey.length = 3;
      for (const wrong of ["abc", new Set(["a"]), undefined, holey]) {
        const batch = wrong as unknown as string[];
        await refusedAs(() => log.appendBatch(batch), TypeError, "appendBatch takes an array of data");
      }
      same(log.nextSeq, 0, "of a refused batch nothing is appended");
    },
  },
];
