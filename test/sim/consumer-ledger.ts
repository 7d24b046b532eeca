/** What one open consumer delivers and is told, held against what it promises (docs/consumers.md). */
import type { Consumer, Delivery } from "../../src/log/consumer-contract.ts";
import type { Era } from "./consumer-book.ts";

/** How it was opened. */
export interface LedgerOptions {
  readonly maxInFlight: number;
  readonly ackWaitMs: number;
  /** After so many deliveries a record may go to the dead letters; Infinity where there are none. */
  readonly buriedAfter: number;
  /** Whether an acknowledgement that resolved is durable. */
  readonly isEvery: boolean;
  /** Milliseconds since the history began, whatever was done to the clock. */
  elapsed(): number;
}

/** One open consumer. */
export class ConsumerLedger {
  readonly consumer: Consumer<string>;
  readonly options: LedgerOptions;
  era: Era;
  /** Nothing that is acknowledged from here on has to be kept. */
  isClosing = false;
  redeliveries = 0;
  readonly #attempts = new Map<number, number>();
  /** By seq: when the record may be delivered again, at the earliest. */
  readonly #notBefore = new Map<number, number>();
  readonly #handling = new Set<number>();
  /** Up to where all was done, and when. */
  readonly #marks: { readonly at: number; readonly doneTo: number }[] = [];
  #position: number;
  /** The first record that was never delivered. */
  #next: number;

  constructor(consumer: Consumer<string>, era: Era, options: LedgerOptions) {
    this.consumer = consumer;
    this.era = era;
    this.options = options;
    this.#position = era.base;
    this.#next = era.base;
  }

  /** It went somewhere else. */
  moved(era: Era): void {
    this.era = era;
    this.#position = era.base;
    this.#next = era.base;
    this.#marks.length = 0;
    for (const known of [this.#attempts, this.#notBefore]) known.clear();
  }

  filtered(seq: number): void {
    for (const set of [this.era.filtered, this.era.asked, this.era.acknowledged, this.era.done]) set.add(seq);
  }

  delivered({ seq, attempt }: Delivery<string>, handlers: number): void {
    const { era, consumer, options } = this;
    if (era.done.has(seq)) throw new Error(`record ${seq} was delivered after it was acknowledged`);
    const before = this.#attempts.get(seq) ?? 0;
    if (attempt !== before + 1) throw new Error(`delivery ${attempt} of record ${seq} came after ${before}`);
    this.#attempts.set(seq, attempt);
    if (before === 0) this.#isNew(seq);
    else this.#isAgain(seq);
    if (consumer.inFlight > options.maxInFlight)
      throw new Error(`${consumer.inFlight} records in flight, and maxInFlight is ${options.maxInFlight}`);
    this.#notBefore.set(seq, options.elapsed() + options.ackWaitMs);
    era.delivered.add(seq);
    // From here on it may expire and be buried at any time.
    if (attempt >= options.buriedAfter) era.asked.add(seq);
    if (handlers === 1) this.#isInOrder(seq);
    if (handlers > 0) {
      if (this.#handling.has(seq)) throw new Error(`record ${seq} is in two handlers`);
      this.#handling.add(seq);
      if (this.#handling.size > handlers) throw new Error(`${this.#handling.size} handlers, expected ${handlers}`);
    }
    this.checkPosition();
  }

  #isNew(seq: number): void {
    if (seq < this.#next) throw new Error(`record ${seq} is delivered first after ${this.#next - 1}`);
    for (let between = this.#next; between < seq; between++)
      if (!this.era.filtered.has(between)) throw new Error(`record ${between} was skipped: ${seq} came`);
    this.#next = seq + 1;
  }

  #isAgain(seq: number): void {
    this.redeliveries++;
    const notBefore = this.#notBefore.get(seq) ?? 0;
    const now = this.options.elapsed();
    if (now < notBefore) throw new Error(`record ${seq} came again at ${now}, not to come before ${notBefore}`);
  }

  #isInOrder(seq: number): void {
    for (let before = this.era.base; before < seq; before++)
      if (!this.era.asked.has(before)) throw new Error(`record ${seq} was begun before ${before} was done`);
  }

  /** Its position never goes back, nor past what was acknowledged. */
  checkPosition(): void {
    const position = this.consumer.nextSeq;
    if (position < this.#position) throw new Error(`the position went from ${this.#position} back to ${position}`);
    if (position > this.era.ceiling)
      throw new Error(`the position is ${position}, and ${this.era.ceiling} was not acknowledged`);
    this.#position = position;
  }

  /** The handler of a record has ended. */
  ended(seq: number): void {
    this.#handling.delete(seq);
  }

  /** A record is given back, to come again after so long. */
  givenBack(seq: number, afterMs: number): void {
    this.#notBefore.set(seq, this.options.elapsed() + afterMs);
  }

  /** All that was not acknowledged is given back: a loop was left. */
  left(): void {
    this.#notBefore.clear();
  }

  /** More time for a record. */
  extended(seq: number, ms: number): void {
    this.#notBefore.set(seq, this.options.elapsed() + ms);
  }

  /** A record is acknowledged, or its handler succeeds; both before the consumer knows. */
  acknowledging(era: Era, seq: number): void {
    era.asked.add(seq);
    era.acknowledged.add(seq);
    if (era !== this.era || this.isClosing) return;
    era.done.add(seq);
    this.#marks.push({ at: this.options.elapsed(), doneTo: era.doneTo });
  }

  attemptsOf(seq: number): number {
    return this.#attempts.get(seq) ?? 0;
  }

  /** Up to where all was done, `ms` before `at` and earlier. */
  doneBefore(at: number, ms: number): number {
    return this.#marks.findLast((mark) => mark.at + ms < at)?.doneTo ?? 0;
  }
}
