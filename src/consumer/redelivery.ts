/**
 * What becomes of records that were refused, or not acknowledged in time: they are delivered again, at
 * once or after a wait, or go into the dead letters when they were tried often enough.
 *
 * Invariants:
 * - Records that are due are handed out lowest seq first.
 * - A record is done only when its dead letter is durable. One that was given back meanwhile (by a
 *   seek or close) is none of this consumer's any more, and may be buried twice.
 */
import type { DeliveryMessage } from "../diagnostics.ts";
import type { Clock } from "../storage/storage.ts";
import type { ConsumerSettings } from "./consumer-settings.ts";
import { type DeadLetter, bury } from "./dead-letter.ts";
import { type Entry, entryState } from "./entry.ts";
import type { InFlight } from "./in-flight.ts";

/** What it asks of its consumer. */
export interface RedeliveryHost {
  /** What the dead-letter log gets to hold of a record. */
  letterOf(entry: Entry): DeadLetter;
  /** The record is a dead letter, durably. */
  buried(entry: Entry): void;
  /** A dead letter could not be written: that ends the loop or run. */
  failed(error: unknown): void;
  /** For whoever listens to the channel of deliveries. */
  tell(entry: Entry, outcome: DeliveryMessage["outcome"]): void;
  /** Something changed for whoever waits for a delivery. */
  wake(): void;
}

/** Of one consumer. */
export class Redelivery {
  readonly #host: RedeliveryHost;
  readonly #inFlight: InFlight;
  readonly #clock: Clock;
  readonly #settings: Pick<ConsumerSettings<never>, "ackWaitMs" | "deadLetter" | "retry">;
  /** Records to be delivered again now, lowest seq first; some may be done meanwhile. */
  #due: Entry[] = [];
  /** Records on their way into the dead letters. */
  readonly #burials = new Set<Promise<void>>();

  constructor(
    host: RedeliveryHost,
    inFlight: InFlight,
    clock: Clock,
    settings: Pick<ConsumerSettings<never>, "ackWaitMs" | "deadLetter" | "retry">,
  ) {
    this.#host = host;
    this.#inFlight = inFlight;
    this.#clock = clock;
    this.#settings = settings;
  }

  /** The first record that is to be delivered again now. */
  next(): Entry | undefined {
    for (let entry = this.#due.shift(); entry !== undefined; entry = this.#due.shift()) {
      if (entry.state === entryState.due) return entry;
    }
    return undefined;
  }

  /** The record is to be delivered again now. */
  makeDue(entry: Entry): void {
    entry.cancel?.();
    entry.cancel = undefined;
    entry.controller = undefined;
    entry.refusal = undefined;
    if (entry.state === entryState.due) return;
    this.#inFlight.take(entry, entryState.due);
    const at = this.#due.findIndex((other) => other.seq > entry.seq);
    this.#due.splice(at < 0 ? this.#due.length : at, 0, entry);
    this.#host.wake();
  }

  /** Gives back what is in flight, for the next loop or run. */
  giveBack(): void {
    for (const entry of this.#inFlight.pending()) if (entry.state !== entryState.burying) this.makeDue(entry);
  }

  /**
   * The record failed: it goes to the dead letters when it was tried often enough, else it is
   * delivered again after a wait. False when it was tried often enough and there is no such log;
   * then it waits all the same.
   */
  retry(entry: Entry, error: unknown, delayMs: number, isExpired = false): boolean {
    const { deadLetter, retry } = this.#settings;
    entry.failure = error;
    this.#host.tell(entry, isExpired ? "expired" : "refused");
    const isLast = entry.attempt >= retry.attempts;
    if (isLast && deadLetter !== undefined) {
      const burial = this.#bury(entry, deadLetter).finally(() => this.#burials.delete(burial));
      this.#burials.add(burial);
      return true;
    }
    if (delayMs === 0) this.makeDue(entry);
    else {
      this.#inFlight.take(entry, entryState.waiting);
      // Whoever waits for the delivery holds the process.
      entry.cancel = this.#clock.after(delayMs, () => this.makeDue(entry), { keepAlive: false });
    }
    return !isLast;
  }

  /** The record was not acknowledged in time. */
  expired(entry: Entry): void {
    const message = `record ${entry.seq} was not acknowledged within ${this.#settings.ackWaitMs} ms`;
    const error = new DOMException(message, "TimeoutError");
    if (entry.controller === undefined) {
      this.retry(entry, error, 0, true);
      return;
    }
    this.#host.tell(entry, "expired");
    // Its handler is told; the record is not handled twice at the same time.
    entry.deadline = Infinity;
    entry.controller.abort(error);
  }

  /** Forgets what is due: it is void. */
  clear(): void {
    this.#due = [];
  }

  /** Whether any record is on its way into the dead letters. */
  get isBurying(): boolean {
    return this.#burials.size > 0;
  }

  /** Resolves when none of those is on its way any more. */
  async buried(): Promise<void> {
    await Promise.all(this.#burials);
  }

  async #bury(entry: Entry, deadLetter: NonNullable<ConsumerSettings<never>["deadLetter"]>): Promise<void> {
    this.#inFlight.take(entry, entryState.burying);
    try {
      await bury(deadLetter, this.#host.letterOf(entry));
    } catch (error) {
      if (entry.state !== entryState.burying) return;
      this.#host.failed(error);
      this.makeDue(entry);
      return;
    }
    if (entry.state === entryState.burying) this.#host.buried(entry);
    this.#host.wake();
  }
}
