/**
 * The logs that these tests damage: 64 KiB each, as a directory of one segment, as a directory of
 * three, and as a single file; closed, or as a kill leaves them.
 *
 * A killed log has, in this order: records whose entries are in the record index (acknowledged),
 * whole records without (written, never acknowledged), the first half of one more (the write that
 * was under way), and in a directory log zeros laid ahead.
 */
import { FileLog } from "../../src/log/file-log.ts";
import { LogWriter } from "../../src/segment/log-writer.ts";
import { RecordIndex } from "../../src/segment/record-index.ts";
import { MemoryMachine } from "./memory-machine.ts";
import { type OracleRecord, chainOf } from "./oracle.ts";

/** Bytes of the segments of each log together. */
const logLength: number = 64 * 1024;

/** Where the logs are. */
export const directory = "/log";

/** The single file, and its record index. */
export const single = { log: "/events.log", index: "/events.idx", lock: "/events.log.lock" } as const;

/** A segment of a sample. */
export interface SampleSegment {
  readonly log: string;
  readonly index: string;
  readonly base: number;
  /** As it is when nothing is damaged: those that were acknowledged and those that were not. */
  readonly records: readonly OracleRecord[];
}

/** A log to damage. */
export interface Sample {
  readonly name: string;
  readonly kind: "directory" | "file";
  readonly files: ReadonlyMap<string, Buffer>;
  readonly segments: readonly SampleSegment[];
  /** Records before this seq are proven by the record index. */
  readonly acknowledged: number;
  readonly isClosed: boolean;
}

/** Sizes of data from none to 4 KiB. */
function sizeOf(i: number): number {
  return [0, 4096, 1, 4000, 2500, 33, 4096, 3000][i % 8] as number;
}

function dataOf(i: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, j) => (i * 131 + j * 7 + (j >> 5)) & 255);
}

const header = 32;

/** Data of records that fill `length` bytes exactly, headers included. */
function dataFor(length: number): Uint8Array[] {
  const all: Uint8Array[] = [];
  for (let left = length; left > 0;) {
    const wanted = sizeOf(all.length);
    // The last one takes what is left, so that no rest is too small for a record.
    const size = left - header - wanted < 5000 ? left - header : wanted;
    all.push(dataOf(all.length, size));
    left -= header + size;
  }
  return all;
}

function sample(
  name: string,
  kind: Sample["kind"],
  files: ReadonlyMap<string, Uint8Array>,
  acknowledged?: number,
): Sample {
  const copies = new Map([...files].map(([path, bytes]) => [path, Buffer.from(bytes)]));
  const logs = [...copies.keys()].filter((path) => path.endsWith(".log")).sort();
  let base = 0;
  const segments = logs.map((log) => {
    const { records } = chainOf(copies.get(log) as Buffer);
    const segment = { log, index: `${log.slice(0, -4)}.idx`, base, records };
    base += records.length;
    return segment;
  });
  return {
    name,
    kind,
    files: copies,
    segments,
    acknowledged: acknowledged ?? base,
    isClosed: acknowledged === undefined,
  };
}

/** A directory log that was closed, in one segment or in three. */
export async function closedDirectory(segments: 1 | 3 = 1): Promise<Sample> {
  const machine = new MemoryMachine();
  const segmentBytes = segments === 1 ? logLength : Math.ceil(logLength / 3);
  const log = await FileLog.open(directory, { machine, segmentBytes });
  for (const data of dataFor(logLength)) log.appendSync(data);
  await log.close();
  return sample(
    segments === 1 ? "a closed directory log" : "a closed directory log of segments",
    "directory",
    machine.files,
  );
}

/** A single file with its record index that was closed. */
export async function closedFile(): Promise<Sample> {
  const machine = new MemoryMachine();
  const index = await RecordIndex.open(single.index, { machine });
  const writer = await LogWriter.open(single.log, index, { machine });
  for (const data of dataFor(logLength)) await writer.append(data);
  await writer.close();
  await index.close();
  return sample("a closed single file", "file", machine.files);
}

/** So much is acknowledged of a killed log, and so much is written of it without zeros. */
const acknowledgedLength = 54_000;
const wholeLength = 60_000;
const tornLength = 62_000;

/** Takes a log to pieces as a kill does: the segment goes on behind what the record index knows. */
function kill(early: MemoryMachine, late: MemoryMachine, log: string, length: number): ReadonlyMap<string, Uint8Array> {
  const segment = Buffer.alloc(length);
  (late.bytesOf(log) as Buffer).copy(segment, 0, 0, tornLength);
  return new Map([...early.files, [log, segment]]);
}

/** A directory log whose writer was killed. */
export async function killedDirectory(): Promise<Sample> {
  const machine = new MemoryMachine();
  const log = await FileLog.open(directory, { machine });
  for (const data of dataFor(acknowledgedLength)) log.appendSync(data);
  const early = new MemoryMachine(machine.files);
  const acknowledged = log.nextSeq;
  for (const data of dataFor(wholeLength - acknowledgedLength)) log.appendSync(data);
  log.appendSync(dataOf(1, 2 * (tornLength - wholeLength)));
  const path = `${directory}/00000000000000000000.log`;
  return sample("a killed directory log", "directory", kill(early, machine, path, logLength), acknowledged);
}

/** A single file whose writer was killed. */
export async function killedFile(): Promise<Sample> {
  const machine = new MemoryMachine();
  const index = await RecordIndex.open(single.index, { machine });
  const writer = await LogWriter.open(single.log, index, { machine });
  for (const data of dataFor(acknowledgedLength)) await writer.append(data);
  const early = new MemoryMachine(machine.files);
  const acknowledged = index.length;
  for (const data of dataFor(wholeLength - acknowledgedLength)) await writer.append(data);
  await writer.append(dataOf(1, 2 * (tornLength - wholeLength)));
  return sample("a killed single file", "file", kill(early, machine, single.log, tornLength), acknowledged);
}

/** A directory log of three small segments, closed or not. */
export async function smallDirectory(isClosed: boolean): Promise<Sample> {
  const machine = new MemoryMachine();
  const log = await FileLog.open(directory, { machine, segmentBytes: 1024 });
  for (let i = 0; i < 14; i++) log.appendSync(dataOf(i, (i * 53) % 300));
  if (isClosed) await log.close();
  const name = isClosed ? "a small closed directory log" : "a small directory log";
  return sample(name, "directory", machine.files, isClosed ? undefined : 14);
}

/** A small single file, closed. */
export async function smallFile(): Promise<Sample> {
  const machine = new MemoryMachine();
  const index = await RecordIndex.open(single.index, { machine });
  const writer = await LogWriter.open(single.log, index, { machine });
  for (let i = 0; i < 14; i++) await writer.append(dataOf(i, (i * 53) % 300));
  await writer.close();
  return sample("a small single file", "file", machine.files);
}
