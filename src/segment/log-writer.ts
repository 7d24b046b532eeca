/**
 * The seed's `LogWriter`: one append-only file and a shared record index, byte for byte its format.
 * What the seed got wrong is right here: see docs/architecture.md, "From the seed".
 */
import { dirname } from "node:path";
import { headerLength, maxDataLength } from "../format/record.ts";
import { createIdSourceV4 } from "../format/uuid.ts";
import { type OptionNames, refuseUnknownOptions } from "../known-options.ts";
import { type Offset, asOffset } from "../numbers.ts";
import { localPath } from "../storage/local-path.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { run } from "../storage/plan.ts";
import type { Machine } from "../storage/storage.ts";
import { type LockKind, type WriterLock, acquireWriterLock, lockPathOf } from "../storage/writer-lock.ts";
import { BackgroundSync } from "./background-sync.ts";
import type { Batch, Waiter } from "./batch.ts";
import { damaged } from "./damaged.ts";
import { type CommitHost, CommitQueue, type CommitSettings } from "./commit-queue.ts";
import { type WriteMode, checkedWrites } from "./in-place-writes.ts";
import { singleFileWindow } from "./inspect.ts";
import { closedError } from "./read-range.ts";
import { RecordIndex } from "./record-index.ts";
import { type SegmentRecovery, recoverSegment } from "./recover-segment.ts";
import { ResetGate } from "./reset-gate.ts";
import { SegmentWriter } from "./segment-writer.ts";

/** Data of one record, by default. */
export const defaultMaxRecordBytes: number = 16 * 1024 * 1024;

/** Unacknowledged bytes, by default. */
export const defaultMaxPendingBytes: number = 64 * 1024 * 1024;

/** Options of {@link LogWriter.open}. */
export interface LogWriterOptions {
  /** Bytes of data in one record, for appends alone. Default 16 MiB, at most 1 GiB. */
  readonly maxRecordBytes?: number;
  /** Bytes accepted and not yet acknowledged. Default 64 MiB. */
  readonly maxPendingBytes?: number;
  /**
   * Where records are written: `"auto"` (default) writes at most 64 KiB at a time on the event loop as
   * long as this disk takes less than 0.5 ms for it, since the way through the thread pool takes as
   * long; at most once in a turn, and from the first write of over 2 ms on in the background again.
   * `"background"` never blocks. What is acknowledged, and when, is the same.
   */
  readonly writes?: WriteMode;
  /** How a second writer is kept out. Default `"kernel"`; what `"pid-file"` cannot do is in docs/durability.md. */
  readonly lock?: LockKind;
  /** The machine to work on; for tests. */
  readonly machine?: Machine;
}

const names: OptionNames<LogWriterOptions> = {
  maxRecordBytes: true,
  maxPendingBytes: true,
  writes: true,
  lock: true,
  machine: true,
};

/** What opening found. */
export interface RecoveryReport {
  /** Records in the log. */
  readonly records: number;
  /** Bytes of an interrupted, never acknowledged write that were set aside; 0 when there were none. */
  readonly tornBytes: number;
  /** The file that holds them now. */
  readonly savedAs?: string;
  /** Where they were. */
  readonly tornOffset?: Offset;
  /** Records that were on their way when the last writer ended, and were made durable now. */
  readonly redone: number;
  /** Whether a record index was missing or invalid and was made anew. */
  readonly indexRebuilt: boolean;
}

/** The report of one segment's recovery. */
export function reportOf(recovery: SegmentRecovery, records: number): RecoveryReport {
  const { tornBytes, savedAs, tornOffset, redone, indexRebuilt } = recovery;
  return {
    records,
    tornBytes,
    ...(savedAs === undefined ? {} : { savedAs }),
    ...(tornOffset === undefined ? {} : { tornOffset: asOffset(tornOffset) }),
    redone,
    indexRebuilt,
  };
}

/**
 * Checks a limit that a user gave.
 * @throws {RangeError}
 */
export function checkLimit(
  value: number | undefined,
  fallback: number,
  name: string,
  lowest: number,
  highest: number,
): number {
  if (value === undefined) return fallback;
  if (!Number.isInteger(value) || value < lowest || value > highest) {
    throw new RangeError(`${name} must be a whole number from ${lowest} to ${highest}, got ${String(value)}`);
  }
  return value;
}

