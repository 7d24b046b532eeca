/**
 * Reads records of one segment and serves none that it has not checked: length, own offset, UUID,
 * CRC, and the header against the record index where its entry is self-valid.
 *
 * The chain in the segment leads; the record index only says where to begin, and adds detection.
 * So no state of it changes what is served.
 */
import { basename } from "node:path";
import { describeProblem } from "../format/record.ts";
import type { Plan } from "../storage/plan.ts";
import type { StorageFile } from "../storage/storage.ts";
import type { IndexFile } from "./index-file.ts";
import type { Run } from "./log-record.ts";
import { damaged } from "./damaged.ts";
import { verifyProven } from "./verify-runs.ts";
import { type Chunk, type Walked, chunkOf, findContradiction, verifyChunk } from "./verify-chunk.ts";
import { crcOfRange } from "./walk-chain.ts";
import { crc32OfHeader } from "../format/crc32.ts";
import { entryHeaderCrc, entryLength, entryOffset } from "../format/index-entry.ts";
import { checkData, checkHeader, headerAt, headerLength } from "../format/record.ts";
import { EntryPages } from "./entry-pages.ts";
import { takePiece } from "./slab.ts";

/** How far a segment may be read: both exclusive. */
export interface ReadLimit {
  readonly nextSeq: number;
  readonly end: number;
}

/** Bytes that were read and not yet looked at. */
export interface Fetched {
  /** The record that starts with them. */
  readonly seq: number;
  /** Records at most. */
  readonly wanted: number;
  readonly chunk: Chunk;
  /** The index entries from `seq` on. */
  readonly entries: DataView | undefined;
}

/**
 * The first record that does not lie in these bytes whole, and where it starts, as the index entries
 * have it: good enough to begin to read there. Undefined where they do not say.
 */
export function nextOf({ seq, wanted, chunk, entries }: Fetched): { seq: number; offset: number } | undefined {
  if (entries === undefined) return undefined;
  const end = chunk.position + chunk.bytes.length;
  const offsetOf = (i: number): number => entryOffset(entries, i * entryLength);
  let lower = 0;
  let upper = Math.min(Math.floor(entries.byteLength / entryLength), wanted) - 1;
  // Only an entry behind these bytes tells where they end; at the end of a range there is none.
  if (upper < 1 || offsetOf(upper) <= end) return undefined;
  while (upper - lower > 1) {
    const middle = Math.floor((lower + upper) / 2);
    if (offsetOf(middle) <= end) lower = middle;
    else upper = middle;
  }
  const offset = offsetOf(lower);
  return lower > 0 && offset > chunk.position && offset < end ? { seq: seq + lower, offset } : undefined;
}

/** Larger data is checked in a stream before memory for it is taken. */
const trustedLength = 16 * 1024 * 1024;

/** Records between two places that are remembered. */
const walkedSpacing = 1024;

/** A reader of one segment. */
export class SegmentReader {
  readonly #file: StorageFile;
  readonly #index: IndexFile | undefined;
  readonly #pages: EntryPages | undefined;
  readonly #base: number;
  readonly #name: string;
  /** Bytes of a record, header included, as they were lately. */
  #recordBytes = 256;
  /** Places found by walking, where the record index did not help: in order, some way apart. */
  readonly #walked: { readonly seq: number; readonly offset: number }[] = [];

  constructor(file: StorageFile, index: IndexFile | undefined, base: number) {
    this.#file = file;
    this.#index = index;
    this.#pages = index === undefined ? undefined : new EntryPages(index);
    this.#base = base;
    this.#name = basename(file.path);
  }

  /** Where record `seq` starts. `seq` may be that of the next record. */
  *locate(seq: number, limit: ReadLimit): Plan<number> {
    if (seq === limit.nextSeq) return limit.end;
    const entry = this.#index === undefined ? undefined : yield* this.#index.entry(seq);
    if (entry !== undefined && entry.kind !== "invalid" && entry.offset < limit.end) return entry.offset;
    let from = yield* this.#nearestBefore(seq, limit);
    while (from.seq < seq) {
      const run = yield* this.run(from.seq, from.offset, limit, 1024 * 1024, seq - from.seq);
      from = { seq: from.seq + run.starts.length, offset: run.chunk.position + run.end };
      const last = this.#walked.at(-1);
      if (last === undefined || from.seq >= last.seq + walkedSpacing) this.#walked.push(from);
    }
    return from.offset;
  }

