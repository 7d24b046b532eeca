/**
 * The contract of a log's durable consumers, on whatever the log is kept; `Log` refers to it. What
 * a directory log does with it is in `src/consumer/`. docs/consumers.md says what may be delivered
 * twice, and when.
 */
import type { Seq, SeqLike } from "../numbers.ts";
import type { LogRecord } from "../segment/log-record.ts";
import type { Position } from "../segment/positions.ts";

/**
 * Where a consumer stands, and in what: enough to notice that a log was reset, replaced, or put
 * back from an older copy. A plain object that may be stored as JSON.
 */
export interface Checkpoint {
  /** The log's id, a UUID. */
  readonly logId: string;
  /** The log's generation. */
  readonly generation: number;
  /** The first record that was not acknowledged. */
  readonly nextSeq: SeqLike;
  /** The id of the record before it; null when there is none, or it was removed before it could be looked up. */
  readonly lastId: string | null;
}

/**
 * Keeps a consumer's checkpoint somewhere else: in the user's own database, so that it changes in
 * the same transaction as what the handler does.
 */
export interface CheckpointStore {
  /** What was saved last; undefined or null when nothing was. Called when the consumer is opened, and now and then to learn what it holds. */
  load(): Checkpoint | null | undefined | Promise<Checkpoint | null | undefined>;
  /**
   * Saves a checkpoint durably. Left out when the handler saves `delivery.checkpoint` itself, in its
   * own transaction: then the consumer never saves, `run` works at concurrency 1 alone, and an `ack`
   * is counted at once.
   */
  save?(checkpoint: Checkpoint): void | Promise<void>;
}

/** How often a record is tried, and how long to wait between. */
export interface RetryOptions {
  /** Deliveries of one record in all before it is given up. Default 5. They are counted anew when the consumer is opened again. */
  readonly attempts?: number;
  /** The wait after the first failure; it doubles with each one more. Default 100. */
  readonly backoffMs?: number;
  /** The longest wait. Default 30,000. */
  readonly maxBackoffMs?: number;
  /** The part of each wait that is left to chance, 0 to 1. Default 0.2: a wait of 100 ms becomes one of 80 to 100. */
  readonly jitter?: number;
}

/** A log that takes dead letters: any `Log` of JSON, of text or of bytes. */
export interface DeadLetterLog {
  readonly location: string;
  readonly codec: string | undefined;
  append(data: never): Promise<unknown>;
  flush(): Promise<void>;
}

/** When the checkpoint is written. */
export type CheckpointPolicy =
  /** As soon as the one before is written: an `ack` that resolved is not forgotten, at most `maxInFlight` records are delivered again after a crash. */
  | "every"
  /** At most so many milliseconds after an acknowledgement, and at close: a crash delivers again what was acknowledged since. */
  | { readonly intervalMs: number };

/** Options of a consumer. */
export interface ConsumerOptions<Out = Uint8Array> {
  /** Where a consumer begins that has no checkpoint yet. Default `"start"`. A time in the future is a RangeError. */
  readonly from?: Position;
  /** Records delivered and not yet behind the checkpoint, at most. Default 1000. */
  readonly maxInFlight?: number;
  /** Bytes of those records, at most, or one record. Default 64 MiB. */
  readonly maxInFlightBytes?: number;
  /** A record that was not acknowledged for so long, or up to an eighth longer, is delivered again. Default 30,000. */
  readonly ackWaitMs?: number;
  readonly retry?: RetryOptions;
  /**
   * Where records go that were tried `retry.attempts` times: durably, before the checkpoint moves on. One
   * that does not fit ends the loop or run with a RangeError that says which `maxRecordBytes` is enough.
   */
  readonly deadLetter?: DeadLetterLog;
  /** Records for which it returns false are not delivered and count as acknowledged. One that throws ends the loop or run: SEQLOG_HANDLER_FAILED. */
  filter?(record: LogRecord<Out>): boolean;
  /** When the checkpoint is written. Default `"every"`. */
  readonly checkpoint?: CheckpointPolicy;
  /** Where the checkpoint lives, instead of a file in the log's directory alone. */
  readonly store?: CheckpointStore;
}

/** A record in the hands of a consumer. */
export interface Delivery<Out = Uint8Array> extends LogRecord<Out> {
  /** 1 at first, one more each time that this record is delivered again. */
  readonly attempt: number;
  /** Where the consumer stands when this record, and all before it, are done; for a {@link CheckpointStore} of one's own. */
  readonly checkpoint: Checkpoint;
  /**
   * The record is done. Resolves when the checkpoint policy is satisfied: with `"every"` when the
   * checkpoint is durable, unless a record before this one is not done yet, for which it does not
   * wait. Rejects when the checkpoint cannot be written. Doing it twice is fine.
   */
  ack(): Promise<void>;
  /** The record is to be delivered again, after `delayMs` (default 0); `error` goes with it into the dead letters. */
  nack(options?: { readonly delayMs?: number; readonly error?: unknown }): void;
  /** Gives `ms` from now before the record is delivered again. */
  extend(ms: number): void;
}

