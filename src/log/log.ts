/**
 * The contract of every log, on whatever it is kept. The conformance suite of `seqlog/testing` is
 * this file as tests: what it says of a member holds for all logs, and where logs may differ
 * `supports` tells.
 *
 * Failures are rejections, never thrown from a call that returns a promise.
 */
import type { Offset, Seq, SeqLike } from "../numbers.ts";
import type { LogRecord, RecordBatch } from "../segment/log-record.ts";
import type { Position, ReadOptions } from "../segment/positions.ts";
import type {
  Consumer,
  ConsumerInfo,
  ConsumerOptions,
  ConsumerSeek,
  ForceOptions,
  SeekOptions,
} from "./consumer-contract.ts";
import type { HeldBack, RetentionStats } from "./retention.ts";

/** What an append resolves to. */
export interface Appended {
  /** The record's number. */
  readonly seq: Seq;
  /** Its UUID. */
  readonly id: string;
  /** The time in the id; an invalid Date in a log whose ids are of version 4. */
  readonly time: Date;
  /** Whether nothing was appended now: the record was there, appended with the same key before. */
  readonly duplicate: boolean;
}

/** What an append to a directory resolves to. */
export interface FileAppended extends Appended {
  /** The name of the file in the log's directory. */
  readonly segment: string;
  /** Where in that file the record starts. */
  readonly offset: Offset;
}

/** What an append of many resolves to. With no records `count` is 0, and both ends are the next seq. */
export interface AppendedRange {
  readonly first: Seq;
  readonly last: Seq;
  readonly count: number;
}

/** Options of an append of many. */
export interface AppendBatchOptions {
  /** Append only if the first record gets this seq. @see SEQLOG_CONFLICT */
  readonly expectedSeq?: SeqLike;
}

/** Options of an append. */
export interface AppendOptions extends AppendBatchOptions {
  /**
   * Names what is appended, in 1 to 1024 bytes of text or data: appended again with the same key, not
   * long after, nothing is appended, and what was appended first is the answer, whatever
   * `expectedSeq`. One that is still in flight is waited for, and its failure shared; then the key is
   * free again. @see SEQLOG_KEY_REUSED, SEQLOG_UNSUPPORTED
   */
  readonly key?: string | Uint8Array;
}

/** What a log can do. */
export interface LogCapabilities {
  /** Whether it has the blocking calls of `FileLog`: `appendSync`, `appendBatchSync`, `getSync`, `closeSync`. */
  readonly sync: boolean;
  /**
   * Whether `find` looks an id up without going through all records. Where it does not, `find` may
   * take as long as reading the log, or be SEQLOG_UNSUPPORTED.
   */
  readonly findById: boolean;
  /** Whether `append` takes a `key`; where it does not, one is SEQLOG_UNSUPPORTED. */
  readonly keys: boolean;
  /**
   * Whether every seq from `firstSeq` up to `nextSeq` has a record. Where it is false there are
   * holes: `get` gives undefined for them, reads pass over them, and `stats().records` counts only records.
   */
  readonly dense: boolean;
  /**
   * Where an acknowledged record is: on the `"disk"` of one machine; `"replicated"`, with a majority
   * of three servers or more; with the operating system (`"os"`) of one, so that a power cut may take
   * it; or only in `"memory"`. A directory log says `"disk"`, and its `durability` option says when.
   */
  readonly durability: "disk" | "replicated" | "os" | "memory";
}

/** Counts. */
export interface LogStats {
  readonly firstSeq: Seq;
  readonly nextSeq: Seq;
  readonly records: number;
  /** Bytes of the records, headers included. */
  readonly bytes: number;
  readonly segments: number;
  /** There when the log was opened for writing with `retention`. */
  readonly retention?: RetentionStats;
}

/** Options of `trim`. */
export interface TrimOptions {
  /** The first record to keep. Left out: what the log's retention keeps. */
  readonly before?: Position;
  /** Remove also what a protected consumer has not acknowledged. Default false. */
  readonly force?: boolean;
}

/** What a trim did. */
export interface TrimResult {
  /** How many records went. */
  readonly removed: number;
  /** What would have gone too, had no consumer needed it; left out when there is nothing. */
  readonly heldBack?: HeldBack;
}

/** What a log gives back of what it takes, unless a codec says otherwise: bytes for bytes or text, else the same. */
export type DataOut<In> = Uint8Array extends In ? Uint8Array : In;

