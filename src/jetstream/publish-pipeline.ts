/**
 * Publishes records as the next messages of a stream, many at a time. Each names the message that
 * it expects before it (`Nats-Expected-Last-Sequence`), so whatever is lost, repeated or late, the
 * stream gets every record once and in order, however short its duplicate window is.
 *
 * It works until something goes wrong, and then says so: where the stream ends has to be asked
 * anew, and a new pipeline begun there. Messages of an old one that come late change nothing, for
 * they are the same records at the same places.
 */
import type { Msg } from "@nats-io/transport-node";
import { headerLength } from "../format/record.ts";
import { copiedHeaders } from "./record-message.ts";
import type { StreamConnection } from "./stream-connection.ts";

/** Bytes and messages that are not acknowledged, at most. */
const mostBytes = 8 * 1024 * 1024;
const mostMessages = 8192;

/** Room is told of in larger pieces: half of the pipeline. */
const roomMessages = mostMessages / 2;
const roomBytes = mostBytes / 2;

/** Without an acknowledgement for so long the servers are taken not to answer. */
const silenceMs = 5000;

/** Why a pipeline ended before its time. */
export class PipelineBroken extends Error {
  override readonly name = "PipelineBroken";
}

export class PublishPipeline {
  readonly #connection: StreamConnection;
  readonly #subject: string;
  readonly #inbox: string;
  readonly #subscription: { unsubscribe(): void };
  /** The seq of the next record that is to be acknowledged; those below it are in the stream. */
  #acknowledged: number;
  /** The seq of the next record to publish. */
  #next: number;
  #bytes = 0;
  /** Lengths of what is not acknowledged, from `#acknowledged` on. */
  readonly #lengths: number[] = [];
  #lengthsFrom = 0;
  #broken: PipelineBroken | undefined;
  #waiting: { readonly forAll: boolean; resolve(): void; reject(error: unknown): void } | undefined;
  #watch: (() => void) | undefined;
  readonly #ignoreLoss: () => void;
  #seen: number;
  readonly #told: (acknowledged: number) => void;
  readonly #onBroken: () => void;

  readonly #abort = (): void => this.#break("it was aborted");

  /** @param told is called with the seq below which all is in the stream */
  constructor(connection: StreamConnection, from: number, told: (acknowledged: number) => void, onBroken: () => void) {
    this.#connection = connection;
    this.#subject = connection.location.stream;
    this.#acknowledged = from;
    this.#seen = from;
    this.#next = from;
    this.#told = told;
    this.#onBroken = onBroken;
    const { nats } = connection;
    this.#inbox = `_INBOX.${nats.info?.client_id ?? 0}.${Math.trunc(connection.clock.elapsedUs())}`;
    this.#subscription = nats.subscribe(this.#inbox, {
      callback: (error, message) => (error === null ? this.#take(message) : this.#break(error.message)),
    });
    this.#ignoreLoss = connection.whenLost(() => this.#break("the connection was lost"));
    connection.signal?.addEventListener("abort", this.#abort);
    this.#watchSilence();
  }

  /** The first record that was not sent. */
  get next(): number {
    return this.#next;
  }

  /** What broke it; empty while nothing did. */
  get problem(): string {
    return this.#broken?.message ?? "";
  }

  /** Whether all that was published is acknowledged. */
  get isIdle(): boolean {
    return this.#next === this.#acknowledged;
  }

  /** Whether another record should wait for {@link room}. */
  get isFull(): boolean {
    return this.#next - this.#acknowledged >= mostMessages || this.#bytes >= mostBytes;
  }

  /**
   * A record that lies at `at` in a log's own bytes.
   * @throws PipelineBroken
   */
  publish(seq: number, source: Uint8Array, at: number, end: number): void {
    if (this.#broken !== undefined) throw this.#broken;
    if (seq !== this.#next) throw new Error(`record ${seq} was to be published, and ${this.#next} is next`);
    this.#next++;
    const bytes = source.subarray(at + headerLength, end);
    this.#bytes += bytes.length;
    this.#lengths.push(bytes.length);
    this.#connection.nats.publish(this.#subject, bytes, {
      // The client asks its headers for nothing but their bytes.
      headers: copiedHeaders(source, at, seq) as never,
      reply: this.#inbox,
    });
  }

