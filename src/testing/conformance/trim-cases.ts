/** Removing records from the front. How many go is the log's own affair, within the bounds checked here. */
import type { Log } from "../../log/log.ts";
import type { Position } from "../../segment/positions.ts";
import type { CaseBody } from "./conformance-case.ts";
import { given, holds, outcomeOf, refused, refusedAs, same } from "./rules.ts";
import { type Stored, collect, fill, next, readAll, stored } from "./stored.ts";

const count = 160;

/** More than 16 KiB: every log can remove some of it. */
async function fillToTrim(log: Log): Promise<Stored[]> {
  return await fill(log, count, 120);
}

function from(records: readonly Stored[], seq: number): Stored[] {
  return records.filter((record) => record.seq >= seq);
}

export const trimCases: readonly CaseBody[] = [
  {
    name: "trim removes records before its position, none at or after it, and says how many",
    async run(t) {
      const log = await t.open();
      const all = await fillToTrim(log);
      const before = given(all[123], "appended").seq;
      const { nextSeq } = log;
      const { removed } = await log.trim({ before });
      holds(log.firstSeq > 0, "trim removes something of 16 KiB");
      holds(log.firstSeq <= before, "trim removes nothing at or after its position");
      const kept = from(all, log.firstSeq);
      same(removed, count - kept.length, "removed counts the records that went");
      same(log.nextSeq, nextSeq, "trim leaves the end where it is");
      same(await readAll(log), kept, "what is kept is read as it was");
      same(await readAll(log, { reverse: true }), kept.toReversed(), "what is kept is read as it was, in reverse");
      const { firstSeq, records } = await log.stats();
      same([firstSeq, records], [log.firstSeq, kept.length], "stats counts what is kept");
      const again = await log.trim({ before });
      same(again.removed, 0, "the same trim again removes nothing");
    },
  },
  {
    name: "a record that was removed is SEQLOG_TRIMMED, which names the first one available",
    async run(t) {
      const log = await t.open();
      const all = await fillToTrim(log);
      await log.trim({ before: "end" });
      const { firstSeq } = log;
      const facts = { firstSeq };
      const kept = from(all, firstSeq);
      await refused(() => log.get(0), "SEQLOG_TRIMMED", "get of a removed record is SEQLOG_TRIMMED", facts);
      await refused(
        () => log.get(firstSeq - 1),
        "SEQLOG_TRIMMED",
        "get of the last removed record is SEQLOG_TRIMMED",
        facts,
      );
      await refused(
        () => collect(log.read({ from: 0 })),
        "SEQLOG_TRIMMED",
        "a read from a removed record is SEQLOG_TRIMMED",
        facts,
      );
      const live = async (): Promise<unknown> => log.read({ from: 0, live: true }).next();
      await refused(live, "SEQLOG_TRIMMED", "a live read from a removed record is SEQLOG_TRIMMED", facts);
      const backward = log.read({ from: 0, reverse: true });
      const found = (await next(backward, kept.length)).map(stored);
      same(found, kept.toReversed(), "a read in reverse gives what is there first");
      await refused(
        () => collect(backward),
        "SEQLOG_TRIMMED",
        "a read in reverse down to a removed record is SEQLOG_TRIMMED",
        facts,
      );
      same(await readAll(log, { from: { last: 10_000 } }), kept, "the last n begin with what is there");
      if (!log.supports.findById) return;
      const id = given(all[0], "appended").id;
      same(await log.find(id), undefined, "find does not give a removed record");
      await refusedAs(
        async () => log.read({ from: { id } }).next(),
        RangeError,
        "a removed record's id is no position",
      );
    },
  },
  {
    name: "trim to the end, or past it, keeps the next seq: seqs are never used again",
    async run(t) {
      const log = await t.open();
      const all = await fillToTrim(log);
      const { nextSeq } = log;
      await log.trim({ before: "end" });
      const { removed } = await log.trim({ before: nextSeq + 1000 });
      same(removed, 0, "past the end there is nothing more to remove");
      same(log.nextSeq, nextSeq, "trim leaves the end where it is");
      holds(log.firstSeq <= nextSeq, "firstSeq does not pass the end");
      const { seq, id } = await log.append("next");
      same(seq, nextSeq, "the next record gets the next seq, as if nothing had been removed");
      const ids = (await readAll(log)).map((record) => record.id);
      same(ids, [...from(all, log.firstSeq).map((record) => record.id), id], "it is read behind what is kept");
    },
  },
  {
    name: "trim takes every kind of position, and before the first record removes nothing",
    async run(t) {
      const log = await t.open();
      const all = await fillToTrim(log);
      const none: Position[] = ["start", 0, { last: 10_000 }];
      const first = given(all[0], "appended");
      if (!Number.isNaN(first.time)) none.push(new Date(0));
      if (log.supports.findById) none.push({ id: first.id });
      for (const before of none) {
        same((await log.trim({ before })).removed, 0, `trim before ${JSON.stringify(before)} removes nothing`);
      }
      const some: [Position, number][] = [[{ last: 80 }, log.nextSeq - 80]];
      const later = given(all[140], "appended");
      if (log.supports.findById) some.push([{ id: later.id }, later.seq]);
      for (const [before, seq] of some) {
        const { firstSeq } = log;
        await log.trim({ before });
        holds(log.firstSeq > firstSeq, `trim before ${JSON.stringify(before)} removes some`);
        // Where there are holes the n-th record from the end may lie further back.
        holds(log.firstSeq <= seq || !log.supports.dense, `trim before ${JSON.stringify(before)} stays before it`);
        same(await readAll(log), from(all, log.firstSeq), "what is kept is read as it was");
      }
    },
  },
  {
    name: "a trim is still there after closing and opening",
    async run(t) {
      const log = await t.open();
      const all = await fillToTrim(log);
      await log.trim({ before: "end" });
      const { firstSeq, nextSeq } = log;
      const again = await t.reopen(log);
      same([again.firstSeq, again.nextSeq], [firstSeq, nextSeq], "both ends are where they were");
      same(await readAll(again), from(all, firstSeq), "what was kept is read as it was");
      await refused(() => again.get(0), "SEQLOG_TRIMMED", "a removed record stays removed", { firstSeq });
      same((await again.append("next")).seq, nextSeq, "seqs go on");
    },
  },
  {
    name: "a reader that a trim overtakes is told, or has every record: it never passes over one in silence",
    async run(t) {
      const log = await t.open();
      const all = await fillToTrim(log);
      for (const options of [{}, { live: true, to: log.nextSeq }] as const) {
        const reader = log.read({ ...options, from: log.firstSeq });
        const wanted = from(all, log.firstSeq);
        const found = (await next(reader, 1)).map(stored);
        await log.trim({ before: options.live === true ? "end" : given(all[80], "appended").seq });
        let error: unknown;
        for (;;) {
          const step = await outcomeOf(reader.next());
          if ("error" in step) error = step.error;
          if ("error" in step || step.value.done === true) break;
          found.push(stored(step.value.value));
        }
        same(found, wanted.slice(0, found.length), "an overtaken reader gives records one after the other");
        if (error === undefined) {
          same(found.length, wanted.length, "a read that ends normally has given all");
        } else {
          const facts = { firstSeq: log.firstSeq };
          await refused(Promise.resolve({ error }), "SEQLOG_TRIMMED", "an overtaken reader is told", facts);
        }
      }
    },
  },
];
