/** The appending half of a log on JetStream: what a caller gave becomes messages, and whoever waits is told. */
import { SeqlogError } from "../errors.ts";
import { keyBits } from "../format/key-bits.ts";
import { type IdSource, createIdSourceV7, formatId, idLength, millisecondsOfId, parseId } from "../format/uuid.ts";
import type { Codec } from "../log/codec.ts";
import { checkKey } from "../log/keyed-appends.ts";
import type { Appended, AppendBatchOptions, AppendOptions, AppendedRange } from "../log/log.ts";
import { asSeq, checkSeq } from "../numbers.ts";
import { conflictError } from "../segment/batch.ts";
import { checkedLength } from "../segment/commit-queue.ts";
import { LogRecord } from "../segment/log-record.ts";
import type { Machine } from "../storage/storage.ts";
import type { LaneItem } from "./append-attempt.ts";
import type { AppendLane } from "./append-lane.ts";
import type { StreamLogSettings } from "./nats-open-options.ts";
import type { StreamView } from "./stream-view.ts";

/** Bytes of a record's headers in its message, at most. */
const headerBytes = 512;

/** What was appended with a key, as long as it is on its way. */
interface Keyed {
  readonly data: Uint8Array;
  readonly answer: Promise<Appended>;
}

export class JetStreamAppends<In> {
  readonly #view: StreamView;
  readonly #lane: AppendLane;
  readonly #codec: Codec<In, unknown> | undefined;
  readonly #maxPendingBytes: number;
  readonly #maxRecordBytes: number;
  readonly #ids: IdSource;
  readonly #onAppended: (bytes: number) => void;
  #inFlight = new Map<string, Keyed>();
  readonly #scratch = new Uint8Array(idLength);
  #rooms: (() => void)[] = [];

  /**
   * @param notBefore the time of the last record's id
   * @param onAppended told of each record that the server took, and its bytes
   */
  constructor(
    view: StreamView,
    lane: AppendLane,
    codec: Codec<In, unknown> | undefined,
    { maxPendingBytes, maxRecordBytes }: Pick<StreamLogSettings, "maxPendingBytes" | "maxRecordBytes">,
    { random, clock }: Pick<Machine, "random" | "clock">,
    notBefore: number,
    onAppended: (bytes: number) => void,
  ) {
    this.#onAppended = onAppended;
    this.#view = view;
    this.#lane = lane;
    this.#codec = codec;
    this.#maxPendingBytes = maxPendingBytes;
    this.#maxRecordBytes = maxRecordBytes;
    this.#ids = createIdSourceV7(random, () => clock.now(), notBefore);
    lane.onLess = () => this.#tellRoom();
  }

  /** Bytes of data in one record, at most. */
  get #most(): number {
    return Math.min(this.#maxRecordBytes, Math.max(0, this.#view.connection.maxPayload - headerBytes));
  }

  append(data: In, options: AppendOptions = {}): Promise<Appended> {
    const expectedSeq = expectedSeqOf(options);
    const { key } = options;
    if (key !== undefined) checkKey(key);
    const bytes = this.#encode(data);
    if (key === undefined) {
      this.#checkRoom(bytes.length);
      return this.#appendOne(bytes, expectedSeq, undefined);
    }
    const messageId = this.#messageIdOf(key);
    const before = this.#inFlight.get(messageId);
    if (before !== undefined) return repeated(before, bytes);
    this.#checkRoom(bytes.length);
    const answer = this.#appendOne(bytes, expectedSeq, messageId);
    const keyed: Keyed = { data: bytes, answer };
    const inFlight = this.#inFlight;
    inFlight.set(messageId, keyed);
    const forget = (): void => {
      if (inFlight.get(messageId) === keyed) inFlight.delete(messageId);
    };
    answer.then(forget, forget);
    return answer;
  }

  async appendBatch(data: readonly In[], options: AppendBatchOptions = {}): Promise<AppendedRange> {
    if (!Array.isArray(data)) throw new TypeError("appendBatch takes an array of data");
    if ("key" in options) throw new TypeError("appendBatch takes no key: a key names one record");
    const expectedSeq = expectedSeqOf(options);
    const encoded: Uint8Array[] = [];
    // By index, which does not pass over holes.
    for (let i = 0; i < data.length; i++) encoded.push(this.#encode(data[i] as In));
    if (encoded.length === 0) {
      const nextSeq = asSeq(this.#view.nextSeq);
      if (expectedSeq >= 0 && expectedSeq !== nextSeq) throw conflictError(expectedSeq, nextSeq);
      return { first: nextSeq, last: nextSeq, count: 0 };
    }
    this.#checkRoom(encoded.reduce((sum, { length }) => sum + length, 0));
    return await new Promise((resolve, reject) => {
      const onAppended = this.#onAppended;
      const state = { first: -1, last: -1, left: encoded.length, isOver: false };
      const items = encoded.map((bytes, i): LaneItem => {
        const id = this.#newId();
        return {
          data: bytes,
          id,
          messageId: id,
          expectedSeq: i === 0 ? expectedSeq : -1,
          get isOver() {
            return state.isOver;
          },
          settled(seq) {
            onAppended(bytes.length);
            // Those that were sent again may be told of in another order.
            if (i === 0) state.first = seq;
            if (i === encoded.length - 1) state.last = seq;
            if (--state.left > 0) return;
            resolve({ first: asSeq(state.first), last: asSeq(state.last), count: encoded.length });
          },
          failed(error) {
            state.isOver = true;
            reject(error);
          },
        };
      });
      this.#lane.add(items);
    });
  }

  /** Keys of before are free: what is appended from here on belongs to a new generation. */
  beginGeneration(): void {
    this.#inFlight = new Map();
  }

  async room(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    while (this.#lane.pendingBytes > this.#maxPendingBytes / 2) {
      await new Promise<void>((resolve, reject) => {
        const abort = (): void => reject(signal?.reason as Error);
        signal?.addEventListener("abort", abort, { once: true });
        this.#rooms.push(() => {
          signal?.removeEventListener("abort", abort);
          resolve();
        });
      });
    }
  }

