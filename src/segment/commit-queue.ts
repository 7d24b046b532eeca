/**
 * Group commit: whoever appends while a write is under way shares the next one.
 *
 * Invariants:
 * - Batches are written one after the other in the order of appends; batch k+1 only after batch k
 *   is durable, so what a crash leaves is always a prefix.
 * - Data is copied before `append` returns. A buffer is given back only after its callback.
 * - After a failure that cannot be undone for sure the queue is poisoned: everything queued is
 *   rejected, nothing is acknowledged any more, and no failed fsync is tried again.
 *
 *   append ─► open batch ─► … ─► [in flight] ─► settle: entries, then the callers
 *                ├ where the disk is fast a short batch is written in place, once in a turn of the loop
 *                └ appendSync takes the same way, but drains it at once, blocking
 */
import { SeqlogError } from "../errors.ts";
import { headerLength, maxDataLength } from "../format/record.ts";
import type { IdSource } from "../format/uuid.ts";
import type { Clock } from "../storage/storage.ts";
import { Batch, type Waiter, conflictError } from "./batch.ts";
import { maxBatchBytes } from "./buffer-pool.ts";
import { InPlaceWrites, type WriteMode } from "./in-place-writes.ts";
import type { SegmentWriter } from "./segment-writer.ts";

/** What the queue needs of the log it writes for. */
export interface CommitHost {
  /** Names the log in messages. */
  readonly path: string;
  /** The segment being written; another one after `roll` and after a reset. */
  current(): SegmentWriter;
  /** A record that would end past this opens a new segment, unless it is the first. */
  readonly segmentBytes: number;
  /** Seals the segment and begins the next. Blocks. No write is in flight. */
  roll(): void;
  /** Called before each write of so many bytes past what is durable. Blocks. */
  beforeWrite(length: number): void;
  /** Called after records became readable. */
  committed(bytes: number): void;
  /** Called once, when the queue is poisoned. */
  poisoned(cause: Error): void;
}

/** Limits on what is accepted, and how it is written. */
export interface CommitSettings {
  /** Bytes of data in one record. */
  readonly maxRecordBytes: number;
  /** Bytes accepted and not yet acknowledged; one append, or one batch, may exceed it when nothing else waits. */
  readonly maxPendingBytes: number;
  readonly writes: WriteMode;
}

/** A batch this large is written without waiting for the end of the turn. */
const writeAtOnce = 256 * 1024;

/** A batch is expected to become as long as the one before, but no longer: many logs may write at once. */
const mostExpected = 128 * 1024;

/** The byte length of data that a user gave. Throws what is wrong with it. */
export function checkedLength(data: Uint8Array | string, maxRecordBytes: number): number {
  let length: number;
  if (typeof data === "string") {
    if (!data.isWellFormed()) {
      throw new TypeError("data is a string with a lone surrogate, which has no UTF-8 form; nothing was appended");
    }
    length = Buffer.byteLength(data, "utf8");
  } else if (data instanceof Uint8Array) {
    length = data.length;
  } else {
    const found =
      data === null
        ? "null"
        : typeof data === "object"
          ? ((data as object).constructor?.name ?? "object")
          : typeof data;
    throw new TypeError(
      `data must be a Uint8Array or a string, got ${found}; for other values open the log with a codec such as json()`,
    );
  }
  if (length > maxRecordBytes) {
    throw new RangeError(
      `data is ${length} bytes, more than maxRecordBytes (${maxRecordBytes}); nothing was appended. Raise maxRecordBytes (at most ${maxDataLength}) or split the data`,
    );
  }
  return length;
}

/** The queue of one log. */
export class CommitQueue {
  readonly #host: CommitHost;
  readonly #ids: IdSource;
  readonly #limits: CommitSettings;
  readonly #inPlace: InPlaceWrites;
  /** Waiting batches, oldest first; records are added to the last. */
  readonly #waiting: Batch[] = [];
  #inFlight: Batch | undefined;
  #isScheduled = false;
  #pendingBytes = 0;
  /** Of the last batch: the next one is likely to be as long. */
  #lastLength = 0;
  #accepted = 0;
  #poison: Error | undefined;
  #nextSeq: number;
  #isPaused = false;
  /** The next seq when the queue was paused: another one at `resume` means that the log was reset. */
  #pausedAt = 0;
  readonly #idleCallers: (() => void)[] = [];
  readonly #roomCallers: (() => void)[] = [];

