/** What goes by itself: nothing within a limit, all that is beyond it but for a unit, and nothing that a consumer needs. */
import type { Log } from "../../log/log.ts";
import type { CaseBody } from "./conformance-case.ts";
import { holds, refusedAs, same } from "./rules.ts";
import { fill, readAll } from "./stored.ts";

const count = 400;
const length = 120;

/** What a log may hold beyond a limit: its unit is well below 16 KiB. */
const unitBytes = 16 * 1024;
const unitRecords = Math.floor(unitBytes / length);

async function keptOf(log: Log): Promise<number> {
  return (await log.stats()).records;
}

export const retentionCases: readonly CaseBody[] = [
  {
    name: "as many records as maxRecords are kept, and not many more",
    needs: "openRetaining",
    async run(t) {
      const log = await t.openRetaining({ maxRecords: 100 });
      const all = await fill(log, count, length);
      await log.trim();
      const kept = await keptOf(log);
      holds(kept >= 100, `what lies within maxRecords stays; ${kept} of 100 did`);
      holds(kept <= 100 + unitRecords, `what lies far beyond maxRecords goes; ${kept} records are there`);
      same(log.nextSeq, count, "retention leaves the end where it is");
      same(await readAll(log), all.slice(-kept), "what is kept is read as it was");
    },
  },
  {
    name: "as many bytes as maxBytes are kept, and not many more",
    needs: "openRetaining",
    async run(t) {
      const maxBytes = 20_000;
      const log = await t.openRetaining({ maxBytes });
      const all = await fill(log, count, length);
      await log.trim();
      const { bytes, records } = await log.stats();
      holds(bytes >= maxBytes, `what lies within maxBytes stays; ${bytes} of ${maxBytes} bytes did`);
      holds(bytes <= maxBytes + unitBytes, `what lies far beyond maxBytes goes; ${bytes} bytes are there`);
      same(await readAll(log), all.slice(-records), "what is kept is read as it was");
    },
  },
  {
    name: "records go without a trim, as others are appended",
    needs: "openRetaining",
    async run(t) {
      const log = await t.openRetaining({ maxRecords: 10 });
      for (let i = 0; log.firstSeq === 0 && !t.isOver; i++) await log.append(`record ${i}`.padEnd(length));
      const { firstSeq, nextSeq } = log;
      holds(nextSeq - firstSeq >= 10, "what lies within maxRecords stays");
      same(await keptOf(log), log.nextSeq - log.firstSeq, "stats counts what is kept");
    },
  },
  {
    name: "a limit that is not reached removes nothing",
    needs: "openRetaining",
    async run(t) {
      const limits = { maxRecords: count, maxBytes: 1e12 };
      const log = await t.openRetaining(limits);
      const [first] = await fill(log, count, length);
      same(await log.trim(), { removed: 0 }, "nothing is beyond a limit");
      await log.close();
      if (first === undefined || Number.isNaN(first.time)) return;
      const aging = await t.openRetaining({ ...limits, maxAgeMs: 1e12 });
      same(await aging.trim(), { removed: 0 }, "nothing is older than the limit");
      same(aging.firstSeq, 0, "the first record is there");
    },
  },
  {
    name: "what a protected consumer has not acknowledged stays, and it is said for whom, unless with force",
    needs: "openRetaining",
    async run(t) {
      const log = await t.openRetaining({ maxRecords: 10, protect: "consumers" });
      const consumer = await log.consumer("billing", { from: "start" });
      await fill(log, count, length);
      for await (const delivery of consumer) {
        await delivery.ack();
        if (delivery.seq === 149) break;
      }
      await consumer.close();
      const { heldBack } = await log.trim();
      holds(log.firstSeq > 0, "what it has acknowledged goes");
      holds(log.firstSeq <= 150, "what it has not acknowledged stays");
      same(heldBack?.by?.consumer, "billing", "trim says for whom");
      const needed = heldBack?.by?.nextSeq ?? Infinity;
      // A log may hold on to the checkpoint before the last one.
      holds(needed > 0 && needed <= 150, `trim says what it needs first; it says ${needed}`);
      holds((heldBack?.records ?? 0) > 0 && (heldBack?.bytes ?? 0) > 0, "trim says how much");
      const { retention } = await log.stats();
      same(retention?.heldBack.records, heldBack?.records, "stats says the same");
      same(retention?.heldBack.by, heldBack?.by, "stats says the same");
      same((await log.trim({ before: 300 })).heldBack?.by, heldBack?.by, "a position makes no difference");
      holds(log.firstSeq <= 150, "what it has not acknowledged still stays");
      const forced = await log.trim({ force: true });
      holds(forced.removed > 0 && log.firstSeq > 150, "with force it goes");
      same(forced.heldBack, undefined, "with force nothing is held back");
      await log.deleteConsumer("billing");
      same((await log.stats()).retention, { heldBack: { records: 0, bytes: 0 } }, "nobody holds back anything");
    },
  },
  {
    name: "without a limit nothing goes, and trim without a position is a TypeError",
    needs: "openRetaining",
    async run(t) {
      const log = await t.openRetaining({ protect: "consumers" });
      await fill(log, count, length);
      await refusedAs(() => log.trim(), TypeError, "trim without a position needs a limit");
      same(log.firstSeq, 0, "nothing went");
      await log.close();
      const without = await t.open();
      await refusedAs(() => without.trim(), TypeError, "trim without a position needs retention");
      same(await keptOf(without), count, "nothing went");
    },
  },
];
