/** A Web stream that appends to a log. */
import { RecordSink, type WritableLog, type WriteStreamOptions, defaultHighWaterMark } from "./record-sink.ts";
import { checkHighWaterMark } from "./record-source.ts";

/**
 * Appends what is written to a Web stream: each chunk is one record, of any kind that the log's
 * `append` takes. A `write` resolves when the log has taken the record, and waits while more than
 * `highWaterMark` bytes wait for the disk; `close` resolves when all of them are on the disk. An
 * append that fails is the stream's error, and nothing more is appended; records that the log had taken
 * by then may be in it, those behind the one that failed too. The log stays open, and `abort` takes
 * nothing back.
 *
 * @throws {RangeError} for a wrong `highWaterMark`
 *
 * @example
 * ```ts
 * import { openLog, toWritableStream } from "seqlog";
 *
 * const log = await openLog("./events");
 * const writer = toWritableStream(log).getWriter();
 * await writer.write("hello");
 * await writer.close();   // on the disk now
 * await log.close();
 * ```
 */
export function toWritableStream<In>(log: WritableLog<In>, options: WriteStreamOptions = {}): WritableStream<In> {
  const { highWaterMark = defaultHighWaterMark } = options;
  checkHighWaterMark(highWaterMark);
  let sink: RecordSink<In>;
  return new WritableStream<In>(
    {
      start(controller) {
        sink = new RecordSink(log, highWaterMark, (error) => controller.error(error));
      },
      async write(data, controller) {
        if (!sink.hasRoom) await sink.room();
        // `abort` of a sink comes only when this write has ended; the signal, which its types lack, at once.
        (controller as { readonly signal?: AbortSignal }).signal?.throwIfAborted();
        sink.add(data);
      },
      close: () => sink.finish(),
    },
    {
      highWaterMark,
      size(data) {
        if (data instanceof Uint8Array) return data.length;
        // How long a codec will make it is not known before it is appended: one at a time.
        return typeof data === "string" ? Buffer.byteLength(data) : highWaterMark;
      },
    },
  );
}
