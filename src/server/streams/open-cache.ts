/** The streams whose logs are open: at most so many, those used last stay. */
import type { StreamEntry } from "./stream-entry.ts";

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
    let over = this.#entries.size - this.#most;
    for (const oldest of this.#entries) {
      if (over === 0) return;
      if (oldest.pins > 0 || oldest.stream === undefined || oldest.stream.isBusy) continue;
      over--;
      this.#entries.delete(oldest);
      this.#close(oldest);
    }
  }

  drop(entry: StreamEntry): void {
    this.#entries.delete(entry);
  }
}
