/**
 * What the process says when it ends. Scripts rely on these numbers: a change is a breaking one.
 *
 * | code | meaning |
 * |---|---|
 * | 0 | fine; a torn tail alone too |
 * | 1 | damage was found |
 * | 2 | the command was used wrongly, or its input is not what it was said to be |
 * | 3 | another process is writing the log |
 * | 4 | the machine refused: no such file, no rights, no space, an I/O error |
 * | 130, 143 | ended early by SIGINT or SIGTERM, after what was read had been made durable |
 */
import type { SeqlogErrorCode } from "../errors.ts";

/** The numbers by name. */
export const exitCodes = { fine: 0, damage: 1, usage: 2, locked: 3, io: 4, interrupted: 130, terminated: 143 } as const;

/** One of {@link exitCodes}. */
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** The exit code for each error of the library; the type makes the table complete. */
export const exitCodeOf: Readonly<Record<SeqlogErrorCode, ExitCode>> = {
  SEQLOG_LOCKED: exitCodes.locked,
  SEQLOG_LOCK_UNAVAILABLE: exitCodes.io,
  SEQLOG_DAMAGED: exitCodes.damage,
  SEQLOG_NOT_FOUND: exitCodes.io,
  SEQLOG_READ_ONLY: exitCodes.usage,
  SEQLOG_TRIMMED: exitCodes.usage,
  SEQLOG_RESET: exitCodes.io,
  SEQLOG_CONFLICT: exitCodes.usage,
  SEQLOG_KEY_REUSED: exitCodes.usage,
  SEQLOG_POISONED: exitCodes.io,
  SEQLOG_NO_SPACE: exitCodes.io,
  SEQLOG_IO: exitCodes.io,
  SEQLOG_QUEUE_FULL: exitCodes.io,
  SEQLOG_CLOSED: exitCodes.io,
  SEQLOG_INVALID_DATA: exitCodes.damage,
  SEQLOG_UNSUPPORTED: exitCodes.usage,
  SEQLOG_CHECKPOINT_MISMATCH: exitCodes.usage,
  SEQLOG_CHECKPOINT_ELSEWHERE: exitCodes.usage,
  SEQLOG_HANDLER_FAILED: exitCodes.io,
};
