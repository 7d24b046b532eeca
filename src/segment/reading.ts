/** The reading half of every log: iterators and look-ups over a `LogView`, decoded. */
import { type Seq, asSeq, checkSeq } from "../numbers.ts";
import type { Decode, Run } from "./log-record.ts";
import { LogRecord, RecordBatch } from "./log-record.ts";
import type { LogView } from "./log-view.ts";
import { type ReadOptions, checkReadOptions, findById, get, getSync, resolveRange, seqAt } from "./positions.ts";
import { ReadIterator } from "./read-iterator.ts";
import { closedError, readBackward, readForward, readLive } from "./read-range.ts";
import { readWithin } from "./time-bounds.ts";

/** Read at once, unless a caller of `readBatches` says otherwise or one record is larger. */
const defaultMaxBytes = 1024 * 1024;

const never = new AbortController().signal;

/** Reads a view. */
export class Reading<Out> {
  readonly #view: LogView;
  readonly #decode: Decode<Out>;

  constructor(view: LogView, decode: Decode<Out>) {
    this.#view = view;
    this.#decode = decode;
  }

  read(options: ReadOptions = {}): AsyncIterableIterator<LogRecord<Out>> {
    const isReverse = options.reverse === true;
    return new ReadIterator({
      open: this.#opener(options, defaultMaxBytes),
      count: (run) => run.starts.length,
      item: (run, index) => new LogRecord(run, isReverse ? run.starts.length - 1 - index : index, this.#decode),
      checkGoesOn: () => this.#checkGoesOn(options),
    });
  }

  readBatches(options: ReadOptions & { readonly maxBytes?: number } = {}): AsyncIterableIterator<RecordBatch<Out>> {
    const isReverse = options.reverse === true;
    const maxBytes = options.maxBytes ?? defaultMaxBytes;
    if (!Number.isInteger(maxBytes) || maxBytes < 1 || maxBytes > 1024 * 1024 * 1024) {
      throw new RangeError(`maxBytes must be a whole number from 1 to 1 GiB, got ${String(maxBytes)}`);
    }
    return new ReadIterator({
      open: this.#opener(options, maxBytes),
      count: () => 1,
      item: (run) => new RecordBatch(run, this.#decode, isReverse),
      checkGoesOn: () => this.#checkGoesOn(options),
    });
  }

  async get(seq: number): Promise<LogRecord<Out> | undefined> {
    this.#checkOpen();
    return this.#first(await get(this.#view, checkSeq(seq, "seq")));
  }

  getSync(seq: number): LogRecord<Out> | undefined {
    this.#checkOpen();
    return this.#first(getSync(this.#view, checkSeq(seq, "seq")));
  }

  async find(id: string): Promise<LogRecord<Out> | undefined> {
    this.#checkOpen();
    await this.#view.refresh();
    const found = await findById(this.#view, id, never);
    return found === undefined ? undefined : new LogRecord(found.run, found.index, this.#decode);
  }

  async seqAt(time: Date): Promise<Seq> {
    this.#checkOpen();
    await this.#view.refresh();
    return asSeq(await seqAt(this.#view, time));
  }

  /** Between two records that were read at once: an abort, or a close, ends the read as it does between two runs. */
  #checkGoesOn(options: ReadOptions): void {
    options.signal?.throwIfAborted();
    // A live read ends normally, after what was read already.
    if (this.#view.isClosed && options.live !== true) throw closedError(this.#view.location);
  }

  #checkOpen(): void {
    if (this.#view.isClosed) throw closedError(this.#view.location);
  }

  #first(run: Run | undefined): LogRecord<Out> | undefined {
    return run === undefined ? undefined : new LogRecord(run, 0, this.#decode);
  }

  /** Options are checked now, positions are looked up at the first `next`. */
  #opener(options: ReadOptions, maxBytes: number): (signal: AbortSignal) => Promise<AsyncGenerator<Run>> {
    checkReadOptions(options);
    return async (stop) => {
      this.#checkOpen();
      const signal = options.signal === undefined ? stop : AbortSignal.any([options.signal, stop]);
      signal.throwIfAborted();
      await this.#view.refresh();
      const range = await resolveRange(this.#view, options, maxBytes, signal);
      if (options.reverse === true) return readBackward(this.#view, range, signal);
      return options.live === true
        ? readWithin(range, (part) => readLive(this.#view, part, signal))
        : readForward(this.#view, range, false, signal);
    };
  }
}
