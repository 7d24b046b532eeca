/**
 * Time that stands still until a test moves it.
 *
 * Timers run in the order in which they are due, and only
 * - when the test calls `advance`, or
 * - when `runUntil` finds nothing else to do; it then goes straight to the next one.
 *
 * Model: operations take no time for `now` and timers; for `elapsedUs`, with which the log measures
 * its disk, every look takes some, and now and then much. `now` may be moved to and fro with `jump`, as an administrator or NTP does to a wall
 * clock; timers count time that only goes forward and do not notice.
 */
import type { Clock } from "../storage/storage.ts";
import { Scheduler } from "./scheduler.ts";
import { SeededRandom } from "./seeded-random.ts";

interface Timer {
  /** Milliseconds since the simulation began. */
  readonly dueMs: number;
  readonly call: () => void;
}

/** How to make a clock. */
export interface SimulatedClockOptions {
  /** What `now` says at first; the start of 2026 by default. */
  readonly startMs?: number;
  /** Shared with whatever else takes turns; its own by default. */
  readonly scheduler?: Scheduler;
}

/** Timers that `runUntil` runs before it gives up. */
const maxTimers = 1_000_000;

/** Empty turns before `runUntil` gives up: code that loads a module lazily takes some real ones. */
const patienceTurns = 1_000;

/**
 * A {@link Clock} for simulations; `disk.clock` is the one of a simulated disk.
 *
 * @example
 * ```ts
 * import { SimulatedDisk } from "seqlog/testing";
 *
 * const { clock } = new SimulatedDisk({ startMs: Date.UTC(2026, 0, 1) });
 * clock.after(1000, () => console.log(new Date(clock.now()).toISOString())); // 2026-01-01T00:00:01.000Z
 * await clock.advance(1500);
 * clock.jump(-60_000); // the wall clock is set back a minute; no timer runs
 * console.log(clock.timers); // 0
 * ```
 */
export class SimulatedClock implements Clock {
  readonly #scheduler: Scheduler;
  readonly #timers = new Set<Timer>();
  readonly #looks = new SeededRandom("looks");
  #elapsedMs = 0;
  #lookedUs = 0;
  #zeroMs: number;

  constructor(options: SimulatedClockOptions = {}) {
    this.#zeroMs = options.startMs ?? Date.UTC(2026, 0, 1);
    this.#scheduler = options.scheduler ?? new Scheduler(new SeededRandom("clock"));
  }

  now(): number {
    return this.#zeroMs + this.#elapsedMs;
  }

  elapsedUs(): number {
    this.#lookedUs += this.#looks.int(24) === 0 ? 5_000 : this.#looks.int(200);
    return this.#elapsedMs * 1000 + this.#lookedUs;
  }

  after(ms: number, call: () => void): () => void {
    const timer: Timer = { dueMs: this.#elapsedMs + Math.max(0, ms), call };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  turn(): Promise<void> {
    return new Promise((resolve) => this.#scheduler.add(resolve));
  }

  /** Timers that have not run. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Moves `now` by `ms`, forward or back, without running any timer. */
  jump(ms: number): void {
    this.#zeroMs += ms;
  }

  /** Lets `ms` pass: runs every timer that comes due, and after each one all that follows from it. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#elapsedMs + ms;
    await this.#scheduler.idle();
    for (let timer = this.#nextTimer(); timer !== undefined && timer.dueMs <= untilMs; timer = this.#nextTimer()) {
      this.#run(timer);
      await this.#scheduler.idle();
    }
    this.#elapsedMs = untilMs;
  }

  /**
   * Drives the simulation until `promise` is settled, running timers whenever nothing else is left.
   * @returns what the promise gives
   * @throws {Error} when nothing is left to run and the promise is still pending
   */
  async runUntil<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    promise.then(settle, settle);
    let timersRun = 0;
    let emptyTurns = 0;
    for (;;) {
      await this.#scheduler.idle();
      if (settled) return promise;
      const timer = this.#nextTimer();
      if (timer === undefined) {
        if (++emptyTurns > patienceTurns) throw new Error("nothing is left to run, and the promise is still pending");
        continue;
      }
      if (++timersRun > maxTimers) throw new Error(`the promise is still pending after ${maxTimers} timers`);
      emptyTurns = 0;
      this.#run(timer);
    }
  }

  #run(timer: Timer): void {
    this.#timers.delete(timer);
    this.#elapsedMs = Math.max(this.#elapsedMs, timer.dueMs);
    timer.call();
  }

  /** The first that is due; of two at the same time, the one that was set first. */
  #nextTimer(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (next === undefined || timer.dueMs < next.dueMs) next = timer;
    }
    return next;
  }
}
