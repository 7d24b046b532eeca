/** Gathers the evidence about a segment that may have been interrupted. Reads only; changes nothing. */
import { crc32OfHeader } from "../format/crc32.ts";
import { checkHeader, headerAt, headerLength, problem } from "../format/record.ts";
import { isRecordId } from "../format/uuid.ts";
import { type Plan, readAt } from "../storage/plan.ts";
import type { StorageFile } from "../storage/storage.ts";
import { entryKind, entryLength } from "../format/index-entry.ts";
import type { IndexDraft } from "./index-draft.ts";
import type { Entry, IndexFile } from "./index-file.ts";
import type { Evidence } from "./recovery-table.ts";
import { chunkOf } from "./verify-chunk.ts";
import { type ChainRun, crcOfRange, endOfNonZero, walkChain } from "./walk-chain.ts";

/**
 * The window of a file that has no MANIFEST to keep one: no write of `LogWriter` is larger with the
 * default `maxRecordBytes` of 16 MiB.
 */
export const singleFileWindow: number = 16 * 1024 * 1024 + headerLength;

/** What is known of the segment from elsewhere. */
export interface Known {
  /** The seq of its first record. */
  readonly base: number;
  /** W of the recovery table; `atLeast` where the file itself may show that it is more. */
  readonly window: number | { readonly atLeast: number };
  /** What close() wrote down, when the log was closed. */
  readonly closed: { readonly nextSeq: number; readonly bytes: number } | undefined;
  /** Whether all of its records were written by us: then an id that ends in 0x00 is a torn one. */
  readonly isOurs?: boolean;
}

/**
 * Gathers the evidence. `index` is undefined where there is none.
 * @param draft takes the entries of the records that are walked through
 */
export function* inspect(
  file: StorageFile,
  index: IndexFile | undefined,
  known: Known,
  draft?: IndexDraft,
): Plan<Evidence> {
  const size = file.statSync().size;
  const last = index === undefined ? undefined : yield* index.last("firm");
  const found = last === undefined ? undefined : yield* recordOfEntry(file, last, size);
  const mark = last === undefined || found === undefined ? undefined : { nextSeq: last.seq + 1, end: found.end };
  const markProblem = found?.problem;
  const { closed, base } = known;

  if (closed !== undefined && markProblem === undefined && size === closed.bytes) {
    const trusted =
      mark === undefined ? closed.nextSeq === base && size === 0 : mark.nextSeq === closed.nextSeq && mark.end === size;
    if (trusted) return atRest(size, mark, base, closed);
  }

  const indexWhole =
    mark !== undefined && index !== undefined && closed === undefined && (yield* isWholeUpTo(index, mark.nextSeq));
  const start =
    indexWhole && mark !== undefined && markProblem === undefined
      ? { seq: mark.nextSeq, offset: mark.end }
      : { seq: base, offset: 0 };
  const trail = new Trail(typeof known.window === "number" ? known.window : known.window.atLeast, start);
  let largest = 0;
  const visit = (run: ChainRun): void => {
    // Of a log that was closed nothing is written anew.
    if (closed === undefined) trail.pass(run);
    if (typeof known.window !== "number") largest = Math.max(largest, largestOf(run));
    draft?.add(run);
  };
  const chain = yield* walkChain(file, start, size, { visit, seed: draft?.seed, isOurs: known.isOurs });
  const nonZeroEnd = yield* endOfNonZero(file, chain.end, size);
  const window =
    typeof known.window === "number"
      ? known.window
      : Math.max(known.window.atLeast, largest, yield* claimedLength(file, chain.end, size));
  const redoFrom =
    closed !== undefined ? { seq: chain.nextSeq, offset: chain.end } : redoStart(mark, markProblem, trail, chain);
  const isForeign =
    typeof known.window !== "number" && mark === undefined && chain.end === 0 && !(yield* mayBeginRecord(file, size));
  return { size, mark, markProblem, indexWhole, redoFrom, chain, nonZeroEnd, window, closed, isForeign };
}

/** A closed log whose record index agrees with close(): nothing more needs to be read. */
function atRest(size: number, mark: Evidence["mark"], base: number, closed: NonNullable<Evidence["closed"]>): Evidence {
  const nextSeq = mark?.nextSeq ?? base;
  return {
    size,
    mark,
    markProblem: undefined,
    indexWhole: true,
    redoFrom: { seq: nextSeq, offset: size },
    chain: { nextSeq, end: size, problem: 0 },
    nonZeroEnd: size,
    window: 0,
    closed,
    isForeign: false,
  };
}

