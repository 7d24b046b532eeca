/** A destination for pino in the process that logs: each line is a record. */
import { EventEmitter } from "node:events";
import { headerLength } from "../format/record.ts";
import { FileLog } from "../log/file-log.ts";
import { checkLimit } from "../segment/log-writer.ts";
import { closedError } from "../segment/read-range.ts";
import { atExit } from "./at-exit.ts";
import { type DestinationLogOptions, openOptionsOf } from "./open-options.ts";
import { recordOf } from "./record-of.ts";
import { SeqlogError } from "../errors.ts";

/**
 * What of a log a destination needs: a `FileLog` without a codec or with `text()`. (`get` is there so
 * that one of another codec, which would store the lines as something else, is a type error.)
 */
export type LineLog = Pick<
  FileLog<string, Uint8Array | string>,
  "append" | "appendBatchSync" | "appendSync" | "close" | "closeSync" | "flush" | "get" | "location" | "pendingBytes"
> & {
  /** @internal */
  readonly roomyBytes?: number;
};

/** How a destination writes. */
export interface DestinationMode {
  /**
   * `"sync"` (default): a line is durable when the logging call returns, which blocks for a write to
   * the disk. `"buffered"`: lines are written in the background, those of one turn of the event loop
   * together; the loss window is `maxBufferedBytes`. See docs/pino.md.
   */
  readonly mode?: "sync" | "buffered";
  /**
   * With `"buffered"`: bytes that may wait for the disk, 32 for each line's header included. A logging
   * call that would exceed it blocks until it and all lines before it are durable. Default 1 MiB;
   * half of the log's `maxPendingBytes` at most.
   */
  readonly maxBufferedBytes?: number;
}

/** Options of {@link destination}: a log that is open for writing, or where to open one, and how to write. */
export type DestinationOptions = DestinationMode &
  ((DestinationLogOptions & { readonly log?: undefined }) | { readonly log: LineLog });

/** Without a listener for `error` the logging call throws, or with `"buffered"` it is an uncaught exception. */
interface DestinationEvents {
  /** A line could not be appended; one event for each. */
  readonly error: [Error];
  /** After `end`, when all lines are durable and a log that the destination opened is closed. */
  readonly close: [];
}

/** Takes lines from pino. Made by {@link destination}. */
export class LogDestination extends EventEmitter<DestinationEvents> {
  /** The log that it writes to; one that it has opened is its own to close. */
  readonly log: LineLog;
  readonly #isOwner: boolean;
  readonly #isBuffered: boolean;
  readonly #maxBufferedBytes: number;
  readonly #removeAtExit: () => void;
  /** The process is ending: what is not on the disk when a logging call returns never will be. */
  #isEnding = false;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(log: LineLog, isOwner: boolean, { mode = "sync", maxBufferedBytes }: DestinationMode) {
    super();
    this.log = log;
    this.#isOwner = isOwner;
    this.#isBuffered = mode === "buffered";
    this.#maxBufferedBytes = checkedBytes(maxBufferedBytes);
    this.#removeAtExit = atExit((isLast) => {
      this.#isEnding = true;
      // Whoever logs in an exit handler that comes later needs it open; the next open brings it into order.
      if (isOwner && isLast) return log.closeSync();
      try {
        this.flushSync();
      } catch (error) {
        // The program closed its log itself, and nothing was waiting any more.
        if (!SeqlogError.is(error, "SEQLOG_CLOSED") || log.pendingBytes > 0) throw error;
      }
    });
  }

  /** Whether it takes lines. By this pino knows a stream from its options. */
  get writable(): boolean {
    return this.#closing === undefined;
  }

  /** Called by pino for each line. */
  write(line: string): boolean {
    const record = recordOf(line);
    try {
      if (this.#closing !== undefined) throw closedError(this.log.location);
      const bytes = this.log.pendingBytes + headerLength + Buffer.byteLength(record);
      const { roomyBytes = Infinity } = this.log;
      const isTaken = bytes <= roomyBytes;
      if (!this.#isBuffered || this.#isEnding || !isTaken || bytes > this.#maxBufferedBytes) {
        // Behind so much that waits it would be refused.
        if (!isTaken) this.flushSync();
        this.log.appendSync(record);
        return true;
      }
    } catch (error) {
      this.emit("error", error as Error);
      return true;
    }
    this.log.append(record).catch((error: unknown) => {
      // Out of the promise: without a listener it is an uncaught exception, as a stream's.
      process.nextTick(() => this.emit("error", error as Error));
    });
    return true;
  }

  /** Calls back when all lines before are on the disk, whatever the log's durability. Called by pino's `logger.flush`. */
  flush(flushed: (error?: Error) => void = () => undefined): void {
    this.log.flush().then(() => flushed(), flushed);
  }

  /** Blocks until all lines before are acknowledged. Called by pino after each fatal line. */
  flushSync(): void {
    this.log.appendBatchSync([]);
  }

  /** As `close`; a failure is an `error` event. */
  end(): void {
    this.close().catch((error: unknown) => {
      process.nextTick(() => this.emit("error", error as Error));
    });
  }

  /** Resolves when all lines are on the disk, and the log, if the destination opened it, is closed. Twice is fine. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await this.log.flush();
    } finally {
      this.#removeAtExit();
      if (this.#isOwner) await this.log.close();
    }
    this.emit("close");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function checkedBytes(value: number | undefined): number {
  return checkLimit(value, 1024 * 1024, "maxBufferedBytes", 0, Number.MAX_SAFE_INTEGER);
}

/**
 * Makes a destination for pino that appends each line to a log, as one record without its line feed.
 * Opening blocks; recovery, locks and errors are those of `FileLog.openSync`. What waits is written
 * when the process ends by itself, by `process.exit` or by an uncaught exception.
 *
 * @throws {TypeError} for an unknown mode
 * @throws as `FileLog.openSync`
 *
 * @example
 * ```ts
 * import pino from "pino";
 * import { destination } from "seqlog/pino";
 *
 * const lines = destination({ path: "./logs" });
 * const logger = pino(lines);
 * logger.info({ user: 42 }, "signed in");   // on the disk now
 * await lines.close();
 * ```
 */
export function destination(options: DestinationOptions): LogDestination {
  const { mode = "sync", log } = options;
  if (mode !== "sync" && mode !== "buffered")
    throw new TypeError(`mode must be "sync" or "buffered", got ${JSON.stringify(mode)}`);
  checkedBytes(options.maxBufferedBytes);
  if (log !== undefined) return new LogDestination(log, false, options);
  return new LogDestination(FileLog.openSync(options.path, openOptionsOf(options)), true, options);
}
