/**
 * A stream whose leader and whose replica that is read may differ, in this process: for what real
 * servers do too rarely. Time passes when it is waited for.
 */
import type { StreamInfo } from "@nats-io/jetstream";
import { crc32 } from "../../src/format/crc32.ts";
import { crcText, header } from "../../src/jetstream/record-message.ts";
import { ioError, type StreamConnection } from "../../src/jetstream/stream-connection.ts";
import { streamSettings } from "../../src/jetstream/stream-settings.ts";

const patienceMs = 60_000;
const pauseMs = 200;

interface Timer {
  readonly at: number;
  call(): void;
}

interface Pull {
  readonly batch: number;
  readonly no_wait?: boolean;
}

interface Told {
  readonly headers: { code: number; description: string; get(name: string): string } | undefined;
  readonly reply: string;
  readonly data: Uint8Array;
}

/** Numbers from `from` to `to`, both included. */
export function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

export class FakeStream {
  /** Sequence numbers of the messages that the leader has, and its last one whether it has it or not. */
  leader: number[];
  last: number;
  /** Those of the replica that the next reads are of. */
  replica: number[];
  generation = 0;
  readonly pulls: Pull[] = [];
  /** Messages that the leader was asked for one by one. */
  asked = 0;
  /** Before each answer of the leader. */
  beforeAnswer: () => void = () => {};
  readonly connection: StreamConnection;
  #now = 1_000_000;
  readonly #timers = new Set<Timer>();
  #hear: (error: Error | null, message: Told) => void = () => {};
  readonly #lost = new Set<() => void>();
  #position = 0;
  #deliveries = 0;

  constructor(count: number) {
    this.leader = numbers(1, count);
    this.last = count;
    this.replica = [...this.leader];
    const stream = "orders";
    this.connection = {
      location: { servers: ["a:4222"], stream, shown: "nats://a:4222/orders" },
      maxPayload: 1024 * 1024,
      clock: {
        now: () => this.#now,
        after: (ms: number, call: () => void) => {
          const timer = { at: this.#now + ms, call };
          this.#timers.add(timer);
          return () => this.#timers.delete(timer);
        },
      },
      ask: async <T>(doing: string, question: () => Promise<T>): Promise<T> => {
        const begun = this.#now;
        for (;;) {
          try {
            return await question();
          } catch (error) {
            if (this.#now - begun > patienceMs) throw ioError("nats://a:4222/orders", doing, error);
            this.#now += pauseMs;
          }
        }
      },
      pause: () => {
        this.#now += pauseMs;
        return Promise.resolve();
      },
      whenLost: (call: () => void) => {
        this.#lost.add(call);
        return () => this.#lost.delete(call);
      },
      nats: {
        isClosed: () => false,
        subscribe: (_subject: string, { callback }: { callback: (error: Error | null, message: Told) => void }) => {
          this.#hear = callback;
          return { unsubscribe: () => {} };
        },
        publish: (_subject: string, payload: string) => this.#pull(JSON.parse(payload) as Pull),
      },
      manager: {
        streams: {
          info: () => Promise.resolve(this.info()),
          getMessage: (_stream: string, query: { seq: number; next_by_subj?: string }) => {
            this.beforeAnswer();
            this.asked++;
            const isNext = query.next_by_subj !== undefined;
            const found = this.leader.find((seq) => (isNext ? seq >= query.seq : seq === query.seq));
            if (found === undefined) return Promise.resolve(null);
            return Promise.resolve({ seq: found, header: headersOf(found), data: dataOf(found) });
          },
        },
        consumers: {
          add: (_stream: string, config: { opt_start_seq: number }) => {
            this.#position = config.opt_start_seq;
            this.#deliveries = 0;
            return Promise.resolve({ name: "c", num_pending: this.#pending().length });
          },
          delete: () => Promise.resolve(true),
        },
      },
    } as unknown as StreamConnection;
  }

  info(): StreamInfo {
    const messages = this.leader.length;
    const first = this.leader[0] ?? this.last + 1;
    const deleted = this.last - first + 1 - messages;
    const identity = { logId: "01890a5d-ac96-774b-bcce-b302099a8057", generation: this.generation, codec: null };
    return {
      config: streamSettings("orders", 3, identity),
      created: `${this.generation}`,
      cluster: { leader: "n1", replicas: [{ name: "n2", current: true, active: 0 }] },
      state: { messages, bytes: 0, first_seq: first, last_seq: this.last, num_deleted: Math.max(0, deleted) },
    } as unknown as StreamInfo;
  }

  /** Time passes, and what is due happens. */
  pass(ms: number): void {
    this.#now += ms;
    const due = [...this.#timers].filter(({ at }) => at <= this.#now);
    for (const timer of due) if (this.#timers.delete(timer)) timer.call();
  }

  loseConnection(): void {
    for (const call of this.#lost) call();
  }

  /** The server says something of a request. */
  tell(code: number, description: string): void {
    this.#hear(null, { headers: { code, description, get: () => "" }, reply: "", data: new Uint8Array() });
  }

  /** The replica delivers one message; `delivery` is what number it says that this is. */
  deliver(seq: number, pending: number, delivery: number = ++this.#deliveries): void {
    const reply = `$JS.ACK.orders.c.1.${seq}.${delivery}.0.${pending}`;
    this.#hear(null, { headers: headersOf(seq), reply, data: dataOf(seq) });
  }

  #pending(): number[] {
    return this.replica.filter((seq) => seq >= this.#position);
  }

  /** Answers later, as a server does. */
  #pull(pull: Pull): void {
    this.pulls.push(pull);
    setImmediate(() => {
      const pending = this.#pending();
      if (pending.length === 0 && pull.no_wait === true) this.tell(404, "No Messages");
      for (const [i, seq] of pending.slice(0, pull.batch).entries()) {
        this.#position = seq + 1;
        this.deliver(seq, pending.length - i - 1);
      }
    });
  }
}

function dataOf(seq: number): Uint8Array {
  return Buffer.from(`record ${seq - 1}`);
}

function headersOf(seq: number): { code: number; description: string; get(name: string): string } {
  const id = `01890a5d-ac96-774b-8cce-${seq.toString(16).padStart(12, "0")}`;
  const values: Record<string, string> = { [header.id]: id, [header.crc]: crcText(crc32(dataOf(seq))) };
  return { code: 0, description: "", get: (name) => values[name] ?? "" };
}
