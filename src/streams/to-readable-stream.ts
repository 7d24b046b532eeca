/** A Web stream that reads a log. */
import { headerLength } from "../format/record.ts";
import type { LogRecord } from "../segment/log-record.ts";
import { type ReadStreamOptions, type ReadableLog, RecordSource } from "./record-source.ts";

/**
 * Reads a log as a Web stream of records. Options are those of `read`, and `highWaterMark` in bytes;
 * the stream's queue counts bytes too, headers included. Errors of the log are errors of the stream;
 * closing the log ends a `live` stream normally; `cancel` and an abort (with `signal.reason`) end the
 * read at once.
 *
 * @throws {TypeError}, {RangeError} for wrong options
 *
 * @example
 * ```ts
 * import { openLog, text, toReadableStream } from "seqlog";
 *
 * const log = await openLog("./events", { codec: text() });
 * await log.append("hello");
 * for await (const record of toReadableStream(log)) console.log(record.seq, record.data);
 * await log.close();
 * ```
 */
export function toReadableStream<Out>(
  log: ReadableLog<Out>,
  options: ReadStreamOptions = {},
): ReadableStream<LogRecord<Out>> {
  const { signal } = options;
  const source = new RecordSource(log, options);
  let abort: () => void;
  const close = (): Promise<void> => {
    signal?.removeEventListener("abort", abort);
    return source.close();
  };
  return new ReadableStream<LogRecord<Out>>(
    {
      start(controller) {
        abort = () => {
          controller.error(signal?.reason);
          void close();
        };
        if (signal?.aborted === true) abort();
        else signal?.addEventListener("abort", abort, { once: true });
      },
      async pull(controller) {
        try {
          const isMore = source.holdsMore || (await source.refill());
          if (signal?.aborted === true) return;
          if (isMore) return controller.enqueue(source.take());
          controller.close();
        } catch (error) {
          controller.error(error);
        }
        await close();
      },
      cancel: close,
    },
    // Nothing is taken out of a batch before it is asked for: the batches are what is read ahead.
    { highWaterMark: 0, size: (record) => headerLength + record.bytes.length },
  );
}
