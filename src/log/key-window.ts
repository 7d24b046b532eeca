/**
 * Which idempotency keys were used not long ago, by the bits that they leave in ids (key-bits.ts).
 *
 * A record is in the window while it is one of the last so many records of the log, and its id not
 * older than so long: whichever ends first. Both grow with the seq, so the oldest goes first, and
 * what the window holds can be read from the log at any time.
 *
 * A record that was appended without a key has random bits; that they are those of a key in the
 * window has a chance of 1 in 10^17 with 100,000 records, and then data of another length or CRC
 * shows it.
 */

/** How far back the window goes. */
export interface KeyLimits {
  readonly ms: number;
  readonly records: number;
}

/** A durable record, as the window keeps it: about 200 bytes with its place in there. */
export class KeyedRecord {
  readonly bits: string;
  readonly seq: number;
  readonly timeMs: number;
  /** Of the data, as the CRC. */
  readonly length: number;
  /** As a signed number, which costs no allocation. */
  readonly #crc: number;
  /** The name of the file that holds it. */
  readonly segment: string;
  readonly offset: number;

  constructor(bits: string, seq: number, timeMs: number, length: number, crc: number, segment: string, offset: number) {
    this.bits = bits;
    this.seq = seq;
    this.timeMs = timeMs;
    this.length = length;
    this.#crc = crc | 0;
    this.segment = segment;
    this.offset = offset;
  }

  /** Whether it holds data of this length and CRC. */
  holds(length: number, crc: number): boolean {
    return this.length === length && this.#crc === (crc | 0);
  }
}

/** The window of one log; `Pending` is an append that is not durable yet. */
export class KeyWindow<Pending extends object> {
  readonly #limits: KeyLimits;
  /** By their bits. */
  readonly #entries = new Map<string, KeyedRecord | Pending>();
  /** The durable ones by seq; those before `#oldest` are forgotten. (A Map is slow to find its first entry once many before it were deleted.) */
  #inOrder: KeyedRecord[] = [];
  #oldest = 0;
  /** Whether all records are here that it must know: else `restore` is due. */
  isComplete: boolean;

  constructor(limits: KeyLimits, isComplete: boolean) {
    this.#limits = limits;
    this.isComplete = isComplete;
  }

  /** How many keys it holds. */
  get size(): number {
    return this.#entries.size;
  }

  /** Whether a record of this seq and time is in the window now. */
  covers(seq: number, timeMs: number, nextSeq: number, nowMs: number): boolean {
    return nextSeq - seq <= this.#limits.records && nowMs - timeMs <= this.#limits.ms;
  }

  /** What the key was used for, if it was. Before, what is no longer in the window is forgotten. */
  find(bits: string, nextSeq: number, nowMs: number): KeyedRecord | Pending | undefined {
    for (; this.#oldest < this.#inOrder.length; this.#oldest++) {
      const record = this.#inOrder[this.#oldest] as KeyedRecord;
      if (this.covers(record.seq, record.timeMs, nextSeq, nowMs)) break;
      // A later record may have its key.
      if (this.#entries.get(record.bits) === record) this.#entries.delete(record.bits);
    }
    if (this.#oldest > 1024 && this.#oldest * 2 > this.#inOrder.length) {
      this.#inOrder = this.#inOrder.slice(this.#oldest);
      this.#oldest = 0;
    }
    return this.#entries.get(bits);
  }

  /** An append was accepted. */
  begin(bits: string, pending: Pending): void {
    this.#entries.set(bits, pending);
  }

  /** It is durable. Called in the order of seqs. */
  settle(record: KeyedRecord): void {
    this.#entries.set(record.bits, record);
    this.#inOrder.push(record);
  }

  /** It failed: the key is free again. */
  forget(bits: string): void {
    this.#entries.delete(bits);
  }

  /** Takes what was read from the log, oldest first; of what it had only the pending appends stay. */
  restore(records: readonly KeyedRecord[]): void {
    const pending = [...this.#entries].filter(([, entry]) => !(entry instanceof KeyedRecord));
    this.#entries.clear();
    // Of two records of one key the later one is known: it stays the longest.
    for (const record of records) this.#entries.set(record.bits, record);
    for (const [bits, entry] of pending) this.#entries.set(bits, entry);
    this.#inOrder = [...records];
    this.#oldest = 0;
    this.isComplete = true;
  }
}
