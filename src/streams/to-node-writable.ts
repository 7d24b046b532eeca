/** A Node stream that appends to a log. */
import { Writable } from "node:stream";
import { RecordSink, type WritableLog, type WriteStreamOptions, defaultHighWaterMark } from "./record-sink.ts";
import { checkHighWaterMark } from "./record-source.ts";

/**
 * Appends what is written to a Node stream in object mode: each chunk is one record, of any kind that
 * the log's `append` takes. A write's callback says that the log has taken the record; `finish` says
 * that all of them are on the disk. `write` returns false while more than `highWaterMark` bytes wait
 * for the disk. An append that fails destroys the stream with its error: then no `finish` comes, and
 * nothing more is appended; records that the log had taken by then may be in it, those behind the one
 * that failed too. The log stays open.
 *
 * @throws {RangeError} for a wrong `highWaterMark`
 *
 * @example
 * ```ts
 * import { Readable } from "node:stream";
 * import { pipeline } from "node:stream/promises";
 * import { openLog, toNodeWritable } from "seqlog";
 *
 * const log = await openLog("./events");
 * await pipeline(Readable.from(["a", "b", "c"]), toNodeWritable(log));
 * console.log(log.nextSeq);   // 3, all on the disk
 * await log.close();
 * ```
 */
export function toNodeWritable<In>(log: WritableLog<In>, options: WriteStreamOptions = {}): Writable {
  const { highWaterMark = defaultHighWaterMark } = options;
  checkHighWaterMark(highWaterMark);
  const sink = new RecordSink(log, highWaterMark, (error) => void stream.destroy(error));
  const add = (data: In, taken: (error?: Error | null) => void): void => {
    try {
      // Whoever destroyed it wants nothing more to be appended.
      if (stream.destroyed) throw stream.errored ?? new Error("the stream was destroyed");
      sink.add(data);
    } catch (error) {
      return taken(error as Error);
    }
    taken();
  };
  const stream = new Writable({
    objectMode: true,
    // One record that the log takes, and one that waits for room.
    highWaterMark: 2,
    write(data: In, _encoding, taken) {
      if (!sink.hasRoom) {
        sink.room().then(() => add(data, taken), taken);
      } else add(data, taken);
    },
    final(finished) {
      sink.finish().then(() => finished(), finished);
    },
  });
  return stream;
}
