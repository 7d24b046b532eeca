/**
 * What is known of a stream that is a log, and looking things up in it. Everything here is asked of the
 * stream's leader: a replica may not have yet what was acknowledged.
 */
import type { MsgRequest, StoredMsg, StreamInfo } from "@nats-io/jetstream";
import type { ConsumedView } from "../consumer/consumed-log.ts";
import { SeqlogError } from "../errors.ts";
import { headerAt } from "../format/record.ts";
import { idLength, millisecondsOfId, parseId } from "../format/uuid.ts";
import type { ConsumerLag } from "../log/consumer-contract.ts";
import { checkSeq } from "../numbers.ts";
import type { Run } from "../segment/log-record.ts";
import type { Position, ReadOptions } from "../segment/positions.ts";
import { type Range, closedError, trimmedError } from "../segment/read-range.ts";
import { type TimedRange, timeOf, withTimes } from "../segment/time-bounds.ts";
import { errorCode, isCode } from "./server-errors.ts";
import type { StreamConnection } from "./stream-connection.ts";
import { checkLeads } from "./stream-leader.ts";
import { readStreamForward } from "./stream-reader.ts";
import { type StreamRecord, checkedRecord, damaged, runOf } from "./stream-run.ts";
import { type StreamIdentity, streamIdentity } from "./stream-settings.ts";

/** A stream that is being reset is not there for a moment. */
const resetMs = 15_000;

/** A gap that nobody made is asked about for so long: the leader may have changed between two answers. */
const gapMs = 10_000;

const never = new AbortController().signal;

export class StreamView implements ConsumedView {
  readonly connection: StreamConnection;
  readonly location: string;
  readonly mayReachFurther = false;
  #identity: StreamIdentity;
  /** When its stream was made, by the servers' word. */
  #created: string;
  /** How often another stream was found in its place. */
  #incarnation = 0;
  #firstSeq = 0;
  #nextSeq = 0;
  #records = 0;
  #bytes = 0;
  #deleted = 0;
  #isClosed = false;
  /** Told when the log was closed or reset. */
  readonly #watchers = new Set<() => void>();

  constructor(connection: StreamConnection, info: StreamInfo) {
    this.connection = connection;
    this.location = connection.location.shown;
    const identity = streamIdentity(info.config.description);
    if (identity === undefined) throw foreign(this.location);
    this.#identity = identity;
    this.#created = info.created;
    this.#learn(info);
  }

  get logId(): string {
    return this.#identity.logId;
  }

  get codec(): string | null {
    return this.#identity.codec;
  }

  get generation(): number {
    return this.#identity.generation;
  }

  /** Another number when the stream was made anew, whatever generation it says that it is. */
  get incarnation(): number {
    return this.#incarnation;
  }

  get firstSeq(): number {
    return this.#firstSeq;
  }