function redoStart(
  mark: Evidence["mark"],
  markProblem: string | undefined,
  trail: Trail,
  chain: { readonly end: number },
): Evidence["redoFrom"] {
  if (mark !== undefined && markProblem === undefined) return { seq: mark.nextSeq, offset: mark.end };
  return trail.boundaryBefore(chain.end);
}

/** Checks the record that an entry points to, data and all. */
export function* recordOfEntry(
  file: StorageFile,
  entry: Entry,
  size: number,
): Plan<{ end: number; problem: string | undefined }> {
  const claim = `the record index proves record ${entry.seq} at offset ${entry.offset}`;
  const header = yield* readAt(file, entry.offset, headerLength);
  if (header.length < headerLength) {
    return { end: entry.offset, problem: `${claim}, but the file ends at ${size}` };
  }
  const { view } = chunkOf(header, 0);
  if (crc32OfHeader(view, 0) !== entry.headerCrc) {
    return { end: entry.offset, problem: `${claim}, but another header stands there` };
  }
  const length = checkHeader(header, view, 0, entry.offset, size - entry.offset);
  if (length === problem.dataCut) {
    return { end: entry.offset, problem: `${claim}, but the file ends inside it, at ${size}` };
  }
  if (length < 0) return { end: entry.offset, problem: `${claim}, but its header is not valid` };
  const buffer = new Uint8Array(Math.min(length, 1024 * 1024));
  const crc = yield* crcOfRange(file, entry.offset + headerLength, length, buffer);
  if (crc !== view.getUint32(headerAt.crc, true)) {
    return { end: entry.offset, problem: `${claim}, but the CRC-32 of its data does not match` };
  }
  return { end: entry.offset + headerLength + length, problem: undefined };
}

/** Whether all entries before that of `nextSeq` are self-valid. */
function* isWholeUpTo(index: IndexFile, nextSeq: number): Plan<boolean> {
  for (let seq = index.base; seq < nextSeq;) {
    const view = yield* index.entries(seq, Math.min(4096, nextSeq - seq));
    const count = Math.floor(view.byteLength / entryLength);
    if (count === 0) return false;
    for (let i = 0; i < count; i++) {
      if (entryKind(view, i * entryLength, index.seed, seq + i) === "invalid") return false;
    }
    seq += count;
  }
  return true;
}

/** In a single file: how far a torn record at `at` may reach by its own word, if it is one of ours. */
function* claimedLength(file: StorageFile, at: number, size: number): Plan<number> {
  const header = yield* readAt(file, at, headerLength);
  if (header.length < headerLength) return 0;
  const { view } = chunkOf(header, 0);
  const length = checkHeader(header, view, 0, at, Number.MAX_SAFE_INTEGER);
  return length < 0 ? 0 : Math.min(headerLength + length, size - at);
}

/** Whether the file may be a log whose first record was interrupted: its own offset is 0, and its UUID, if any of it is there, one of ours. */
export function* mayBeginRecord(file: StorageFile, size: number): Plan<boolean> {
  const header = yield* readAt(file, 0, Math.min(size, headerLength));
  if (header.every((byte) => byte === 0)) return true;
  if (header.subarray(headerAt.offset, headerAt.crc).some((byte) => byte !== 0)) return false;
  return header.length < headerLength || isRecordId(header, headerAt.id);
}

/** Bytes of the largest record, header included. */
function largestOf(run: ChainRun): number {
  const starts = run.starts();
  return starts.reduce((most, start, i) => Math.max(most, (starts[i + 1] ?? run.end) - start), 0);
}

/** Remembers enough record boundaries to name one at least a window before the end. */
class Trail {
  readonly #window: number;
  readonly #spacing: number;
  readonly #boundaries: { seq: number; offset: number }[];

  constructor(window: number, start: { seq: number; offset: number }) {
    this.#window = window;
    this.#spacing = window / 8;
    this.#boundaries = [start];
  }

  pass(run: ChainRun): void {
    const boundaries = this.#boundaries;
    // None of these would be remembered.
    if (run.offset + run.end < (boundaries.at(-1)?.offset ?? 0) + this.#spacing) return;
    const starts = run.starts();
    for (let i = 0; i < run.count; i++) {
      const offset = run.offset + (starts[i] as number);
      if (offset < (boundaries.at(-1)?.offset ?? 0) + this.#spacing) continue;
      boundaries.push({ seq: run.seq + i, offset });
      while ((boundaries[1]?.offset ?? Infinity) <= offset - this.#window) boundaries.shift();
    }
  }

  boundaryBefore(end: number): { seq: number; offset: number } {
    const before = this.#boundaries.filter((boundary) => boundary.offset <= end - this.#window);
    return before.at(-1) ?? (this.#boundaries[0] as { seq: number; offset: number });
  }
}