  /** The nearest record before `seq` of which it is known where it starts: from the record index, or from an earlier walk. */
  *#nearestBefore(seq: number, limit: ReadLimit): Plan<{ readonly seq: number; readonly offset: number }> {
    const walked = this.#walked.findLast((place) => place.seq <= seq) ?? { seq: this.#base, offset: 0 };
    for (let upper = seq; upper > walked.seq && this.#index !== undefined; upper -= 4096) {
      const lower = Math.max(walked.seq, upper - 4096);
      const known = yield* this.#index.lastBetween(lower, upper);
      if (known !== undefined && known.offset < limit.end) return known;
    }
    return walked;
  }

  /**
   * Reads records from `seq`, which starts at `offset`: at least one, at most `most`, and about
   * `maxBytes` unless one record is larger.
   * @throws SEQLOG_DAMAGED when the first of them is not valid
   */
  *run(seq: number, offset: number, limit: ReadLimit, maxBytes: number, most: number): Plan<Run> {
    return yield* this.check(yield* this.fetch(seq, offset, limit, maxBytes, most), limit);
  }

  /** The first half of `run`: reads, and looks at nothing. */
  *fetch(seq: number, offset: number, limit: ReadLimit, maxBytes: number, most: number): Plan<Fetched> {
    if (offset > limit.end) throw damaged(this.#file.path, limit.end, "the records end here, before this one", seq);
    const length = Math.min(Math.max(maxBytes, 64), limit.end - offset);
    const wanted = Math.min(most, limit.nextSeq - seq);
    if (this.#index === undefined || wanted < 2) {
      return { seq, wanted, chunk: yield* this.#read(offset, length), entries: undefined };
    }
    // As many as may lie in so many bytes, going by the records before.
    const count = Math.min(wanted, Math.ceil((length / this.#recordBytes) * 1.25) + 16);
    const beside = this.#index.readBeside(seq, count);
    const target = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
    const read = yield { file: this.#file, target, position: offset, beside };
    const chunk = chunkOf(read === length ? target : target.subarray(0, read), offset);
    return { seq, wanted, chunk, entries: chunkOf(beside.target.subarray(0, beside.read), 0).view };
  }

  /** The second half of `run`: serves of what was read only what it has checked. */
  *check({ seq, wanted, chunk, entries }: Fetched, limit: ReadLimit): Plan<Run> {
    const proven = entries === undefined ? undefined : verifyProven(chunk, limit.end, wanted, entries);
    // Something is not as the record index says, or the first record is longer: record by record it shows.
    if (proven === undefined) return yield* this.#walk(seq, chunk, limit, wanted);
    this.#recordBytes = Math.max(headerLength, proven.end / proven.starts.length);
    return { chunk, starts: proven.starts, end: proven.end, firstSeq: seq, segment: this.#name };
  }

  *#walk(seq: number, fetched: Chunk, limit: ReadLimit, most: number): Plan<Run> {
    const offset = fetched.position;
    let chunk = fetched;
    let walked = verifyChunk(chunk, limit.end, most);
    if (walked.starts.length === 0 && walked.needed > 0) {
      if (walked.needed > trustedLength) yield* this.#checkLong(chunk, seq, walked.needed);
      chunk = yield* this.#read(offset, walked.needed);
      walked = verifyChunk(chunk, limit.end, 1);
      // The header alone was asked for when only a part of it was there; now the data is.
      if (walked.starts.length === 0 && walked.needed > 0) {
        chunk = yield* this.#read(offset, walked.needed);
        walked = verifyChunk(chunk, limit.end, 1);
      }
    }
    if (walked.starts.length === 0) throw this.#problem(seq, offset + walked.end, walked);
    const { starts, end } = yield* this.#agreed(chunk, walked, seq);
    return { chunk, starts, end, firstSeq: seq, segment: this.#name };
  }

  /**
   * One record by its number, blocking, with a single read once its page of the record index is known.
   * Undefined where anything is in the way of that: `one` finds out what.
   */
  oneSync(seq: number, limit: ReadLimit): Run | undefined {
    if (this.#pages === undefined) return undefined;
    const page = this.#pages.pageSync(seq, limit.nextSeq);
    if (page === undefined) return undefined;
    const entry = this.#pages.placeOf(seq);
    const offset = entryOffset(page, entry);
    const end = this.#endOf(seq, limit);
    if (end === undefined || end - offset < headerLength || end > limit.end || end - offset > trustedLength)
      return undefined;
    const { bytes, view, at } = takePiece(end - offset);
    const stop = at + (end - offset);
    if (this.#file.readSync(bytes, offset, at, stop) < stop - at) return undefined;
    if (checkHeader(bytes, view, at, offset, end - offset) !== stop - at - headerLength) return undefined;
    if (crc32OfHeader(view, at) !== entryHeaderCrc(page, entry)) return undefined;
    if (!checkData(bytes, view, at, stop - at - headerLength)) return undefined;
    const chunk = { bytes, view, position: offset - at };
    return { chunk, starts: [at], end: stop, firstSeq: seq, segment: this.#name };
  }

  /** Where record `seq` ends, by the entry of the next one. */
  #endOf(seq: number, limit: ReadLimit): number | undefined {
    const next = seq + 1;
    if (next >= limit.nextSeq) return limit.end;
    const page = this.#pages?.pageSync(next, limit.nextSeq);
    return page === undefined ? undefined : entryOffset(page, (this.#pages as EntryPages).placeOf(next));
  }

  /** Gives back what is remembered of the record index. */
  clear(): void {
    this.#pages?.clear();
  }

  /** One record, by its number. */
  *one(seq: number, limit: ReadLimit): Plan<Run> {
    const offset = yield* this.locate(seq, limit);
    const next = seq + 1 < limit.nextSeq ? yield* this.#nextOffset(seq + 1) : limit.end;
    const guess = next !== undefined && next > offset && next <= limit.end ? next - offset : 4096;
    return yield* this.run(seq, offset, limit, Math.min(guess, trustedLength), 1);
  }

  *#nextOffset(seq: number): Plan<number | undefined> {
    const entry = this.#index === undefined ? undefined : yield* this.#index.entry(seq);
    return entry === undefined || entry.kind === "invalid" ? undefined : entry.offset;
  }

  *#read(offset: number, length: number): Plan<Chunk> {
    // Not zeroed first: only what the read filled is looked at.
    const target = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
    const read = yield { file: this.#file, target, position: offset };
    return chunkOf(read === length ? target : target.subarray(0, read), offset);
  }

  *#checkLong(chunk: Chunk, seq: number, needed: number): Plan<void> {
    const start = chunk.position + headerLength;
    const crc = yield* crcOfRange(this.#file, start, needed - headerLength, new Uint8Array(1024 * 1024));
    if (crc !== chunk.view.getUint32(headerAt.crc, true)) {
      throw damaged(this.#file.path, chunk.position, "the CRC-32 of the data does not match", seq);
    }
  }

  /** The records up to the first that the record index contradicts; that one is an error when it is the first. */
  *#agreed(chunk: Chunk, walked: Walked, seq: number): Plan<{ starts: readonly number[]; end: number }> {
    if (this.#index === undefined) return walked;
    const entries = yield* this.#index.entries(seq, walked.starts.length);
    const bad = findContradiction(chunk, walked.starts, entries, this.#index.seed, seq);
    if (bad < 0) return walked;
    const start = walked.starts[bad] as number;
    if (bad > 0) return { starts: walked.starts.slice(0, bad), end: start };
    const found = crc32OfHeader(chunk.view, start).toString(16).padStart(8, "0");
    const reason = `the header is not the one that the record index holds (its CRC-32 is ${found})`;
    throw damaged(this.#file.path, chunk.position + start, reason, seq);
  }

  #problem(seq: number, offset: number, walked: Walked): Error {
    const reason = walked.problem === 0 ? "the records end here, before this one" : describeProblem(walked.problem);
    return damaged(this.#file.path, offset, reason, seq);
  }
}
