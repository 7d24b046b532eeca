/**
 * Removes records from the front of a stream: before a position, and by `retention`. The limits of
 * the server's own streams are not used: they know nothing of consumers' checkpoints, and count an
 * age from when the server got a message, not from the time in its id.
 *
 * One rule for all limits, as in a directory log: what lies within them is never removed. A record
 * goes when it is older than `maxAgeMs`, or when the `maxRecords` or `maxBytes` that are to be kept
 * all lie behind it. It is looked for again whenever a sixteenth of a limit was appended, or of the
 * age has passed, and something is appended; so the log holds that much more than a limit.
 */
import { SeqlogError } from "../errors.ts";
import type { TrimOptions, TrimResult } from "../log/log.ts";
import type { HeldBack, Protector, Retention, RetentionStats } from "../log/retention.ts";
import { closedError, resetError } from "../segment/read-range.ts";
import { recordSizes } from "./record-sizes.ts";
import { type StreamView, infoOf } from "./stream-view.ts";

/** Of a limit: looked again after so much. */
const piece = 1 / 16;

/** What a stream was longer ago than this is no reason to remove anything. */
const freshMs = 2000;

/** How often it is found out anew what may go, when others remove records at the same time. */
const mostTries = 10;

const nothing: HeldBack = { records: 0, bytes: 0 };

export class StreamTrims {
  readonly #view: StreamView;
  readonly #retention: Retention | undefined;
  readonly #furthestBehind: () => Promise<Protector | undefined>;
  readonly #closing = new AbortController();
  /** Ends when nothing is being removed any more; never rejects. */
  #last: Promise<unknown> = Promise.resolve();
  #isLooking = false;
  /** Appended since the last look. The first append is one to look at: nobody knows what is there already. */
  #records = Infinity;
  #bytes = Infinity;
  #lookedAt = -Infinity;
  #failure: Error | undefined;

  constructor(
    view: StreamView,
    retention: Retention | undefined,
    furthestBehind: () => Promise<Protector | undefined>,
  ) {
    this.#view = view;
    this.#retention = retention;
    this.#furthestBehind = furthestBehind;
  }

