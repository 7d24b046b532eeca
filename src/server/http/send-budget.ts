/**
 * What clients were sent and have not taken: it stays in memory, for each slow client. All of them
 * together may hold so many bytes; past that, who has taken nothing for the longest is dropped, and can go
 * on later from the last offset that it knows. One that is sent more than that by itself is dropped at once,
 * and nobody else for its sake.
 */

interface Waiting {
  readonly bytes: Uint8Array;
  readonly drop: () => void;
}

export class SendBudget {
  readonly #most: number;
  #used = 0;
  /** Who has waited longest comes first. */
  readonly #waiting = new Set<Waiting>();
  /** How many wait for the same bytes: those of an event that all readers are sent are there once. */
  readonly #holders = new Map<Uint8Array, number>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Bytes that wait. */
  get used(): number {
    return this.#used;
  }

  /** Notes that a client has these to take; returns what to call when it has, or is gone. @param drop ends it */
  hold(bytes: Uint8Array, drop: () => void): () => void {
    if (bytes.length > this.#most) {
      drop();
      return () => undefined;
    }
    const waiting = { bytes, drop };
    this.#waiting.add(waiting);
    const holders = this.#holders.get(bytes) ?? 0;
    this.#holders.set(bytes, holders + 1);
    if (holders === 0) this.#used += bytes.length;
    for (const longest of this.#waiting) {
      if (this.#used <= this.#most) break;
      this.#release(longest);
      longest.drop();
    }
    return () => this.#release(waiting);
  }

  #release(waiting: Waiting): void {
    if (!this.#waiting.delete(waiting)) return;
    const { bytes } = waiting;
    const holders = this.#holders.get(bytes) ?? 0;
    if (holders > 1) {
      this.#holders.set(bytes, holders - 1);
      return;
    }
    this.#holders.delete(bytes);
    this.#used -= bytes.length;
  }
}
