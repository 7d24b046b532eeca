/**
 * Records encoded one behind the other, on their way to the disk in one write.
 *
 * A record's own offset is part of its bytes, so a batch is encoded for a place (`base`). When what
 * was to lie before it was undone, it is moved: only the own offsets change.
 */
import { SeqlogError } from "../errors.ts";
import { longData, mostToSeal, sealRecords, writeEntries } from "../format/checksums.ts";
import { crc32 } from "../format/crc32.ts";
import { entryLength } from "../format/index-entry.ts";
import { headerAt, headerLength, writeHeader, writeOwnOffset } from "../format/record.ts";
import { type IdSource, idLength } from "../format/uuid.ts";
import { asSeq } from "../numbers.ts";
import { type BatchBuffer, acquireBuffer, maxBatchBytes, releaseBuffer } from "./buffer-pool.ts";

/** A caller who waits for records of a batch. */
export interface Waiter {
  /** How many records of this batch are its own; they lie one behind the other. None: it waits for those before. */
  count: number;
  /** The seq that the first of them must get, or −1. */
  readonly expectedSeq: number;
  /** Whether the caller was told of a failure already: an earlier batch held the first of its records. */
  readonly isOver: boolean;
  /** They are durable; `index` is the place of the first one in the batch. */
  settled(batch: Batch, index: number): void;
  /** They are not, and never will be. */
  failed(error: Error): void;
}

/** One write to be. */
export class Batch {
  /** The offset that the first record was encoded for. */
  base: number;
  /** Whether a new segment begins with this batch. */
  readonly opensSegment: boolean;
  /** Where each record starts, from the start of the batch. */
  readonly starts: number[] = [];
  readonly waiters: Waiter[] = [];
  /** Bytes in use. */
  length = 0;
  /** Set when the batch is durable. */
  firstSeq = -1;
  /** Set when a reset was asked for: what comes later belongs behind it. */
  isClosed = false;
  /** Set when its waiters were told, by whichever way came first. */
  isSettled = false;
  #buffer: BatchBuffer;
  /** Records before this have the CRC of their data; the others get it many at a time. */
  #sealed = 0;

  /** @param expected bytes that there is to be room for at once */
  constructor(base: number, opensSegment: boolean, expected: number) {
    this.base = base;
    this.opensSegment = opensSegment;
    this.#buffer = acquireBuffer(expected);
  }

  get count(): number {
    return this.starts.length;
  }

  /** What goes to the disk, every record whole. */
  get bytes(): Uint8Array {
    this.#seal(this.length);
    return this.#buffer.bytes.subarray(0, this.length);
  }

  get view(): DataView {
    return this.#buffer.view;
  }

  /** Whether a record of this length still belongs into this batch. */
  takes(length: number): boolean {
    return !this.isClosed && (this.length === 0 || this.length + length <= maxBatchBytes);
  }

  /** Encodes one record. `dataLength` is the byte length of `data`. */
  add(data: Uint8Array | string, dataLength: number, ids: IdSource): void {
    const at = this.length;
    const end = at + headerLength + dataLength;
    if (end > this.#buffer.bytes.length) this.#grow(end);
    const { bytes, plain, view } = this.#buffer;
    const start = at + headerLength;
    if (typeof data === "string") bytes.write(data, start, dataLength, "utf8");
    else plain.set(data, start);
    let crc = 0;
    if (dataLength >= longData) {
      this.#seal(at);
      crc = crc32(plain, start, end);
    } else if (end - this.#sealed > mostToSeal) {
      this.#seal(at);
    }
    writeHeader(view, at, dataLength, this.base + at, crc);
    ids.write(bytes, at + headerAt.id);
    this.starts.push(at);
    this.length = end;
    if (dataLength >= longData) this.#sealed = end;
  }

  /** Gives the record that was added last the end of its id: all that is not its time. */
  replaceIdEnd(bits: Uint8Array): void {
    this.#buffer.plain.set(bits, (this.starts.at(-1) as number) + headerAt.id + idLength - bits.length);
  }

  /** Gives the records up to `end` the CRC of their data. */
  #seal(end: number): void {
    if (end === this.#sealed) return;
    sealRecords(this.#buffer.plain, this.#buffer.view, this.#sealed, end);
    this.#sealed = end;
  }

  #grow(length: number): void {
    const old = this.#buffer;
    this.#buffer = acquireBuffer(length);
    this.#buffer.bytes.set(old.bytes.subarray(0, this.length));
    releaseBuffer(old);
  }

  /** Encodes the records for another place. */
  move(base: number): void {
    if (base === this.base) return;
    this.base = base;
    for (const start of this.starts) writeOwnOffset(this.#buffer.view, start, base + start);
  }

  /**
   * After what lay before was undone: takes out the records that were to get a certain seq (they
   * would get another one) and those whose caller was told already that it failed.
   */
  dropOrphans(nextSeq: number): void {
    const { waiters, starts } = this;
    this.#seal(this.length);
    let keptWaiters = 0;
    let keptStarts = 0;
    let read = 0;
    let length = 0;
    for (const waiter of waiters) {
      const first = starts[read] ?? this.length;
      const end = starts[read + waiter.count] ?? this.length;
      if (waiter.expectedSeq < 0 && !waiter.isOver) {
        this.#buffer.bytes.copyWithin(length, first, end);
        for (let i = read; i < read + waiter.count; i++) starts[keptStarts++] = (starts[i] as number) - first + length;
        length += end - first;
        waiters[keptWaiters++] = waiter;
      } else {
        if (!waiter.isOver) waiter.failed(conflictError(waiter.expectedSeq, nextSeq));
      }
      read += waiter.count;
    }
    waiters.length = keptWaiters;
    starts.length = keptStarts;
    this.length = length;
    this.#sealed = length;
    const base = this.base;
    this.base = -1;
    this.move(base);
  }

  /** The index entries of all records, into a buffer that the next call overwrites. */
  entries(seed: number, firstSeq: number, kind: "firm" | "provisional"): Uint8Array {
    const needed = this.starts.length * entryLength;
    if (entryScratch.length < needed) entryScratch = new Uint8Array(needed * 2);
    const entries = entryScratch.subarray(0, needed);
    this.#seal(this.length);
    const { plain, view } = this.#buffer;
    writeEntries({ bytes: plain, view, starts: this.starts, end: this.length }, firstSeq, seed, kind, entries);
    return entries;
  }

  /** Tells everybody who waits. */
  settle(firstSeq: number): void {
    this.firstSeq = firstSeq;
    this.isSettled = true;
    let index = 0;
    for (const waiter of this.waiters) {
      waiter.settled(this, index);
      index += waiter.count;
    }
  }

  fail(error: Error): void {
    this.isSettled = true;
    for (const waiter of this.waiters) waiter.failed(error);
  }

  /** Gives the buffer back; no write of it may be under way. */
  release(): void {
    releaseBuffer(this.#buffer);
  }
}

let entryScratch = new Uint8Array(64 * entryLength);

/** The error for an append that names another next seq than there is. */
export function conflictError(expectedSeq: number, nextSeq: number): SeqlogError<"SEQLOG_CONFLICT"> {
  return new SeqlogError(
    "SEQLOG_CONFLICT",
    `expectedSeq is ${expectedSeq}, but the next seq is ${nextSeq}: something else was appended. Read what is new, then decide again`,
    { expectedSeq: asSeq(expectedSeq), nextSeq: asSeq(nextSeq) },
  );
}
