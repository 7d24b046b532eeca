/** Each operation in each state: open, closing, closed, read-only. */
import { expect, test } from "vitest";
import { newPath } from "../../test/crash/scratch-directory.ts";
import { bytesOf } from "../../test/errors/directory-bytes.ts";
import { FileLog } from "./file-log.ts";

/** A read that is under way when the log is closed may still be answered. */
type Outcome = "fine" | "closed" | "read-only" | "fine or closed";

interface Operation {
  readonly name: string;
  call(log: FileLog): unknown;
  readonly closing: Outcome;
  readonly closed: Outcome;
  readonly readOnly: Outcome;
}

const writes = { closing: "closed", closed: "closed", readOnly: "read-only" } as const;
const reads = { closing: "fine or closed", closed: "closed", readOnly: "fine" } as const;
const always = { closing: "fine", closed: "fine", readOnly: "fine" } as const;

const operations: readonly Operation[] = [
  { name: "append", call: (log) => log.append("x"), ...writes },
  { name: "appendBatch", call: (log) => log.appendBatch(["x", "y"]), ...writes },
  { name: "appendBatch of none", call: (log) => log.appendBatch([]), ...writes },
  { name: "appendSync", call: (log) => log.appendSync("x"), ...writes },
  { name: "appendBatchSync", call: (log) => log.appendBatchSync(["x"]), ...writes },
  { name: "ready", call: (log) => log.ready(), ...writes },
  { name: "flush", call: (log) => log.flush(), ...writes },
  { name: "trim", call: (log) => log.trim({ before: "end" }), ...writes },
  { name: "reset", call: (log) => log.reset(), ...writes },
  { name: "get", call: (log) => log.get(0), ...reads },
  { name: "getSync", call: (log) => log.getSync(0), ...reads },
  { name: "find", call: (log) => log.find("01890a5d-ac96-774b-8cce-b302099a8057"), ...reads },
  { name: "seqAt", call: (log) => log.seqAt(new Date()), ...reads },
  { name: "read", call: (log) => log.read().next(), ...reads },
  { name: "read in reverse", call: (log) => log.read({ reverse: true }).next(), ...reads },
  { name: "readBatches", call: (log) => log.readBatches().next(), ...reads },
  { name: "stats", call: (log) => log.stats(), ...reads, closing: "closed" },
  { name: "copyTo", call: (log) => log.copyTo(newPath()), ...reads, closing: "closed" },
  { name: "close", call: (log) => log.close(), ...always },
  { name: "closeSync", call: (log) => log.closeSync(), ...always },
  { name: "asyncDispose", call: (log) => log[Symbol.asyncDispose](), ...always },
  { name: "nextSeq", call: (log) => expect(log.nextSeq).toBeGreaterThanOrEqual(2), ...always },
  { name: "firstSeq", call: (log) => expect(log.firstSeq).toBe(0), ...always },
  { name: "generation", call: (log) => expect(log.generation).toBe(0), ...always },
  { name: "location", call: (log) => expect(log.location).toContain("log"), ...always },
  { name: "recovery", call: (log) => expect(log.recovery.records).toBeTypeOf("number"), ...always },
  { name: "supports", call: (log) => expect(log.supports.durability).toBe("disk"), ...always },
];

async function outcomeOf(log: FileLog, call: (log: FileLog) => unknown): Promise<unknown> {
  try {
    await call(log);
    return "fine";
  } catch (error) {
    return error;
  }
}

function check(found: unknown, outcome: Outcome, log: FileLog): void {
  if (outcome === "fine" || (outcome === "fine or closed" && found === "fine")) return expect(found).toBe("fine");
  const code = outcome === "read-only" ? "SEQLOG_READ_ONLY" : "SEQLOG_CLOSED";
  expect(found).toMatchObject({ name: "SeqlogError", code, facts: { path: log.location } });
}

async function logOfTwo(): Promise<FileLog> {
  const log = await FileLog.open(newPath());
  await log.appendBatch(["0", "1"]);
  return log;
}

test.each(operations)("$name on an open log is fine", async ({ call }) => {
  const log = await logOfTwo();
  expect(await outcomeOf(log, call)).toBe("fine");
  await log.close();
});

test.each(operations)("$name while close is under way: $closing", async ({ call, closing }) => {
  const log = await logOfTwo();
  const pending = log.append("2");
  const closed = log.close();
  const outcome = outcomeOf(log, call);
  check(await outcome, closing, log);
  expect(await pending).toMatchObject({ seq: 2 });
  await closed;
});

test.each(operations)("$name after close: $closed", async ({ call, closed }) => {
  const log = await logOfTwo();
  await log.close();
  const before = bytesOf(log.location);
  check(await outcomeOf(log, call), closed, log);
  expect(bytesOf(log.location)).toEqual(before);
});

test.each(operations)("$name on a log opened with readOnly: $readOnly", async ({ call, readOnly }) => {
  const writer = await logOfTwo();
  await writer.close();
  const before = bytesOf(writer.location);
  const log = await FileLog.open(writer.location, { readOnly: true });
  check(await outcomeOf(log, call), readOnly, log);
  await log.close();
  expect(bytesOf(writer.location)).toEqual(before);
});

test.each(operations)("$name on a read-only log after close: $closed", async ({ call, closed, readOnly }) => {
  const writer = await logOfTwo();
  await writer.close();
  const log = await FileLog.open(writer.location, { readOnly: true });
  await log.close();
  check(await outcomeOf(log, call), readOnly === "read-only" ? "closed" : closed, log);
});
