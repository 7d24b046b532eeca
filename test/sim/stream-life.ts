/**
 * One stream from its making to its end, as its clients know it, and what they may be told of it: every
 * append that was answered, once and in order, whatever crashed; where its producers stand; how long it lives.
 */

/** Where an append stands in its producer's. */
export interface Place {
  readonly id: string;
  readonly epoch: number;
  readonly seq: number;
}

/** What a client appends with one request, sent once or again. */
export interface Attempt {
  readonly messages: readonly number[];
  readonly producer: Place | undefined;
  readonly streamSeq: string | undefined;
  readonly close: boolean;
  /** When it was first sent, or sent again after a refusal, and when the last of its answers came or could not come any more, in the order of events. */
  start: number;
  end: number;
  /** Since when it is known to be there. */
  acknowledged: number | undefined;
  /** Its last answer says that it is not there. */
  isRefused: boolean;
  /** How often it is under way, and whether it ever was more than once. */
  underWay: number;
  isShared: boolean;
  /** Its place among the records, once it was read. */
  place: number | undefined;
}

/** How long a stream is to live. */
export interface Lifetime {
  readonly ttlMs: number | undefined;
  readonly expiresAtMs: number | undefined;
}

/** A use of the stream that may prolong its life. */
interface Touch {
  readonly at: number;
  readonly pid: number;
}

/** What a server that does not own the directory may not have seen yet. */
export const staleMs = 250;

/** How much longer than its TTL a stream may live when its server has ended. */
function leaseMs(ttlMs: number): number {
  return Math.min(Math.max(ttlMs / 8, 1_000), 60_000) + 1;
}

export class StreamLife {
  readonly name: string;
  readonly lifetime: Lifetime;
  readonly attempts: Attempt[] = [];
  /** What readers were served, record by record. */
  readonly records: Attempt[] = [];
  /** Since when it is known that it was made. */
  certainSince: { readonly at: number; readonly order: number } | undefined;
  /** Deletions that were not answered, or are under way. */
  deletions = 0;
  /** Who waits for more of it, and keeps it alive by that. */
  followers = 0;
  /** Since when it is known to have gone. */
  goneAt: number | undefined;
  /** Uses that were answered by the owner of the directory: from each on it lives for its TTL. */
  readonly #kept: number[];
  /** The last use through each server that may have prolonged its life durably, or for that server. */
  readonly #durably = new Map<number, number>();
  readonly #forItself = new Map<number, number>();
  readonly #byMessage = new Map<number, Attempt>();
  /** How far producers surely are, by answers that an append is there already. */
  readonly #reached: { readonly place: Place; readonly order: number }[] = [];

  constructor(name: string, lifetime: Lifetime, { at, pid }: Touch) {
    this.name = name;
    this.lifetime = lifetime;
    this.#kept = [at];
    this.#durably.set(pid, at);
  }

  add(attempt: Attempt): void {
    this.attempts.push(attempt);
    for (const message of attempt.messages) this.#byMessage.set(message, attempt);
  }

