/** Live reads: what comes later, and in which order. */
import type { CaseBody } from "./conformance-case.ts";
import { outcomeOf, rejectedWith, same } from "./rules.ts";
import { collect, fill, next, readAll, stored, textOf } from "./stored.ts";

export const liveCases: readonly CaseBody[] = [
  {
    name: "a live read gives what is there, then what comes, in order",
    async run(t) {
      const log = await t.open();
      const before = await fill(log, 3, 100);
      const reader = log.read({ live: true });
      same((await next(reader, 3)).map(stored), before, "a live read begins with what is there");
      for (let i = 0; i < 30; i++) {
        const { seq } = await log.append(textOf(i, 100));
        const [record] = await next(reader, 1);
        same(record?.seq, seq, "a live read gives a record appended after it began");
      }
      await reader.return?.();
    },
  },
  {
    name: "a live read that waits is answered by the next append",
    async run(t) {
      const log = await t.open();
      await fill(log, 1);
      const reader = log.read({ live: true });
      await next(reader, 1);
      const steps = [reader.next(), reader.next(), reader.next()];
      const range = await log.appendBatch(["a", "b", "c"]);
      const found = (await Promise.all(steps)).map((step) => (step.done === true ? undefined : step.value.seq));
      same([found[0], found[2]], [range.first, range.last], "steps that wait are answered in order by what comes");
      await reader.return?.();
    },
  },
  {
    name: "a live read of an empty log waits for the first record",
    async run(t) {
      const log = await t.open();
      const reader = log.read({ live: true });
      const step = reader.next();
      const { id } = await log.append("first");
      const found = await step;
      same(found.done === true ? undefined : found.value.id, id, "a live read waits for the first record");
      await reader.return?.();
    },
  },
  {
    name: "a live read from the end gives only what comes",
    async run(t) {
      const log = await t.open();
      const before = await fill(log, 3);
      const reader = log.read({ from: "end", live: true });
      const answer = { isThere: false };
      const step = outcomeOf(reader.next()).finally(() => (answer.isThere = true));
      const later: string[] = [];
      // The end is looked up some time after the first step was asked for; nobody is told when.
      while (!answer.isThere && !t.isOver) later.push((await log.append("later")).id);
      const outcome = await step;
      if ("error" in outcome) throw outcome.error;
      const id = outcome.value.done === true ? undefined : outcome.value.value.id;
      same(
        before.some((record) => record.id === id),
        false,
        "a live read from the end gives nothing that was there",
      );
      same(later.includes(id ?? ""), true, "a live read from the end gives what comes");
      await reader.return?.();
    },
  },
  {
    name: "a live read may begin at a record that does not exist yet",
    async run(t) {
      const log = await t.open();
      await fill(log, 2);
      const from = log.nextSeq + 3;
      const reader = log.read({ live: true, from });
      const step = reader.next();
      const later = await fill(log, 6);
      const found = await step;
      const wanted = later.find(({ seq }) => seq >= from)?.seq;
      same(
        found.done === true ? undefined : found.value.seq,
        wanted,
        "a live read begins at its from, once it is there",
      );
      await reader.return?.();
    },
  },
  {
    name: "a live read with to or limit ends when it has them",
    async run(t) {
      const log = await t.open();
      const before = await fill(log, 2);
      const { nextSeq } = log;
      const reads = [
        readAll(log, { live: true, to: nextSeq + 2 }),
        readAll(log, { live: true, limit: 3 }),
        readAll(log, { live: true, from: nextSeq, limit: 1 }),
        readAll(log, { live: true, limit: 0 }),
      ];
      const later = await fill(log, 6);
      const all = [...before, ...later];
      const wanted = [all.filter(({ seq }) => seq < nextSeq + 2), all.slice(0, 3), later.slice(0, 1), []];
      same(await Promise.all(reads), wanted, "a live read ends with its range");
    },
  },
  {
    name: "many live readers each get every record once, in order, while many append",
    async run(t) {
      const log = await t.open();
      const total = 100;
      const readers = Array.from({ length: 5 }, () => readAll(log, { live: true, limit: total }));
      const callers = Array.from({ length: 5 }, async (_, caller) => {
        for (let i = 0; i < total / 5; i++) await log.append(`${caller} ${i}`);
      });
      await Promise.all(callers);
      const all = await readAll(log);
      same(all.length, total, "every append is stored");
      for (const reader of readers) same(await reader, all, "a live reader gets every record once, in order");
    },
  },
  {
    name: "a live read goes on in batches too",
    async run(t) {
      const log = await t.open();
      await fill(log, 3);
      const batches = collect(log.readBatches({ live: true, limit: 10 }));
      for (let i = 3; i < 10; i++) await log.append(textOf(i));
      const found = (await batches).flatMap((batch) => [...batch].map(stored));
      same(found, await readAll(log), "live batches hold every record once, in order");
    },
  },
  {
    name: "one live reader that is aborted does not disturb another",
    async run(t) {
      const log = await t.open();
      await fill(log, 1);
      const abort = new AbortController();
      const [one, other] = [log.read({ live: true, signal: abort.signal }), log.read({ live: true })];
      await next(one, 1);
      await next(other, 1);
      const [aborted, step] = [outcomeOf(one.next()), other.next()];
      const reason = { any: "value" };
      abort.abort(reason);
      await rejectedWith(aborted, reason, "an abort ends the wait of its own read");
      const { seq } = await log.append("more");
      const found = await step;
      same(found.done === true ? undefined : found.value.seq, seq, "the other reader goes on");
      await other.return?.();
    },
  },
];
