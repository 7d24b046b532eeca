/** The end of a handle, and the next one on the same log. */
import type { Log } from "../../log/log.ts";
import type { CaseBody } from "./conformance-case.ts";
import { given, refused, same } from "./rules.ts";
import { type Stored, fill, next, readAll, stored } from "./stored.ts";

/** Everything that a closed log refuses. */
const calls: readonly [string, (log: Log) => Promise<unknown>][] = [
  ["append", (log) => log.append("x")],
  ["appendBatch", (log) => log.appendBatch(["x", "y"])],
  ["appendBatch of none", (log) => log.appendBatch([])],
  ["ready", (log) => log.ready()],
  ["flush", (log) => log.flush()],
  ["get", (log) => log.get(0)],
  ["find", (log) => log.find("01890a5d-ac96-774b-8cce-b302099a8057")],
  ["seqAt", (log) => log.seqAt(new Date(0))],
  ["read", async (log) => log.read().next()],
  ["read in reverse", async (log) => log.read({ reverse: true }).next()],
  ["live read", async (log) => log.read({ live: true }).next()],
  ["readBatches", async (log) => log.readBatches().next()],
  ["stats", (log) => log.stats()],
  ["trim", (log) => log.trim({ before: "end" })],
  ["reset", (log) => log.reset()],
];

export const closeCases: readonly CaseBody[] = [
  {
    name: "close waits for what was appended before, in every form",
    async run(t) {
      const log = await t.open();
      const appends = [fill(log, 30), log.appendBatch(["a", "b"]).then(() => [])];
      await log.close();
      const records = (await Promise.all(appends)).flat();
      const again = await t.open();
      const found = await readAll(again);
      same(found.length, 32, "everything appended before close is there");
      same(found.slice(0, 30), records, "it is there as it was acknowledged");
    },
  },
  {
    name: "closing twice, in any way, is fine",
    async run(t) {
      const log = await t.open();
      await fill(log, 1);
      await Promise.all([log.close(), log.close(), log[Symbol.asyncDispose]()]);
      await log.close();
      await log[Symbol.asyncDispose]();
    },
  },
  {
    name: "asyncDispose closes",
    async run(t) {
      const log = await t.open();
      await fill(log, 1);
      await log[Symbol.asyncDispose]();
      const facts = { path: log.location };
      await refused(() => log.append("x"), "SEQLOG_CLOSED", "after asyncDispose the log is closed", facts);
      same((await readAll(await t.open())).length, 1, "it can be opened again");
    },
  },
  {
    name: "after close everything is SEQLOG_CLOSED, and nothing is changed",
    async run(t) {
      const log = await t.open();
      const all = await fill(log, 3);
      const { location, firstSeq, nextSeq, generation } = log;
      await log.close();
      for (const [name, call] of calls) {
        await refused(() => call(log), "SEQLOG_CLOSED", `${name} after close is SEQLOG_CLOSED`, { path: location });
      }
      const now = [log.location, log.firstSeq, log.nextSeq, log.generation];
      same(now, [location, firstSeq, nextSeq, generation], "what a closed log says of itself stays");
      same(await readAll(await t.open()), all, "what is stored stays");
    },
  },
  {
    name: "an append after close was called is refused, also while close is under way",
    async run(t) {
      const log = await t.open();
      const append = log.append("in time");
      const closing = log.close();
      const facts = { path: log.location };
      await refused(
        () => log.append("late"),
        "SEQLOG_CLOSED",
        "an append after close was called is SEQLOG_CLOSED",
        facts,
      );
      await refused(
        () => log.appendBatch(["late"]),
        "SEQLOG_CLOSED",
        "a batch after close was called is SEQLOG_CLOSED",
        facts,
      );
      const { id } = await append;
      await closing;
      const found = (await readAll(await t.open())).map((record) => record.id);
      same(found, [id], "what was appended before close is there, what came after is not");
    },
  },
  {
    name: "opening again gives the same records, byte for byte, with the same seqs, ids and times",
    async run(t) {
      let log = await t.open();
      const all: Stored[] = [];
      for (let round = 0; round < 3; round++) {
        const { nextSeq } = log;
        const bytes = Uint8Array.from({ length: 500 }, (_, i) => (i * 31 + round) & 0xff);
        const { seq, id, time } = await log.append(bytes);
        same(seq, nextSeq, "seqs go on where they ended");
        all.push({ seq, id, time: time.getTime(), text: Buffer.from(bytes).toString() });
        all.push(...(await fill(log, 20, 100)));
        const before = [log.firstSeq, log.nextSeq, log.generation, log.location];
        log = await t.reopen(log);
        same([log.firstSeq, log.nextSeq, log.generation, log.location], before, "the log is where it was");
        same(await readAll(log), all, "every record is read as it was");
        same(
          stored(given(await log.get(seq), "get gives a record of an earlier time")).id,
          id,
          "get gives it as it was",
        );
        if (log.supports.findById) same((await log.find(id))?.seq, seq, "find gives a record of an earlier time");
      }
    },
  },
  {
    name: "an empty log is opened again, and a live read of a new handle goes on",
    async run(t) {
      const log = await t.reopen(await t.open());
      same([log.firstSeq, log.nextSeq], [0, 0], "an empty log stays empty");
      await fill(log, 2);
      const again = await t.reopen(log);
      const reader = again.read({ live: true });
      await next(reader, 2);
      const { id } = await again.append("later");
      same((await next(reader, 1))[0]?.id, id, "a live read goes from old records to new ones");
      await reader.return?.();
    },
  },
];
