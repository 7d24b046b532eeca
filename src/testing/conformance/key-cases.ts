/** Appends with an idempotency key. */
import type { Appended, Log } from "../../log/log.ts";
import type { CaseBody } from "./conformance-case.ts";
import { refused, refusedAs, same } from "./rules.ts";
import { textsIn } from "./stored.ts";

/** What of an answer must be the same each time. */
function placeOf({ seq, id, time }: Appended): unknown {
  return { seq, id, time: time.getTime() };
}

/** Appends it again, and checks that nothing is. */
async function repeat(log: Log, data: string, key: string, first: Appended, when: string): Promise<void> {
  const again = await log.append(data, { key });
  same(again.duplicate, true, `the same key is a duplicate ${when}`);
  same(placeOf(again), placeOf(first), `the same key gives the record that was appended first ${when}`);
}

export const keyCases: readonly CaseBody[] = [
  {
    name: "the same key gives the record that was appended first, and appends nothing, also after an open",
    async run(t) {
      let log = await t.open();
      if (!log.supports.keys) return;
      const first = await log.append("a", { key: "key a" });
      same(first.duplicate, false, "the first of a key is no duplicate");
      same((await log.append("a")).duplicate, false, "the same data without a key is no duplicate");
      same(
        (await log.append("a", { key: "key b" })).duplicate,
        false,
        "the same data with another key is no duplicate",
      );
      await repeat(log, "a", "key a", first, "at once");
      log = await t.reopen(log);
      await repeat(log, "a", "key a", first, "after an open");
      same(await textsIn(log), ["a", "a", "a"], "a duplicate is not stored");
      same((await log.find(first.id))?.seq, first.seq, "the record of a key is found by its id");
    },
  },
  {
    name: "of many that append with one key at the same time one appends, and all get its record",
    async run(t) {
      const log = await t.open();
      if (!log.supports.keys) return;
      const appended = await Promise.all(Array.from({ length: 20 }, () => log.append("a", { key: "k" })));
      same(appended.filter(({ duplicate }) => !duplicate).length, 1, "one of many with one key is no duplicate");
      const places = appended.map(placeOf);
      same(
        places,
        places.map(() => places[0]),
        "all of many with one key get the same record",
      );
      same(await textsIn(log), ["a"], "of many with one key one is stored");
    },
  },
  {
    name: "a key with other data is SEQLOG_KEY_REUSED with the first record's seq and id",
    async run(t) {
      const log = await t.open();
      if (!log.supports.keys) return;
      const pending = log.append("data", { key: "k" });
      const atOnce = log.append("date", { key: "k" }).then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      );
      const { seq, id } = await pending;
      await refused(atOnce, "SEQLOG_KEY_REUSED", "other data with the key of an append in flight", { seq, id });
      for (const data of ["date", "dat", ""]) {
        const rule = `a key of "data" with ${JSON.stringify(data)} is reused`;
        await refused(() => log.append(data, { key: "k" }), "SEQLOG_KEY_REUSED", rule, { seq, id });
      }
      same(await textsIn(log), ["data"], "of data with the key of other data nothing is stored");
    },
  },
  {
    name: "a key goes before expectedSeq",
    async run(t) {
      const log = await t.open();
      if (!log.supports.keys) return;
      const { nextSeq } = log;
      const first = await log.append("a", { key: "k", expectedSeq: nextSeq });
      await log.append("b");
      const again = await log.append("a", { key: "k", expectedSeq: nextSeq });
      same(placeOf(again), placeOf(first), "a duplicate is the answer though the log has moved on");
      const work = (): Promise<Appended> => log.append("c", { key: "new", expectedSeq: nextSeq });
      await refused(work, "SEQLOG_CONFLICT", "with a new key expectedSeq decides");
      same((await log.append("c", { key: "new" })).duplicate, false, "a conflict leaves the key free");
    },
  },
  {
    name: "what is no key is refused, a batch takes none, and nothing is appended",
    async run(t) {
      const log = await t.open();
      if (!log.supports.keys) return;
      for (const key of ["", "k".repeat(1025), new Uint8Array(0), new Uint8Array(1025)]) {
        await refusedAs(() => log.append("a", { key }), RangeError, `a key of ${key.length} bytes is a RangeError`);
      }
      for (const key of [7, null, {}, "\ud800"]) {
        const work = (): Promise<unknown> => log.append("a", { key: key as string });
        await refusedAs(work, TypeError, `the key ${JSON.stringify(key)} is a TypeError`);
      }
      const options = { key: "k" } as { expectedSeq?: number };
      await refusedAs(() => log.appendBatch(["a"], options), TypeError, "a batch with a key is a TypeError");
      same(log.nextSeq, 0, "nothing is appended");
    },
  },
  {
    name: "a reset forgets all keys",
    async run(t) {
      const log = await t.open();
      if (!log.supports.keys) return;
      await log.append("a", { key: "k" });
      const reset = log.reset();
      const after = log.append("a", { key: "k" });
      await reset;
      same((await after).duplicate, false, "a key of before a reset is free from the call of reset on");
      same(await textsIn(log), ["a"], "what is appended after a reset is stored");
    },
  },
  {
    name: "keys are known after a crash",
    needs: "crash",
    async run(t) {
      const log = await t.open();
      if (!log.supports.keys) return;
      const first = await log.append("a", { key: "k" });
      const opened = await t.crashAndOpen(log);
      await repeat(opened, "a", "k", first, "after a crash");
      same(await textsIn(opened), ["a"], "a duplicate is not stored after a crash");
    },
  },
  {
    name: "where keys are not supported an append with one is SEQLOG_UNSUPPORTED",
    async run(t) {
      const log = await t.open();
      if (log.supports.keys) return;
      await refused(() => log.append("a", { key: "k" }), "SEQLOG_UNSUPPORTED", "a key where there are none");
      same(log.nextSeq, 0, "nothing is appended");
    },
  },
];
