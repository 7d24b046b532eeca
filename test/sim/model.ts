/**
 * What a log must hold, as far as anybody outside it can know: what was acknowledged, what was
 * served, and what was on its way. Checked against what is found after each crash.
 */

/** A record as it was acknowledged or read. */
export interface Known {
  readonly payload: string;
  readonly id?: string;
  readonly segment?: string;
  readonly offset?: number;
}

/** A record as found. */
export interface Found extends Known {
  readonly seq: number;
}

/** How the last session went and ended. */
export interface Ending {
  /** Whether more than a process ended. */
  readonly isPowerCut: boolean;
  readonly isWeak: boolean;
  /** Whether the disk refused writes for want of space: then the log may have refused a record without anybody hearing it. */
  readonly mayRefuse: boolean;
}

/** One generation. */
interface Generation {
  /** By seq. Acknowledged; under the weaker modes not necessarily durable. */
  readonly acked: Map<number, Known>;
  /** The seq after the highest acknowledged one; some before it may still be on their way to be told. */
  nextSeq: number;
  /** Up to here a power cut takes nothing. */
  durable: number;
  /** Submitted and not answered, in order; `maybe`: refused, but the first of a refused batch may be there. */
  pending: { readonly payload: string; readonly number: number; maybe: boolean }[];
  /** By seq: which submission it was, of those that this session acknowledged. */
  readonly order: Map<number, number>;
  /** The first seq may be any of these: a trim that was not answered may have happened. */
  firstSeqs: number[];
}

/** What is known of one log. */
export class Model {
  generation = 0;
  #current: Generation = fresh();
  /** A reset that was not answered may have happened. */
  #resetPending = false;
  #submissions = 0;
  /** What earlier generations held, as far as anybody knows. */
  readonly #earlier = new Map<number, Map<number, string>>();
  /** The highest seq that any reader was served, in this generation, and what it was. */
  readonly #served = new Map<number, string>();

  get nextSeq(): number {
    return this.#current.nextSeq;
  }

  get firstSeq(): number {
    return this.#current.firstSeqs.at(-1) ?? 0;
  }

