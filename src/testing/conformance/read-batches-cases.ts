/** The same reads in batches. */
import type { Log } from "../../log/log.ts";
import type { LogRecord, RecordBatch } from "../../segment/log-record.ts";
import type { ReadOptions } from "../../segment/positions.ts";
import type { CaseBody } from "./conformance-case.ts";
import { given, holds, refusedAs, same, thrownBy } from "./rules.ts";
import { type Stored, collect, decode, fill, readAll, stored } from "./stored.ts";

async function batchesOf(log: Log, options: ReadOptions & { maxBytes?: number }): Promise<RecordBatch[]> {
  return await collect(log.readBatches(options));
}

function recordsOf(batches: readonly RecordBatch[]): Stored[] {
  return batches.flatMap((batch) => [...batch].map((record: LogRecord) => stored(record)));
}

export const readBatchesCases: readonly CaseBody[] = [
  {
    name: "readBatches gives the same records as read, forward and in reverse, whatever the range",
    async run(t) {
      const log = await t.open();
      const all = await fill(log, 60, 100);
      const [from, to] = [given(all[10], "appended").seq, given(all[50], "appended").seq];
      const ranges: readonly ReadOptions[] = [
        {},
        { from, to },
        { from: { last: 7 } },
        { from, limit: 5 },
        { limit: 0 },
      ];
      for (const range of ranges) {
        for (const options of [range, { ...range, reverse: true, live: false } as const]) {
          const wanted = await readAll(log, options);
          const name = JSON.stringify(options);
          same(recordsOf(await batchesOf(log, options)), wanted, `readBatches(${name}) gives what read gives`);
          const small = recordsOf(await batchesOf(log, { ...options, maxBytes: 300 }));
          same(small, wanted, `readBatches(${name}) in small batches gives what read gives`);
        }
      }
    },
  },
  {
    name: "a batch says its first seq and its count, and gives each record whole, as bytes and as data",
    async run(t) {
      const log = await t.open();
      await fill(log, 60, 100);
      for (const reverse of [false, true]) {
        const options: ReadOptions = reverse ? { reverse } : {};
        for (const batch of await batchesOf(log, { ...options, maxBytes: 2000 })) {
          const records = [...batch];
          same(batch.count, records.length, "count is how many records it iterates over");
          same(batch.first, records[0]?.seq, "first is the seq of record 0, in the order of the read");
          const data = records.reduce((sum, { bytes }) => sum + bytes.length, 0);
          holds(batch.byteLength >= data, "byteLength counts the records' data, headers included");
          for (const [i, record] of records.entries()) {
            same(stored(batch.recordAt(i)), stored(record), "recordAt gives what the iteration gives");
            same(decode(batch.bytesAt(i)), decode(record.bytes), "bytesAt gives the record's bytes");
            same(decode(batch.dataAt(i)), decode(record.bytes), "without a codec dataAt gives the bytes");
          }
        }
      }
    },
  },
  {
    name: "maxBytes bounds a batch, unless one record is larger",
    async run(t) {
      const log = await t.open();
      await fill(log, 30, 100);
      await log.append(new Uint8Array(5000));
      for (const batch of await batchesOf(log, { maxBytes: 1000 })) {
        const data = [...batch].reduce((sum, { bytes }) => sum + bytes.length, 0);
        holds(data <= 1000 || batch.count === 1, "a batch holds at most maxBytes, or one record");
      }
      const counts = (await batchesOf(log, { maxBytes: 1 })).map((batch) => batch.count);
      same(
        counts,
        Array.from({ length: 31 }, () => 1),
        "with maxBytes 1 each record is a batch",
      );
    },
  },
  {
    name: "maxBytes that is no size, and a place outside the batch, are RangeErrors",
    async run(t) {
      const log = await t.open();
      await fill(log, 3);
      for (const maxBytes of [0, -1, 1.5, Number.NaN]) {
        await refusedAs(
          async () => log.readBatches({ maxBytes }).next(),
          RangeError,
          `maxBytes ${maxBytes} is a RangeError`,
        );
      }
      const [batch] = await batchesOf(log, {});
      const { count } = given(batch, "three records are a batch");
      for (const i of [-1, 0.5, count]) {
        for (const call of [() => batch?.bytesAt(i), () => batch?.dataAt(i), () => batch?.recordAt(i)]) {
          const error = thrownBy(call, `record ${i} of a batch of ${count} is a RangeError`);
          holds(error instanceof RangeError, `record ${i} of a batch of ${count} is a RangeError`);
        }
      }
    },
  },
];
