/**
 * Writes one segment: the only code that puts records on the disk.
 *
 * Invariants:
 * - `end` is durable (under the weaker modes: written) and its entries are in the record index;
 *   the next record starts there. Nothing valid lies past it but a batch in flight.
 * - At most one background write is in flight, and `dirty` says where it starts.
 * - Two descriptors of the segment: `#log` takes the appends (O_DSYNC where there is one),
 *   `#second` everything else. Both are open before the first write, since the kernel reports a
 *   failed writeback once per descriptor: what the one swallowed the other still sees.
 */
import { basename } from "node:path";
import { SeqlogError } from "../errors.ts";
import { entryHeaderCrc, entryOffset } from "../format/index-entry.ts";
import { runSync } from "../storage/plan.ts";
import type { Storage, StorageFile } from "../storage/storage.ts";
import { shortWriteError, writeFullySync } from "../storage/write-fully.ts";
import type { Batch } from "./batch.ts";
import type { IndexFile } from "./index-file.ts";

/** When `append` may say that a record is there. */
export type AckPoint = "durable" | "written";

/** How to write. */
export interface SegmentWriterOptions {
  readonly ackPoint: AckPoint;
  /** Whether to lay zeros ahead of the records; the seed's single file is kept exact instead. */
  readonly zeroAhead: boolean;
}

const smallestStep = 4 * 1024;
const largestStep = 1024 * 1024;
const zeros = new Uint8Array(largestStep);

/** From this size on a batch pays for its own blocks: zeros ahead made these slower. */
const noZerosFrom = 256 * 1024;

type Done = (error: Error | undefined) => void;

/** The writer of one segment. */
export class SegmentWriter {
  readonly path: string;
  /** The file's name. */
  readonly name: string;
  readonly index: IndexFile;
  readonly #log: StorageFile;
  readonly #second: StorageFile;
  readonly #ackPoint: AckPoint;
  /** Whether a write to `#log` is durable by itself. */
  readonly #isDsync: boolean;
  #end: number;
  #nextSeq: number;
  #dirty = -1;
  #zeroAhead: boolean;
  /** The file holds zeros, or a batch in flight, from `#end` to here. */
  #zeroEnd: number;
  #step = smallestStep;
  readonly #syncCallers: Done[] = [];
  /** A failed fsync: from then on nothing is called durable. */
  #failure: Error | undefined;
  /** Callbacks that still use the descriptors. */
  #pending = 0;
  #closing: (() => void) | undefined;

  private constructor(
    log: StorageFile,
    second: StorageFile,
    index: IndexFile,
    at: { readonly end: number; readonly nextSeq: number },
    isDsync: boolean,
    options: SegmentWriterOptions,
  ) {
    this.path = log.path;
    this.name = basename(log.path);
    this.index = index;
    this.#log = log;
    this.#second = second;
    this.#isDsync = isDsync;
    this.#ackPoint = options.ackPoint;
    this.#zeroAhead = options.zeroAhead;
    this.#end = at.end;
    this.#zeroEnd = at.end;
    this.#nextSeq = at.nextSeq;
  }

  /**
   * Opens a segment that recovery has brought into order, or creates it.
   * @param at where its records end
   */
  static openSync(
    storage: Storage,
    path: string,
    index: IndexFile,
    at: { readonly end: number; readonly nextSeq: number },
    options: SegmentWriterOptions,
  ): SegmentWriter {
    const dsync = storage.hasDsync && options.ackPoint === "durable";
    const second = storage.openSync(path, "create");
    try {
      const log = storage.openSync(path, "write", { dsync });
      return new SegmentWriter(log, second, index, at, dsync, options);
    } catch (error) {
      second.closeSync();
      throw error;
    }
  }

  /** Where the next record will start. */
  get end(): number {
    return this.#end;
  }

  get nextSeq(): number {
    return this.#nextSeq;
  }

  /** Where the write in flight starts; −1 when none is. */
  get dirty(): number {
    return this.#dirty;
  }

  /** For reading what lies before `end`. */
  get file(): StorageFile {
    return this.#second;
  }