/**
 * Appends records to one file; each append is durable when it resolves, and appends made at the
 * same time share a write. Every record gets a UUID of version 4. The file is the seed's format
 * exactly: its size is the write offset whenever no write is in flight.
 *
 * @example
 * ```ts
 * import { LogWriter, RecordIndex } from "seqlog";
 *
 * const recordIndex = await RecordIndex.open("events.idx");
 * const writer = await LogWriter.open("events.log", recordIndex);
 * const offset = await writer.append(new Uint8Array([1, 2, 3]));
 * console.log(offset, writer.writeOffset, writer.dirtyOffset);
 * await writer.close();
 * await recordIndex.close();
 * ```
 */
export class LogWriter {
  /** The absolute path of the file. */
  readonly path: string;
  /** What opening found and set right. */
  readonly recovery: RecoveryReport;
  readonly #machine: Machine;
  readonly #recordIndex: RecordIndex;
  readonly #lock: WriterLock;
  readonly #queue: CommitQueue;
  readonly #indexSync: BackgroundSync;
  #segment: SegmentWriter;
  #closing: Promise<void> | undefined;
  readonly #resets: ResetGate;

  private constructor(
    machine: Machine,
    recordIndex: RecordIndex,
    lock: WriterLock,
    segment: SegmentWriter,
    recovery: RecoveryReport,
    settings: CommitSettings,
  ) {
    this.path = segment.path;
    this.recovery = recovery;
    this.#machine = machine;
    this.#recordIndex = recordIndex;
    this.#lock = lock;
    this.#segment = segment;
    this.#indexSync = new BackgroundSync(machine.clock, {
      intervalMs: 1000,
      keepAlive: false,
      sync: (done) => this.#segment.syncIndex(done),
      failed: (error) => this.#queue.poison(error),
    });
    this.#queue = new CommitQueue(this.#host(), createIdSourceV4(machine.random), machine.clock, settings);
    this.#resets = new ResetGate(this.#queue, (barrier) => this.#reset(barrier));
  }

  /**
   * Opens the file for appending, or creates it. What an interrupted writer left is put in order
   * first (docs/durability.md); a torn tail is set aside in `<path>.<offset>.torn`, never deleted.
   * The record index is completed, or rebuilt.
   *
   * @throws {TypeError} without a record index
   * @throws SEQLOG_LOCKED when another writer has the file; SEQLOG_DAMAGED, SEQLOG_IO, SEQLOG_NO_SPACE
   */
  static async open(path: string | URL, recordIndex: RecordIndex, options: LogWriterOptions = {}): Promise<LogWriter> {
    const at = localPath(path, "the log file");
    if (!(recordIndex instanceof RecordIndex)) {
      throw new TypeError("LogWriter.open needs a RecordIndex as its second argument: `await RecordIndex.open(path)`");
    }
    refuseUnknownOptions("LogWriter.open", options, names);
    const settings = {
      maxRecordBytes: checkLimit(options.maxRecordBytes, defaultMaxRecordBytes, "maxRecordBytes", 0, maxDataLength),
      maxPendingBytes: checkLimit(
        options.maxPendingBytes,
        defaultMaxPendingBytes,
        "maxPendingBytes",
        1,
        Number.MAX_SAFE_INTEGER,
      ),
      writes: checkedWrites(options.writes),
    };
    if (recordIndex.isClosed) throw new TypeError("this record index was closed; open it again");
    if (recordIndex.file.path === at)
      throw new TypeError(`${at} is both the log and its record index; they are two files`);
    if (recordIndex.writerOf !== undefined) {
      throw new TypeError(`this record index already serves the writer of ${recordIndex.writerOf}`);
    }
    const machine = options.machine ?? nodeMachine;
    recordIndex.writerOf = at;
    let lock: WriterLock | undefined;
    try {
      lock = acquireWriterLock(machine, lockPathOf(at), options.lock ?? "kernel");
      const recovery = await recoverFile(machine, at, recordIndex, settings.maxRecordBytes);
      const segment = SegmentWriter.openSync(machine.storage, at, recordIndex.file, recovery, {
        ackPoint: "durable",
        zeroAhead: false,
      });
      recordIndex.length = recovery.nextSeq;
      return new LogWriter(machine, recordIndex, lock, segment, reportOf(recovery, recovery.nextSeq), settings);
    } catch (error) {
      lock?.release(false);
      recordIndex.writerOf = undefined;
      throw error;
    }
  }

  /** Where the next record will start: the file's size, as long as no write is in flight. */
  get writeOffset(): Offset {
    return asOffset(this.#segment.end);
  }

  /** Where the write in flight starts, −1 when none is. Do not read at or past it. */
  get dirtyOffset(): Offset | -1 {
    return this.#segment.dirty < 0 ? -1 : asOffset(this.#segment.dirty);
  }

  /**
   * Appends one record. Resolves with its offset when it is durable. The data is copied before this
   * returns; empty data is a record too.
   *
   * @throws {TypeError} for other data than bytes or well-formed text; {RangeError} over `maxRecordBytes`
   * @throws SEQLOG_CLOSED, SEQLOG_QUEUE_FULL, SEQLOG_NO_SPACE (undone; try again later), SEQLOG_POISONED
   */
  append(data: Uint8Array | string): Promise<Offset> {
    return new Promise((resolve, reject) => {
      if (this.#closing !== undefined) throw closedError(this.path);
      this.#queue.add(data, new OffsetWaiter(resolve, reject));
    });
  }

  /**
   * Removes all records: the file is replaced by an empty one, durably and as one step, and the
   * record index is emptied. Appends made before are written first, appends made after go to the
   * new file.
   */
  reset(): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(closedError(this.path));
    return this.#resets.run();
  }

  async #reset(barrier: Batch | undefined): Promise<void> {
    this.#queue.throwIfPoisoned();
    await this.#queue.pause(barrier);
    try {
      this.#queue.throwIfPoisoned();
      this.#replaceFile();
    } catch (error) {
      this.#queue.poison(error as Error);
      throw error;
    } finally {
      this.#queue.resume();
    }
  }

  /** The record index goes first: an index without entries is rebuilt, entries without a log would be damage. */
  #replaceFile(): void {
    const { storage } = this.#machine;
    const { file: index } = this.#recordIndex;
    index.truncateSync(0);
    index.fsyncSync();
    const temporary = `${this.path}.tmp`;
    storage.unlinkSync(temporary);
    const empty = storage.openSync(temporary, "create-new");
    try {
      empty.fsyncSync();
    } finally {
      empty.closeSync();
    }
    storage.renameSync(temporary, this.path);
    storage.fsyncDirectorySync(dirname(this.path));
    const old = this.#segment;
    this.#segment = SegmentWriter.openSync(
      storage,
      this.path,
      index,
      { end: 0, nextSeq: 0 },
      { ackPoint: "durable", zeroAhead: false },
    );
    this.#recordIndex.length = 0;
    old.close(() => undefined);
  }

  /** Waits for what was appended and closes the file; the record index stays open. Closing twice is fine. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#resets.idle();
    await this.#queue.idle();
    this.#indexSync.stop();
    let isClean = false;
    try {
      if (!this.#queue.isPoisoned) {
        this.#segment.seal();
        isClean = true;
      }
    } finally {
      await new Promise<void>((resolve) => this.#segment.close(resolve));
      this.#recordIndex.writerOf = undefined;
      this.#lock.release(isClean);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #host(): CommitHost {
    return {
      path: this.path,
      segmentBytes: Number.MAX_SAFE_INTEGER,
      current: () => this.#segment,
      roll: () => undefined,
      beforeWrite: () => undefined,
      committed: (bytes) => {
        this.#recordIndex.length = this.#segment.nextSeq;
        this.#indexSync.wrote(bytes);
      },
      poisoned: () => this.#indexSync.stop(),
    };
  }
}

async function recoverFile(
  machine: Machine,
  path: string,
  recordIndex: RecordIndex,
  maxRecordBytes: number,
): Promise<SegmentRecovery> {
  const { storage } = machine;
  if (recordIndex.length > 0 && storage.statSync(path) === undefined) {
    throw damaged(path, 0, `its record index proves ${recordIndex.length} records, but the file is not there`);
  }
  const file = storage.openSync(path, "create");
  try {
    // What is seen here may be names that a killed process made, or took away, and never synced: a
    // redo copy that came back after a power cut would cut off what was appended meanwhile.
    storage.fsyncDirectorySync(dirname(path));
    storage.fsyncDirectorySync(dirname(recordIndex.file.path));
    const index = recordIndex.file;
    const recovery = await run(
      recoverSegment(storage, file, index, () => index, {
        base: 0,
        window: { atLeast: Math.max(singleFileWindow, maxRecordBytes + headerLength) },
        closed: undefined,
      }),
    );
    return recovery;
  } finally {
    file.closeSync();
  }
}

class OffsetWaiter implements Waiter {
  count = 1;
  readonly expectedSeq = -1;
  readonly isOver = false;
  readonly #resolve: (offset: Offset) => void;
  readonly failed: (error: Error) => void;

  constructor(resolve: (offset: Offset) => void, reject: (error: Error) => void) {
    this.#resolve = resolve;
    this.failed = reject;
  }

  settled(batch: Batch, index: number): void {
    this.#resolve(asOffset(batch.base + (batch.starts[index] as number)));
  }
}
