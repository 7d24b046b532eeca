/** Streams with a TTL that somebody follows: their lives are prolonged as long as that goes on, not only when it ends. */
import type { Clock } from "../../storage/storage.ts";
import type { StreamEntry } from "./stream-entry.ts";

interface Followed {
  followers: number;
  stopTimer: () => void;
}

export class Renewals {
  readonly #clock: Clock;
  readonly #renew: (entry: StreamEntry) => number;
  readonly #followed = new Map<StreamEntry, Followed>();
  #isStopped = false;

  /** @param renew prolongs a stream's life where that is due; says in how many milliseconds it will be */
  constructor(clock: Clock, renew: (entry: StreamEntry) => number) {
    this.#clock = clock;
    this.#renew = renew;
  }

  /** Somebody follows a stream from now on; returns how to say that it is over. */
  follow(entry: StreamEntry): () => void {
    if (entry.meta.ttlSeconds === null) return () => undefined;
    const followed = this.#followed.get(entry) ?? { followers: 0, stopTimer: () => undefined };
    if (followed.followers++ === 0) {
      this.#followed.set(entry, followed);
      this.#next(entry, followed);
    }
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      if (--followed.followers > 0) return;
      followed.stopTimer();
      this.#followed.delete(entry);
    };
  }

  #next(entry: StreamEntry, followed: Followed): void {
    if (this.#isStopped) return;
    followed.stopTimer = this.#clock.after(this.#renew(entry), () => this.#next(entry, followed), {
      keepAlive: false,
    });
  }

  /** Prolongs nothing any more. */
  stop(): void {
    this.#isStopped = true;
    for (const { stopTimer } of this.#followed.values()) stopTimer();
  }
}
