/**
 * How far streams go, as far as it is known without opening them: from their appends, which all come
 * through this process while it owns the directory, and else from one look.
 */
import type { Clock } from "../../storage/storage.ts";
import { inTurnOfReads } from "../streams/disk-reads.ts";
import type { StreamEntry } from "../streams/stream-entry.ts";
import type { StreamStore } from "../streams/stream-store.ts";

export class Tails {
  readonly #clock: Clock;
  readonly #store: StreamStore;
  readonly #known = new WeakMap<StreamEntry, number>();

  constructor(clock: Clock, store: StreamStore) {
    this.#clock = clock;
    this.#store = store;
  }

  /** A stream goes so far, or farther. */
  note(entry: StreamEntry, tail: number): void {
    if (tail > (this.#known.get(entry) ?? -1)) this.#known.set(entry, tail);
  }

  known(entry: StreamEntry): number | undefined {
    return this.#known.get(entry);
  }

  /** Opens the stream if it must. @throws what opening throws */
  async of(entry: StreamEntry): Promise<number> {
    const known = this.#known.get(entry);
    if (known !== undefined) return known;
    await inTurnOfReads(this.#clock, async () => {
      const { stream, release } = await this.#store.hold(entry);
      this.note(entry, stream.tail);
      release();
    });
    return this.#known.get(entry) as number;
  }
}
