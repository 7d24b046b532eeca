/**
 * The iterators that `read` and `readBatches` return. `next` on records that were already read
 * costs no generator step; `return` (a `break` in a loop) also ends a live read that waits.
 */
import type { Run } from "./log-record.ts";

/** Opens the runs of a read; called at the first `next`. */
export type OpenRuns = (signal: AbortSignal) => AsyncIterator<Run> | Promise<AsyncIterator<Run>>;

/** What a read makes of its runs. */
export interface ReadIteratorOptions<T> {
  readonly open: OpenRuns;
  /** How many items a run holds. */
  count(run: Run): number;
  /** The item of a run at a place, in the order of the read. */
  item(run: Run, index: number): T;
  /** Called before each item: throws when the read must stop. */
  checkGoesOn(): void;
}

/** Iterates over what is made of each run. */
export class ReadIterator<T> implements AsyncIterableIterator<T> {
  readonly #options: ReadIteratorOptions<T>;
  readonly #stop = new AbortController();
  #runs: AsyncIterator<Run> | undefined;
  #run: Run | undefined;
  #index = 0;
  #left = 0;
  #isDone = false;
  /** Steps under way or waiting for one; they run one after the other. */
  #steps = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: ReadIteratorOptions<T>) {
    this.#options = options;
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#steps === 0 && this.#left > 0) return this.#take();
    const step = this.#steps++ === 0 ? this.#advance() : this.#last.then(() => this.#advance());
    this.#last = step.catch(() => undefined);
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
    try {
      this.#options.checkGoesOn();
      this.#left--;
      return Promise.resolve({ done: false, value: this.#options.item(this.#run as Run, this.#index++) });
    } catch (error) {
      return this.return().then(() => {
        throw error;
      });
    }
  }

  async #advance(): Promise<IteratorResult<T>> {
    try {
      while (this.#left === 0) {
        if (this.#isDone) return { done: true, value: undefined };
        this.#runs ??= await this.#options.open(this.#stop.signal);
        const step = await this.#runs.next();
        if (step.done === true) {
          this.#isDone = true;
          continue;
        }
        this.#run = step.value;
        this.#index = 0;
        this.#left = this.#isDone ? 0 : this.#options.count(step.value);
      }
      return await this.#take();
    } catch (error) {
      // After `return` the wait was ended by us.
      if (this.#isDone && this.#stop.signal.aborted && error === this.#stop.signal.reason) {
        return { done: true, value: undefined };
      }
      this.#isDone = true;
      throw error;
    } finally {
      // Before whoever awaits this goes on, so that its next call finds the way free.
      this.#steps--;
    }
  }
}
