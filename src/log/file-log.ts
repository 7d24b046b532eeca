/** `FileLog`: the log in a directory, as programs use it. What it does is in the files it delegates to. */
import { FileConsumers } from "../consumer/file-consumers.ts";
import { lowestCheckpoint } from "../consumer/protected.ts";
import { recoveryChannel } from "../diagnostics.ts";
import { SeqlogError } from "../errors.ts";
import { maxDataLength } from "../format/record.ts";
import { type Seq, type SeqLike, asSeq, checkSeq } from "../numbers.ts";
import { conflictError } from "../segment/batch.ts";
import { type WriteMode, checkedWrites } from "../segment/in-place-writes.ts";
import type { LogRecord, RecordBatch } from "../segment/log-record.ts";
import {
  type RecoveryReport,
  checkLimit,
  defaultMaxPendingBytes,
  defaultMaxRecordBytes,
  reportOf,
} from "../segment/log-writer.ts";
import { type Position, type ReadOptions, resolvePosition } from "../segment/positions.ts";
import { Reading } from "../segment/reading.ts";
import { closedError, resetError } from "../segment/read-range.ts";
import { ResetGate } from "../segment/reset-gate.ts";
import { localPath } from "../storage/local-path.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { run, runSync } from "../storage/plan.ts";
import type { Machine } from "../storage/storage.ts";
import { type LockKind, type WriterLock, acquireWriterLock } from "../storage/writer-lock.ts";
import { type Codec, decoderOf } from "./codec.ts";
import type { Consumer, ConsumerInfo, ConsumerOptions, ConsumerSeek, SeekOptions } from "./consumer-contract.ts";
import { copyLog } from "./copy-log.ts";
import {
  DirectoryWriter,
  type Durability,
  type TrimResult,
  type WriterSettings,
  lockPath,
} from "./directory-writer.ts";
import { Follower } from "./follower.ts";
import type {
  AppendBatchOptions,
  AppendOptions,
  AppendedRange,
  DataOut,
  FileAppended,
  Log,
  LogCapabilities,
  LogStats,
} from "./log.ts";
import type { KeyLimits } from "./key-window.ts";
import type { Manifest } from "./manifest.ts";
import { type Recovered, ensureLog, recoverDirectory } from "./recover-directory.ts";
import { type Retention, type RetentionStats, checkedRetention, checkHasTimes, protectWith } from "./retention.ts";
import { RangeWaiter, RecordWaiter } from "./waiters.ts";

/** Options of opening any log. */
export interface OpenOptions {
  /** Whether to make a log where there is none. Default true; with `readOnly` never. */
  readonly create?: boolean;
  /** Read beside a writer in any process: takes no lock, changes nothing, sees only durable records. */
  readonly readOnly?: boolean;
  /** Ends the wait for the lock. */
  readonly signal?: AbortSignal;
  /** Bytes accepted and not yet acknowledged, before SEQLOG_QUEUE_FULL. Default 64 MiB. */
  readonly maxPendingBytes?: number;
}

/** Options of opening a directory log. */
export interface FileOpenOptions extends OpenOptions {
  /** A segment takes no more records once it would be larger. Default 256 MiB; at least 1 KiB. */
  readonly segmentBytes?: number;
  /** Bytes of data in one record, for appends alone. Default 16 MiB, at most 1 GiB. */
  readonly maxRecordBytes?: number;
  /** When an append is acknowledged. Default `"record"`: when it is on the disk. */
  readonly durability?: Durability;
  /**
   * Where records are written: `"auto"` (default) writes at most 64 KiB at a time on the event loop as
   * long as this disk takes less than 0.3 ms for it, since the way through the thread pool takes as
   * long; at most once in a turn, and from the first write of over 2 ms on in the background again.
   * `"background"` never blocks. What is acknowledged, and when, is the same.
   */
  readonly writes?: WriteMode;
  /** How long to wait for another writer to let go. Default 0. Not for `openSync`. */
  readonly lockTimeoutMs?: number;
  /** How a second writer is kept out. Default `"kernel"`; what `"pid-file"` cannot do is in docs/durability.md. */
  readonly lock?: LockKind;
  /** The ids of a new log: `"v7"` (default) hold the time of the append; `"v4"` are the seed's, and leave it without times. */
  readonly ids?: "v7" | "v4";
  /**
   * How far back a key of `append` is known: among the last `records` records, as long as they are
   * not older than `ms`, whichever ends first. Default 10 minutes and 100,000 records, which take up
   * to 20 MB once keys are used.
   */
  readonly keyWindow?: { readonly ms?: number; readonly records?: number };
  /** What the log need not keep. Default: everything stays until `trim`. */
  readonly retention?: Retention;
  /** The machine to work on; for tests. */
  readonly machine?: Machine;
}

