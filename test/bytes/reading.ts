/** Reads all that a log gives, in every way there is, and holds it against what must be there. */
import { basename } from "node:path";
import { SeqlogError } from "../../src/errors.ts";
import { FileLog } from "../../src/log/file-log.ts";
import type { LogRecord } from "../../src/segment/log-record.ts";
import { LogReader } from "../../src/segment/log-reader.ts";
import { LogWriter } from "../../src/segment/log-writer.ts";
import { RecordIndex } from "../../src/segment/record-index.ts";
import { directory, single } from "./logs.ts";
import type { MemoryMachine } from "./memory-machine.ts";

/** A way to read a log from its beginning, or from its end. */
export type Way = "read" | "batches" | "live" | "numbers" | "reverse";

export const forward: readonly Way[] = ["read", "batches", "live", "numbers"];
export const ways: readonly Way[] = [...forward, "reverse"];

/** What a log gave. */
export interface Outcome {
  /** In the order in which they were served. */
  readonly records: readonly LogRecord[];
  /** What ended it before its end. */
  readonly error?: SeqlogError;
  /** Whether the log could not even be opened. */
  readonly isRefused?: boolean;
}

/** Anything that is no SeqlogError is a fault of the product, and ends the test. */
function seqlogError(error: unknown): SeqlogError {
  if (error instanceof SeqlogError) return error;
  throw error;
}

/** Opens a log for reading only. */
export function openReader(machine: MemoryMachine, kind: "directory" | "file"): Promise<FileLog | LogReader> {
  return kind === "directory"
    ? FileLog.open(directory, { machine, readOnly: true })
    : LogReader.open(single.log, { machine });
}

/** Opens a log for reading only and reads it. */
export async function readOnly(machine: MemoryMachine, kind: "directory" | "file", way: Way): Promise<Outcome> {
  let log: FileLog | LogReader;
  try {
    log = await openReader(machine, kind);
  } catch (error) {
    return { records: [], error: seqlogError(error), isRefused: true };
  }
  const outcome = await readAll(log, way);
  await log.close();
  return outcome;
}

/** Reads an open log. */
async function readAll(log: FileLog | LogReader, way: Way): Promise<Outcome> {
  const records: LogRecord[] = [];
  try {
    if (way === "batches") {
      for await (const batch of log.readBatches({ maxBytes: 10_000 })) records.push(...batch);
    } else if (way === "live") {
      // A live read ends when the log is closed: here after the last record that there is.
      const last = log.nextSeq - 1;
      if (last < log.firstSeq) return { records };
      for await (const record of log.read({ live: true })) {
        records.push(record);
        if (record.seq >= last) break;
      }
    } else if (way === "numbers") {
      for (let seq = log.firstSeq as number; seq < log.nextSeq; seq++) {
        const record = log instanceof FileLog ? log.getSync(seq) : await log.get(seq);
        if (record === undefined) break;
        records.push(record);
      }
    } else {
      const options = way === "reverse" ? ({ reverse: true } as const) : {};
      for await (const record of log.read(options)) records.push(record);
    }
  } catch (error) {
    return { records, error: seqlogError(error) };
  }
  return { records };
}

/** What opening for writing led to: each record by its seq, or why it is not served. */
export interface WriterOutcome {
  readonly bySeq: readonly (LogRecord | SeqlogError)[];
  readonly firstSeq: number;
  readonly error?: SeqlogError;
}

/** Opens a directory log for writing and gets every record by its number. */
export function writeDirectory(machine: MemoryMachine): WriterOutcome {
  let log: FileLog;
  try {
    log = FileLog.openSync(directory, { machine });
  } catch (error) {
    return { bySeq: [], firstSeq: 0, error: seqlogError(error) };
  }
  const bySeq: (LogRecord | SeqlogError)[] = [];
  for (let seq = log.firstSeq as number; seq < log.nextSeq; seq++) {
    try {
      const record = log.getSync(seq);
      if (record === undefined) throw new Error(`record ${seq} is there by nextSeq ${log.nextSeq}, but not to be had`);
      bySeq.push(record);
    } catch (error) {
      bySeq.push(seqlogError(error));
    }
  }
  return { bySeq, firstSeq: log.firstSeq };
}

/** Opens a single file for writing, closes it, and gets every record by its number. */
export async function writeFile(machine: MemoryMachine): Promise<WriterOutcome> {
  try {
    const index = await RecordIndex.open(single.index, { machine });
    const writer = await LogWriter.open(single.log, index, { machine });
    await writer.close();
    await index.close();
  } catch (error) {
    return { bySeq: [], firstSeq: 0, error: seqlogError(error) };
  }
  const reader = await LogReader.open(single.log, { machine });
  const bySeq: (LogRecord | SeqlogError)[] = [];
  for (let seq = 0; seq < reader.nextSeq; seq++) {
    try {
      const record = await reader.get(seq);
      if (record === undefined)
        throw new Error(`record ${seq} is there by nextSeq ${reader.nextSeq}, but not to be had`);
      bySeq.push(record);
    } catch (error) {
      bySeq.push(seqlogError(error));
    }
  }
  return { bySeq, firstSeq: 0 };
}

/** A record as it must be. */
export interface Expected {
  readonly segment: string;
  readonly offset: number;
  readonly id: string;
  readonly data: Buffer;
}

/** @throws when a served record is not the one of this seq */
export function checkRecord(served: LogRecord, seq: number, expected: Expected | undefined): void {
  if (expected === undefined) throw new Error(`record ${seq} was served, and never was one`);
  const what =
    served.seq !== seq
      ? `the seq ${served.seq}`
      : served.offset !== expected.offset || served.segment !== basename(expected.segment)
        ? `the place ${served.segment}:${served.offset}`
        : served.id !== expected.id
          ? `the id ${served.id}`
          : Buffer.compare(served.bytes, expected.data) !== 0
            ? "other data"
            : undefined;
  if (what !== undefined) throw new Error(`record ${seq} was served with ${what}`);
}
