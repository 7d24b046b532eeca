/** Those who wait for something to change: all are woken together, once for everything that came in a turn. */
import type { Clock } from "../../storage/storage.ts";

export class Changes {
  readonly #clock: Clock;
  #waiting = new Set<() => void>();
  #isScheduled = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether anybody waits. */
  get hasWaiters(): boolean {
    return this.#waiting.size > 0;
  }

  /** Calls once at the next change; returns how to take it back. */
  next(call: () => void): () => void {
    this.#waiting.add(call);
    return () => this.#waiting.delete(call);
  }

  /** Something changed. Appends that became durable together wake readers once. */
  bump(): void {
    if (this.#isScheduled || this.#waiting.size === 0) return;
    this.#isScheduled = true;
    void this.#clock.turn().then(() => {
      this.#isScheduled = false;
      const woken = this.#waiting;
      this.#waiting = new Set();
      for (const call of woken) call();
    });
  }
}