/** Counts of a directory log. */
export interface FileLogStats extends LogStats {
  /** There when the log was opened with `retention`. */
  readonly retention?: RetentionStats;
}

/** Options of `trim`. */
export interface TrimOptions {
  /** The first record to keep. Left out: what the log's retention keeps. */
  readonly before?: Position;
  /** Remove also what a protected consumer has not acknowledged. Default false. */
  readonly force?: boolean;
}

/** What opening a directory found and set right. */
export interface DirectoryRecovery extends RecoveryReport {
  /**
   * The clock less the time of the last id, when they are more than a day apart. Positive: nothing was
   * appended for that long, or the clock jumped ahead. Negative: the clock went back; new ids keep
   * the time of the last one until it catches up.
   */
  readonly clockSkewMs?: number;
}

type WithCodec<I, O> = { readonly codec: Codec<I, O> };
type WithoutCodec = { readonly codec?: undefined };
type AnyOptions = FileOpenOptions & { readonly codec?: Codec<unknown> | undefined };

protectWith(lowestCheckpoint);

const dayMs = 24 * 60 * 60 * 1000;
const lockPollMs = 20;

function checkedSettings(options: AnyOptions): WriterSettings {
  const { durability = "record", codec } = options;
  if (durability !== "record" && durability !== "os") {
    if (typeof durability !== "object" || durability === null) {
      throw new TypeError(`durability must be "record", "os" or { intervalMs }, got ${JSON.stringify(durability)}`);
    }
    if (durability.intervalMs === undefined) {
      throw new TypeError(`durability must be "record", "os" or { intervalMs }, got ${JSON.stringify(durability)}`);
    }
    checkLimit(durability.intervalMs, 0, "durability.intervalMs", 1, 3_600_000);
  }
  return {
    segmentBytes: checkLimit(options.segmentBytes, 256 * 1024 * 1024, "segmentBytes", 1024, Number.MAX_SAFE_INTEGER),
    maxRecordBytes: checkLimit(options.maxRecordBytes, defaultMaxRecordBytes, "maxRecordBytes", 0, maxDataLength),
    maxPendingBytes: checkLimit(
      options.maxPendingBytes,
      defaultMaxPendingBytes,
      "maxPendingBytes",
      1,
      Number.MAX_SAFE_INTEGER,
    ),
    durability,
    writes: checkedWrites(options.writes),
    codec: codec?.name,
    keyWindow: checkedKeyWindow(options.keyWindow),
    retention: checkedRetention(options.retention),
  };
}

function checkedKeyWindow(window: FileOpenOptions["keyWindow"]): KeyLimits {
  if (window !== undefined && (typeof window !== "object" || window === null)) {
    throw new TypeError(`keyWindow must be { ms, records }, got ${JSON.stringify(window)}`);
  }
  return {
    ms: checkLimit(window?.ms, 10 * 60 * 1000, "keyWindow.ms", 1, Number.MAX_SAFE_INTEGER),
    records: checkLimit(window?.records, 100_000, "keyWindow.records", 1, 10_000_000),
  };
}

