/**
 * Decides which writes are made on the event loop, blocking it, and which in the thread pool.
 *
 * The way through the thread pool and back takes 40 to 100 µs, and more under load; a durable write
 * to a fast disk takes about as long (docs/decisions/0009). So a short write goes in place where
 * this disk was seen to be fast, and goes to the thread pool again where it turns out not to be:
 * - It begins in the background. When the fastest of a few writes, change of threads included, took
 *   no longer than `fastUs`, the next one is made in place.
 * - In place each write is measured. One that took longer than `stallUs`, or an average above
 *   `fastUs`, sends the next ones to the background, twice as many as the last time.
 *   So a disk that stalls now and then blocks the loop ever more rarely; one that does not is forgiven.
 * - One log at a time: a turn of the event loop that one log is to block no other blocks too. Where
 *   many logs write at once, the thread pool writes for them side by side.
 *
 * Used by the commit queue alone, for one write at a time; which records are acknowledged, and in which order, never depends on it.
 */

import type { Clock } from "../storage/storage.ts";

/** A longer write takes the loop's time for the copy alone; the thread pool is worth its way. */
const mostBytes = 64 * 1024;
const fastUs = 500;
const stallUs = 2_000;
/** The average is over about so many writes. */
const averageOf = 32;
const firstWait = 4;
const longestWait = 4_096;
/** So many good writes in a row halve the next wait. */
const forgivenAfter = 256;

/** Whether the event loop may be blocked for a write at all. */
export type WriteMode =
  /** Short writes, where the disk is fast. */
  | "auto"
  /** Never. */
  | "background";

/**
 * The mode that a user gave.
 * @throws {TypeError}
 */
export function checkedWrites(writes: unknown): WriteMode {
  if (writes === undefined || writes === "auto") return "auto";
  if (writes === "background") return writes;
  throw new TypeError(`writes must be "auto" or "background", got ${JSON.stringify(writes)}`);
}

/** What all logs of one event loop share: the one that blocks its next turn. */
interface LoopTurn {
  holder: InPlaceWrites | undefined;
}

/** By the clock, of which each machine has one: a simulated process that ends keeps nobody else waiting. */
const turns = new WeakMap<Clock, LoopTurn>();

function turnOf(clock: Clock): LoopTurn {
  let turn = turns.get(clock);
  if (turn === undefined) turns.set(clock, (turn = { holder: undefined }));
  return turn;
}

/** The measurements of one log. */
export class InPlaceWrites {
  #isInPlace = false;
  /** Background writes until the next look, and how many they were to be. */
  #left = firstWait;
  #wait = firstWait;
  #fastestUs = Number.POSITIVE_INFINITY;
  #averageUs = 0;
  #good = 0;
  #beganUs = 0;
  readonly #isAllowed: boolean;
  readonly #clock: Clock;
  readonly #turn: LoopTurn;

  constructor(mode: WriteMode, clock: Clock) {
    this.#isAllowed = mode === "auto";
    this.#clock = clock;
    this.#turn = turnOf(clock);
  }

  /** Whether the next write of so many bytes is to be made in place. */
  takes(length: number): boolean {
    const { holder } = this.#turn;
    return this.#isInPlace && length <= mostBytes && (holder === undefined || holder === this);
  }

  /**
   * Calls in a turn of the event loop that this log alone may block. It comes after everything else
   * that is ready: a caller who appends again as soon as it was told must not keep the rest waiting.
   */
  inTurn(call: () => void): void {
    this.#turn.holder = this;
    void this.#clock.turn().then(() => {
      this.#turn.holder = undefined;
      call();
    });
  }

  /** A write begins. */
  begin(): void {
    if (this.#isAllowed) this.#beganUs = this.#clock.elapsedUs();
  }

  /** The write of so many bytes that began last has come back from the thread pool. */
  endInBackground(length: number): void {
    if (this.#isInPlace || !this.#isAllowed || length > mostBytes) return;
    this.#fastestUs = Math.min(this.#fastestUs, this.#clock.elapsedUs() - this.#beganUs);
    if (--this.#left > 0) return;
    this.#isInPlace = this.#fastestUs <= fastUs;
    this.#left = this.#wait;
    this.#fastestUs = Number.POSITIVE_INFINITY;
    this.#averageUs = fastUs / 2;
    this.#good = 0;
  }

  /** The write that began last was made in place. */
  endInPlace(): void {
    const us = this.#clock.elapsedUs() - this.#beganUs;
    this.#averageUs += (us - this.#averageUs) / averageOf;
    if (us > stallUs || this.#averageUs > fastUs) {
      this.#isInPlace = false;
      this.#wait = Math.min(this.#wait * 2, longestWait);
      this.#left = this.#wait;
    } else if (++this.#good % forgivenAfter === 0) {
      this.#wait = Math.max(this.#wait / 2, firstWait);
    }
  }
}
