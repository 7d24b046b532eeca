/** `FileLog`: the log in a directory, as programs use it. What it does is in the files it delegates to. */
import { FileConsumers } from "../consumer/file-consumers.ts";
import { lowestCheckpoint } from "../consumer/protected.ts";
import { SeqlogError } from "../errors.ts";
import { type Seq, type SeqLike, asSeq } from "../numbers.ts";
import type { LogRecord, RecordBatch } from "../segment/log-record.ts";
import { type Position, type ReadOptions, resolvePosition } from "../segment/positions.ts";
import { Reading } from "../segment/reading.ts";
import { closedError, resetError } from "../segment/read-range.ts";
import { ResetGate } from "../segment/reset-gate.ts";
import { localPath } from "../storage/local-path.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import type { Machine } from "../storage/storage.ts";
import type { LockKind } from "../storage/writer-lock.ts";
import { Appending } from "./appending.ts";
import { type Codec, decoderOf } from "./codec.ts";
import type { Consumer, ConsumerInfo, ConsumerOptions, ConsumerSeek, SeekOptions } from "./consumer-contract.ts";
import { copyLog } from "./copy-log.ts";
import { DirectoryWriter } from "./directory-writer.ts";
import { type AnyOpenOptions, type FileOpenOptions, checkedSettings } from "./file-open-options.ts";
import type { Follower } from "./follower.ts";
import type {
  AppendBatchOptions,
  AppendOptions,
  AppendedRange,
  DataOut,
  FileAppended,
  Log,
  LogCapabilities,
  LogStats,
  TrimOptions,
  TrimResult,
} from "./log.ts";
import {
  type DirectoryRecovery,
  type OpenedDirectory,
  openToRead,
  openToWrite,
  openToWriteSync,
} from "./open-directory.ts";
import { protectWith } from "./retention.ts";

type WithCodec<I, O> = { readonly codec: Codec<I, O> };
type WithoutCodec = { readonly codec?: undefined };

protectWith(lowestCheckpoint);

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
  readonly #reading: Reading<Out>;
  readonly #appending: Appending<In>;
  readonly #machine: Machine;
  readonly #consumers: FileConsumers<Out>;
  #closing: Promise<void> | undefined;
  #resets: ResetGate | undefined;

  private constructor(
    machine: Machine,
    { view, recovery }: OpenedDirectory,
    codec: Codec<In, Out> | undefined,
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
    this.codec = codec?.name;
    const decode = decoderOf(codec);
    this.#reading = new Reading(view, decode);
    this.#appending = new Appending(() => this.#writer(), codec);
    const flush = view instanceof DirectoryWriter ? (): Promise<void> => view.flush() : undefined;
    this.#consumers = new FileConsumers({ machine, directory: view, decode, lock, flush });
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
  static async open(directory: string | URL, options: AnyOpenOptions = {}): Promise<FileLog<never, unknown>> {
    const at = localPath(directory, "the log's directory");
    const settings = checkedSettings(options);
    const machine = options.machine ?? nodeMachine;
    options.signal?.throwIfAborted();
    const opened =
      options.readOnly === true
        ? await openToRead(machine, at, settings)
        : await openToWrite(machine, at, settings, options);
    return new FileLog(machine, opened, options.codec, options.lock);
  }

  /** As `open`, blocking, for writing. */
  static openSync<I, O>(directory: string | URL, options: FileOpenOptions & WithCodec<I, O>): FileLog<I, O>;
  static openSync(directory: string | URL, options?: FileOpenOptions & WithoutCodec): FileLog;
  static openSync(directory: string | URL, options: AnyOpenOptions = {}): FileLog<never, unknown> {
    const at = localPath(directory, "the log's directory");
    const settings = checkedSettings(options);
    const machine = options.machine ?? nodeMachine;
    if (options.readOnly === true)
      throw new TypeError("openSync opens for writing; for readOnly use `await FileLog.open`");
    if (options.lockTimeoutMs !== undefined)
      throw new TypeError("openSync cannot wait for a lock; use `await FileLog.open`");
    return new FileLog(machine, openToWriteSync(machine, at, settings, options), options.codec, options.lock);
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
    return this.#appending.append(data, options);
  }

  /**
   * Appends many records with one durable write for each 8 MiB. Not a transaction: when it was not
   * acknowledged, a crash may leave the first of them; none are ever out of order.
   *
   * @throws as `append`; when the input is at fault nothing was appended
   */
  appendBatch(data: readonly In[], options?: AppendBatchOptions): Promise<AppendedRange> {
    return this.#appending.appendBatch(data, options);
  }

  /**
   * Appends one record and blocks until it is durable: the fastest way for a single writer. What
   * others have appended before is written first, in order.
   *
   * @throws as `append`
   */
  appendSync(data: In, options?: AppendOptions): FileAppended {
    return this.#appending.appendSync(data, options);
  }

  /** Appends many records and blocks until they are durable. As `appendBatch`, not a transaction. */
  appendBatchSync(data: readonly In[], options?: AppendBatchOptions): AppendedRange {
    return this.#appending.appendBatchSync(data, options);
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
  async stats(): Promise<LogStats> {
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
      await this.#consumers.close();
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
