/** Resets of one log: one after the other, and those that would find nothing new are one. */
import type { Batch } from "./batch.ts";
import type { CommitQueue } from "./commit-queue.ts";

/** Runs the resets of a log. */
export class ResetGate {
  readonly #queue: CommitQueue;
  readonly #reset: (barrier: Batch | undefined) => Promise<void>;
  #running: { readonly done: Promise<void>; readonly accepted: number } | undefined;

  /** @param reset removes what was appended before the barrier, and nothing that came later */
  constructor(queue: CommitQueue, reset: (barrier: Batch | undefined) => Promise<void>) {
    this.#queue = queue;
    this.#reset = reset;
  }

  /** Whether a reset is under way. */
  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Resolves when what was appended before this call is gone. */
  run(): Promise<void> {
    const before = this.#running;
    const { accepted } = this.#queue;
    if (before !== undefined && before.accepted === accepted) return before.done;
    const barrier = this.#queue.barrier();
    const reset = (): Promise<void> => this.#reset(barrier);
    const done = before === undefined ? reset() : before.done.catch(() => undefined).then(reset);
    const running = { done, accepted };
    this.#running = running;
    const end = (): void => {
      if (this.#running === running) this.#running = undefined;
    };
    done.then(end, end);
    return done;
  }

  /** Resolves when no reset is under way; how it ended is for those who asked. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running.done.catch(() => undefined);
  }
}
