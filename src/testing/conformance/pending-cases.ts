/** What is accepted and not acknowledged: its bound, and waiting for it. */
import type { CaseBody } from "./conformance-case.ts";
import { holds, outcomeOf, refused, rejectedWith, same } from "./rules.ts";
import { fill, readAll, textOf, textsIn } from "./stored.ts";

export const pendingCases: readonly CaseBody[] = [
  {
    name: "more unacknowledged bytes than maxPendingBytes are SEQLOG_QUEUE_FULL, and only those are refused",
    async run(t) {
      const maxPendingBytes = 1000;
      const log = await t.open({ maxPendingBytes });
      const texts = Array.from({ length: 50 }, (_, i) => textOf(i, 100));
      // In one turn, so that none can be acknowledged between them.
      const outcomes = await Promise.all(texts.map((text) => outcomeOf(log.append(text))));
      const accepted = texts.filter((_, i) => "value" in (outcomes[i] as object));
      holds(accepted.length >= 1, "what has room is accepted");
      holds(accepted.length * 100 <= maxPendingBytes, "no more than maxPendingBytes are accepted at once");
      for (const outcome of outcomes) {
        if ("value" in outcome) continue;
        await refused(Promise.resolve(outcome), "SEQLOG_QUEUE_FULL", "what has no room is SEQLOG_QUEUE_FULL");
        const { pendingBytes } = (outcome.error as { facts: { pendingBytes: number } }).facts;
        holds(pendingBytes > 0 && pendingBytes <= maxPendingBytes, "facts.pendingBytes says how much is waiting");
      }
      same(await textsIn(log), accepted, "what was accepted is stored, in order, and nothing that was refused");
      await log.append("later");
      same((await textsIn(log)).at(-1), "later", "when there is room again appends pass");
    },
  },
  {
    name: "of a batch without room nothing is taken",
    async run(t) {
      const log = await t.open({ maxPendingBytes: 1000 });
      const first = log.append(textOf(0, 800));
      const batch = outcomeOf(log.appendBatch([textOf(1, 10), textOf(2, 500)]));
      await refused(batch, "SEQLOG_QUEUE_FULL", "a batch without room is SEQLOG_QUEUE_FULL");
      await first;
      same(await textsIn(log), [textOf(0, 800)], "of a batch without room nothing is stored");
    },
  },
  {
    name: "a record or a batch larger than maxPendingBytes passes when nothing else waits",
    async run(t) {
      const log = await t.open({ maxPendingBytes: 100 });
      await log.append(textOf(0, 1000));
      await log.appendBatch([textOf(1, 1000), textOf(2, 1000)]);
      same((await readAll(log)).length, 3, "alone, a record of any size passes");
    },
  },
  {
    name: "with ready a program appends without end and without waiting for each",
    async run(t) {
      const log = await t.open({ maxPendingBytes: 2000 });
      const appends: Promise<unknown>[] = [];
      for (let i = 0; i < 200; i++) {
        await log.ready();
        appends.push(log.append(textOf(i, 100)));
      }
      const outcomes = await Promise.all(appends.map((append) => outcomeOf(append)));
      const refusals = outcomes.filter((outcome) => "error" in outcome);
      same(refusals, [], "an append right after ready is not refused");
      same((await readAll(log)).length, 200, "every append is stored");
    },
  },
  {
    name: "a signal ends the wait for room with its reason",
    async run(t) {
      const log = await t.open({ maxPendingBytes: 100 });
      const reason = new Error("no longer wanted");
      await rejectedWith(
        () => log.ready(AbortSignal.abort(reason)),
        reason,
        "ready rejects with the reason of an aborted signal",
      );
      const append = log.append(textOf(0, 1000));
      const abort = new AbortController();
      const aborted = outcomeOf(log.ready(abort.signal));
      const other = log.ready();
      abort.abort(reason);
      await rejectedWith(aborted, reason, "an abort ends the wait for room with its reason");
      await other;
      await append;
      same((await readAll(log)).length, 1, "the append is not aborted");
    },
  },
  {
    name: "flush resolves when all that was appended before is acknowledged",
    async run(t) {
      const log = await t.open();
      await log.flush();
      const appends = fill(log, 50);
      await log.flush();
      const found = (await readAll(log)).length;
      same(found, 50, "after flush everything appended before it is there");
      same((await appends).length, 50, "every append resolves");
      await log.flush();
      same(log.nextSeq > 0, true, "flush on a log with nothing waiting resolves");
    },
  },
];
