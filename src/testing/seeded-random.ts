/**
 * Random numbers that a seed decides, for simulations: a failure is replayed by its seed alone.
 *
 * The generator is sfc32 (Chris Doty-Humphrey's PractRand), started from an FNV-1a hash of the
 * seed's text. Not for secrets.
 *
 * Invariant: `fork` takes nothing from its parent, so that a part of a simulation which draws more
 * or less often does not move the numbers of the other parts.
 */
import type { Random } from "../storage/storage.ts";

/**
 * A deterministic source of numbers and bytes.
 *
 * @example
 * ```ts
 * import { SeededRandom } from "seqlog/testing";
 *
 * const random = new SeededRandom("a run to repeat");
 * const sizes = random.fork("sizes");
 * console.log(random.pick(["append", "read"]), sizes.int(100), new SeededRandom(random.seed).chance(0.5));
 * ```
 */
export class SeededRandom implements Random {
  /** What to give to the constructor for the same numbers again. */
  readonly seed: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number | string) {
    this.seed = String(seed);
    this.#a = hash(this.seed, 0x811c9dc5);
    this.#b = hash(this.seed, 0x9e3779b9);
    this.#c = hash(this.seed, 0x85ebca6b);
    // Twelve rounds spread the seed over all of the state.
    for (let round = 0; round < 12; round++) this.uint32();
  }

  /** A whole number from 0 to 2^32 − 1. */
  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A number from 0 up to, but not, 1. */
  next(): number {
    return this.uint32() / 0x1_0000_0000;
  }

  /** A whole number from 0 to `below` − 1; `below` is at most 2^32. */
  int(below: number): number {
    return Math.floor(this.next() * below);
  }

  /** True with this probability: never at 0, always at 1. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /**
   * One of the items.
   * @throws {RangeError} when there is none
   */
  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError("cannot pick from an empty list");
    return items[this.int(items.length)] as T;
  }

  /** Puts the items into a random order, in place. */
  shuffle<T>(items: T[]): T[] {
    for (let last = items.length - 1; last > 0; last--) {
      const other = this.int(last + 1);
      const item = items[last] as T;
      items[last] = items[other] as T;
      items[other] = item;
    }
    return items;
  }

  /** Fills `target` with random bytes. */
  fill(target: Uint8Array): void {
    let word = 0;
    for (let i = 0; i < target.length; i++) {
      if ((i & 3) === 0) word = this.uint32();
      target[i] = word >>> ((i & 3) << 3);
    }
  }

  /** Another stream, told apart by its label: the same label gives the same stream. */
  fork(label: string | number): SeededRandom {
    return new SeededRandom(`${this.seed}/${label}`);
  }
}

/** FNV-1a over the UTF-16 units, from a start of its own for each word of the state. */
function hash(text: string, start: number): number {
  let value = start;
  for (let i = 0; i < text.length; i++) {
    value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  }
  return value | 0;
}
