/** A record in the hands of whoever consumes it. */
import type { Checkpoint, Delivery } from "../log/consumer-contract.ts";
import { asSeq } from "../numbers.ts";
import { type Decode, LogRecord } from "../segment/log-record.ts";
import { longestMs } from "./retry-policy.ts";
import type { Entry } from "./entry.ts";

/** What a delivery asks of its consumer. */
export interface DeliveryOwner {
  readonly logId: string;
  readonly generation: number;
  ack(entry: Entry): Promise<void>;
  nack(entry: Entry, delayMs: number, error: unknown): void;
  extend(entry: Entry, ms: number): void;
}

/** One delivery of one record. */
export class LogDelivery<Out> extends LogRecord<Out> implements Delivery<Out> {
  readonly attempt: number;
  readonly #owner: DeliveryOwner;
  readonly #entry: Entry;

  constructor(entry: Entry, decode: Decode<Out>, owner: DeliveryOwner) {
    super(entry.source.run, entry.index, decode);
    this.attempt = entry.attempt;
    this.#owner = owner;
    this.#entry = entry;
  }

  /** For the consumer that made it. */
  static entryOf(delivery: LogDelivery<unknown>): Entry {
    return delivery.#entry;
  }

  get checkpoint(): Checkpoint {
    const { logId, generation } = this.#owner;
    return { logId, generation, nextSeq: asSeq(this.seq + 1), lastId: this.id };
  }

  ack(): Promise<void> {
    return this.#owner.ack(this.#entry);
  }

  nack(options: { readonly delayMs?: number; readonly error?: unknown } = {}): void {
    const { delayMs = 0, error } = options;
    checkMs(delayMs, "delayMs");
    // A later delivery of the record decides for itself.
    if (this.attempt === this.#entry.attempt) this.#owner.nack(this.#entry, delayMs, error);
  }

  extend(ms: number): void {
    checkMs(ms, "ms");
    if (this.attempt === this.#entry.attempt) this.#owner.extend(this.#entry, ms);
  }
}

function checkMs(ms: number, name: string): void {
  if (!(ms >= 0 && ms <= longestMs)) throw new RangeError(`${name} must be from 0 to ${longestMs}, got ${String(ms)}`);
}