  constructor(host: CommitHost, ids: IdSource, clock: Clock, settings: CommitSettings) {
    this.#host = host;
    this.#ids = ids;
    this.#limits = settings;
    this.#inPlace = new InPlaceWrites(settings.writes, clock);
    this.#nextSeq = host.current().nextSeq;
  }

  /** The seq that the next record to be appended gets, if all before it get through. */
  get nextSeq(): number {
    return this.#nextSeq;
  }

  /** Bytes accepted and not yet acknowledged. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Counts the appends that were accepted: unchanged means that nothing was appended in between. */
  get accepted(): number {
    return this.#accepted;
  }

  get isPoisoned(): boolean {
    return this.#poison !== undefined;
  }

  /** Whether a background write uses its buffer and descriptor. */
  get hasWriteInFlight(): boolean {
    return this.#inFlight !== undefined;
  }

  /** The byte length of data that a user gave. Throws what is wrong with it. */
  checkedLength(data: Uint8Array | string): number {
    return checkedLength(data, this.#limits.maxRecordBytes);
  }

  /**
   * Accepts one record. The waiter is told later, never before this returns. With `isBlocking` a
   * `drainSync` follows. `idEnd` takes the place of the random bits of its id.
   */
  add(data: Uint8Array | string, waiter: Waiter, isBlocking = false, idEnd?: Uint8Array): void {
    const length = checkedLength(data, this.#limits.maxRecordBytes);
    this.#accept(headerLength + length, waiter.expectedSeq);
    this.#ids.begin();
    this.#place(data, length, waiter, idEnd);
    if (!isBlocking) this.#schedule();
  }

  /** Accepts records that belong to one caller: `makeWaiter` makes one for each batch they come to lie in, given the place of its first record in `data`. */
  addAll(
    data: readonly (Uint8Array | string)[],
    expectedSeq: number,
    makeWaiter: (first: number) => Waiter,
    isBlocking = false,
  ): void {
    const lengths: number[] = [];
    let bytes = 0;
    for (let i = 0; i < data.length; i++) {
      const length = checkedLength(data[i] as Uint8Array | string, this.#limits.maxRecordBytes);
      lengths.push(length);
      bytes += headerLength + length;
    }
    this.#accept(bytes, expectedSeq);
    this.#ids.begin();
    try {
      this.#placeAll(data, lengths, bytes, makeWaiter);
    } catch (error) {
      // What was placed already goes its way, as it would if the process ended here.
      this.#schedule();
      throw error;
    }
    if (!isBlocking) this.#schedule();
  }

  /** Writes all that waits, blocking; whoever waits is told before it returns. */
  drainSync(): void {
    this.throwIfPaused();
    this.#drain(this.#waiting.at(-1));
  }

  /** Nobody can wait for a reset without giving the event loop a turn. */
  throwIfPaused(): void {
    if (this.#isPaused) throw new TypeError("a blocking call while reset() is under way; await the reset first");
  }

  /** Writes what is in flight, and what waits up to and including a batch. */
  #drain(last: Batch | undefined): void {
    const segment = this.#host.current();
    if (this.#inFlight !== undefined && !this.#inFlight.isSettled) {
      this.#rewriteSync(segment, this.#inFlight);
    }
    for (
      let left = last === undefined ? 0 : this.#waiting.indexOf(last) + 1;
      left > 0 && this.#waiting.length > 0;
      left--
    ) {
      const batch = this.#waiting.shift() as Batch;
      if (this.#prepare(batch)) this.#writeSync(batch);
      batch.release();
    }
    this.#wakeCallers();
  }

  /** Writes a batch that is in flight once more, blocking, and tells its callers what became of it. */
  #rewriteSync(segment: ReturnType<CommitHost["current"]>, batch: Batch): void {
    try {
      segment.rewriteSync(batch);
    } catch (error) {
      // The write in flight may still land, so nothing can be cut back.
      return this.#fail(batch, error as Error, "unsure");
    }
    this.#settle(batch, false);
  }

  /** Writes a batch that is ready, blocking, and tells its callers what became of it. */
  #writeSync(batch: Batch): void {
    try {
      this.#host.current().writeSync(batch);
    } catch (error) {
      return this.#fail(batch, error as Error, "written");
    }
    this.#settle(batch, true);
  }

  /** Resolves when nothing waits and nothing is in flight. Does not fail: each caller has its own answer. */
  async idle(): Promise<void> {
    while (this.#inFlight !== undefined || this.#waiting.length > 0) {
      await new Promise<void>((resolve) => this.#idleCallers.push(resolve));
    }
  }

  /** Resolves when all that was accepted before this call has its answer. Does not fail. */
  settled(): Promise<void> {
    const last = this.#waiting.at(-1) ?? (this.#inFlight?.isSettled === false ? this.#inFlight : undefined);
    if (last === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      last.waiters.push({
        count: 0,
        expectedSeq: -1,
        isOver: false,
        settled: () => resolve(),
        failed: () => resolve(),
      });
    });
  }

  /** Resolves when no more than half of `maxPendingBytes` is pending. */
  room(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#hasRoom()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#roomCallers.splice(this.#roomCallers.indexOf(go), 1);
        reject(signal?.reason as Error);
      };
      const go = (): void => {
        signal?.removeEventListener("abort", abort);
        resolve();
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.#roomCallers.push(go);
    });
  }