/** What a handler may do with its time: the signal is aborted when `ackWaitMs` has passed, or the run is to end. */
export type DeliveryHandler<Out> = (delivery: Delivery<Out>, signal: AbortSignal) => unknown;

/** How to run. */
export interface RunOptions {
  /** Handlers at the same time. Default 1: records are handled strictly in order. */
  readonly concurrency?: number;
  /** Ends the run: handlers are told, and waited for; then it rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}

/** A durable, named reader of a log that remembers what was done. */
export interface Consumer<Out = Uint8Array> extends AsyncIterable<Delivery<Out>> {
  /** Its name in the log. */
  readonly name: string;
  /** The first record that is not acknowledged, now. */
  readonly nextSeq: Seq;
  /** Records delivered and not acknowledged. */
  readonly inFlight: number;
  /** Deliveries with `attempt` above 1, since it was opened. */
  readonly redeliveries: number;
  /**
   * Goes through the log and on as records come, one loop at a time. Deliveries come in order; one
   * that is to be delivered again goes before new ones. Leaving the loop gives back what was not
   * acknowledged: the next loop begins with it. `close` ends the loop.
   *
   * @throws SEQLOG_TRIMMED, SEQLOG_RESET, SEQLOG_DAMAGED, and what failed to write the checkpoint
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Delivery<Out>>;
  /**
   * Calls a handler with each record, acknowledges when it returns (or its promise resolves), and
   * delivers again, after the wait of `retry`, when it throws. Ends when the consumer or the log is
   * closed. At concurrency 1 no record is begun before the one before it is done.
   *
   * @throws SEQLOG_HANDLER_FAILED when a record was tried `retry.attempts` times and there is no
   * `deadLetter`; `signal.reason`; as the loop
   */
  run(handler: DeliveryHandler<Out>, options?: RunOptions): Promise<void>;
  /** Goes on from somewhere else, durably; what is in flight is given back and its acknowledgements count no more. */
  seek(position: Position): Promise<void>;
  /** Position, lag and counts. */
  info(): Promise<ConsumerInfo>;
  /**
   * Ends its loop or run, waits for running handlers (no longer than `ackWaitMs`), writes the
   * checkpoint, lets go of the name. Closing twice is fine.
   */
  close(): Promise<void>;
  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** What lies between a consumer and the end of its log. */
export interface ConsumerLag {
  readonly records: number;
  /** Of the records, headers included; of a log on JetStream an estimate, by its average record. */
  readonly bytes: number;
  /** The age of the first record that is not acknowledged; 0 when there is none, undefined where ids hold no time. */
  readonly ms: number | undefined;
}

/** One line of `consumers()`. */
export interface ConsumerInfo {
  readonly name: string;
  /** The first record that is not acknowledged; of a consumer open elsewhere, as its checkpoint says. */
  readonly nextSeq: Seq | undefined;
  readonly lag: ConsumerLag | undefined;
  /** Whether a process has it open, as far as its lock file tells. */
  readonly isActive: boolean;
  /**
   * Whether its checkpoint is in a {@link CheckpointStore}. Then `nextSeq`, unless it is open here, is
   * from the mirror of that: up to a second behind, and `seekConsumer` refuses to move it.
   */
  readonly hasStore: boolean;
  /** Of a consumer that is open here. */
  readonly inFlight: number | undefined;
  /** Of a consumer that is open here. */
  readonly redeliveries: number | undefined;
  /** Why there is no position: the checkpoint is damaged, or of another log or generation. */
  readonly problem: string | undefined;
}

/** Where a consumer stood, and where it stands now. */
export interface ConsumerSeek {
  /** Undefined when there was none, or it could not be read. */
  readonly before: Checkpoint | undefined;
  readonly after: Checkpoint;
}

/** Options of `deleteConsumer`. */
export interface ForceOptions {
  /**
   * Also when another process is said to have the consumer open: that process is told SEQLOG_LOCKED at its
   * next checkpoint. For a log on servers, where nobody can tell a holder that was killed from one that
   * works. A directory log can, so that there is nothing to be forced and this changes nothing.
   */
  readonly force?: boolean;
}

/** Options of `seekConsumer`. */
export interface SeekOptions extends ForceOptions {
  /** Only say what would be done. */
  readonly dryRun?: boolean;
}
