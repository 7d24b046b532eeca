/** What the readable streams draw from: the records of a read, batch by batch, so that what is held is bounded in bytes. */
import type { Log } from "../log/log.ts";
import type { LogRecord, RecordBatch } from "../segment/log-record.ts";
import type { ReadOptions } from "../segment/positions.ts";

/** What of a log a readable stream needs. */
export type ReadableLog<Out> = Pick<Log<never, Out>, "readBatches">;

/** Options of the readable streams: those of `read`, and how far to read ahead. */
export type ReadStreamOptions = ReadOptions & {
  /**
   * Bytes read at once, headers included; a larger record comes alone. One such batch is handed out
   * while the log reads the one behind it, and no third. Default 1 MiB.
   */
  readonly highWaterMark?: number;
};

const defaultHighWaterMark = 1024 * 1024;

/** The records of one read. */
export class RecordSource<Out> {
  readonly #batches: AsyncIterableIterator<RecordBatch<Out>>;
  #batch: RecordBatch<Out> | undefined;
  #index = 0;

  /** @throws {TypeError}, {RangeError} for wrong options */
  constructor(log: ReadableLog<Out>, options: ReadStreamOptions) {
    // An abort destroys the stream, and by that ends the read: also of a stream that nobody reads from.
    const { highWaterMark, signal: _signal, ...range } = options;
    checkHighWaterMark(highWaterMark);
    this.#batches = log.readBatches({ ...range, maxBytes: highWaterMark ?? defaultHighWaterMark });
  }

  /** Whether there is more in the batch at hand. */
  get holdsMore(): boolean {
    return this.#batch !== undefined;
  }

  /** The next record of the batch at hand. */
  take(): LogRecord<Out> {
    if (this.#batch === undefined) throw new Error("take without a batch at hand");
    const record = this.#batch.recordAt(this.#index++);
    if (this.#index === this.#batch.count) this.#batch = undefined;
    return record;
  }

  /** Gets the next batch; false at the end of the read. */
  async refill(): Promise<boolean> {
    let step = await this.#batches.next();
    while (step.done !== true && step.value.count === 0) step = await this.#batches.next();
    if (step.done === true) return false;
    this.#batch = step.value;
    this.#index = 0;
    return true;
  }

  /** Ends the read, also one that waits for records to come, and gives back its descriptor. */
  async close(): Promise<void> {
    this.#batch = undefined;
    await this.#batches.return?.();
  }
}

/** @throws {RangeError} */
export function checkHighWaterMark(value: number | undefined): void {
  if (value === undefined || (Number.isInteger(value) && value >= 1 && value <= 1024 * 1024 * 1024)) return;
  throw new RangeError(`highWaterMark must be a whole number of bytes from 1 to 1 GiB, got ${String(value)}`);
}
