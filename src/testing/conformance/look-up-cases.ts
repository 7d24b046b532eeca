/** One record by its number, by its id, by its time. */
import type { CaseBody } from "./conformance-case.ts";
import { given, outcomeOf, refused, refusedAs, same } from "./rules.ts";
import { type Stored, collect, fill, readAll, stored } from "./stored.ts";

/** UUIDs that no record of a new log has: of version 4, and of version 7 of 1970, of 2200. */
const unknownIds = [
  "11111111-1111-4111-8111-111111111111",
  "00000000-0000-7000-8000-000000000001",
  "0699e0a4-4800-7000-8000-000000000001",
];

/** The first record at or after a time. */
function firstAt(records: readonly Stored[], ms: number, nextSeq: number): number {
  return records.find(({ time }) => time >= ms)?.seq ?? nextSeq;
}

export const lookUpCases: readonly CaseBody[] = [
  {
    name: "get gives any record by its seq, as a read gives it",
    async run(t) {
      const log = await t.open();
      const records = await fill(log, 40, 100);
      same(await readAll(log), records, "a read gives what was appended");
      for (const record of records.toReversed()) {
        const found = given(await log.get(record.seq), `get gives record ${record.seq}`);
        same(stored(found), record, "get gives the record as it was appended");
        same(found.data, found.bytes, "without a codec data is bytes");
      }
    },
  },
  {
    name: "get gives undefined at the next seq and beyond",
    async run(t) {
      const log = await t.open();
      same(await log.get(0), undefined, "an empty log has no record 0");
      await fill(log, 3);
      for (const seq of [log.nextSeq, log.nextSeq + 1, Number.MAX_SAFE_INTEGER]) {
        same(await log.get(seq), undefined, `there is no record ${seq}`);
      }
    },
  },
  {
    name: "get of what is no seq is a RangeError",
    async run(t) {
      const log = await t.open();
      await fill(log, 1);
      for (const seq of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
        await refusedAs(() => log.get(seq), RangeError, `get(${seq}) is a RangeError`);
      }
    },
  },
  {
    name: "find gives the record with an id, in whatever case it is written, and undefined for others",
    async run(t) {
      const log = await t.open();
      for (const id of unknownIds) await findOrUnsupported(id, undefined, "an empty log finds nothing");
      const records = await fill(log, 40, 100);
      for (const record of records) {
        await findOrUnsupported(record.id, record, "find gives the record with an id");
        await findOrUnsupported(record.id.toUpperCase(), record, "an id may be written in upper case");
      }
      for (const id of unknownIds) await findOrUnsupported(id, undefined, "an id that no record has finds nothing");

      async function findOrUnsupported(id: string, wanted: Stored | undefined, rule: string): Promise<void> {
        const outcome = await outcomeOf(log.find(id));
        if ("error" in outcome && !log.supports.findById) {
          return refused(Promise.resolve(outcome), "SEQLOG_UNSUPPORTED", "a log may be unable to find by id");
        }
        if ("error" in outcome) throw outcome.error;
        const found = outcome.value === undefined ? undefined : stored(outcome.value);
        same(found, wanted, rule);
      }
    },
  },
  {
    name: "find of what is no UUID is a TypeError",
    async run(t) {
      const log = await t.open();
      await fill(log, 1);
      for (const id of ["", "1", "11111111-1111-4111-8111-11111111111", "zzzzzzzz-1111-4111-8111-111111111111"]) {
        await refusedAs(() => log.find(id), TypeError, `find(${JSON.stringify(id)}) is a TypeError`);
      }
    },
  },
  {
    name: "seqAt gives the first record at or after a time, and reads begin and end there",
    async run(t) {
      const log = await t.open();
      const records: Stored[] = [];
      for (let i = 0; i < 4; i++) records.push(...(await fill(log, 10)));
      // Ids of version 4 hold no time.
      if (Number.isNaN(records[0]?.time)) {
        await refused(() => log.seqAt(new Date()), "SEQLOG_UNSUPPORTED", "without times seqAt is SEQLOG_UNSUPPORTED");
        return;
      }
      const times = [...new Set(records.flatMap(({ time }) => [time - 1, time, time + 1])), 0, 8.64e15];
      for (const ms of times) {
        const time = new Date(ms);
        const first = firstAt(records, ms, log.nextSeq);
        same(await log.seqAt(time), first, "seqAt gives the first record at or after a time");
        const from = (await readAll(log, { from: time })).map(({ seq }) => seq);
        const wantedFrom = records.map(({ seq }) => seq).filter((seq) => seq >= first);
        same(from, wantedFrom, "a read from a time begins with the first record at or after it");
        const to = (await readAll(log, { to: time, reverse: true })).map(({ seq }) => seq);
        const wantedTo = records.map(({ seq }) => seq).filter((seq) => seq < first);
        same(to, wantedTo.toReversed(), "a read to a time ends before the first record at or after it");
      }
    },
  },
  {
    name: "seqAt of an invalid Date is a RangeError",
    async run(t) {
      const log = await t.open();
      await fill(log, 1);
      await refusedAs(() => log.seqAt(new Date(Number.NaN)), RangeError, "an invalid Date is a RangeError");
    },
  },
  {
    name: "stats counts records, their bytes, and says where the log begins and ends",
    async run(t) {
      const log = await t.open();
      const empty = await log.stats();
      same([empty.firstSeq, empty.nextSeq, empty.records], [0, 0, 0], "an empty log has no records");
      const records = await fill(log, 30, 100);
      const full = await log.stats();
      same([full.firstSeq, full.nextSeq], [log.firstSeq, log.nextSeq], "stats and the log agree on both ends");
      same(full.records, records.length, "stats counts the records");
      same(full.bytes - empty.bytes >= 30 * 100, true, "bytes counts the records' data, headers included");
      same(Number.isInteger(full.segments), true, "segments is a whole number");
      same((await collect(log.read())).length, full.records, "a read gives as many records as stats counts");
    },
  },
];
