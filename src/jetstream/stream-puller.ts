/**
 * Pulls a stream's messages from a place on, through a consumer of the server's that lasts only as
 * long as the reading: no acknowledgements, in memory, one replica.
 *
 * Invariants:
 * - Messages are handed out in order, none of those that the server sent missing: it numbers its
 *   deliveries, and one that does not follow the one before breaks the puller; whoever reads begins
 *   another behind the last message that it got.
 * - What it gives is what one replica has, not always the leader, and that may be behind. So "no more"
 *   and a gap between two messages are no proof that there was nothing: who reads asks the leader.
 * - At most two requests' worth of messages are held (one that was taken in, one on its way), of
 *   `maxBytes` each, or one message.
 */
import { AckPolicy, DeliverPolicy } from "@nats-io/jetstream";
import { type Msg, type Subscription, createInbox, nanos } from "@nats-io/transport-node";
import { errorCode, isCode } from "./server-errors.ts";
import type { StreamConnection } from "./stream-connection.ts";
import { type MessageHeaders, type StreamRecord, checkedRecord } from "./stream-run.ts";

/** Messages in one request. */
const mostMessages = 1000;

/** How long a request of a live read waits at the server; then it is made again. */
const waitMs = 30_000;

/** Without a message or heartbeat for so long the server's consumer is taken to be gone. */
const silenceMs = 6000;

/** What is pulled of each message, and made of it. */
export interface Pulled<T extends { readonly seq: number }> {
  /** Whether its data stays at the server. */
  readonly headersOnly: boolean;
  /** What it throws is told when what came before was taken. */
  read(location: string, seq: number, headers: MessageHeaders | undefined, data: Uint8Array): T;
}

/** Records as they were appended, checked. */
export const wholeRecords: Pulled<StreamRecord> = { headersOnly: false, read: checkedRecord };

export class StreamPuller<T extends { readonly seq: number } = StreamRecord> {
  readonly #connection: StreamConnection;
  readonly #isLive: boolean;
  readonly #maxBytes: number;
  readonly #consumer: string;
  readonly #subscription: Subscription;
  readonly #inbox: string;
  readonly #ignoreLoss: () => void;
  readonly #pulled: Pulled<T>;
  #records: T[] = [];
  /** What a message was not: told when the records before it were taken. */
  #failure: Error | undefined;
  #delivered = 0;
  /** Messages that were asked for and have not come. */
  #asked = 0;
  /** Messages that the server says it still has, of a read that is not live. */
  #pending: number;
  #isBroken = false;
  #isAtEnd: boolean;
  #wake: (() => void) | undefined;
  #cancelSilence: (() => void) | undefined;

