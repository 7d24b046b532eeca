/**
 * The records that were delivered and are not behind the checkpoint, in the order of their seqs.
 *
 * Invariants:
 * - The first of them is never done: the checkpoint stands before it.
 * - Each record in the state `out` is found, and handed to `expired`, when `ackWaitMs` has passed
 *   and at most an eighth of it more. Time is counted in ticks of one timer, not by the clock's
 *   `now`, which may be set; nothing is paid for it per record.
 */
import type { Clock } from "../storage/storage.ts";
import { type Entry, entryState } from "./entry.ts";

const ticksPerWait = 8;

/** The window of one consumer. */
export class InFlight {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #waitTicks: number;
  readonly #expired: (entry: Entry) => void;
  #entries: (Entry | undefined)[] = [];
  /** Where in `#entries` the first one is. */
  #head = 0;
  #bytes = 0;
  #out = 0;
  #tick = 0;
  #cancelTick: (() => void) | undefined;

  constructor(clock: Clock, ackWaitMs: number, expired: (entry: Entry) => void) {
    this.#clock = clock;
    this.#tickMs = Math.ceil(ackWaitMs / ticksPerWait);
    this.#waitTicks = Math.ceil(ackWaitMs / this.#tickMs) + 1;
    this.#expired = expired;
  }

  /** Records in it, those included that were acknowledged ahead of the first. */
  get size(): number {
    return this.#entries.length - this.#head;
  }

  /** Bytes of these records. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Records that are not done. */
  get undone(): number {
    let count = 0;
    for (let i = this.#head; i < this.#entries.length; i++) if (this.#entries[i]?.state !== entryState.done) count++;
    return count;
  }

  /** The first record that is not done. */
  get first(): Entry | undefined {
    return this.#entries[this.#head];
  }

  /** Takes a record in, behind all others. */
  add(entry: Entry): void {
    this.#entries.push(entry);
    this.#bytes += entry.bytes;
  }

  /** A record goes out, for the first time or again. */
  hand(entry: Entry): void {
    entry.state = entryState.out;
    entry.attempt++;
    entry.deadline = this.#tick + this.#waitTicks;
    this.#out++;
    if (this.#cancelTick === undefined) this.#runTick();
  }

  /** Gives `ms` from now before a record that is out expires. */
  extend(entry: Entry, ms: number): void {
    entry.deadline = this.#tick + Math.ceil(ms / this.#tickMs) + 1;
  }

  /** A record that is out goes into another state. */
  take(entry: Entry, state: Exclude<Entry["state"], typeof entryState.out | typeof entryState.done>): void {
    if (entry.state === entryState.out) this.#out--;
    entry.state = state;
  }

  /** A record is done; returns how many the checkpoint moves on by. */
  settle(entry: Entry): number {
    if (entry.state === entryState.out) this.#out--;
    entry.state = entryState.done;
    entry.cancel?.();
    entry.cancel = undefined;
    let moved = 0;
    for (let first = this.first; first?.state === entryState.done; first = this.first) {
      this.#entries[this.#head++] = undefined;
      this.#bytes -= first.bytes;
      moved++;
    }
    if (this.#head === this.#entries.length) {
      this.#entries.length = 0;
      this.#head = 0;
    } else if (this.#head > 1024 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    return moved;
  }

  /** All that are not done, in order. */
  *pending(): Generator<Entry> {
    for (let i = this.#head; i < this.#entries.length; i++) {
      const entry = this.#entries[i] as Entry;
      if (entry.state !== entryState.done) yield entry;
    }
  }

  /** Forgets all: they are void. */
  clear(): void {
    for (const entry of this.pending()) {
      entry.state = entryState.void;
      entry.cancel?.();
      entry.cancel = undefined;
    }
    this.#entries = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#out = 0;
    this.#cancelTick?.();
    this.#cancelTick = undefined;
  }

  #runTick(): void {
    // Whoever waits for a delivery holds the process; nobody else has a use for the timer.
    this.#cancelTick = this.#clock.after(
      this.#tickMs,
      () => {
        this.#cancelTick = undefined;
        this.#tick++;
        if (this.#out === 0) return;
        const overdue = [];
        for (const entry of this.pending()) {
          if (entry.state === entryState.out && this.#tick >= entry.deadline) overdue.push(entry);
        }
        // Those who are told may acknowledge at once.
        for (const entry of overdue) if (entry.state === entryState.out) this.#expired(entry);
        if (this.#out > 0) this.#runTick();
      },
      { keepAlive: false },
    );
  }
}
