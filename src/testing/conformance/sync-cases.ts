/** The blocking calls, where `supports.sync` says that there are any; elsewhere these cases pass at once. */
import { SeqlogError } from "../../errors.ts";
import type { FileLog } from "../../log/file-log.ts";
import type { Log } from "../../log/log.ts";
import type { CaseBody } from "./conformance-case.ts";
import { given, holds, same, thrownBy } from "./rules.ts";
import { fill, readAll, stored, textsIn } from "./stored.ts";

type Blocking = Log & Pick<FileLog, "appendSync" | "appendBatchSync" | "getSync" | "closeSync">;

function isBlocking(log: Log): log is Blocking {
  return log.supports.sync;
}

export const syncCases: readonly CaseBody[] = [
  {
    name: "blocking appends come behind what was appended before, and are there when they return",
    async run(t) {
      const log = await t.open();
      if (!isBlocking(log)) return;
      const before = [log.append("0"), log.appendBatch(["1", "2"])];
      same(log.appendSync("3").seq, 3, "appendSync comes behind what waits");
      same(log.getSync(3)?.seq, 3, "what appendSync returned is there");
      same({ ...log.appendBatchSync(["4", "5"]) }, { first: 4, last: 5, count: 2 }, "appendBatchSync says its range");
      same({ ...log.appendBatchSync([]) }, { first: 6, last: 6, count: 0 }, "an empty batch names the next seq");
      await Promise.all(before);
      same(await textsIn(log), ["0", "1", "2", "3", "4", "5"], "records are in the order of the calls");
    },
  },
  {
    name: "getSync gives what get gives",
    async run(t) {
      const log = await t.open();
      if (!isBlocking(log)) return;
      const all = await fill(log, 40, 100);
      for (const record of all) same(stored(given(log.getSync(record.seq), "a record")), record, "getSync is as get");
      same(log.getSync(log.nextSeq), undefined, "there is no record at the next seq");
    },
  },
  {
    name: "blocking calls throw what the others reject with",
    async run(t) {
      const log = await t.open();
      if (!isBlocking(log)) return;
      const wrong = "\ud800";
      for (const call of [() => log.appendSync(wrong), () => log.appendBatchSync(["fine", wrong])]) {
        holds(thrownBy(call, "ill-formed text is refused") instanceof TypeError, "ill-formed text is a TypeError");
      }
      holds(thrownBy(() => log.getSync(-1), "-1 is no seq") instanceof RangeError, "-1 is a RangeError");
      const conflict = thrownBy(() => log.appendSync("x", { expectedSeq: 5 }), "5 is not the next seq");
      holds(SeqlogError.is(conflict, "SEQLOG_CONFLICT"), "another expectedSeq is SEQLOG_CONFLICT");
      same({ ...conflict.facts }, { expectedSeq: 5, nextSeq: 0 }, "a conflict names both seqs");
      same(await readAll(log), [], "nothing is appended");
      log.closeSync();
      for (const call of [() => log.appendSync("x"), () => log.appendBatchSync(["x"]), () => log.getSync(0)]) {
        const error = thrownBy(call, "a closed log is closed");
        holds(SeqlogError.is(error, "SEQLOG_CLOSED"), "after close blocking calls are SEQLOG_CLOSED");
      }
    },
  },
  {
    name: "closeSync writes what waits",
    async run(t) {
      const log = await t.open();
      if (!isBlocking(log)) return;
      const append = log.append("waiting");
      log.closeSync();
      log.closeSync();
      await append;
      await log.close();
      same(await textsIn(await t.open()), ["waiting"], "what waited is there");
    },
  },
];
