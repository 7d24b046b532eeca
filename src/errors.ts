/**
 * The one error class of seqlog and the table of its codes.
 *
 * A code exists only where a caller would act differently. Mistakes of the program that calls
 * (a missing argument, a value out of range) are `TypeError` and `RangeError`, not codes.
 * `docs/errors.md` lists the same codes; a test holds the two together.
 */
import type { Offset, Seq } from "./numbers.ts";

/** One side of a checkpoint that does not fit: where a consumer stands, or what the log has there. */
export interface CheckpointFacts {
  /** The log's id, a UUID. */
  readonly logId: string;
  readonly generation: number;
  /** Of a checkpoint the next record to consume; of a log its next seq. */
  readonly nextSeq: Seq;
  /** The id of the record before the checkpoint's `nextSeq`; null where it is not known, or there is none. */
  readonly lastId: string | null;
}

/** What each code carries in {@link SeqlogError.facts}. */
export interface SeqlogErrorFacts {
  /** Another writer holds the log, and reading with `readOnly: true` works; or somebody has the `consumer` open. */
  SEQLOG_LOCKED: { path: string; pid: number; host: string; since: Date; consumer?: string };
  /** No lock can be had on this machine or file system, so a second writer could not be kept out. */
  SEQLOG_LOCK_UNAVAILABLE: { path: string; reason: string };
  /** Invalid bytes where valid ones were, or must have been. Nothing was changed. */
  SEQLOG_DAMAGED: { file: string; offset: Offset; seq?: Seq; reason: string };
  /** No log, or no file, at this place. */
  SEQLOG_NOT_FOUND: { path: string };
  /** The log was opened with `readOnly: true`. */
  SEQLOG_READ_ONLY: { path: string };
  /** The records asked for were removed by retention or `trim`. */
  SEQLOG_TRIMMED: { firstSeq: Seq };
  /** The log was reset while it was being read, or while appends to a `nats://` log waited; what follows would be another history. */
  SEQLOG_RESET: { generation: number };
  /** `expectedSeq` is not the next seq: somebody else appended. */
  SEQLOG_CONFLICT: { expectedSeq: Seq; nextSeq: Seq };
  /** The idempotency key belongs to another record: `seq` and `id` are of the one appended with it first. */
  SEQLOG_KEY_REUSED: { seq: Seq; id: string };
  /** A write or fsync failed; nothing is acknowledged until the log was closed and opened again. */
  SEQLOG_POISONED: { path: string };
  /** The disk, the quota or the file-size limit is full. The append was undone; later ones may pass. */
  SEQLOG_NO_SPACE: { path: string; errno: string };
  /** The machine refused an operation. Nothing acknowledged was changed. */
  SEQLOG_IO: { path: string; syscall: string; errno: string };
  /** More unacknowledged bytes than `maxPendingBytes`; wait for `ready()`. */
  SEQLOG_QUEUE_FULL: { pendingBytes: number };
  /** The log, reader or writer was closed. */
  SEQLOG_CLOSED: { path: string };
  /** A stored record that the codec or its schema refuses. The record is whole; its bytes are here. */
  SEQLOG_INVALID_DATA: { seq: Seq; bytes: Uint8Array; reason: string };
  /** The log, as it is stored, cannot do this. */
  SEQLOG_UNSUPPORTED: { path: string; reason: string };
  /** A consumer's checkpoint belongs to another log, another generation or another history. */
  SEQLOG_CHECKPOINT_MISMATCH: { consumer: string; checkpoint: CheckpointFacts; log: CheckpointFacts };
  /** A consumer's checkpoint is in its program's store, or, where an empty one was given, in the log. Nothing was changed. */
  SEQLOG_CHECKPOINT_ELSEWHERE: { consumer: string; checkpoint: CheckpointFacts; keptIn: "store" | "log" };
  /** A consumer's handler failed with a record as often as it may; the cause is its last error. */
  SEQLOG_HANDLER_FAILED: { consumer: string; seq: Seq; attempts: number };
}

/** A stable name for what went wrong. */
export type SeqlogErrorCode = keyof SeqlogErrorFacts;

/** Every code, in the order of the docs. */
export const seqlogErrorCodes: readonly SeqlogErrorCode[] = [
  "SEQLOG_LOCKED",
  "SEQLOG_LOCK_UNAVAILABLE",
  "SEQLOG_DAMAGED",
  "SEQLOG_NOT_FOUND",
  "SEQLOG_READ_ONLY",
  "SEQLOG_TRIMMED",
  "SEQLOG_RESET",
  "SEQLOG_CONFLICT",
  "SEQLOG_KEY_REUSED",
  "SEQLOG_POISONED",
  "SEQLOG_NO_SPACE",
  "SEQLOG_IO",
  "SEQLOG_QUEUE_FULL",
  "SEQLOG_CLOSED",
  "SEQLOG_INVALID_DATA",
  "SEQLOG_UNSUPPORTED",
  "SEQLOG_CHECKPOINT_MISMATCH",
  "SEQLOG_CHECKPOINT_ELSEWHERE",
  "SEQLOG_HANDLER_FAILED",
];

/**
 * An error of seqlog: tell them apart by `code`, never by message.
 *
 * @example
 * ```ts
 * import { FileLog, SeqlogError } from "seqlog";
 *
 * try {
 *   const log = await FileLog.open("./events");
 *   await log.close();
 * } catch (error) {
 *   if (!SeqlogError.is(error, "SEQLOG_LOCKED")) throw error;
 *   console.error(`process ${error.facts.pid} is writing this log`);
 * }
 * ```
 */
export class SeqlogError<C extends SeqlogErrorCode = SeqlogErrorCode> extends Error {
  override readonly name = "SeqlogError";
  readonly code: C;
  readonly facts: SeqlogErrorFacts[C];

  constructor(code: C, message: string, facts: SeqlogErrorFacts[C], options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.facts = facts;
  }

  /** Whether `error` is a SeqlogError with this code; its `facts` are typed by it. */
  static is<C extends SeqlogErrorCode>(error: unknown, code: C): error is SeqlogError<C> {
    return error instanceof SeqlogError && error.code === code;
  }
}
