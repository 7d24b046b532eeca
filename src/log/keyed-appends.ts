/**
 * Appends with an idempotency key: a key that is in the window gets the record that was appended with
 * it first. The window is read back from the log at the first of them, not at open.
 *
 * Reading it back blocks: appends of one turn get their seqs in the order of the calls, and nobody
 * can pass one that waits for the disk.
 */
import { basename } from "node:path";
import { SeqlogError } from "../errors.ts";
import { crc32 } from "../format/crc32.ts";
import { keyBits, keyBitsAt } from "../format/key-bits.ts";
import { headerAt } from "../format/record.ts";
import { formatId, idLength, writeMilliseconds } from "../format/uuid.ts";
import { asOffset, asSeq } from "../numbers.ts";
import type { Batch, Waiter } from "../segment/batch.ts";
import type { CommitQueue } from "../segment/commit-queue.ts";
import type { Clock } from "../storage/storage.ts";
import { type KeyLimits, KeyedRecord, KeyWindow } from "./key-window.ts";
import type { FileAppended } from "./log.ts";
import type { Manifest } from "./manifest.ts";
import { readHeadersSync } from "./record-headers.ts";
import type { SealedSegment } from "./recover-directory.ts";
import type { CachedSegment } from "./segment-cache.ts";
import { logPath } from "./segment-files.ts";
import { AppendedRecord } from "./waiters.ts";

/** The log that is written. */
export interface KeyedHost {
  readonly location: string;
  readonly manifest: Manifest;
  readonly queue: CommitQueue;
  readonly segments: readonly SealedSegment[];
  readonly segmentName: string;
  readonly nextSeq: number;
  withSegment<T>(base: number, use: (segment: CachedSegment) => T): T;
}

/** Bytes of a key. */
const maxKeyBytes = 1024;

/** Headers that are read at once, from the end of the log backward. */
const pieceRecords = 1024;

/** Who appends, and how it is told. */
interface KeyedCall {
  readonly data: Uint8Array | string;
  readonly key: Uint8Array | string;
  readonly expectedSeq: number;
  readonly isBlocking: boolean;
  readonly resolve: (appended: FileAppended) => void;
  readonly reject: (error: Error) => void;
}

/** Those of one log. */
export class KeyedAppends {
  readonly #host: KeyedHost;
  readonly #clock: Clock;
  readonly #limits: KeyLimits;
  readonly #secret: Uint8Array;
  #window: KeyWindow<FirstAppend>;

  constructor(host: KeyedHost, clock: Clock, limits: KeyLimits) {
    this.#host = host;
    this.#clock = clock;
    this.#limits = limits;
    this.#secret = Buffer.from(host.manifest.secret, "hex");
    this.#window = new KeyWindow(limits, false);
  }

