/** The streams whose logs are open: at most so many, those used last stay. */
import type { StreamEntry } from "./stream-entry.ts";

/** So many are looked at each time; those in use go to the end of the queue. */
const mostLookedAt = 32;

export class OpenCache {
  readonly #most: number;
  readonly #close: (entry: StreamEntry) => void;
  /** Used last at the end. */
  readonly #entries = new Set<StreamEntry>();

  /** @param close is called with entries that are open and that nobody uses */
  constructor(most: number, close: (entry: StreamEntry) => void) {
    this.#most = most;
    this.#close = close;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The entry is used. Those that are in use are kept, so there may be more than the most for a while. */
  use(entry: StreamEntry): void {
    this.#entries.delete(entry);
    this.#entries.add(entry);
    if (this.#entries.size <= this.#most) return;
    let left = mostLookedAt;
    for (const oldest of this.#entries) {
      if (this.#entries.size <= this.#most || left-- === 0) return;
      this.#entries.delete(oldest);
      if (oldest.pins > 0 || oldest.stream === undefined || oldest.stream.isBusy) this.#entries.add(oldest);
      else this.#close(oldest);
    }
  }

  drop(entry: StreamEntry): void {
    this.#entries.delete(entry);
  }
}