  #tellRoom(): void {
    if (this.#lane.pendingBytes > this.#maxPendingBytes / 2) return;
    const rooms = this.#rooms;
    this.#rooms = [];
    for (const call of rooms) call();
  }

  #appendOne(data: Uint8Array, expectedSeq: number, messageId: string | undefined): Promise<Appended> {
    const id = this.#newId();
    return new Promise((resolve, reject) => {
      this.#lane.add([
        {
          data,
          id,
          messageId: messageId ?? id,
          expectedSeq,
          isOver: false,
          settled: (seq, isDuplicate) => {
            if (!isDuplicate) this.#onAppended(data.length);
            // Without a key a duplicate is this very record, whose acknowledgement was lost.
            if (isDuplicate && messageId !== undefined) resolve(this.#duplicate(seq, id, data));
            else resolve(appended(seq, id, false));
          },
          failed: reject,
        },
      ]);
    });
  }

  /** The record that the server knows by the key: perhaps this one, whose acknowledgement was lost. */
  async #duplicate(seq: number, id: string, data: Uint8Array): Promise<Appended> {
    const { location } = this.#view;
    const run = await this.#view.get(seq).catch((error: unknown) => {
      if (!SeqlogError.is(error, "SEQLOG_TRIMMED")) throw error;
      const message = `${location}: the key belongs to record ${seq}, which was removed meanwhile; nothing was appended now`;
      throw new SeqlogError("SEQLOG_TRIMMED", message, error.facts);
    });
    if (run === undefined) {
      const reason = `record ${seq}, which the key belongs to, was deleted`;
      throw new SeqlogError("SEQLOG_UNSUPPORTED", `${location}: ${reason}. Nothing was appended`, {
        path: location,
        reason,
      });
    }
    const record = new LogRecord(run, 0, (bytes) => bytes);
    this.#view.acknowledged(seq);
    if (record.id === id) return appended(seq, id, false);
    if (Buffer.compare(record.bytes, data) !== 0) throw keyReused(seq, record.id);
    return appended(seq, record.id, true);
  }

  #messageIdOf(key: string | Uint8Array): string {
    return `key-${Buffer.from(keyBits(parseId(this.#view.logId), key)).toString("hex")}`;
  }

  #newId(): string {
    this.#ids.begin();
    this.#ids.write(this.#scratch, 0);
    return formatId(this.#scratch, 0);
  }

  #checkRoom(bytes: number): void {
    const { pendingBytes } = this.#lane;
    if (pendingBytes === 0 || pendingBytes + bytes <= this.#maxPendingBytes) return;
    throw new SeqlogError(
      "SEQLOG_QUEUE_FULL",
      `${pendingBytes} bytes wait for the server, and maxPendingBytes is ${this.#maxPendingBytes}; nothing was appended. Wait for ready()`,
      { pendingBytes },
    );
  }

  /** Its own memory: the caller may reuse what it gave. */
  #encode(data: In): Uint8Array {
    const encoded = this.#codec === undefined ? (data as Uint8Array | string) : this.#codec.encode(data);
    checkedLength(encoded, this.#most);
    return typeof encoded === "string" ? Buffer.from(encoded, "utf8") : new Uint8Array(encoded);
  }
}

function appended(seq: number, id: string, duplicate: boolean): Appended {
  return { seq: asSeq(seq), id, time: new Date(millisecondsOfId(parseId(id), 0)), duplicate };
}

async function repeated({ data, answer }: Keyed, bytes: Uint8Array): Promise<Appended> {
  const first = await answer;
  if (Buffer.compare(data, bytes) !== 0) throw keyReused(first.seq, first.id);
  return { ...first, duplicate: true };
}

function keyReused(seq: number, id: string): SeqlogError<"SEQLOG_KEY_REUSED"> {
  return new SeqlogError(
    "SEQLOG_KEY_REUSED",
    `the key belongs to record ${seq}, which has other data; nothing was appended. One key names one record`,
    { seq: asSeq(seq), id },
  );
}

function expectedSeqOf(options: AppendBatchOptions): number {
  return options.expectedSeq === undefined ? -1 : checkSeq(options.expectedSeq, "expectedSeq");
}