  /** Accepts one record, or answers with the one that the key was used for. @throws what is wrong with it */
  add(call: KeyedCall): void {
    const { location, manifest, queue } = this.#host;
    checkKey(call.key);
    if (manifest.idVersion !== 7) throw noKeys(location);
    const length = queue.checkedLength(call.data);
    queue.throwIfPoisoned();
    if (!this.#window.isComplete) this.#restore();
    const idEnd = keyBits(this.#secret, call.key);
    const bits = Buffer.from(idEnd).toString("latin1");
    const found = this.#window.find(bits, this.#host.nextSeq, this.#clock.now());
    if (found !== undefined) {
      const repeat = new Repeat(location, length, crcOf(call.data), call.resolve, call.reject);
      if (found instanceof KeyedRecord) repeat.answer(duplicateOf(found), found);
      else found.repeats.push(repeat);
      return;
    }
    const window = this.#window;
    const first = new FirstAppend(call, this.#host, bits, window);
    // Before it is accepted: an append may fail before `add` returns, and the key is free again then.
    window.begin(bits, first);
    try {
      queue.add(call.data, first, call.isBlocking, idEnd);
    } catch (error) {
      window.forget(bits);
      throw error;
    }
  }

  /**
   * From here on appends belong to what comes after a reset, which is under way. Should it fail, the
   * records that were to go are there still.
   */
  beginGeneration(reset: Promise<void>): void {
    const window = new KeyWindow<FirstAppend>(this.#limits, true);
    this.#window = window;
    reset.catch(() => (window.isComplete = false));
  }

  /** Reads the headers of the window's records, from the last one backward. */
  #restore(): void {
    const { manifest, segments, nextSeq } = this.#host;
    const now = this.#clock.now();
    const newestFirst: KeyedRecord[] = [];
    for (const segment of segments.toReversed()) {
      const name = basename(logPath("", { base: segment.base, generation: manifest.generation }));
      const limit = { nextSeq: segment.nextSeq, end: segment.bytes };
      for (let upper = segment.nextSeq; upper > segment.base;) {
        const lower = Math.max(segment.base, upper - pieceRecords);
        const headers = this.#host.withSegment(segment.base, (held) => readHeadersSync(held, lower, upper, limit));
        for (const { seq, timeMs, length, crc, offset, idEnd } of headers.reverse()) {
          if (!this.#window.covers(seq, timeMs, nextSeq, now)) return this.#window.restore(newestFirst.reverse());
          newestFirst.push(new KeyedRecord(idEnd, seq, timeMs, length, crc, name, offset));
        }
        upper = lower;
      }
    }
    this.#window.restore(newestFirst.reverse());
  }
}

/** The first append of a key, until it is durable; those that repeat it meanwhile wait with it. */
class FirstAppend implements Waiter {
  count = 1;
  readonly isOver = false;
  readonly expectedSeq: number;
  readonly repeats: Repeat[] = [];
  readonly #call: KeyedCall;
  readonly #host: KeyedHost;
  readonly #bits: string;
  /** Of the generation that it was appended to. */
  readonly #window: KeyWindow<FirstAppend>;

  constructor(call: KeyedCall, host: KeyedHost, bits: string, window: KeyWindow<FirstAppend>) {
    this.expectedSeq = call.expectedSeq;
    this.#call = call;
    this.#host = host;
    this.#bits = bits;
    this.#window = window;
  }

  settled(batch: Batch, index: number): void {
    const appended = new AppendedRecord(batch, index, this.#host.segmentName);
    const start = batch.starts[index] as number;
    const length = batch.view.getUint32(start + headerAt.length, true);
    const crc = batch.view.getUint32(start + headerAt.crc, true);
    const { seq, time, segment, offset } = appended;
    const record = new KeyedRecord(this.#bits, seq, time.getTime(), length, crc, segment, offset);
    this.#window.settle(record);
    this.#call.resolve(appended);
    for (const repeat of this.repeats) repeat.answer(duplicateOf(record), record);
  }

  failed(error: Error): void {
    this.#window.forget(this.#bits);
    this.#call.reject(error);
    for (const { reject } of this.repeats) reject(error);
  }
}

/** An append whose key was used before. */
class Repeat {
  readonly #location: string;
  readonly #length: number;
  readonly #crc: number;
  readonly #resolve: (appended: FileAppended) => void;
  readonly reject: (error: Error) => void;

  constructor(
    location: string,
    length: number,
    crc: number,
    resolve: (appended: FileAppended) => void,
    reject: (error: Error) => void,
  ) {
    this.#location = location;
    this.#length = length;
    this.#crc = crc;
    this.#resolve = resolve;
    this.reject = reject;
  }

  /** Ends with the first record, unless that holds other data. */
  answer(first: FileAppended, record: KeyedRecord): void {
    if (record.holds(this.#length, this.#crc)) return this.#resolve(first);
    const { seq, id } = first;
    const difference =
      record.length === this.#length
        ? `its ${this.#length} bytes have another CRC`
        : `it has ${this.#length} bytes, not ${record.length}`;
    this.reject(
      new SeqlogError(
        "SEQLOG_KEY_REUSED",
        `${this.#location}: this key was used for record ${seq}, and the data is not the same: ${difference}. Nothing was appended. Give other data another key`,
        { seq, id },
      ),
    );
  }
}

function duplicateOf(record: KeyedRecord): FileAppended {
  const id = new Uint8Array(idLength);
  writeMilliseconds(id, 0, record.timeMs);
  id.set(Buffer.from(record.bits, "latin1"), keyBitsAt);
  return {
    seq: asSeq(record.seq),
    id: formatId(id, 0),
    time: new Date(record.timeMs),
    duplicate: true,
    segment: record.segment,
    offset: asOffset(record.offset),
  };
}

function crcOf(data: Uint8Array | string): number {
  return crc32(typeof data === "string" ? Buffer.from(data, "utf8") : data);
}

/** @throws {TypeError}, {RangeError} */
export function checkKey(key: Uint8Array | string): void {
  if (typeof key !== "string" && !(key instanceof Uint8Array)) {
    throw new TypeError(`key must be a string or a Uint8Array, got ${key === null ? "null" : typeof key}`);
  }
  if (typeof key === "string" && !key.isWellFormed()) {
    throw new TypeError("key is a string with a lone surrogate, which has no UTF-8 form");
  }
  const length = typeof key === "string" ? Buffer.byteLength(key, "utf8") : key.length;
  if (length < 1 || length > maxKeyBytes) {
    throw new RangeError(`key must have 1 to ${maxKeyBytes} bytes, got ${length}`);
  }
}

function noKeys(path: string): SeqlogError<"SEQLOG_UNSUPPORTED"> {
  const reason = "its ids are UUIDs of version 4, which the keys of the last appends cannot be read from";
  return new SeqlogError(
    "SEQLOG_UNSUPPORTED",
    `${path}: no append with a key: ${reason}. Nothing was appended. Make the log with ids: "v7", or keep the keys in the data`,
    { path, reason },
  );
}
