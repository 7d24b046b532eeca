/**
 * A pino transport: what pino runs in a thread of its own.
 *
 * pino hands over text through a buffer of 4 MiB in shared memory, and takes a piece as read when
 * `write` returned true, or with the next `drain`. So no room is ever promised here: each piece, cut
 * into lines, is appended as one batch, and `drain` comes when that is durable. While it is written the
 * next piece grows, and so pino's own `flushSync` waits for the disk.
 */
import { Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { FileLog } from "../log/file-log.ts";
import { type TransportOptions, openOptionsOf } from "./open-options.ts";
import { TextLines } from "./record-of.ts";

type Settled = (error?: Error | null) => void;

class LogTransport extends Writable {
  readonly #log: FileLog;
  readonly #lines = new TextLines();
  readonly #decoder = new StringDecoder("utf8");

  constructor(log: FileLog) {
    super({ decodeStrings: false, highWaterMark: 0 });
    this.#log = log;
  }

  override _write(piece: string | Buffer, _encoding: unknown, written: Settled): void {
    this.#append(this.#linesOf(piece), written);
  }

  /** Several pieces wait where pino passes over `write`'s answer: with more than one target. */
  override _writev(pieces: readonly { readonly chunk: string | Buffer }[], written: Settled): void {
    this.#append(
      pieces.flatMap(({ chunk }) => this.#linesOf(chunk)),
      written,
    );
  }

  #linesOf(piece: string | Buffer): string[] {
    return this.#lines.add(typeof piece === "string" ? piece : this.#decoder.write(piece));
  }

  #append(lines: string[], written: Settled): void {
    if (lines.length === 0) return written();
    this.#log.appendBatch(lines).then(() => written(), written);
  }

  /** Called in pino's thread for `logger.flush(callback)`; a callback is what it looks for. */
  flush(flushed: Settled): void {
    if (this.writableLength > 0) return void this.once("drain", () => this.flush(flushed));
    this.#log.flush().then(() => flushed(), flushed);
  }

  override _final(finished: Settled): void {
    this.#append([...this.#lines.add(this.#decoder.end()), ...this.#lines.end()], finished);
  }

  /** The log is closed before `error` and `close` are told: pino then ends the thread, and would leave the lock behind. */
  override _destroy(cause: Error | null, destroyed: Settled): void {
    this.#log.close().then(
      () => destroyed(cause),
      (reason: unknown) => destroyed(cause ?? (reason as Error)),
    );
  }
}

/**
 * Opens a log for `pino.transport({ target: "seqlog/pino", options })`: each line is a record without
 * its line feed. What a crash can take is in docs/pino.md.
 *
 * @throws as `FileLog.open`; pino tells it as an `error` event of the transport
 *
 * @example
 * ```ts
 * import pino from "pino";
 *
 * const logger = pino(pino.transport({ target: "seqlog/pino", options: { path: "./logs" } }));
 * logger.info("written by a thread of its own");
 * // At the end of the process pino waits for the thread, which closes the log.
 * ```
 */
export default async function transport(options: TransportOptions): Promise<Writable> {
  return new LogTransport(await FileLog.open(options.path, openOptionsOf(options)));
}