function checkCodec(manifest: Manifest, codec: string | undefined, directory: string): void {
  if (codec === undefined || manifest.codec === null || manifest.codec === codec) return;
  throw new TypeError(
    `${directory}: this log was written with the codec ${JSON.stringify(manifest.codec)}, not ${JSON.stringify(codec)}. Open it with that one, or with none for plain bytes`,
  );
}

/**
 * A durable log in a directory: `append` resolves when the record is on the disk, appends made at
 * the same time share a write, and every record can be read again by its number, id or time.
 *
 * @example
 * ```ts
 * import { FileLog } from "seqlog";
 *
 * const log = await FileLog.open("./events");
 * const { seq, id } = await log.append("hello");
 * console.log(seq, id, log.getSync(seq)?.bytes.length);
 * await log.close();
 * ```
 */
export class FileLog<In = Uint8Array | string, Out = DataOut<In>> implements Log<In, Out> {
  /** The absolute path of the directory. */
  readonly location: string;
  /** What opening found and set right. */
  readonly recovery: DirectoryRecovery;
  readonly supports: LogCapabilities;
  /** The name of the codec it was opened with; undefined for plain bytes. */
  readonly codec: string | undefined;
  readonly #view: DirectoryWriter | Follower;
  readonly #codec: Codec<In, Out> | undefined;
  readonly #reading: Reading<Out>;
  readonly #machine: Machine;
  readonly #consumers: FileConsumers<Out>;
  #closing: Promise<void> | undefined;
  #resets: ResetGate | undefined;

  private constructor(
    machine: Machine,
    view: DirectoryWriter | Follower,
    codec: Codec<In, Out> | undefined,
    recovery: DirectoryRecovery,
    lock: LockKind = "kernel",
  ) {
    this.location = view.location;
    this.recovery = recovery;
    this.supports = {
      sync: true,
      findById: view.manifest.idVersion === 7,
      keys: view.manifest.idVersion === 7,
      dense: true,
      durability: "disk",
    };
    this.#machine = machine;
    this.#view = view;
    this.#codec = codec;
    this.codec = codec?.name;
    const decode = decoderOf(codec);
    this.#reading = new Reading(view, decode);
    const flush = view instanceof DirectoryWriter ? (): Promise<void> => view.flush() : undefined;
    this.#consumers = new FileConsumers({ machine, view, decode, lock, flush });
  }

