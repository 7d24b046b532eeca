/** How reads end before their range does: by abort, by return, by close. */
import type { ReadOptions } from "../../segment/positions.ts";
import type { CaseBody } from "./conformance-case.ts";
import { given, outcomeOf, refused, rejectedWith, same } from "./rules.ts";
import { collect, fill, next } from "./stored.ts";

const directions: readonly [string, ReadOptions][] = [
  ["forward", {}],
  ["in reverse", { reverse: true }],
  ["live", { live: true }],
];

export const endOfReadCases: readonly CaseBody[] = [
  {
    name: "a signal that was aborted before rejects the first step with its reason",
    async run(t) {
      const log = await t.open();
      await fill(log, 3);
      const reason = new Error("no longer wanted");
      for (const [name, options] of directions) {
        const signal = AbortSignal.abort(reason);
        const rule = `an aborted signal rejects the first step of a read ${name} with its reason`;
        await rejectedWith(async () => log.read({ ...options, signal }).next(), reason, rule);
        await rejectedWith(async () => log.readBatches({ ...options, signal }).next(), reason, `${rule} (batches)`);
      }
    },
  },
  {
    name: "an abort between two records rejects the next step with its reason; then the read is done",
    async run(t) {
      const log = await t.open();
      await fill(log, 20, 100);
      for (const [name, options] of directions) {
        const reason = { name };
        const abort = new AbortController();
        const reader = log.read({ ...options, signal: abort.signal });
        await next(reader, 2);
        abort.abort(reason);
        await rejectedWith(() => reader.next(), reason, `an abort ends a read ${name} with its reason`);
        same((await reader.next()).done, true, "a read that was aborted is done");
      }
    },
  },
  {
    name: "an abort ends the wait of a live read with its reason",
    async run(t) {
      const log = await t.open();
      await fill(log, 1);
      const reason = { any: "value" };
      const abort = new AbortController();
      const reader = log.read({ live: true, signal: abort.signal });
      await next(reader, 1);
      const waiting = outcomeOf(reader.next());
      abort.abort(reason);
      await rejectedWith(waiting, reason, "an abort ends the wait of a live read with its reason");
      same((await reader.next()).done, true, "a read that was aborted is done");
    },
  },
  {
    name: "return ends the wait of a live read normally",
    async run(t) {
      const log = await t.open();
      await fill(log, 1);
      const reader = log.read({ live: true });
      await next(reader, 1);
      const waiting = reader.next();
      same((await reader.return?.())?.done, true, "return says done");
      same((await waiting).done, true, "a step that waits is done after return");
      await log.append("later");
      same((await reader.next()).done, true, "a read that was left stays done");
    },
  },
  {
    name: "close ends live reads normally, those that wait and those that are behind",
    async run(t) {
      const log = await t.open();
      const all = await fill(log, 20, 100);
      const waiting = log.read({ live: true, from: given(all.at(-1), "appended").seq });
      await next(waiting, 1);
      const step = outcomeOf(waiting.next());
      const behind = log.read({ live: true });
      await next(behind, 1);
      await log.close();
      const outcome = await step;
      if ("error" in outcome) throw outcome.error;
      same(outcome.value.done, true, "close ends a live read that waits, normally");
      const rest = (await collect(behind)).map(({ seq }) => seq);
      const wanted = all.slice(1, 1 + rest.length).map(({ seq }) => seq);
      same(rest, wanted, "a live read that is behind ends normally, without passing over a record");
    },
  },
  {
    name: "close rejects finite reads that are under way, instead of cutting them short",
    async run(t) {
      const log = await t.open();
      await fill(log, 40, 100);
      const readers = [log.read(), log.read({ reverse: true })];
      for (const reader of readers) await next(reader, 2);
      await log.close();
      for (const reader of readers) {
        const facts = { path: log.location };
        await refused(() => collect(reader), "SEQLOG_CLOSED", "close rejects a finite read that is under way", facts);
        same((await reader.next()).done, true, "a read that was rejected is done");
      }
    },
  },
];