  /** Acknowledged records whose place is known; none when a reset may have taken them. */
  placed(): Found[] {
    if (this.#resetPending) return [];
    return [...this.#current.acked]
      .filter(([seq, { offset }]) => seq >= this.firstSeq && offset !== undefined)
      .map(([seq, known]) => ({ seq, ...known }));
  }

  /** A record was read in whatever state the files are: if it was acknowledged, it must be that one. */
  isRight(seq: number, payload: string): boolean {
    const known = this.#current.acked.get(seq);
    return known === undefined || known.payload === payload;
  }

  /** @param maybe whether it may be refused without anybody hearing of it */
  submitted(payloads: readonly string[], maybe = false): void {
    this.#current.pending.push(...payloads.map((payload) => ({ payload, number: this.#submissions++, maybe })));
  }

  acknowledged(seq: number, known: Known, isDurable: boolean): void {
    const current = this.#current;
    const { acked, pending } = current;
    if (acked.has(seq)) throw new Error(`seq ${seq} was acknowledged twice`);
    const at = pending.findIndex(({ payload }) => payload === known.payload);
    if (at < 0) throw new Error(`acknowledged ${known.payload}, which nobody submitted`);
    const { number } = pending.splice(at, 1)[0] as { number: number };
    // Appends get their seqs in the order of the calls.
    const { order } = current;
    if ((order.get(seq - 1) ?? -1) > number || (order.get(seq + 1) ?? Infinity) < number)
      throw new Error(`record ${seq} was not appended in the order of the calls`);
    order.set(seq, number);
    const before = this.#served.get(seq);
    if (before !== undefined && before !== known.payload)
      throw new Error(
        `record ${seq} was served as ${before.slice(0, 20)}, then acknowledged as ${known.payload.slice(0, 20)}`,
      );
    acked.set(seq, known);
    current.nextSeq = Math.max(current.nextSeq, seq + 1);
    if (isDurable) current.durable = current.nextSeq;
  }

  /** The log said that this was not appended and never will be, and it went on. */
  undone(payloads: readonly string[]): void {
    const gone = new Set(payloads);
    const { pending } = this.#current;
    if (payloads.length === 1) this.#current.pending = pending.filter(({ payload }) => !gone.has(payload));
    else for (const item of pending) if (gone.has(item.payload)) item.maybe = true;
  }

  /** Refused before anything was written. */
  refused(payloads: readonly string[]): void {
    const gone = new Set(payloads);
    this.#current.pending = this.#current.pending.filter(({ payload }) => !gone.has(payload));
  }

  flushed(count: number): void {
    this.#current.durable = Math.max(this.#current.durable, count);
  }

  /** @returns how to take it back, when it turned out that nothing was to be trimmed */
  trimming(from: number, to: number): () => void {
    const before = [...this.#current.firstSeqs];
    for (let seq = from; seq <= to; seq++) this.#current.firstSeqs.push(seq);
    return () => (this.#current.firstSeqs = before);
  }

  trimmed(firstSeq: number): void {
    this.#current.firstSeqs = [firstSeq];
  }

  resetting(): void {
    this.#resetPending = true;
  }

  /** @param pending what was submitted after the reset was asked for, and belongs to the new generation */
  wasReset(): void {
    this.#resetPending = false;
    const held = new Map(this.#served);
    for (const [seq, { payload }] of this.#current.acked) held.set(seq, payload);
    this.#earlier.set(this.generation++, held);
    const { pending } = this.#current;
    this.#current = { ...fresh(), pending };
    this.#served.clear();
  }

  /** A reader got this: a crash may not take it away any more. */
  served(generation: number, seq: number, payload: string): void {
    const isNow = generation === this.generation;
    const before = isNow
      ? (this.#served.get(seq) ?? this.#current.acked.get(seq)?.payload)
      : this.#earlier.get(generation)?.get(seq);
    if (before !== undefined && before !== payload)
      throw new Error(
        `record ${seq} of generation ${generation} is ${before.slice(0, 20)}, and was served as ${payload.slice(0, 20)}`,
      );
    if (!isNow) return;
    this.#served.set(seq, payload);
  }

  /**
   * Holds what is found after a crash against what is known, and takes it over.
   */
  recovered(generation: number, firstSeq: number, records: readonly Found[], how: Ending): void {
    const { isPowerCut, isWeak, mayRefuse } = how;
    if (generation === this.generation + 1 && this.#resetPending) this.wasReset();
    this.#resetPending = false;
    if (generation !== this.generation) throw new Error(`generation ${generation}, expected ${this.generation}`);
    const { acked, pending, firstSeqs, durable } = this.#current;
    if (!firstSeqs.includes(firstSeq)) throw new Error(`first seq ${firstSeq}, expected one of ${firstSeqs.join()}`);
    const mayLose = isPowerCut && isWeak;
    const least = mayLose ? durable : this.#current.nextSeq;
    const nextSeq = firstSeq + records.length;
    if (nextSeq < least) throw new Error(`records up to ${nextSeq} found, but ${least} were acknowledged`);
    if (!mayLose) {
      for (const [seq, payload] of this.#served) {
        if (seq >= nextSeq)
          throw new Error(`record ${seq} (${payload}) was served and is gone; next seq is ${nextSeq}`);
      }
    }
    let waiting = 0;
    // Records that were trimmed before their callers heard of them.
    let trimmed = 0;
    for (let seq = 0; seq < firstSeq; seq++) if (!acked.has(seq)) trimmed++;
    for (const [i, record] of records.entries()) {
      const seq = firstSeq + i;
      if (record.seq !== seq) throw new Error(`record ${record.seq} found where ${seq} belongs`);
      const known = acked.get(seq);
      if (known === undefined) {
        while (waiting < pending.length && pending[waiting]?.payload !== record.payload) {
          if (!mayRefuse && pending[waiting]?.maybe !== true && trimmed-- <= 0) break;
          waiting++;
        }
        const expected = pending[waiting++]?.payload ?? "none";
        if (expected !== record.payload)
          throw new Error(`record ${seq} is ${record.payload.slice(0, 20)}; expected ${expected.slice(0, 20)}`);
        continue;
      }
      for (const key of ["payload", "id", "segment", "offset"] as const) {
        if (known[key] !== undefined && known[key] !== record[key])
          throw new Error(`record ${seq}: ${key} ${record[key]}, acknowledged ${known[key]}`);
      }
    }
    for (const record of records) {
      const before = this.#served.get(record.seq);
      if (before !== undefined && before !== record.payload)
        throw new Error(`record ${record.seq} changed after it was served`);
    }
    for (let seq = 0; seq < firstSeq; seq++) if (!acked.has(seq)) acked.set(seq, { payload: "trimmed" });
    for (const seq of acked.keys()) if (seq >= firstSeq) acked.delete(seq);
    for (const record of records) acked.set(record.seq, record);
    this.#current.nextSeq = nextSeq;
    this.#current.pending = [];
    this.#current.order.clear();
    this.#current.firstSeqs = [firstSeq];
    this.#current.durable = nextSeq;
    if (mayLose) for (const seq of this.#served.keys()) if (seq >= nextSeq) this.#served.delete(seq);
  }
}

function fresh(): Generation {
  return { acked: new Map(), nextSeq: 0, durable: 0, pending: [], order: new Map(), firstSeqs: [0] };
}