  get #hasLimits(): boolean {
    const { maxAgeMs, maxBytes, maxRecords } = this.#retention ?? {};
    return maxAgeMs !== undefined || maxBytes !== undefined || maxRecords !== undefined;
  }

  /** A record was acknowledged. Fails no append: what may go and does not is tried again, and told by `stats`. */
  appended(bytes: number): void {
    if (!this.#hasLimits) return;
    this.#records++;
    this.#bytes += bytes;
    if (!this.#isLooking && this.#isTime) void this.#look();
  }

  get #isTime(): boolean {
    const { maxAgeMs = Infinity, maxBytes = Infinity, maxRecords = Infinity } = this.#retention ?? {};
    if (this.#records >= maxRecords * piece || this.#bytes >= maxBytes * piece) return true;
    return this.#view.connection.clock.now() - this.#lookedAt >= maxAgeMs * piece;
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    // What is appended during a look may be the last for long.
    while (this.#isTime && !this.#closing.signal.aborted) {
      this.#records = 0;
      this.#bytes = 0;
      this.#lookedAt = this.#view.connection.clock.now();
      try {
        await this.alone(() => this.#removeDue());
        this.#failure = undefined;
      } catch (error) {
        this.#failure = error as Error;
        break;
      }
    }
    this.#isLooking = false;
  }

  async #removeDue(): Promise<void> {
    const view = this.#view;
    await view.refresh();
    const { incarnation } = view;
    const by = await this.#protector();
    // What it needs is not gone through again and again.
    const most = Math.min(by?.nextSeq ?? Infinity, view.nextSeq);
    if (most <= view.firstSeq) return;
    const seq = await this.#dueSeq(most);
    if (seq > view.firstSeq) await this.#purge(seq, incarnation);
  }

  /** @throws as `Log.trim` */
  async trim({ before, force = false }: TrimOptions = {}): Promise<TrimResult> {
    if (before === undefined && !this.#hasLimits) {
      throw new TypeError(
        "trim without `before` removes what retention lets go, but the log was opened without a limit",
      );
    }
    return await this.alone(async () => {
      const view = this.#view;
      await view.refresh();
      const { incarnation } = view;
      const wanted = before === undefined ? await this.#dueSeq(Infinity) : await view.resolve(before, "before");
      const end = Math.min(wanted, view.nextSeq);
      const { seq, heldBack } = force ? { seq: end, heldBack: nothing } : await this.#heldBack(end);
      const removed = seq > view.firstSeq ? await this.#purge(seq, incarnation) : 0;
      return heldBack.records === 0 ? { removed } : { removed, heldBack };
    });
  }

  /** What retention cannot remove; undefined without it. */
  async stats(): Promise<RetentionStats | undefined> {
    if (this.#retention === undefined) return undefined;
    let failure = this.#failure;
    let heldBack = nothing;
    try {
      if (this.#hasLimits && this.#retention.protect !== undefined) {
        ({ heldBack } = await this.#heldBack(await this.#dueSeq(Infinity)));
      }
    } catch (error) {
      failure = error as Error;
    }
    return failure === undefined ? { heldBack } : { heldBack, failure };
  }

  /** Runs something while nothing is removed. */
  alone<T>(run: () => Promise<T>): Promise<T> {
    const done = this.#last.then(run);
    this.#last = done.catch(() => undefined);
    return done;
  }

  /** Ends what is being looked for. */
  close(): void {
    this.#closing.abort(closedError(this.#view.location));
  }

  /**
   * The first record that the limits keep, `most` at most. Bytes and ages are found by going through
   * the headers of what is to go.
   */
  async #dueSeq(most: number): Promise<number> {
    const view = this.#view;
    for (let tries = 1; ; tries++) {
      await view.refresh();
      const { firstSeq, incarnation } = view;
      const due = await this.#dueIn(Math.min(most, view.nextSeq));
      await view.refresh();
      // Else the bytes were of more records than were gone through.
      if (view.firstSeq === firstSeq && view.incarnation === incarnation) return due;
      if (tries === mostTries) return view.firstSeq;
    }
  }

  async #dueIn(most: number): Promise<number> {
    const { firstSeq, records, bytes, location, connection } = this.#view;
    const { maxAgeMs = Infinity, maxBytes = Infinity, maxRecords = Infinity } = this.#retention ?? {};
    // Where records were deleted between others this keeps more than it has to.
    const dueByNumber = Math.min(most, firstSeq + Math.max(0, records - maxRecords));
    if (maxAgeMs === Infinity && (maxBytes === Infinity || bytes <= maxBytes)) return dueByNumber;
    const now = connection.clock.now();
    let spare = bytes - maxBytes;
    let due = firstSeq;
    for await (const record of recordSizes(this.#view, firstSeq, most, this.#closing.signal)) {
      spare -= record.bytes;
      const isDue = record.seq < dueByNumber || spare >= 0 || now - timeOf(record, maxAgeMs, location) > maxAgeMs;
      if (!isDue) break;
      due = record.seq + 1;
    }
    return due;
  }

  async #protector(): Promise<Protector | undefined> {
    return this.#retention?.protect === undefined ? undefined : await this.#furthestBehind();
  }

  /** What consumers hold back of the records before `seq`, and the first record they need of them. */
  async #heldBack(seq: number): Promise<{ readonly seq: number; readonly heldBack: HeldBack }> {
    const { firstSeq, records, bytes } = this.#view;
    const by = seq > firstSeq ? await this.#protector() : undefined;
    if (by === undefined || by.nextSeq >= seq) return { seq, heldBack: nothing };
    const held = seq - Math.max(by.nextSeq, firstSeq);
    // The server tells the bytes of the whole stream alone.
    const estimate = Math.round((bytes * Math.min(held, records)) / Math.max(1, records));
    return { seq: by.nextSeq, heldBack: { records: held, bytes: estimate, by } };
  }

  /**
   * The server removes by name and number alone: whether it is the stream still that was decided on is
   * looked at right before, each time that it is asked.
   * @throws SEQLOG_RESET when it is another one by now
   */
  async #purge(seq: number, incarnation: number): Promise<number> {
    const view = this.#view;
    const { connection } = view;
    const { manager, location, clock } = connection;
    const purged = await connection.ask("trim", async () => {
      const lookedAt = clock.now();
      const info = await infoOf(connection);
      if (info !== undefined) view.learn(info);
      if (info === undefined || view.incarnation !== incarnation) return undefined;
      // The process may have been stopped in between.
      if (clock.now() - lookedAt > freshMs) throw new Error("the servers' answer is too old to act upon");
      return (await manager.streams.purge(location.stream, { seq: seq + 1 })).purged;
    });
    await view.refresh();
    if (purged === undefined) throw resetError(view.location, view.generation);
    return purged;
  }
}

/** The time of a record, where ages matter. */
function timeOf({ seq, ms }: { seq: number; ms: () => number }, maxAgeMs: number, location: string): number {
  if (maxAgeMs === Infinity) return Infinity;
  const time = ms();
  if (Number.isNaN(time)) throw withoutTimes(location, seq);
  return time;
}

/** An age cannot be kept where ids hold none. */
export function withoutTimes(path: string, seq: number): SeqlogError<"SEQLOG_UNSUPPORTED"> {
  const reason = `the id of record ${seq} is a UUID of version 4, which holds no time`;
  return new SeqlogError(
    "SEQLOG_UNSUPPORTED",
    `${path}: retention.maxAgeMs cannot be kept: ${reason}. Use maxBytes or maxRecords`,
    { path, reason },
  );
}
