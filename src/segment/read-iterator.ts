/**
 * The iterators that `read` and `readBatches` return. `next` on records that were already read
 * costs no generator step; `return` (a `break` in a loop) also ends a live read that waits.
 */
import type { Run } from "./log-record.ts";

/** Opens the runs of a read; called at the first `next`. */
export type OpenRuns = (signal: AbortSignal) => AsyncIterator<Run> | Promise<AsyncIterator<Run>>;

/** Iterates over what `expand` makes of each run. */
export class ReadIterator<T> implements AsyncIterableIterator<T> {
  readonly #open: OpenRuns;
  readonly #count: (run: Run) => number;
  readonly #item: (run: Run, index: number) => T;
  readonly #stop = new AbortController();
  #runs: AsyncIterator<Run> | undefined;
  #run: Run | undefined;
  #index = 0;
  #left = 0;
  #isDone = false;
  /** The step under way; a `next` that comes before it ended waits for it. */
  #step: Promise<unknown> | undefined;

  /**
   * @param count how many items a run holds
   * @param item the item of a run at a place, in the order of the read
   */
  constructor(open: OpenRuns, count: (run: Run) => number, item: (run: Run, index: number) => T) {
    this.#open = open;
    this.#count = count;
    this.#item = item;
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#step === undefined && this.#left > 0) return this.#take();
    const before = this.#step ?? Promise.resolve();
    const step = before.then(() => this.#advance());
    const settled = step.then(
      () => undefined,
      () => undefined,
    );
    this.#step = settled;
    void settled.then(() => {
      if (this.#step === settled) this.#step = undefined;
    });
    return step;
  }

  async return(): Promise<IteratorResult<T>> {
    this.#isDone = true;
    this.#left = 0;
    this.#stop.abort();
    await this.#runs?.return?.();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #take(): Promise<IteratorResult<T>> {
    this.#left--;
    try {
      return Promise.resolve({ done: false, value: this.#item(this.#run as Run, this.#index++) });
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  async #advance(): Promise<IteratorResult<T>> {
    try {
      while (this.#left === 0) {
        if (this.#isDone) return { done: true, value: undefined };
        this.#runs ??= await this.#open(this.#stop.signal);
        const step = await this.#runs.next();
        if (step.done === true) {
          this.#isDone = true;
          continue;
        }
        this.#run = step.value;
        this.#index = 0;
        this.#left = this.#isDone ? 0 : this.#count(step.value);
      }
    } catch (error) {
      // After `return` the wait was ended by us.
      if (this.#isDone && this.#stop.signal.aborted) return { done: true, value: undefined };
      this.#isDone = true;
      throw error;
    }
    return await this.#take();
  }
}
