/** What a crash leaves. Left out where the target has no `crash`. */
import type { Log } from "../../log/log.ts";
import type { CaseBody } from "./conformance-case.ts";
import { holds, same } from "./rules.ts";
import { type Stored, fill, readAll, textOf } from "./stored.ts";

/** A log in memory promises nothing. */
function isDurable(log: Log): boolean {
  return log.supports.durability !== "memory";
}

export const crashCases: readonly CaseBody[] = [
  {
    name: "what was acknowledged is there after a crash, as it was, and appends go on behind it",
    needs: "crash",
    async run(t) {
      let log = await t.open();
      if (!isDurable(log)) return;
      const all: Stored[] = [];
      for (let round = 0; round < 3; round++) {
        all.push(...(await fill(log, 25, 100)));
        await log.appendBatch(["a", "b"]);
        all.push(...(await readAll(log)).slice(-2));
        log = await t.crashAndOpen(log);
        same(await readAll(log), all, "every acknowledged record is there after a crash, and nothing else");
        holds(log.nextSeq > (all.at(-1)?.seq ?? 0), "seqs go on behind what was acknowledged");
      }
    },
  },
  {
    name: "of appends under way a crash leaves a prefix that holds all that were acknowledged",
    needs: "crash",
    async run(t) {
      const log = await t.open();
      if (!isDurable(log)) return;
      const ids = new Map<number, string>();
      const appends = Array.from({ length: 60 }, async (_, i) => {
        const { id } = await log.append(textOf(i, 500));
        ids.set(i, id);
      });
      // The crash takes them; what they end with, if they do, is nobody's.
      for (const append of appends) append.catch(() => undefined);
      await appends[0];
      const acknowledged = [...ids];
      const again = await t.crashAndOpen(log);
      const found = await readAll(again);
      same(
        found.map(({ text }) => text),
        found.map((_, i) => textOf(i, 500)),
        "what is found is a prefix of the appends",
      );
      for (const [i, id] of acknowledged) same(found[i]?.id, id, "what was acknowledged is in it, with its id");
      const { seq } = await again.append("next");
      holds(seq > (found.at(-1)?.seq ?? -1), "appends go on behind it");
      same(await readAll(await t.reopen(again)).then((all) => all.length), found.length + 1, "and are there");
    },
  },
  {
    name: "a trim and a reset that were acknowledged are there after a crash",
    needs: "crash",
    async run(t) {
      const log = await t.open();
      if (!isDurable(log)) return;
      const all = await fill(log, 160, 120);
      await log.trim({ before: "end" });
      const { firstSeq, nextSeq } = log;
      const trimmed = await t.crashAndOpen(log);
      same([trimmed.firstSeq, trimmed.nextSeq], [firstSeq, nextSeq], "a crash does not bring back what was trimmed");
      same(
        await readAll(trimmed),
        all.filter(({ seq }) => seq >= firstSeq),
        "what was kept is there",
      );
      await trimmed.reset();
      const { generation } = trimmed;
      const reset = await t.crashAndOpen(trimmed);
      same([reset.generation, reset.nextSeq], [generation, 0], "a crash does not undo a reset");
      same(await readAll(reset), [], "nothing of the old generation comes back");
    },
  },
];
