/** What clients of simulated servers ask for, drawn at random. */
import type { SeededRandom } from "../../src/testing/seeded-random.ts";
import type { Attempt, Lifetime, Place, StreamLife } from "./stream-life.ts";

const ttls = [2, 5, 5, 40, 600];

export class StreamDraws {
  readonly #random: SeededRandom;
  readonly #nextOrder: () => number;
  #message = 0;

  /** @param nextOrder numbers what happens */
  constructor(random: SeededRandom, nextOrder: () => number) {
    this.#random = random;
    this.#nextOrder = nextOrder;
  }

  /** How long a stream is to live. */
  lifetime(now: number): Lifetime {
    const random = this.#random;
    const kind = random.next();
    if (kind < 0.6) return { ttlMs: random.pick(ttls) * 1000, expiresAtMs: undefined };
    if (kind < 0.8) return { ttlMs: undefined, expiresAtMs: now + 1 + random.int(30_000) };
    return { ttlMs: undefined, expiresAtMs: undefined };
  }

  /** An append of new messages. */
  attempt(more: {
    close?: boolean;
    producer?: Place | undefined;
    streamSeq?: string | undefined;
    isEmpty?: boolean;
  }): Attempt {
    const count = more.isEmpty === true ? 0 : 1 + this.#random.int(3);
    return {
      messages: Array.from({ length: count }, () => ++this.#message),
      producer: more.producer,
      streamSeq: more.streamSeq,
      close: more.close === true,
      start: this.#nextOrder(),
      end: Infinity,
      acknowledged: undefined,
      isRefused: false,
      underWay: 0,
      isShared: false,
      place: undefined,
    };
  }

  /** What a client may append, or send again. */
  append(life: StreamLife | undefined): Attempt {
    const random = this.#random;
    const old = life?.attempts.filter(({ producer }) => producer !== undefined) ?? [];
    if (old.length > 0 && random.chance(0.25)) return random.pick(old);
    const close = random.chance(0.03);
    if (close && random.chance(0.5)) return this.attempt({ close, isEmpty: true });
    const producer = random.chance(0.75) ? this.#drawPlace(life) : undefined;
    return this.attempt({ close, producer, streamSeq: random.chance(0.3) ? this.#drawStreamSeq(life) : undefined });
  }

  #drawPlace(life: StreamLife | undefined): Place {
    const random = this.#random;
    const id = random.pick(["p", "p", "q"]);
    const known = life?.standing(id);
    const { epoch, seq } = known ?? { epoch: 0, seq: -1 };
    return random.pick<Place>([
      { id, epoch, seq: seq + 1 },
      { id, epoch, seq: seq + 1 },
      { id, epoch, seq: seq + 1 },
      { id, epoch, seq: seq + 1 },
      { id, epoch, seq: seq + 2 },
      { id, epoch, seq: Math.max(0, seq - random.int(3)) },
      { id, epoch: Math.max(0, epoch - 1), seq: seq + 1 },
      { id, epoch: epoch + 1, seq: 0 },
      { id, epoch: epoch + 1, seq: 1 },
    ]);
  }

  #drawStreamSeq(life: StreamLife | undefined): string {
    const last = Number(life?.lastStreamSeq ?? 0);
    return String(Math.max(0, last + this.#random.pick([1, 1, 2, 5, 0, -1]))).padStart(6, "0");
  }
}