/** A durable, sequential log of records. */
export interface Log<In = Uint8Array | string, Out = DataOut<In>> {
  /** Where it is. */
  readonly location: string;
  /** The first record that was not removed; `nextSeq` when there is none. */
  readonly firstSeq: Seq;
  /** The seq after the last acknowledged record. */
  readonly nextSeq: Seq;
  /** Grows with each reset; seqs are never reused within one. */
  readonly generation: number;
  /** What it can do. */
  readonly supports: LogCapabilities;
  /** The name of its codec; undefined for plain bytes. */
  readonly codec: string | undefined;
  /**
   * Appends one record; resolves when it is as durable as `supports.durability` says, and is there
   * for every read from then on. The data is copied before this returns. Empty data is a record.
   * Records get their seqs in the order of the calls.
   *
   * @throws {TypeError} for data that is neither bytes nor well-formed text, or that the codec refuses; {RangeError} when it is too large
   * @throws SEQLOG_CONFLICT, SEQLOG_QUEUE_FULL, SEQLOG_READ_ONLY, SEQLOG_CLOSED
   */
  append(data: In, options?: AppendOptions): Promise<Appended>;
  /**
   * Appends many records, one behind the other. When the input is at fault nothing is appended; a
   * crash may leave the first of them.
   *
   * @throws as `append`
   */
  appendBatch(data: readonly In[], options?: AppendBatchOptions): Promise<AppendedRange>;
  /** Resolves when there is room to append; a signal ends the wait with its reason. @throws SEQLOG_READ_ONLY, SEQLOG_CLOSED */
  ready(signal?: AbortSignal): Promise<void>;
  /** Resolves when all that was appended before is acknowledged and durable. @throws SEQLOG_READ_ONLY, SEQLOG_CLOSED */
  flush(): Promise<void>;
  /** One record; undefined where there is none yet. @throws {RangeError} for what is no seq; SEQLOG_TRIMMED, SEQLOG_CLOSED */
  get(seq: SeqLike): Promise<LogRecord<Out> | undefined>;
  /** The record with an id; undefined where there is none. @throws {TypeError} for what is no UUID; SEQLOG_CLOSED */
  find(id: string): Promise<LogRecord<Out> | undefined>;
  /**
   * The first record at or after a time; `nextSeq` when all are older.
   * @throws {RangeError} for an invalid Date; SEQLOG_UNSUPPORTED where ids hold no time; SEQLOG_CLOSED
   */
  seqAt(time: Date): Promise<Seq>;
  /**
   * Reads records in order; see {@link ReadOptions}. A read without `live` ends where the log ended
   * at its first step. An abort rejects the next step with `signal.reason`; `close` ends live reads
   * normally and rejects finite ones. A finished read stays finished. Bytes that were handed out are
   * never overwritten. No read passes over a record in silence.
   *
   * @throws {TypeError}, {RangeError} for wrong options, at the call or at the first step
   * @throws SEQLOG_TRIMMED, SEQLOG_RESET, SEQLOG_CLOSED
   */
  read(options?: ReadOptions): AsyncIterableIterator<LogRecord<Out>>;
  /** As `read`, in batches of at most `maxBytes` of data, or of one record. */
  readBatches(options?: ReadOptions & { readonly maxBytes?: number }): AsyncIterableIterator<RecordBatch<Out>>;
  /**
   * Opens a durable consumer: a named reader that remembers what was done. One process at a time has a name open.
   *
   * @throws {TypeError}, {RangeError} for a wrong name or option
   * @throws SEQLOG_LOCKED, SEQLOG_CHECKPOINT_MISMATCH, SEQLOG_CHECKPOINT_ELSEWHERE, SEQLOG_TRIMMED, SEQLOG_DAMAGED, SEQLOG_CLOSED
   */
  consumer(name: string, options?: ConsumerOptions<Out>): Promise<Consumer<Out>>;
  /** Every consumer of this log, by name: where it stands, how far it is behind. @throws SEQLOG_CLOSED */
  consumers(): Promise<ConsumerInfo[]>;
  /** Sets where a consumer goes on that nobody has open, durably; makes one where there is none. @throws SEQLOG_LOCKED, SEQLOG_TRIMMED; SEQLOG_CHECKPOINT_ELSEWHERE for one that has a store; {RangeError} past the end */
  seekConsumer(name: string, position: Position, options?: SeekOptions): Promise<ConsumerSeek>;
  /** Forgets a consumer that nobody has open, of one that has a store the mirror alone; resolves with whether there was one. @throws SEQLOG_LOCKED */
  deleteConsumer(name: string, options?: ForceOptions): Promise<boolean>;
  /** Counts of what is there. @throws SEQLOG_CLOSED */
  stats(): Promise<LogStats>;
  /**
   * Removes records from the front, none at or after a position: as many as the log can without
   * taking its storage apart (a directory log only whole segments). Without `before` it removes what
   * the `retention` of the log lets go. Resolves with how many went, and what protected consumers held
   * back of them; with `force` they hold back nothing.
   *
   * @throws {TypeError} without `before`, when the log was opened with no limit of retention
   * @throws SEQLOG_READ_ONLY, SEQLOG_CLOSED
   */
  trim(options?: TrimOptions): Promise<TrimResult>;
  /**
   * Removes all records: the next one gets seq 0 of a new generation. Appends made before are
   * acknowledged, and removed; appends made after belong to the new generation. Live reads end with
   * SEQLOG_RESET; no read goes on from one generation into the next.
   *
   * @throws SEQLOG_READ_ONLY, SEQLOG_CLOSED
   */
  reset(): Promise<void>;
  /** Waits for what was appended, ends live reads, refuses what comes. Closing twice is fine. */
  close(): Promise<void>;
  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void>;
}
