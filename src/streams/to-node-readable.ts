/** A Node stream that reads a log. */
import { Readable } from "node:stream";
import type { LogRecord } from "../segment/log-record.ts";
import { type ReadStreamOptions, type ReadableLog, RecordSource } from "./record-source.ts";

/** A Node `Readable` whose chunks are records. */
export interface RecordReadable<Out> extends Readable {
  [Symbol.asyncIterator](): NodeJS.AsyncIterator<LogRecord<Out>>;
}

/**
 * Reads a log as a Node stream in object mode: each chunk is a {@link LogRecord}. Options are those of
 * `read` (`from`, `to`, `limit`, `reverse`, `live`, `signal`); a position that is not there, damage and
 * the like destroy the stream with the log's error. Closing the log ends a `live` stream normally.
 * `destroy`, a failed `pipeline` and an abort (with `signal.reason`) end the read at once.
 *
 * @throws {TypeError}, {RangeError} for wrong options
 *
 * @example
 * ```ts
 * import { createWriteStream } from "node:fs";
 * import { pipeline } from "node:stream/promises";
 * import { type LogRecord, json, openLog, toNodeReadable } from "seqlog";
 *
 * const log = await openLog("./orders", { codec: json<{ item: string }>() });
 * await log.appendBatch([{ item: "tea" }, { item: "milk" }]);
 *
 * await pipeline(
 *   toNodeReadable(log, { from: "start" }),
 *   async function* (records: AsyncIterable<LogRecord<{ item: string }>>) {
 *     for await (const { seq, data } of records) yield `${JSON.stringify({ seq, ...data })}\n`;
 *   },
 *   createWriteStream("orders.ndjson"),
 * );
 * await log.close();
 * ```
 */
export function toNodeReadable<Out>(log: ReadableLog<Out>, options: ReadStreamOptions = {}): RecordReadable<Out> {
  const { signal } = options;
  const source = new RecordSource(log, options);
  const abort = (): void => void stream.destroy(signal?.reason as Error);
  const stream = new Readable({
    objectMode: true,
    // How much is held is decided by the batches; this is only how many records are handed over ahead.
    highWaterMark: 1,
    read() {
      if (source.holdsMore) return void this.push(source.take());
      source.refill().then(
        (isMore) => {
          if (!this.destroyed) this.push(isMore ? source.take() : null);
        },
        (error: unknown) => this.destroy(error as Error),
      );
    },
    destroy(cause, destroyed) {
      signal?.removeEventListener("abort", abort);
      source.close().then(
        () => destroyed(cause),
        (reason: unknown) => destroyed(cause ?? (reason as Error)),
      );
    },
  });
  if (signal?.aborted === true) abort();
  else signal?.addEventListener("abort", abort, { once: true });
  return stream;
}