  private constructor(
    connection: StreamConnection,
    consumer: string,
    isLive: boolean,
    maxBytes: number,
    pulled: Pulled<T>,
    pending: number,
  ) {
    this.#pulled = pulled;
    this.#connection = connection;
    this.#consumer = consumer;
    this.#isLive = isLive;
    this.#pending = pending;
    this.#isAtEnd = pending === 0 && !isLive;
    // One message always fits, whatever the reader wants.
    this.#maxBytes = Math.max(maxBytes, connection.maxPayload + 64 * 1024);
    this.#inbox = createInbox();
    this.#subscription = connection.nats.subscribe(this.#inbox, {
      callback: (error, message) => (error === null ? this.#take(message) : this.#break()),
    });
    this.#ignoreLoss = connection.whenLost(() => this.#break());
    this.#ask();
  }

  /** Begins with record `from`, or the first one after it; undefined when the stream is not there now. */
  static async open<T extends { readonly seq: number }>(
    connection: StreamConnection,
    from: number,
    isLive: boolean,
    maxBytes: number,
    pulled: Pulled<T>,
  ): Promise<StreamPuller<T> | undefined> {
    const { stream } = connection.location;
    const info = await connection.ask("read", async () => {
      try {
        return await connection.manager.consumers.add(stream, {
          ack_policy: AckPolicy.None,
          deliver_policy: DeliverPolicy.StartSequence,
          opt_start_seq: from + 1,
          headers_only: pulled.headersOnly,
          mem_storage: true,
          num_replicas: 1,
          inactive_threshold: nanos(60_000),
        });
      } catch (error) {
        if (isCode(error, errorCode.streamNotFound)) return undefined;
        throw error;
      }
    });
    if (info === undefined) return undefined;
    return new StreamPuller(connection, info.name, isLive, maxBytes, pulled, info.num_pending);
  }

  /** Whether it got less than it should, so that another has to be begun. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Whether the server said that it has no more; of a live read, that it had none for a while. */
  get isAtEnd(): boolean {
    return this.#isAtEnd;
  }

  /**
   * The next records, as soon as there are any; none when it came to an end (see `isAtEnd`), when the
   * puller broke, or when `nudge` was called.
   */
  async take(): Promise<readonly T[]> {
    if (this.#records.length === 0 && this.#failure !== undefined) throw this.#failure;
    if (this.#isLive) this.#isAtEnd = false;
    if (this.#records.length === 0 && !this.#isBroken && !this.#isAtEnd) {
      this.#ask();
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const records = this.#records;
    this.#records = [];
    if (records.length === 0 && this.#failure !== undefined) throw this.#failure;
    // The next come while these are gone through.
    this.#ask();
    return records;
  }

  /** Ends a `take` that waits. */
  nudge(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  close(): void {
    this.#isBroken = true;
    this.#cancelSilence?.();
    this.#ignoreLoss();
    this.#subscription.unsubscribe();
    this.nudge();
    const { nats, manager, location } = this.#connection;
    // It would go by itself, after a minute.
    if (!nats.isClosed()) manager.consumers.delete(location.stream, this.#consumer).catch(() => {});
  }

  #ask(): void {
    if (this.#asked > 0 || this.#isBroken || this.#failure !== undefined) return;
    if (this.#isAtEnd && !this.#isLive) return;
    // Of a read that is not live no more than there is: the server would send less, and not say so.
    this.#asked = this.#isLive ? mostMessages : Math.min(mostMessages, this.#pending);
    const { nats, location } = this.#connection;
    const request = {
      batch: this.#asked,
      max_bytes: this.#maxBytes,
      ...(this.#isLive ? { expires: nanos(waitMs), idle_heartbeat: nanos(silenceMs / 3) } : { no_wait: true }),
    };
    nats.publish(`$JS.API.CONSUMER.MSG.NEXT.${location.stream}.${this.#consumer}`, JSON.stringify(request), {
      reply: this.#inbox,
    });
    this.#hear();
  }

  #take(message: Msg): void {
    if (this.#isBroken || this.#failure !== undefined) return;
    this.#hear();
    const { headers } = message;
    if (headers !== undefined && headers.code > 0) return this.#told(headers.code, headers.description);
    const place = placeOf(message.reply);
    if (place === undefined) return;
    if (place.delivery !== this.#delivered + 1) return this.#break();
    this.#delivered++;
    this.#asked--;
    this.#pending = place.pending;
    this.#isAtEnd = place.pending === 0 && !this.#isLive;
    try {
      this.#records.push(this.#pulled.read(this.#connection.location.shown, place.seq, headers, message.data));
    } catch (error) {
      this.#failure = error as Error;
    }
    if (this.#isAtEnd) this.#cancelSilence?.();
    this.nudge();
  }

  /** The server says something of a request. */
  #told(code: number, description: string): void {
    // A heartbeat.
    if (code === 100) return;
    // Nothing there (404), the time is up (408).
    if (code === 404 || code === 408) {
      this.#asked = 0;
      this.#isAtEnd = true;
      if (this.#isLive) this.#ask();
      else this.#cancelSilence?.();
      return this.nudge();
    }
    // The request is full: no end, so whoever waits goes on waiting.
    if (code === 409 && /maxbytes|batch completed/i.test(description)) {
      this.#asked = 0;
      return this.#ask();
    }
    this.#break();
  }

  #hear(): void {
    this.#cancelSilence?.();
    this.#cancelSilence = this.#connection.clock.after(silenceMs, () => this.#break(), { keepAlive: this.#isLive });
  }

  #break(): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#cancelSilence?.();
    this.nudge();
  }
}

/** Where a delivered message stands, from the subject that it would be acknowledged on. */
function placeOf(reply: string | undefined): { seq: number; delivery: number; pending: number } | undefined {
  const parts = reply?.split(".") ?? [];
  // $JS.ACK.<stream>.<consumer>.<count>.<stream seq>.<delivery>.<time>.<pending>, or with domain and account before the stream.
  const at = parts.length === 9 ? 5 : parts.length > 10 ? 7 : -1;
  if (at < 0) return undefined;
  return { seq: Number(parts[at]) - 1, delivery: Number(parts[at + 1]), pending: Number(parts[at + 3]) };
}
