/** Removing everything: a new generation. */
import type { CaseBody } from "./conformance-case.ts";
import { holds, outcomeOf, refused, same } from "./rules.ts";
import { fill, next, readAll, stored, textsIn } from "./stored.ts";

export const resetCases: readonly CaseBody[] = [
  {
    name: "reset removes all records: the next one is 0 of a later generation",
    async run(t) {
      const log = await t.open();
      const old = await fill(log, 20, 100);
      const { generation } = log;
      await log.reset();
      holds(log.generation > generation, "a reset makes the generation grow");
      same([log.firstSeq, log.nextSeq], [0, 0], "after a reset the log begins at 0");
      same(await readAll(log), [], "after a reset there are no records");
      same(await log.get(0), undefined, "after a reset there is no record 0");
      same((await log.stats()).records, 0, "after a reset stats counts nothing");
      if (log.supports.findById) same(await log.find(old[0]?.id ?? ""), undefined, "old ids are not found");
      const { seq, id } = await log.append("new", { expectedSeq: 0 });
      same(seq, 0, "the first record of a generation is 0");
      same(
        old.some((record) => record.id === id),
        false,
        "an id is not used again",
      );
      same(await textsIn(log), ["new"], "only the new generation is read");
      await log.reset();
      holds(log.generation > generation + 1, "each reset makes the generation grow");
    },
  },
  {
    name: "a reset ends a live read that waits with SEQLOG_RESET, which names the new generation",
    async run(t) {
      const log = await t.open();
      await fill(log, 1);
      const reader = log.read({ live: true });
      await next(reader, 1);
      const step = outcomeOf(reader.next());
      await log.reset();
      const facts = { generation: log.generation };
      await refused(step, "SEQLOG_RESET", "a reset ends a live read with SEQLOG_RESET", facts);
      same((await reader.next()).done, true, "a read that a reset ended is done");
      const fresh = log.read({ live: true });
      const first = fresh.next();
      const { id } = await log.append("new");
      const found = await first;
      same(found.done === true ? undefined : found.value.id, id, "a new live read gives the new generation");
      await fresh.return?.();
    },
  },
  {
    name: "no read goes on from one generation into the next",
    async run(t) {
      const log = await t.open();
      const old = await fill(log, 100, 100);
      const readers = [log.read(), log.read({ reverse: true }), log.read({ live: true })];
      const found = await Promise.all(readers.map(async (reader) => (await next(reader, 1)).map(stored)));
      await log.reset();
      await fill(log, 150, 100);
      for (const [r, reader] of readers.entries()) {
        const own = found[r] ?? [];
        let error: unknown;
        for (;;) {
          const step = await outcomeOf(reader.next());
          if ("error" in step) error = step.error;
          if ("error" in step || step.value.done === true) break;
          own.push(stored(step.value.value));
        }
        const wanted = r === 1 ? old.toReversed() : old;
        same(own, wanted.slice(0, own.length), "a read gives only records of the generation in which it began");
        if (error === undefined) {
          same(own.length, old.length, "a read that ends normally has given all of its generation");
          holds(r !== 2, "a live read does not end normally at a reset");
        } else {
          const facts = { generation: log.generation };
          await refused(Promise.resolve({ error }), "SEQLOG_RESET", "a reset ends a read with SEQLOG_RESET", facts);
        }
      }
    },
  },
  {
    name: "appends made before a reset are acknowledged and removed, appends made after belong to the new generation",
    async run(t) {
      const log = await t.open();
      const before = [log.append("old 0"), log.append("old 1")];
      const reset = log.reset();
      const after = [log.append("new 0"), log.append("new 1")];
      const seqs = (appended: readonly { seq: number }[]): number[] => appended.map(({ seq }) => seq);
      const [old, fresh] = await Promise.all([Promise.all(before), Promise.all(after)]);
      await reset;
      same(seqs(old)[0], 0, "an append before a reset is acknowledged in the old generation");
      same(seqs(fresh)[0], 0, "an append after a reset is the first of the new generation");
      same(
        await textsIn(log),
        ["new 0", "new 1"],
        "what was appended before a reset is gone, what came after is there",
      );
    },
  },
  {
    name: "an append that expected a seq of the generation that ended is a conflict",
    async run(t) {
      const log = await t.open();
      await fill(log, 5);
      const expectedSeq = log.nextSeq;
      await log.reset();
      const facts = { expectedSeq, nextSeq: 0 };
      const rule = "a seq of the old generation is not expected in the new one";
      await refused(() => log.append("x", { expectedSeq }), "SEQLOG_CONFLICT", rule, facts);
      same(await textsIn(log), [], "nothing is appended");
    },
  },
  {
    name: "a reset is still there after closing and opening",
    async run(t) {
      const log = await t.open();
      await fill(log, 20, 100);
      await log.reset();
      const { id } = await log.append("new");
      const { generation } = log;
      const again = await t.reopen(log);
      same(again.generation, generation, "the generation is what it was");
      same(
        (await readAll(again)).map((record) => record.id),
        [id],
        "only the new generation is there",
      );
      await again.reset();
      holds(again.generation > generation, "the generation goes on growing");
    },
  },
];
