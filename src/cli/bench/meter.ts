/**
 * Times operations, one after the other, and how much of a processor the process used meanwhile. It
 * can pause, so that what lies between two operations (a turn of the event loop) is not counted.
 */
import { monotonicUs } from "../../storage/monotonic-clock.ts";

/** What one measurement gave in one round. */
export interface Sample {
  readonly records: number;
  readonly seconds: number;
  /** User and system time of all threads of the process. */
  readonly cpuSeconds: number;
  /** Of single operations, where they were timed one by one. */
  readonly latenciesUs: readonly number[];
}

/** When a measurement ends. */
export interface Span {
  readonly seconds: number;
  /** However fast the disk is, writing must not fill it. */
  readonly mostRecords: number;
  readonly signal: AbortSignal;
}

/** Of a very fast disk the first ones of each round are enough. */
const mostLatencies = 50_000;

export class Meter {
  readonly #span: Span;
  #records = 0;
  #us = 0;
  #cpuUs = 0;
  #latencies: number[] = [];
  /** Set while it runs. */
  #lastUs = 0;
  #cpu: NodeJS.CpuUsage | undefined;

  constructor(span: Span) {
    this.#span = span;
  }

  get isOver(): boolean {
    const { seconds, mostRecords, signal } = this.#span;
    return this.#us >= seconds * 1e6 || this.#records >= mostRecords || signal.aborted;
  }

  start(): void {
    this.#cpu = process.cpuUsage();
    this.#lastUs = monotonicUs();
  }

  /** An operation of so many records ended; returns how long it took. */
  lap(records: number): number {
    const now = monotonicUs();
    const us = now - this.#lastUs;
    this.#lastUs = now;
    this.#us += us;
    this.#records += records;
    if (this.#latencies.length < mostLatencies) this.#latencies.push(us);
    return us;
  }

  pause(): void {
    const { user, system } = process.cpuUsage(this.#cpu);
    this.#cpuUs += user + system;
  }

  sample(): Sample {
    return {
      records: this.#records,
      seconds: this.#us / 1e6,
      cpuSeconds: this.#cpuUs / 1e6,
      latenciesUs: this.#latencies,
    };
  }
}