  /**
   * Opens the log in a directory, or makes one. After a crash what lies past the mark is verified
   * and made durable, and a torn tail is set aside; `recovery` tells. After a close, opening takes
   * the same time however long the log is.
   *
   * @throws SEQLOG_LOCKED, SEQLOG_LOCK_UNAVAILABLE, SEQLOG_DAMAGED (nothing was changed),
   * SEQLOG_NOT_FOUND (with `readOnly`, or `create: false`), SEQLOG_IO, SEQLOG_NO_SPACE, SEQLOG_UNSUPPORTED
   */
  static async open<I, O>(directory: string | URL, options: FileOpenOptions & WithCodec<I, O>): Promise<FileLog<I, O>>;
  static async open(directory: string | URL, options?: FileOpenOptions & WithoutCodec): Promise<FileLog>;
  static async open(directory: string | URL, options: AnyOptions = {}): Promise<FileLog<never, unknown>> {
    const at = localPath(directory, "the log's directory");
    const settings = checkedSettings(options);
    const machine = options.machine ?? nodeMachine;
    options.signal?.throwIfAborted();
    if (options.readOnly === true) {
      const view = await Follower.open(machine, at);
      try {
        checkCodec(view.manifest, settings.codec, at);
      } catch (error) {
        view.close();
        throw error;
      }
      return new FileLog(machine, view, options.codec, readOnlyReport(view), options.lock);
    }
    prepareDirectory(machine, at, options);
    const lock = await waitForLock(machine, at, options);
    try {
      const recovered = await run(recoverDirectory(machine, at, creationOf(options)));
      return finishOpen(machine, at, lock, recovered, settings, options);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** As `open`, blocking, for writing. */
  static openSync<I, O>(directory: string | URL, options: FileOpenOptions & WithCodec<I, O>): FileLog<I, O>;
  static openSync(directory: string | URL, options?: FileOpenOptions & WithoutCodec): FileLog;
  static openSync(directory: string | URL, options: AnyOptions = {}): FileLog<never, unknown> {
    const at = localPath(directory, "the log's directory");
    const settings = checkedSettings(options);
    const machine = options.machine ?? nodeMachine;
    if (options.readOnly === true)
      throw new TypeError("openSync opens for writing; for readOnly use `await FileLog.open`");
    if (options.lockTimeoutMs !== undefined)
      throw new TypeError("openSync cannot wait for a lock; use `await FileLog.open`");
    prepareDirectory(machine, at, options);
    const lock = acquireWriterLock(machine, lockPath(at), options.lock ?? "kernel");
    try {
      const recovered = runSync(recoverDirectory(machine, at, creationOf(options)));
      return finishOpen(machine, at, lock, recovered, settings, options);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** @internal */
  static create<I, O>(
    machine: Machine,
    view: DirectoryWriter,
    codec: Codec<I, O> | undefined,
    recovery: DirectoryRecovery,
    lock: LockKind | undefined,
  ): FileLog<I, O> {
    return new FileLog<I, O>(machine, view, codec, recovery, lock);
  }

  /** The first record that was not removed. */
  get firstSeq(): Seq {
    return asSeq(this.#view.firstSeq);
  }

  /** The seq after the last acknowledged record (of a read-only log: as of the last look). */
  get nextSeq(): Seq {
    return asSeq(this.#view.nextSeq);
  }

  /** Grows with each reset. */
  get generation(): number {
    return this.#view.generation;
  }

  /**
   * Appends one record; resolves when it is durable (see {@link Durability}). The data is copied
   * before this returns, so the caller may reuse its buffer. Empty data is a record too. Records get
   * their seqs in the order of the calls.
   *
   * With a `key` it may be repeated, by anybody, until somebody was told: the same key within the
   * `keyWindow` gives the record that was appended first, with `duplicate: true`, also after a crash.
   * Keys are known by the ids in the log, so what was removed from it is known as long as it stays
   * open, and a `reset` forgets all. The first append with a key after an open reads the headers in
   * the window, blocking: about a fifth of a second for 100,000 records.
   *
   * @example
   * ```ts
   * import { FileLog } from "seqlog";
   *
   * const log = await FileLog.open("./payments");
   * const first = await log.append("7 EUR to Ann", { key: "payment 4711" });
   * const again = await log.append("7 EUR to Ann", { key: "payment 4711" });
   * console.log(again.seq === first.seq, again.id === first.id, again.duplicate);   // true true true
   * await log.close();
   * ```
   *
   * @throws {TypeError} for data that is neither bytes nor well-formed text (or that the codec refuses); {RangeError} over `maxRecordBytes`
   * @throws SEQLOG_CLOSED, SEQLOG_READ_ONLY, SEQLOG_QUEUE_FULL, SEQLOG_CONFLICT, SEQLOG_NO_SPACE (undone; try again later), SEQLOG_POISONED
   * @throws SEQLOG_KEY_REUSED when the key was used for other data; SEQLOG_UNSUPPORTED for a key in a log of version 4 ids
   */
  append(data: In, options?: AppendOptions): Promise<FileAppended> {
    return new Promise((resolve, reject) => {
      const writer = this.#writer();
      const expectedSeq = expectedSeqOf(options);
      const key = options?.key;
      if (key !== undefined) {
        const encoded = this.#encode(data);
        return writer.keys.add({ data: encoded, key, expectedSeq, isBlocking: false, resolve, reject });
      }
      const waiter = new RecordWaiter(expectedSeq, writer, resolve, reject);
      writer.queue.add(this.#encode(data), waiter);
    });
  }

  /**
   * Appends many records with one durable write for each 8 MiB. Not a transaction: when it was not
   * acknowledged, a crash may leave the first of them; none are ever out of order.
   *
   * @throws as `append`; when the input is at fault nothing was appended
   */
  appendBatch(data: readonly In[], options?: AppendBatchOptions): Promise<AppendedRange> {
    return new Promise((resolve, reject) => this.#addAll(data, options, false, resolve, reject));
  }

  /**
   * Appends one record and blocks until it is durable: the fastest way for a single writer. What
   * others have appended before is written first, in order.
   *
   * @throws as `append`
   */
  appendSync(data: In, options?: AppendOptions): FileAppended {
    return this.#blocking((resolve, reject) => {
      const writer = this.#writer();
      const expectedSeq = expectedSeqOf(options);
      const key = options?.key;
      if (key !== undefined) {
        const encoded = this.#encode(data);
        return writer.keys.add({ data: encoded, key, expectedSeq, isBlocking: true, resolve, reject });
      }
      const waiter = new RecordWaiter(expectedSeq, writer, resolve, reject);
      writer.queue.add(this.#encode(data), waiter, true);
    });
  }

  /** Appends many records and blocks until they are durable. As `appendBatch`, not a transaction. */
  appendBatchSync(data: readonly In[], options?: AppendBatchOptions): AppendedRange {
    return this.#blocking((resolve, reject) => this.#addAll(data, options, true, resolve, reject));
  }

  #addAll(
    data: readonly In[],
    options: AppendBatchOptions | undefined,
    isBlocking: boolean,
    resolve: (range: AppendedRange) => void,
    reject: (error: Error) => void,
  ): void {
    const writer = this.#writer();
    if (!Array.isArray(data)) throw new TypeError(`appendBatch takes an array, got ${typeof data}`);
    if ((options as AppendOptions | undefined)?.key !== undefined) {
      throw new TypeError("appendBatch takes no key, which is one record's; append them one by one, each with its key");
    }
    const expectedSeq = expectedSeqOf(options);
    const encoded: (Uint8Array | string)[] = [];
    // By index, which does not pass over holes.
    for (let i = 0; i < data.length; i++) encoded.push(this.#encodeApart(data[i] as In));
    if (encoded.length === 0) {
      const { nextSeq } = writer.queue;
      if (expectedSeq >= 0 && expectedSeq !== nextSeq) throw conflictError(expectedSeq, nextSeq);
      return resolve({ first: asSeq(nextSeq), last: asSeq(nextSeq), count: 0 });
    }
    const waiter = new RangeWaiter(encoded.length, expectedSeq, resolve, reject);
    writer.queue.addAll(encoded, expectedSeq, (first) => waiter.part(first), isBlocking);
  }

  #blocking<T>(add: (resolve: (value: T) => void, reject: (error: Error) => void) => void): T {
    const writer = this.#writer();
    let result: { value: T } | undefined;
    let failure: Error | undefined;
    writer.queue.throwIfPaused();
    add(
      (value) => (result = { value }),
      (error) => (failure = error),
    );
    writer.queue.drainSync();
    if (failure !== undefined) throw failure;
    return ((result as { value: T } | undefined) ?? noAnswer()).value;
  }

  #encode(data: In): Uint8Array | string {
    return this.#codec === undefined ? (data as Uint8Array | string) : this.#codec.encode(data);
  }

  /** For a batch all is encoded before any of it is copied, and a codec may use one buffer again and again. */
  #encodeApart(data: In): Uint8Array | string {
    const encoded = this.#encode(data);
    return this.#codec === undefined || !(encoded instanceof Uint8Array) ? encoded : new Uint8Array(encoded);
  }

  /** Bytes accepted and not yet acknowledged, headers included; 0 in a log that was closed or is read-only. */
  get pendingBytes(): number {
    return this.#view instanceof DirectoryWriter ? this.#view.queue.pendingBytes : 0;
  }

  /** @internal The most that may be pending for `ready` not to wait. */
  get roomyBytes(): number {
    return this.#view instanceof DirectoryWriter ? this.#view.maxPendingBytes / 2 : 0;
  }

  /**
   * Resolves when there is room to append: no more than half of `maxPendingBytes` waits for the
   * disk. Await it between appends that are not awaited themselves.
   */
  async ready(signal?: AbortSignal): Promise<void> {
    await this.#writer().queue.room(signal);
  }

  /** Resolves when all that was appended before is on the disk, whatever the durability mode. */
  async flush(): Promise<void> {
    await this.#writer().flush();
  }

  /**
   * One record by its number, or undefined where there is none yet.
   * @throws SEQLOG_TRIMMED when it was removed; SEQLOG_DAMAGED when its bytes are not valid
   */
  get(seq: SeqLike): Promise<LogRecord<Out> | undefined> {
    return this.#reading.get(seq);
  }

  /** As `get`, blocking; on a read-only log it does not look for records that came since the last look. */
  getSync(seq: SeqLike): LogRecord<Out> | undefined {
    return this.#reading.getSync(seq);
  }

  /**
   * The record with this id, or undefined. In a log of version 7 ids a binary search by the time in
   * the id; in one of version 4 it goes through all records (`supports.findById` is false).
   * @throws {TypeError} when it is not a UUID
   */
  find(id: string): Promise<LogRecord<Out> | undefined> {
    return this.#reading.find(id);
  }

  /**
   * The first record at or after a time; the next seq when all are older.
   * @throws SEQLOG_UNSUPPORTED in a log of version 4 ids
   */
  seqAt(time: Date): Promise<Seq> {
    return this.#reading.seqAt(time);
  }

  /**
   * Reads records one by one, each checked before it is served. Without options: all that are there
   * when the reading begins. `to` is exclusive; `live` goes on with new records as they become
   * durable, until `close`, `signal` or the end of the range; `reverse` walks the range from its end.
   *
   * @throws SEQLOG_DAMAGED at the record that is not valid; SEQLOG_TRIMMED, SEQLOG_RESET, SEQLOG_CLOSED; `signal.reason`
   */
  read(options?: ReadOptions): AsyncIterableIterator<LogRecord<Out>> {
    return this.#reading.read(options);
  }

  /** As `read`, in batches of about `maxBytes` (default 1 MiB): the fastest way through a log. */
  readBatches(options?: ReadOptions & { readonly maxBytes?: number }): AsyncIterableIterator<RecordBatch<Out>> {
    return this.#reading.readBatches(options);
  }

  /**
   * Opens a durable consumer: a named reader that remembers what was done, in a file in the log's
   * directory, also on a log that is open with `readOnly` beside its writer. One process at a time
   * has a name open. What may be delivered twice, and when, is in docs/consumers.md.
   *
   * @throws {TypeError}, {RangeError} for a wrong name or option; SEQLOG_LOCKED when the name is open somewhere
   * @throws SEQLOG_CHECKPOINT_MISMATCH when the log is not the one that the checkpoint is of; SEQLOG_TRIMMED when
   * its next record was removed; SEQLOG_DAMAGED when it cannot be read; SEQLOG_IO, SEQLOG_NO_SPACE, SEQLOG_CLOSED
   *
   * @example
   * ```ts
   * import { openLog, text } from "seqlog";
   *
   * const log = await openLog("./jobs", { codec: text() });
   * await log.append("send the invoice");
   *
   * const consumer = await log.consumer("mailer", { from: "start" });
   * for await (const delivery of consumer) {
   *   console.log(delivery.seq, delivery.data, delivery.attempt);
   *   await delivery.ack(); // durable: this record is not delivered again
   *   if (delivery.seq === log.nextSeq - 1) break;
   * }
   * await log.close();
   * ```
   */
  consumer(name: string, options?: ConsumerOptions<Out>): Promise<Consumer<Out>> {
    return this.#consumers.open(name, options);
  }

  /** Every consumer that has a checkpoint in this log, by name: where it stands, how far it is behind. */
  consumers(): Promise<ConsumerInfo[]> {
    return this.#consumers.list();
  }

  /**
   * Sets where a consumer goes on that nobody has open, durably; makes one where there is none.
   * Mends a checkpoint that is damaged, or of another log. @throws SEQLOG_LOCKED, SEQLOG_TRIMMED; {RangeError} past the end
   */
  seekConsumer(name: string, position: Position, options?: SeekOptions): Promise<ConsumerSeek> {
    return this.#consumers.seek(name, position, options);
  }

  /** Forgets a consumer that nobody has open; resolves with whether there was one. @throws SEQLOG_LOCKED */
  deleteConsumer(name: string): Promise<boolean> {
    return this.#consumers.delete(name);
  }

  /** Counts of what is there; with `retention`, also what it cannot remove. */
  async stats(): Promise<FileLogStats> {
    if (this.#closing !== undefined || this.#view.isClosed) throw closedError(this.location);
    await this.#view.refresh();
    const { segments } = this.#view;
    const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
    const { firstSeq, nextSeq } = this;
    const stats = { firstSeq, nextSeq, records: nextSeq - firstSeq, bytes, segments: segments.length };
    const retention = this.#view instanceof DirectoryWriter ? this.#view.retention?.stats() : undefined;
    return retention === undefined ? stats : { ...stats, retention };
  }

  /**
   * Removes whole segments from the front, as far as all their records lie before a position; never
   * the one that is being written. Without `before` it removes what the `retention` of the log lets
   * go. Resolves with the number of records removed, and what protected consumers held back of them;
   * with `force` they hold back nothing. Atomic under a crash.
   *
   * @throws {TypeError} without `before`, when the log was opened with no limit of retention
   */
  async trim(options: TrimOptions = {}): Promise<TrimResult> {
    const writer = this.#writer();
    const { force } = options;
    if (options.before === undefined) {
      if (writer.retention?.hasLimits === true) return writer.trim(writer.retention.dueSeq(), force);
      throw new TypeError(
        "trim without `before` removes what retention lets go, but the log was opened without a limit",
      );
    }
    const { generation } = writer;
    const seq = await resolvePosition(writer, options.before, "before", new AbortController().signal);
    if (this.#writer().generation !== generation) throw resetError(this.location, writer.generation);
    return writer.trim(seq, force);
  }

  /**
   * Removes all records: the next one gets seq 0 of a new generation. Appends made before are
   * written (and removed), appends made after go to the new generation; live reads end with
   * SEQLOG_RESET. Atomic under a crash.
   */
  async reset(): Promise<void> {
    const writer = this.#writer();
    this.#resets ??= new ResetGate(writer.queue, (barrier) => writer.reset(barrier));
    const done = this.#resets.run();
    // In the same turn: what is appended from here on belongs to the new generation.
    writer.keys.beginGeneration(done);
    await done;
  }

  /**
   * Copies the log, as it is now, to a directory that is empty or not there: a consistent snapshot,
   * also beside a writer, each record checked on the way. The copy is a closed log with the same id.
   *
   * @throws SEQLOG_IO (EEXIST) when something is there; SEQLOG_DAMAGED when a record is not valid
   */
  async copyTo(directory: string | URL): Promise<{ readonly records: number; readonly bytes: number }> {
    if (this.#closing !== undefined || this.#view.isClosed) throw closedError(this.location);
    await this.#view.refresh();
    const to = localPath(directory, "the copy's directory");
    for (let attempt = 1; ; attempt++) {
      try {
        return await copyLog(this.#machine, this.#view, to);
      } catch (error) {
        // Another process has removed a segment before it could be opened: nothing was copied yet.
        if (!SeqlogError.is(error, "SEQLOG_NOT_FOUND") || attempt === 5) throw error;
        await this.#view.refresh();
      }
    }
  }

  /**
   * Waits for what was appended, ends live reads, closes the files and lets go of the lock; the next
   * open is quick. Closing twice is fine.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      // Their checkpoints are kept while the log can still be made durable.
      if (this.#consumers.areOpen) await this.#consumers.close();
    } finally {
      await this.#resets?.idle();
      if (!this.#view.isClosed) await this.#view.close();
    }
  }

  /** As `close`, blocking. */
  closeSync(): void {
    if (this.#closing !== undefined || this.#view.isClosed) return;
    if (this.#resets?.isRunning === true)
      throw new TypeError("closeSync while reset() is under way; await the reset first");
    this.#closing = Promise.resolve();
    try {
      this.#consumers.closeSync();
    } finally {
      if (this.#view instanceof DirectoryWriter) this.#view.closeSync();
      else this.#view.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #writer(): DirectoryWriter {
    if (this.#closing !== undefined) throw closedError(this.location);
    if (this.#view instanceof DirectoryWriter) return this.#view;
    throw new SeqlogError(
      "SEQLOG_READ_ONLY",
      `${this.location}: the log was opened with readOnly, so it cannot be changed`,
      {
        path: this.location,
      },
    );
  }
}

function noAnswer(): never {
  throw new Error("a blocking append ended without an answer");
}

function expectedSeqOf(options: AppendBatchOptions | undefined): number {
  return options?.expectedSeq === undefined ? -1 : checkSeq(options.expectedSeq, "expectedSeq");
}

function creationOf(options: FileOpenOptions): { create: boolean; idVersion: 4 | 7 } {
  const { ids = "v7" } = options;
  if (ids !== "v7" && ids !== "v4") throw new TypeError(`ids must be "v7" or "v4", got ${JSON.stringify(ids)}`);
  return { create: options.create !== false, idVersion: ids === "v4" ? 4 : 7 };
}

function prepareDirectory(machine: Machine, directory: string, options: FileOpenOptions): void {
  creationOf(options);
  const { storage } = machine;
  if (options.create !== false) return storage.makeDirectorySync(directory);
  // Before the lock is taken: its file is a change too.
  ensureLog(storage, directory);
}

async function waitForLock(machine: Machine, directory: string, options: FileOpenOptions): Promise<WriterLock> {
  const timeoutMs = checkLimit(options.lockTimeoutMs, 0, "lockTimeoutMs", 0, 2 ** 31 - 1);
  const deadline = machine.clock.now() + timeoutMs;
  for (;;) {
    try {
      return acquireWriterLock(machine, lockPath(directory), options.lock ?? "kernel");
    } catch (error) {
      if (!SeqlogError.is(error, "SEQLOG_LOCKED") || machine.clock.now() >= deadline) throw error;
    }
    await new Promise<void>((resolve) => machine.clock.after(lockPollMs, resolve, { keepAlive: true }));
    options.signal?.throwIfAborted();
  }
}

function finishOpen(
  machine: Machine,
  directory: string,
  lock: WriterLock,
  recovered: Recovered,
  settings: WriterSettings,
  options: AnyOptions,
): FileLog<never, unknown> {
  checkCodec(recovered.manifest, settings.codec, directory);
  checkHasTimes(settings.retention, recovered.manifest, directory);
  const { active, lastIdMs, rebuilt } = recovered;
  const records = active.nextSeq - recovered.manifest.firstSeq;
  const skew = lastIdMs === 0 ? 0 : machine.clock.now() - lastIdMs;
  const recovery: DirectoryRecovery = {
    ...reportOf(active, records),
    indexRebuilt: active.indexRebuilt || rebuilt.length > 0,
    ...(Math.abs(skew) > dayMs ? { clockSkewMs: skew } : {}),
  };
  const writer = new DirectoryWriter(machine, directory, lock, recovered, settings);
  if (recoveryChannel.hasSubscribers) recoveryChannel.publish({ path: directory, ...recovery });
  return FileLog.create(machine, writer, options.codec, recovery, options.lock);
}

function readOnlyReport(view: Follower): DirectoryRecovery {
  return { records: view.nextSeq - view.firstSeq, tornBytes: 0, redone: 0, indexRebuilt: false };
}