  get nextSeq(): number {
    return this.#nextSeq;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Messages as of the last look. */
  get records(): number {
    return this.#records;
  }

  /** Bytes as of the last look. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether messages were deleted between others. */
  get hasHoles(): boolean {
    return this.#deleted > 0;
  }

  /** A record was acknowledged, or read. */
  acknowledged(seq: number): void {
    if (seq >= this.#nextSeq) this.#nextSeq = seq + 1;
  }

  close(): void {
    this.#isClosed = true;
    for (const call of this.#watchers) call();
  }

  /** Calls when the log is closed or reset; returns how to take it back. */
  watch(call: () => void): () => void {
    this.#watchers.add(call);
    return () => this.#watchers.delete(call);
  }

  async refresh(): Promise<void> {
    const { clock } = this.connection;
    const begun = clock.now();
    for (;;) {
      if (this.#isClosed) throw closedError(this.location);
      const info = await this.connection.ask("look at the stream", () => infoOf(this.connection));
      if (info !== undefined) return this.#learn(info);
      // Somebody resets it, or it was removed.
      if (clock.now() - begun > resetMs) throw notFound(this.location);
      await this.connection.pause();
    }
  }

  /** The stream was found, or made anew. */
  learn(info: StreamInfo): void {
    this.#learn(info);
  }

  #learn({ config, state, created }: StreamInfo): void {
    const identity = streamIdentity(config.description);
    if (identity === undefined) throw foreign(this.location);
    const before = this.#identity;
    this.#identity = identity;
    const isSame = identity.generation === before.generation && identity.logId === before.logId;
    const isNew = !isSame || created !== this.#created;
    this.#created = created;
    if (isNew) this.#incarnation++;
    const end = Math.max(0, state.last_seq);
    // An answer may be older than an acknowledgement that came before it.
    this.#nextSeq = isNew ? end : Math.max(this.#nextSeq, end);
    this.#firstSeq = state.messages === 0 ? end : state.first_seq - 1;
    this.#records = state.messages;
    this.#bytes = state.bytes;
    this.#deleted = state.num_deleted ?? 0;
    if (isNew) for (const call of this.#watchers) call();
  }

  async get(seq: number): Promise<Run | undefined> {
    const record = await this.recordFrom(seq, seq + 1);
    return record === undefined ? undefined : runOf([record], this.connection.location.stream);
  }

  /**
   * The first record from `seq` on and before `to`, asked of the stream's leader: what reads from a
   * replica asks this before it takes anything for deleted. A leader that has less than what was
   * acknowledged, or a gap that it did not delete, is not believed; it may not lead any more.
   *
   * @throws SEQLOG_TRIMMED when `seq` was removed from the front
   * @throws SEQLOG_DAMAGED where it is missing, and stays so, though nothing was deleted
   * @throws SEQLOG_IO when no leader has what was acknowledged
   */
  async recordFrom(seq: number, to: number): Promise<StreamRecord | undefined> {
    const { clock, manager, location } = this.connection;
    const incarnation = this.#incarnation;
    const created = this.#created;
    const begun = clock.now();
    let info: StreamInfo | undefined;
    let isMissing = false;
    const message = await this.connection.ask("read", async () => {
      const query = { seq: seq + 1 };
      const exact = await orNone(manager.streams.getMessage(location.stream, query));
      if (exact !== undefined) return exact;
      // The next one behind any number of deleted ones; the client's types know it of direct gets alone.
      const nextQuery = { ...query, next_by_subj: location.stream } as MsgRequest;
      const next = await orNone(manager.streams.getMessage(location.stream, nextQuery));
      info = await infoOf(this.connection);
      if (info?.created !== created) return undefined;
      const { first_seq: first, last_seq: last, num_deleted: deleted = 0 } = info.state;
      const known = Math.min(to, this.#nextSeq);
      if (last < known) throw new Error(`the servers have ${last} messages, and message ${known} was acknowledged`);
      isMissing = seq + 1 >= first && seq < last && deleted === 0;
      if (isMissing && clock.now() - begun < gapMs) throw new Error(`message ${seq + 1} is missing`);
      // The two answers before it may have been of one that led no more: only now is it known who leads.
      return (await orNone(manager.streams.getMessage(location.stream, query))) ?? next;
    });
    if (message === undefined || message.seq > seq + 1) {
      if (info === undefined) await this.refresh();
      else this.#learn(info);
      // Another stream has come in its place: what that one has is the answer.
      if (this.#incarnation !== incarnation) return await this.recordFrom(seq, to);
      if (seq < this.#firstSeq) throw trimmedError(this.location, seq, this.#firstSeq);
      if (isMissing) throw damaged(this.location, seq, "it is missing, and no message of the stream was deleted");
    }
    if (message === undefined || message.seq > to) return undefined;
    return checkedRecord(this.location, message.seq - 1, message.header, message.data);
  }

  readLive(from: number, maxBytes: number, signal: AbortSignal): AsyncGenerator<Run> {
    return readStreamForward(this, { from, to: Infinity, limit: Infinity, maxBytes }, true, signal);
  }

  /** The first record at or after a time: a binary search, as the times of one writer's ids never go back. */
  async seqAt(time: Date): Promise<number> {
    const ms = time.getTime();
    if (Number.isNaN(ms)) throw new RangeError("the Date is invalid");
    await this.refresh();
    let lower = this.#firstSeq;
    let upper = this.#nextSeq;
    while (lower < upper) {
      const middle = Math.floor((lower + upper) / 2);
      const record = await this.recordFrom(middle, upper);
      if (record === undefined || millisecondsOfId(record.id, 0) >= ms) upper = middle;
      else lower = record.seq + 1;
    }
    return lower;
  }

  /** The place of the record with this id. @throws {TypeError} for what is no UUID */
  async find(id: string): Promise<{ readonly run: Run; readonly index: number } | undefined> {
    const wanted = parseId(id);
    const ms = millisecondsOfId(wanted, 0);
    if (Number.isNaN(ms)) return undefined;
    const from = await this.seqAt(new Date(ms));
    const range: Range = { from, to: this.#nextSeq, limit: Infinity, maxBytes: 256 * 1024 };
    for await (const run of readStreamForward(this, range, false, never)) {
      for (let index = 0; index < run.starts.length; index++) {
        if (timeOf(run, index) > ms) return undefined;
        const at = (run.starts[index] as number) + headerAt.id;
        if (Buffer.compare(run.chunk.bytes.subarray(at, at + idLength), wanted) === 0) return { run, index };
      }
    }
    return undefined;
  }

  async resolve(position: Position, name: string): Promise<number> {
    if (typeof position === "number") return checkSeq(position, name);
    if (position === "start") return this.#firstSeq;
    if (position === "end") return this.#nextSeq;
    if (position instanceof Date) return await this.seqAt(position);
    if (typeof position === "object" && position !== null) {
      if ("last" in position && typeof position.last === "number") {
        return Math.max(this.#firstSeq, this.#nextSeq - checkSeq(position.last, `${name}.last`));
      }
      if ("id" in position && typeof position.id === "string") {
        const found = await this.find(position.id);
        if (found === undefined)
          throw new RangeError(`${name}: no record of ${this.location} has the id ${position.id}`);
        return found.run.firstSeq + found.index;
      }
    }
    throw new TypeError(
      `${name} must be a seq, a Date, "start", "end", { id } or { last }, got ${JSON.stringify(position)}`,
    );
  }

  /** The range that a read asks for. A date past the last record stays a time. A live read without `to` has no end. */
  async range(options: ReadOptions, maxBytes: number): Promise<TimedRange> {
    const { limit = Infinity } = options;
    if (limit !== Infinity) checkSeq(limit, "limit");
    const known = this.#nextSeq;
    const from = await this.resolve(options.from === undefined ? "start" : options.from, "from");
    const isLive = options.live === true;
    const end = this.#nextSeq;
    const to = options.to === undefined ? (isLive ? Infinity : end) : await this.resolve(options.to, "to");
    const range = { from, to: isLive ? to : Math.min(to, end), limit, maxBytes };
    return isLive ? withTimes(range, options, known) : range;
  }

  async lag(seq: number): Promise<ConsumerLag> {
    const records = Math.max(0, this.#nextSeq - seq);
    if (records === 0) return { records: 0, bytes: 0, ms: 0 };
    const first = await this.recordFrom(seq, this.#nextSeq);
    if (first === undefined) return { records: 0, bytes: 0, ms: 0 };
    // The server tells the bytes of the whole stream alone.
    const bytes = Math.round((this.#bytes * Math.min(records, this.#records)) / Math.max(1, this.#records));
    return { records, bytes, ms: Math.max(0, this.connection.clock.now() - millisecondsOfId(first.id, 0)) };
  }
}

/** What is found; undefined for a message or a stream that is not there. */
async function orNone(found: Promise<StoredMsg | null>): Promise<StoredMsg | undefined> {
  try {
    return (await found) ?? undefined;
  } catch (error) {
    if (isCode(error, errorCode.messageNotFound) || isCode(error, errorCode.streamNotFound)) return undefined;
    throw error;
  }
}

/** The stream, by the word of its leader; undefined when there is none. @throws {Error} when it is to be asked again */
export async function infoOf({ manager, location }: StreamConnection): Promise<StreamInfo | undefined> {
  try {
    const info = await manager.streams.info(location.stream);
    checkLeads(info);
    return info;
  } catch (error) {
    if (isCode(error, errorCode.streamNotFound)) return undefined;
    throw error;
  }
}

export function notFound(location: string): SeqlogError<"SEQLOG_NOT_FOUND"> {
  return new SeqlogError("SEQLOG_NOT_FOUND", `${location}: there is no such stream`, { path: location });
}

function foreign(location: string): SeqlogError<"SEQLOG_UNSUPPORTED"> {
  const reason = "the stream was not made by seqlog: its description does not say which log it is";
  return new SeqlogError("SEQLOG_UNSUPPORTED", `${location}: ${reason}. Nothing was changed; name another stream`, {
    path: location,
    reason,
  });
}
