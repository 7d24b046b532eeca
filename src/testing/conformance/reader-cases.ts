/** A second handle that reads beside the writer. Left out where the target has no `openReader`. */
import type { Log } from "../../log/log.ts";
import type { CaseBody } from "./conformance-case.ts";
import { given, holds, outcomeOf, refused, same } from "./rules.ts";
import { fill, next, readAll, stored, textOf } from "./stored.ts";

const changes: readonly [string, (log: Log) => Promise<unknown>][] = [
  ["append", (log) => log.append("x")],
  ["appendBatch", (log) => log.appendBatch(["x"])],
  ["ready", (log) => log.ready()],
  ["flush", (log) => log.flush()],
  ["trim", (log) => log.trim({ before: "end" })],
  ["reset", (log) => log.reset()],
];

export const readerCases: readonly CaseBody[] = [
  {
    name: "a reader has what the writer acknowledged, at once and in every way to read it",
    needs: "openReader",
    async run(t) {
      const log = await t.open();
      const reader = await t.openReader();
      same(await readAll(reader), [], "a reader of an empty log has nothing");
      for (let i = 0; i < 30; i++) {
        const { seq, id } = await log.append(textOf(i, 100));
        if (i % 3 === 0) same((await reader.get(seq))?.id, id, "get gives what the writer acknowledged");
        if (i % 3 === 1) same((await readAll(reader)).at(-1)?.id, id, "a read gives what the writer acknowledged");
        if (i % 3 === 2) same(await reader.stats(), await log.stats(), "stats of both are the same");
        if (log.supports.findById) same((await reader.find(id))?.seq, seq, "find gives what the writer acknowledged");
      }
      same(await readAll(reader), await readAll(log), "both handles read the same");
      same(await readAll(reader, { reverse: true }), await readAll(log, { reverse: true }), "also in reverse");
      same(reader.nextSeq, log.nextSeq, "nextSeq is as of the last look");
    },
  },
  {
    name: "a reader follows the writer live, and each record is given once",
    needs: "openReader",
    async run(t) {
      const log = await t.open();
      const reader = await t.openReader();
      const following = readAll(reader, { live: true, limit: 100 });
      for (let i = 0; i < 100; i += 10) await fill(log, 10, 100);
      same(await following, await readAll(log), "a live reader beside the writer has every record once, in order");
    },
  },
  {
    name: "a reader cannot change the log",
    needs: "openReader",
    async run(t) {
      const log = await t.open();
      const all = await fill(log, 3);
      const reader = await t.openReader();
      for (const [name, change] of changes) {
        const facts = { path: reader.location };
        await refused(() => change(reader), "SEQLOG_READ_ONLY", `${name} through a reader is SEQLOG_READ_ONLY`, facts);
      }
      same(await readAll(log), all, "nothing is changed");
    },
  },
  {
    name: "a reader of a log that is not there is SEQLOG_NOT_FOUND, and makes none",
    needs: "openReader",
    async run(t) {
      for (let i = 0; i < 2; i++) {
        await refused(() => t.openReader("nothing"), "SEQLOG_NOT_FOUND", "a reader does not make a log");
      }
    },
  },
  {
    name: "a reader is told of the writer's trim and of its reset",
    needs: "openReader",
    async run(t) {
      const log = await t.open();
      const all = await fill(log, 160, 120);
      const reader = await t.openReader();
      await log.trim({ before: "end" });
      const { firstSeq } = log;
      holds(firstSeq > 0, "trim removes something of 16 KiB");
      await refused(() => reader.get(0), "SEQLOG_TRIMMED", "get of a removed record is SEQLOG_TRIMMED", { firstSeq });
      same(
        await readAll(reader),
        all.filter(({ seq }) => seq >= firstSeq),
        "a reader has what was kept",
      );
      const { seq } = await log.append("last");
      const live = reader.read({ live: true, from: seq });
      same((await next(live, 1))[0]?.seq, seq, "a live reader goes on after a trim");
      const step = outcomeOf(live.next());
      await log.reset();
      const { generation } = log;
      await refused(step, "SEQLOG_RESET", "a live reader is told of a reset", { generation });
      const { id } = await log.append("new");
      same(
        (await readAll(reader)).map((record) => record.id),
        [id],
        "a new read has the new generation",
      );
      same((await reader.get(0))?.id, id, "get has the new generation");
      same(reader.generation, generation, "the reader is in the new generation");
    },
  },
  {
    name: "closing a reader ends its own live reads alone, and it outlives its writer",
    needs: "openReader",
    async run(t) {
      const log = await t.open();
      const all = await fill(log, 3);
      const [one, other] = [await t.openReader(), await t.openReader()];
      const reads = [one.read({ live: true }), other.read({ live: true })] as const;
      for (const read of reads) await next(read, 3);
      const steps = reads.map((read) => outcomeOf(read.next()));
      await one.close();
      same(await steps[0], { value: { done: true, value: undefined } }, "closing a reader ends its live read normally");
      await refused(() => one.get(0), "SEQLOG_CLOSED", "a closed reader is closed", { path: one.location });
      await log.close();
      same(await readAll(other), all, "a reader reads on when the writer has closed");
      const again = await t.open();
      const { id } = await again.append("later");
      const step = given(await steps[1], "the other live read is answered");
      if ("error" in step) throw step.error;
      same(step.value.done === true ? undefined : stored(step.value.value).id, id, "a reader follows the next writer");
    },
  },
];
