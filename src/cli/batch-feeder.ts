/**
 * Feeds records to a log: one batch is being written while the next one is gathered. The first
 * records go at once, so that slow input is not held back, and fast input makes large batches by itself.
 *
 * Never two batches at a time: if one fails, a later one must not be there without it.
 */
import type { AppendTarget } from "./append-target.ts";

/** What was made durable. */
export interface Appended {
  readonly first: number | null;
  readonly last: number | null;
  readonly count: number;
}

/** Told how it goes. */
export interface BatchListener {
  /** After each batch: how many records are durable by now. */
  appended(count: number): void;
  /** No more is written; `add` and `finish` say why. */
  failed(): void;
}

/** A batch is no larger than this, unless it is one record. */
const batchBytes = 1024 * 1024;
const batchRecords = 16_384;

export class BatchFeeder {
  readonly #target: AppendTarget;
  readonly #told: BatchListener;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** The batch being written and those behind it; it never rejects, `#failure` says why it stopped. */
  #writing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #first: number | null = null;
  #count = 0;

  constructor(target: AppendTarget, told: BatchListener) {
    this.#target = target;
    this.#told = told;
  }

  get result(): Appended {
    const last = this.#first === null ? null : this.#first + this.#count - 1;
    return { first: this.#first, last, count: this.#count };
  }

  /**
   * Takes records; waits while too much is waiting already.
   * @throws what an earlier batch failed with
   */
  async add(records: readonly Uint8Array[]): Promise<void> {
    this.#throwFailure();
    for (const record of records) {
      this.#waiting.push(record);
      this.#waitingBytes += record.length;
    }
    if (records.length > 0) this.#writing ??= this.#write();
    if (this.#waitingBytes > batchBytes || this.#waiting.length > batchRecords) await this.#writing;
    this.#throwFailure();
  }

  /**
   * Waits until all is durable.
   * @throws what a batch failed with
   */
  async finish(): Promise<void> {
    await this.#writing;
    this.#throwFailure();
  }

  async #write(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const batch = this.#takeBatch();
        const first = await this.#target.append(batch);
        this.#first ??= first;
        this.#count += batch.length;
        this.#told.appended(this.#count);
      }
    } catch (error) {
      this.#failure = { error };
      this.#told.failed();
    }
    this.#writing = undefined;
  }

  #takeBatch(): Uint8Array[] {
    let bytes = 0;
    let count = 0;
    for (const record of this.#waiting) {
      if (count > 0 && (bytes + record.length > batchBytes || count >= batchRecords)) break;
      bytes += record.length;
      count++;
    }
    this.#waitingBytes -= bytes;
    return this.#waiting.splice(0, count);
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
