/** From a stream of bytes, which comes in pieces cut anywhere, to records. */
import { UsageError } from "./usage-error.ts";

/**
 * Takes pieces of input and adds the records that they complete to `records`. The records may be
 * views into the pieces. When the input is not what it should be it throws, after having added
 * everything before the fault.
 */
export interface RecordSplitter {
  push(piece: Uint8Array, records: Uint8Array[]): void;
  /** The input ended. */
  end(records: Uint8Array[]): void;
  /** Bytes of a record that is not complete yet; never more than the longest record allowed. */
  readonly unfinishedBytes: number;
}

/** A fault of the input, with where it is. */
export function inputFault(message: string, facts: Readonly<Record<string, unknown>>): UsageError {
  return new UsageError(message, "INVALID_INPUT", facts);
}

/** The start of a record, copied together, until the rest is there. */
export class UnfinishedRecord {
  /** Grows by doubling, so that input in tiny pieces costs no more than input in large ones. */
  #bytes = new Uint8Array(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  add(part: Uint8Array): void {
    const length = this.#length + part.length;
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(length, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(part, this.#length);
    this.#length = length;
  }

  /** The record, whose last part is `part`; then the next one starts. */
  takeWith(part: Uint8Array): Uint8Array {
    if (this.#length === 0) return part;
    this.add(part);
    const whole = this.#bytes.subarray(0, this.#length);
    this.#bytes = new Uint8Array(0);
    this.#length = 0;
    return whole;
  }
}

export const noBytes: Uint8Array = new Uint8Array(0);
