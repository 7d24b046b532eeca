/** Reads a single log file, beside its writer or without one. */
import { type Seq, type SeqLike, asSeq } from "../numbers.ts";
import { localPath } from "../storage/local-path.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import type { Machine } from "../storage/storage.ts";
import type { LogRecord, RecordBatch } from "./log-record.ts";
import type { ReadOptions } from "./positions.ts";
import { Reading } from "./reading.ts";
import { RecordIndex } from "./record-index.ts";
import { SingleFileView } from "./single-file-view.ts";

/** Options of {@link LogReader.open}. */
export interface LogReaderOptions {
  /** The record index, or its path. Default: the log's path with `.idx` in place of `.log`. Read when it is there. */
  readonly index?: RecordIndex | string | URL;
  /** The machine to work on; for tests. */
  readonly machine?: Machine;
}

/** The record index that belongs to a log file by its name. */
export function indexPathOf(logPath: string): string {
  return logPath.endsWith(".log") ? `${logPath.slice(0, -4)}.idx` : `${logPath}.idx`;
}

/**
 * Reads a file that {@link LogWriter} or the seed wrote. Every record is checked before it is
 * served; invalid bytes are an error, never skipped. Beside a writer in any process it serves what the
 * record index proves to be durable, and follows it; when nobody writes (a file that was closed, or
 * one from the seed) it serves the valid chain up to its end. Changes nothing and creates nothing.
 *
 * @example
 * ```ts
 * import { LogReader } from "seqlog";
 *
 * const reader = await LogReader.open("events.log");
 * for await (const record of reader.read({ from: { last: 10 } })) {
 *   console.log(record.seq, record.offset, record.bytes.length);
 * }
 * await reader.close();
 * ```
 */
export class LogReader {
  readonly #view: SingleFileView;
  readonly #reading: Reading<Uint8Array>;

  private constructor(view: SingleFileView) {
    this.#view = view;
    this.#reading = new Reading(view, (bytes) => bytes);
  }

  /**
   * Opens the file.
   * @throws SEQLOG_NOT_FOUND, SEQLOG_IO; SEQLOG_DAMAGED when the record index proves a record that is not there
   */
  static async open(path: string | URL, options: LogReaderOptions = {}): Promise<LogReader> {
    const at = localPath(path, "the log file");
    const { index } = options;
    const indexPath =
      index === undefined
        ? indexPathOf(at)
        : index instanceof RecordIndex
          ? index.file.path
          : localPath(index, "the record index");
    return new LogReader(await SingleFileView.open(options.machine ?? nodeMachine, at, indexPath));
  }

  /** The absolute path of the file. */
  get location(): string {
    return this.#view.location;
  }

  /** The first record's seq: 0. */
  get firstSeq(): Seq {
    return asSeq(0);
  }

  /** The seq after the last record that may be read, as of the last look. */
  get nextSeq(): Seq {
    return asSeq(this.#view.nextSeq);
  }

  /** Records of a range, one by one; see `Log.read`. */
  read(options?: ReadOptions): AsyncIterableIterator<LogRecord> {
    return this.#reading.read(options);
  }

  /** Records of a range in batches of about `maxBytes`; see `Log.readBatches`. */
  readBatches(options?: ReadOptions & { readonly maxBytes?: number }): AsyncIterableIterator<RecordBatch> {
    return this.#reading.readBatches(options);
  }

  /** One record, or undefined where there is none. */
  get(seq: SeqLike): Promise<LogRecord | undefined> {
    return this.#reading.get(seq);
  }

  /** The record with this id, or undefined. Goes through the file where ids hold no time. */
  find(id: string): Promise<LogRecord | undefined> {
    return this.#reading.find(id);
  }

  /** The first record at or after a time. @throws SEQLOG_UNSUPPORTED for ids of version 4 */
  seqAt(time: Date): Promise<Seq> {
    return this.#reading.seqAt(time);
  }

  /** Counts. */
  async stats(): Promise<{ firstSeq: Seq; nextSeq: Seq; records: number; bytes: number; segments: number }> {
    await this.#view.refresh();
    const { nextSeq } = this;
    return { firstSeq: asSeq(0), nextSeq, records: nextSeq, bytes: this.#view.end, segments: 1 };
  }

  /** Ends live reads and closes the file. Closing twice is fine. */
  async close(): Promise<void> {
    this.#view.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