  /** Resolves when there is room for more. @throws PipelineBroken */
  room(): Promise<void> {
    return this.#wait(false);
  }

  /** Resolves when all that was published is in the stream. @throws PipelineBroken */
  settle(): Promise<void> {
    return this.#wait(true);
  }

  /** Lets go of it; what is on its way may still arrive. */
  close(): void {
    this.#break("it was closed");
  }

  #wait(forAll: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting = { forAll, resolve, reject };
      this.#tell();
    });
  }

  #tell(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    const left = this.#next - this.#acknowledged;
    if (this.#broken !== undefined) waiting.reject(this.#broken);
    else if (waiting.forAll ? left === 0 : left <= roomMessages && this.#bytes <= roomBytes) waiting.resolve();
    else return;
    this.#waiting = undefined;
  }

  #take(message: Msg): void {
    if (this.#broken !== undefined) return;
    const seq = acknowledgedSeq(message);
    if (typeof seq === "string") return this.#break(seq);
    // An acknowledgement tells of all before it, since each message expects the one before.
    if (seq > this.#next) return this.#break(`message ${seq} was acknowledged, and ${this.#next} is the last one sent`);
    for (; this.#acknowledged < seq; this.#acknowledged++) {
      this.#bytes -= this.#lengths[this.#lengthsFrom++] as number;
    }
    if (this.#lengthsFrom > mostMessages) {
      this.#lengths.splice(0, this.#lengthsFrom);
      this.#lengthsFrom = 0;
    }
    this.#told(this.#acknowledged);
    this.#tell();
  }

  #watchSilence(): void {
    this.#watch = this.#connection.clock.after(
      silenceMs,
      () => {
        if (this.#acknowledged === this.#seen && this.#next > this.#acknowledged) {
          return this.#break(`no acknowledgement for ${silenceMs / 1000} s`);
        }
        this.#seen = this.#acknowledged;
        this.#watchSilence();
      },
      { keepAlive: false },
    );
  }

  #break(why: string): void {
    if (this.#broken !== undefined) return;
    this.#broken = new PipelineBroken(why);
    this.#watch?.();
    this.#ignoreLoss();
    this.#connection.signal?.removeEventListener("abort", this.#abort);
    this.#subscription.unsubscribe();
    this.#tell();
    this.#onBroken();
  }
}

/** The sequence that a message got in the stream, or why it got none. */
function acknowledgedSeq(message: Msg): number | string {
  const { data } = message;
  if (data.length === 0) return "no server leads the stream now";
  const seq = plainSeq(data);
  if (seq !== undefined) return seq;
  const answer = message.json<{ seq?: number; error?: { description?: string } }>();
  return answer.error === undefined && answer.seq !== undefined
    ? answer.seq
    : (answer.error?.description ?? "no answer");
}

/**
 * The number in `{"stream":"orders", "seq":42}`, as acknowledgements are but for errors and duplicates;
 * undefined for those. Parsing the JSON of each would take longer than all else that is done with it.
 */
function plainSeq(data: Uint8Array): number | undefined {
  let at = data.length - 1;
  if (data[at--] !== 0x7d) return undefined;
  let seq = 0;
  for (let unit = 1; ; unit *= 10) {
    const digit = (data[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) break;
    seq += digit * unit;
    at--;
  }
  // The end of `"seq":`; an error ends in the text of its description.
  const isSeq = data[at] === 0x3a && data[at - 1] === 0x22 && data[at - 2] === 0x71 && data[at - 5] === 0x22;
  return isSeq && seq > 0 ? seq : undefined;
}