  /** The owner has answered a request that counts as a use. */
  kept(at: number): void {
    if (this.#kept.at(-1) !== at) this.#kept.push(at);
  }

  /** A request may have counted as a use. */
  mayBeKept({ at, pid }: Touch, isDurable: boolean): void {
    (isDurable ? this.#durably : this.#forItself).set(pid, at);
  }

  /** Whether it has to be alive at a time, for a server that knows all that happened up to another. */
  mustLive(at: number, knownUntil: number): boolean {
    const { certainSince } = this;
    if (certainSince === undefined || certainSince.at > knownUntil) return false;
    return this.goneAt === undefined && this.deletions === 0 && this.#isInTime(at, knownUntil);
  }

  #isInTime(at: number, knownUntil: number): boolean {
    const { expiresAtMs = Infinity, ttlMs = Infinity } = this.lifetime;
    const last = this.#kept.findLast((time) => time <= knownUntil);
    return last !== undefined && at < Math.min(expiresAtMs, last + ttlMs);
  }

  /** Whether it was not made after all, when the owner says that it is not there. */
  wasNeverMade(at: number): boolean {
    return this.certainSince === undefined && this.#isInTime(at, at);
  }

  /** Whether a server may still take it for alive. @param isExact whether that server never lost sight of it */
  mayLive(at: number, pid: number, isExact: boolean): boolean {
    const { ttlMs, expiresAtMs } = this.lifetime;
    if (expiresAtMs !== undefined && at >= expiresAtMs) return false;
    if (ttlMs === undefined || this.followers > 0) return true;
    const own = Math.max(this.#durably.get(pid) ?? -Infinity, this.#forItself.get(pid) ?? -Infinity) + ttlMs;
    const others = [...this.#durably].map(([by, time]) => time + ttlMs + (by === pid && isExact ? 0 : leaseMs(ttlMs)));
    return at < Math.max(own, ...others);
  }

  /**
   * Holds what a reader was served against what was appended.
   * @param isEnd whether the server says that there is no more
   */
  served(
    from: number,
    messages: readonly unknown[],
    how: { readonly isEnd: boolean; readonly isClosed: boolean; readonly asked: number; readonly now: number },
  ): void {
    let next = from;
    for (let i = 0; i < messages.length;) {
      const attempt = this.#byMessage.get(messages[i] as number);
      if (attempt === undefined) this.#fail(`message ${String(messages[i])} was never appended to it`);
      const rest = messages.slice(i, i + attempt.messages.length);
      if (JSON.stringify(rest) !== JSON.stringify(attempt.messages)) this.#fail(`of one append only ${String(rest)}`);
      this.#place(next++, attempt, how.now);
      i += attempt.messages.length;
    }
    if (how.isEnd) this.#isWhole(next, how);
    else if (how.isClosed) this.#fail("closed before its end");
  }

  #place(place: number, attempt: Attempt, now: number): void {
    const known = this.records[place];
    if (known === attempt) return;
    if (known !== undefined) this.#fail(`record ${place} was ${told(known)}, and is ${told(attempt)}`);
    if (place > this.records.length) this.#fail(`record ${place} is served, ${this.records.length} is not known`);
    if (attempt.place !== undefined) this.#fail(`${told(attempt)} is there twice: ${attempt.place}, ${place}`);
    if (attempt.isRefused) this.#fail(`${told(attempt)} was refused and is there`);
    const later = this.records.find(({ start }) => start > attempt.end);
    if (later !== undefined)
      this.#fail(`${told(attempt)} comes behind ${told(later)}, which was sent after its answer`);
    attempt.place = place;
    attempt.acknowledged ??= now;
    this.records.push(attempt);
  }

  #isWhole(end: number, { isClosed, asked }: { readonly isClosed: boolean; readonly asked: number }): void {
    const settled = this.attempts.filter(({ acknowledged }) => (acknowledged ?? Infinity) <= asked);
    for (const attempt of settled) {
      if (attempt.messages.length > 0 && (attempt.place ?? Infinity) >= end) {
        this.#fail(`${told(attempt)} was acknowledged and is not there`);
      }
    }
    if (!isClosed && settled.some(({ close }) => close)) this.#fail("it was closed and is open");
    if (isClosed && !this.attempts.some(({ close, isRefused }) => close && !isRefused)) {
      this.#fail("it is closed, and nobody closed it");
    }
  }

  /** Holds the number of records against what was appended. */
  hasRecords(count: number, asked: number): void {
    const data = this.attempts.filter(({ messages }) => messages.length > 0);
    const least = data.filter(({ acknowledged }) => (acknowledged ?? Infinity) <= asked).length;
    const most = data.filter(({ isRefused }) => !isRefused).length;
    if (count < least || count > most) this.#fail(`it ends at ${count}; ${least} appends were acknowledged`);
  }

  /** What an append may be answered, by all that may be there when it is judged. */
  allowed(attempt: Attempt, isFirstTime: boolean, asked: number): Set<string> {
    const sure: Attempt[] = [];
    const open: Attempt[] = [];
    for (const other of this.attempts) {
      if (other.isRefused || (other === attempt && isFirstTime)) continue;
      if ((other.acknowledged ?? Infinity) <= asked) sure.push(other);
      else if (!this.#isLost(other)) open.push(other);
    }
    const reached = this.#reached.filter(({ order }) => order <= asked).map(({ place }) => ({ producer: place }));
    const verdicts = new Set<string>();
    for (const isClosed of possibly(sure, open, ({ close }) => (close ? true : undefined))) {
      for (const streamSeq of possibly(sure, open, (each) => each.streamSeq)) {
        const placeOf = ({ producer }: Pick<Attempt, "producer">): Place | undefined =>
          producer?.id === attempt.producer?.id ? producer : undefined;
        for (const known of possibly([...sure, ...reached], open, placeOf, isBefore)) {
          verdicts.add(verdictOn(attempt, { isClosed: isClosed === true, streamSeq, known }));
        }
      }
    }
    return verdicts;
  }

  /** A server has said that a producer has come so far. */
  reached(place: Place, order: number): void {
    this.#reached.push({ place, order });
    const there = this.attempts.filter(({ producer, isRefused }) => !isRefused && isSamePlace(producer, place));
    if (there.length === 1 && there[0] !== undefined) there[0].acknowledged ??= order;
  }

  /** Whether an append without an answer can be there no more: what was sent after its end is there without it. */
  #isLost({ place, end }: Attempt): boolean {
    return place === undefined && this.records.some(({ start }) => start > end);
  }

  /** Where a producer surely stands. */
  standing(id: string): Place | undefined {
    const places = this.attempts.flatMap(({ producer, acknowledged }) =>
      acknowledged !== undefined && producer?.id === id ? [producer] : [],
    );
    return places.reduce<Place | undefined>(
      (last, each) => (last === undefined || isBefore(last, each) ? each : last),
      undefined,
    );
  }

  /** The last Stream-Seq that is surely there. */
  get lastStreamSeq(): string | undefined {
    const known = this.attempts.flatMap(({ streamSeq, acknowledged }) =>
      acknowledged !== undefined && streamSeq !== undefined ? [streamSeq] : [],
    );
    return known.sort().at(-1);
  }

  get isClosed(): boolean {
    return this.attempts.some(({ close, acknowledged }) => close && acknowledged !== undefined);
  }

  #fail(what: string): never {
    throw new Error(`stream ${this.name}: ${what}`);
  }
}