  /** Marks the place between what was appended until now and what will be. */
  barrier(): Batch | undefined {
    const last = this.#waiting.at(-1);
    if (last !== undefined) last.isClosed = true;
    return last;
  }

  /**
   * Writes what waits up to a barrier and then holds what comes, until `resume`. Resolves when no
   * callback is out any more: the segment may then be replaced.
   */
  async pause(barrier: Batch | undefined = this.barrier()): Promise<void> {
    this.#isPaused = true;
    this.#drain(barrier);
    this.#pausedAt = this.#host.current().nextSeq;
    while (this.#inFlight !== undefined) await new Promise<void>((resolve) => this.#idleCallers.push(resolve));
  }

  /** Goes on, perhaps in another segment: what was held is placed anew. */
  resume(): void {
    this.#isPaused = false;
    if (this.#host.current().nextSeq !== this.#pausedAt) this.#placeAnew();
    this.#schedule();
  }

  /** Ends it all because of a failure elsewhere in the log, such as a background fsync. */
  poison(cause: Error): void {
    if (this.#poison !== undefined) return;
    this.#poison = cause;
    const error = this.#poisonedError();
    if (this.#inFlight?.isSettled === false) this.#inFlight.fail(error);
    for (const batch of this.#waiting.splice(0)) {
      batch.fail(error);
      batch.release();
    }
    this.#pendingBytes = 0;
    this.#host.poisoned(cause);
    this.#wakeCallers();
  }

  throwIfPoisoned(): void {
    if (this.#poison !== undefined) throw this.#poisonedError();
  }

  #poisonedError(): SeqlogError<"SEQLOG_POISONED"> {
    return new SeqlogError(
      "SEQLOG_POISONED",
      `${this.#host.path}: a write or fsync failed, so nothing more is acknowledged (${this.#poison?.message ?? "unknown"}). ` +
        "Close the log and open it again: opening verifies what is on the disk",
      { path: this.#host.path },
      { cause: this.#poison },
    );
  }

  /** Bytes are counted as pending once they are placed: there may be no memory for them. */
  #accept(length: number, expectedSeq: number): void {
    this.throwIfPoisoned();
    if (expectedSeq >= 0 && expectedSeq !== this.#nextSeq) throw conflictError(expectedSeq, this.#nextSeq);
    if (this.#pendingBytes > 0 && this.#pendingBytes + length > this.#limits.maxPendingBytes) {
      const facts = { pendingBytes: this.#pendingBytes };
      throw new SeqlogError(
        "SEQLOG_QUEUE_FULL",
        `${this.#host.path}: ${this.#pendingBytes} bytes wait for the disk and maxPendingBytes is ${this.#limits.maxPendingBytes}; nothing was appended. Await \`ready()\` between appends`,
        facts,
      );
    }
    this.#accepted++;
  }

  #place(data: Uint8Array | string, length: number, waiter: Waiter, idEnd: Uint8Array | undefined): void {
    const batch = this.#batchFor(headerLength + length, this.#lastLength);
    batch.add(data, length, this.#ids);
    if (idEnd !== undefined) batch.replaceIdEnd(idEnd);
    batch.waiters.push(waiter);
    this.#pendingBytes += headerLength + length;
    this.#nextSeq++;
  }

  #placeAll(
    data: readonly (Uint8Array | string)[],
    lengths: readonly number[],
    bytes: number,
    makeWaiter: (first: number) => Waiter,
  ): void {
    let left = bytes;
    for (let i = 0; i < data.length;) {
      const batch = this.#batchFor(headerLength + (lengths[i] as number), left);
      const waiter = makeWaiter(i);
      batch.waiters.push(waiter);
      // A record that would end past this needs a batch of its own, or a segment.
      const room = this.#host.segmentBytes - batch.base;
      do {
        const length = lengths[i] as number;
        batch.add(data[i] as Uint8Array | string, length, this.#ids);
        left -= headerLength + length;
        this.#pendingBytes += headerLength + length;
        waiter.count++;
        this.#nextSeq++;
        i++;
      } while (i < data.length && this.#fits(batch, lengths[i] as number, room));
    }
  }

  #fits(batch: Batch, dataLength: number, room: number): boolean {
    const length = headerLength + dataLength;
    return batch.length + length <= room && batch.takes(length);
  }

  /**
   * The batch that the next record goes to: the last one, or a new one behind it.
   * @param expected bytes that may come to lie in a new one
   */
  #batchFor(length: number, expected: number): Batch {
    const last = this.#waiting.at(-1);
    const before = last ?? (this.#inFlight?.isSettled === false ? this.#inFlight : undefined);
    const end = before === undefined ? this.#host.current().end : before.base + before.length;
    const opensSegment = end > 0 && end + length > this.#host.segmentBytes;
    if (last !== undefined && !opensSegment && last.takes(length)) return last;
    const batch = new Batch(opensSegment ? 0 : end, opensSegment, Math.max(length, Math.min(expected, maxBatchBytes)));
    this.#waiting.push(batch);
    return batch;
  }

  #schedule(): void {
    if (this.#inFlight !== undefined || this.#isPaused) return;
    const length = this.#waiting[0]?.length ?? 0;
    if (length >= writeAtOnce) return this.#dispatch("background");
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const dispatch = (how: "in place" | "background"): void => {
      this.#isScheduled = false;
      this.#dispatch(how);
    };
    if (this.#inPlace.takes(length)) this.#inPlace.inTurn(() => dispatch("in place"));
    else process.nextTick(() => dispatch("background"));
  }

  /** Writes the next batch; in place only in a turn that was given for it, and only one. */
  #dispatch(how: "in place" | "background"): void {
    while (this.#inFlight === undefined) {
      const batch = this.#isPaused ? undefined : this.#waiting.shift();
      if (batch === undefined) return this.#wakeCallers();
      if (!this.#prepare(batch)) {
        batch.release();
        continue;
      }
      this.#inPlace.begin();
      if (how === "in place" && this.#inPlace.takes(batch.length)) {
        this.#writeSync(batch);
        this.#inPlace.endInPlace();
        batch.release();
        if (this.#waiting.length > 0) this.#schedule();
        return;
      }
      this.#inFlight = batch;
      try {
        this.#host.current().write(batch, (error) => {
          this.#inPlace.endInBackground(batch.length);
          this.#landed(batch, error);
        });
      } catch (error) {
        // The write did not even begin; without a callback to come nobody else would say so.
        this.#inFlight = undefined;
        this.#fail(batch, error as Error, "unsure");
        batch.release();
      }
    }
  }

  #landed(batch: Batch, error: Error | undefined): void {
    this.#inFlight = undefined;
    if (batch.isSettled) {
      // A blocking append has written the same bytes meanwhile; that this write failed still means
      // that the disk cannot be trusted.
      if (error !== undefined) this.poison(error);
    } else if (error !== undefined) {
      this.#fail(batch, error, "written");
    } else {
      this.#settle(batch, true);
    }
    batch.release();
    if (!this.#isPaused && this.#inPlace.takes(this.#waiting[0]?.length ?? Infinity)) this.#schedule();
    else this.#dispatch("background");
  }

  /** Gets everything ready for a batch to be written; false when it was rejected instead. */
  #prepare(batch: Batch): boolean {
    // All its records were dropped; whoever waits for those before it has waited long enough.
    if (batch.count === 0) {
      batch.settle(this.#host.current().nextSeq);
      return false;
    }
    try {
      const { end } = this.#host.current();
      const isFull = end > 0 && (batch.opensSegment || end + batch.length > this.#host.segmentBytes);
      // While a callback is out the old segment cannot be sealed; the batch then goes to it.
      if (isFull && this.#inFlight === undefined) this.#host.roll();
      batch.move(this.#host.current().end);
      this.#host.beforeWrite(batch.length);
      return true;
    } catch (error) {
      this.#fail(batch, error as Error, "not-written");
      return false;
    }
  }

  /** @param canCut whether no write of the batch is under way any more */
  #settle(batch: Batch, canCut: boolean): void {
    try {
      this.#host.current().settle(batch);
    } catch (error) {
      return this.#fail(batch, error as Error, canCut ? "without-entries" : "unsure");
    }
    this.#lastLength = Math.min(batch.length, mostExpected);
    this.#pendingBytes -= batch.length;
    this.#host.committed(batch.length);
    this.#wakeCallers();
  }

  /**
   * A batch could not be written. When the disk is full, and the file can be cut back to where it
   * ended before, only its own callers are told; else the log is poisoned.
   */
  #fail(batch: Batch, error: Error, state: "not-written" | "written" | "without-entries" | "unsure"): void {
    if (this.#poison !== undefined) {
      if (!batch.isSettled) batch.fail(this.#poisonedError());
      return;
    }
    const undoable = SeqlogError.is(error, "SEQLOG_NO_SPACE") && state !== "unsure";
    try {
      // Entries without records would be damage, so they go first.
      if (undoable && state === "without-entries") this.#host.current().cutEntries();
      if (undoable && state !== "not-written") this.#host.current().cutBack();
    } catch (cutError) {
      return this.#failAndPoison(batch, cutError as Error);
    }
    if (!undoable) return this.#failAndPoison(batch, error);
    this.#pendingBytes -= batch.length;
    batch.fail(error);
    this.#placeAnew();
    this.#wakeCallers();
  }

  #failAndPoison(batch: Batch, error: Error): void {
    this.poison(error);
    if (!batch.isSettled) batch.fail(this.#poisonedError());
  }

  /** What waits gets other seqs than it was to get: takes out what cannot live with that. */
  #placeAnew(): void {
    this.#nextSeq = this.#host.current().nextSeq;
    for (const batch of this.#waiting) {
      const { length } = batch;
      batch.dropOrphans(this.#nextSeq);
      this.#pendingBytes -= length - batch.length;
      this.#nextSeq += batch.count;
    }
  }

  #hasRoom(): boolean {
    return this.#pendingBytes <= this.#limits.maxPendingBytes / 2;
  }

  /** One after the other: the next is woken when the one before has had its turn to append. */
  #wakeForRoom(): void {
    if (!this.#hasRoom()) return;
    const go = this.#roomCallers.shift();
    if (go === undefined) return;
    go();
    // A tick asked for by a microtask comes after all microtasks, those of the caller too.
    queueMicrotask(() => process.nextTick(() => this.#wakeForRoom()));
  }

  #wakeCallers(): void {
    this.#wakeForRoom();
    if (this.#inFlight === undefined && (this.#waiting.length === 0 || this.#isPaused)) {
      for (const resolve of this.#idleCallers.splice(0)) resolve();
    }
  }
}