  /** Writes the batch in the background; it is for `settle` or `cutBack` to say what became of it. */
  write(batch: Batch, done: Done): void {
    this.#dirty = this.#end;
    this.#layZeros(this.#end + batch.length, batch.length);
    const { bytes } = batch;
    this.#begin();
    this.#log.write(bytes, this.#end, (error, written) => {
      const failure =
        error ?? (written === bytes.length ? undefined : shortWriteError(this.path, written, bytes.length));
      if (failure === undefined && this.#ackPoint === "durable" && !this.#isDsync) {
        this.#log.fsync((fsyncError) => this.#finish(() => done(fsyncError)));
      } else {
        this.#finish(() => done(failure));
      }
    });
  }

  /** Writes the batch and waits; as durable as an append has to be when it returns. */
  writeSync(batch: Batch): void {
    this.#dirty = this.#end;
    this.#layZeros(this.#end + batch.length, batch.length);
    writeFullySync(this.#log, batch.bytes, this.#end);
    if (this.#ackPoint === "durable" && !this.#isDsync) this.#log.fsyncSync();
  }

  /**
   * Writes the bytes of the batch in flight once more at the same place, and waits. On the second
   * descriptor, so that an error of the write in flight is seen there and here.
   */
  rewriteSync(batch: Batch): void {
    writeFullySync(this.#second, batch.bytes, this.#end);
    if (this.#ackPoint === "durable") this.#fsyncSecond();
  }

  /** One that fails here may have taken the error that a sync in the background would have been told of. */
  #fsyncSecond(): void {
    try {
      this.#second.fsyncSync();
    } catch (error) {
      this.#failure = error as Error;
      throw error;
    }
  }

  /** The batch is where it belongs: its entries are written, and it counts. */
  settle(batch: Batch): void {
    const kind = this.#ackPoint === "durable" ? "firm" : "provisional";
    const entries = batch.entries(this.index.seed, this.#nextSeq, kind);
    try {
      this.index.writeSync(this.#nextSeq, entries);
    } catch (error) {
      if (!SeqlogError.is(error, "SEQLOG_NO_SPACE") || !this.#zeroAhead) throw error;
      // The zeros laid ahead may hold the last room there was.
      this.#zeroAhead = false;
      this.#second.truncateSync(this.#end + batch.length);
      this.#zeroEnd = this.#end + batch.length;
      this.#fsyncSecond();
      this.index.writeSync(this.#nextSeq, entries);
    }
    const firstSeq = this.#nextSeq;
    this.#end += batch.length;
    this.#nextSeq += batch.count;
    this.#zeroEnd = Math.max(this.#zeroEnd, this.#end);
    this.#dirty = -1;
    batch.settle(firstSeq);
  }

  /** Undoes a write that failed: the file ends where it did before. Throws when that cannot be had for sure. */
  cutBack(): void {
    this.#second.truncateSync(this.#end);
    this.#fsyncSecond();
    this.#zeroEnd = this.#end;
    this.#dirty = -1;
  }

  /** Before `cutBack`, when entries of the batch may have been written: they are gone for good. */
  cutEntries(): void {
    this.index.truncateSync(this.#nextSeq);
    this.index.fsyncSync();
  }

  /** Makes all that was written durable, in the background; then the mark says so. */
  sync(done: Done): void {
    this.#begin();
    this.#syncCallers.push(done);
    if (this.#syncCallers.length === 1) this.#syncNext();
  }

  /** One at a time: of two fsyncs on one descriptor only one is told of an error. */
  #syncNext(): void {
    const lastSeq = this.#nextSeq - 1;
    this.#second.fsync((fsyncError) => {
      const error = fsyncError ?? this.#markDurable(lastSeq);
      const done = this.#syncCallers.shift() as Done;
      // After a failure nobody syncs again.
      const failed = error === undefined ? [] : this.#syncCallers.splice(0);
      if (this.#syncCallers.length > 0) this.#syncNext();
      for (const call of [done, ...failed]) this.#finish(() => call(error));
    });
  }

  /** As `sync`, blocking. Through the descriptor that a background sync does not use. */
  syncSync(): void {
    this.#log.fsyncSync();
    const error = this.#markDurable(this.#nextSeq - 1);
    if (error !== undefined) throw error;
  }

  /** Under the weaker modes entries are provisional until their records are durable; the last one speaks for all. */
  #markDurable(lastSeq: number): Error | undefined {
    if (this.#failure !== undefined) return this.#failure;
    if (this.#ackPoint === "durable" || lastSeq < this.index.base) return undefined;
    try {
      const view = runSync(this.index.entries(lastSeq, 1));
      const entry = {
        seq: lastSeq,
        offset: entryOffset(view, 0),
        headerCrc: entryHeaderCrc(view, 0),
        kind: "firm",
      } as const;
      this.index.makeFirmSync(entry);
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }

  /** Brings the record index to the disk in the background. */
  syncIndex(done: Done): void {
    this.#begin();
    this.index.fsync((error) => this.#finish(() => done(error)));
  }

  /** Ends the segment: no zeros behind the records, all of it and its record index durable. No write may be in flight. */
  seal(): void {
    this.#second.truncateSync(this.#end);
    this.#fsyncSecond();
    this.#zeroEnd = this.#end;
    if (this.#ackPoint === "written") this.syncSync();
    this.index.fsyncSync();
  }

  /** Closes the descriptors as soon as no callback needs them; `closed` is called then. The record index stays open. */
  close(closed: () => void): void {
    this.#closing = () => {
      this.#closing = undefined;
      this.#log.closeSync();
      this.#second.closeSync();
      closed();
    };
    if (this.#pending === 0) this.#closing();
  }

  #begin(): void {
    this.#pending++;
  }

  #finish(call: () => void): void {
    this.#pending--;
    try {
      call();
    } finally {
      if (this.#pending === 0) this.#closing?.();
    }
  }

  /**
   * Lays zeros beyond a batch that is about to be written, so that later ones overwrite instead of
   * growing the file. Never before its end (a write from the threadpool may come first), never
   * synced, and never a reason to fail.
   */
  #layZeros(batchEnd: number, batchLength: number): void {
    if (!this.#zeroAhead || batchEnd <= this.#zeroEnd || batchLength >= noZerosFrom) return;
    const until = Math.ceil((batchEnd + this.#step) / smallestStep) * smallestStep;
    const length = Math.min(until - batchEnd, largestStep);
    try {
      if (this.#second.writeSync(zeros.subarray(0, length), batchEnd) < length) this.#zeroAhead = false;
      this.#zeroEnd = batchEnd + length;
    } catch {
      // A disk with no room for zeros may have room for the records.
      this.#zeroAhead = false;
    }
    this.#step = Math.min(this.#step * 2, largestStep);
  }
}