/** The last value of what is sure, and every later one that may be there too. */
function possibly<T, A>(
  sure: readonly A[],
  open: readonly A[],
  valueOf: (attempt: A) => T | undefined,
  isLess: (a: T, b: T) => boolean = (a, b) => a < b,
): (T | undefined)[] {
  const values = (attempts: readonly A[]): T[] =>
    attempts.map(valueOf).filter((value): value is T => value !== undefined);
  const last = values(sure).reduce<T | undefined>((a, b) => (a === undefined || isLess(a, b) ? b : a), undefined);
  return [last, ...values(open).filter((value) => last === undefined || isLess(last, value))];
}

function isSamePlace(a: Place | undefined, b: Place): boolean {
  return a?.id === b.id && a.epoch === b.epoch && a.seq === b.seq;
}

function isBefore(a: Place, b: Place): boolean {
  return a.epoch < b.epoch || (a.epoch === b.epoch && a.seq < b.seq);
}

/** What the protocol answers an append, in words. */
function verdictOn(
  { producer, streamSeq, close, messages }: Attempt,
  state: { readonly isClosed: boolean; readonly streamSeq: string | undefined; readonly known: Place | undefined },
): string {
  const { known } = state;
  if (producer !== undefined && known !== undefined) {
    if (producer.epoch < known.epoch) return `stale, at epoch ${known.epoch}`;
    if (producer.epoch === known.epoch && producer.seq <= known.seq) return `duplicate, at ${known.seq}`;
  }
  if (state.isClosed) return close && messages.length === 0 && producer === undefined ? "appended" : "closed";
  if (producer !== undefined) {
    if (known !== undefined && producer.epoch > known.epoch && producer.seq > 0) return "an epoch begins with 0";
    const expected = known?.epoch === producer.epoch ? known.seq + 1 : 0;
    if (producer.seq !== expected) return `gap, expected ${expected}`;
  }
  if (streamSeq !== undefined && state.streamSeq !== undefined && streamSeq <= state.streamSeq) return "Stream-Seq";
  return "appended";
}

function told({ messages, producer, start }: Attempt): string {
  const by = producer === undefined ? "" : ` of ${producer.id} ${producer.epoch}/${producer.seq}`;
  return `append ${start}${by} (${messages.join(" ")})`;
}
