/**
 * A stream of a simulated server, and a program's connection to it, for tests of what appends do when
 * answers are lost, copies come late and ids are forgotten. It refuses and stores as nats-server does:
 * first by message id, within the duplicate window, then by the number expected before, then by the id.
 */
import { crc32 } from "../../src/format/crc32.ts";
import { crcText, header } from "../../src/jetstream/record-message.ts";
import { JetStreamApiError, type StreamInfo } from "@nats-io/jetstream";
import type { Msg } from "@nats-io/transport-node";
import type { StreamConnection } from "../../src/jetstream/stream-connection.ts";
import { streamSettings } from "../../src/jetstream/stream-settings.ts";
import { StreamView } from "../../src/jetstream/stream-view.ts";
import type { SimulatedClock } from "../../src/testing/simulated-clock.ts";

/** A message on its way to the server, or stored. */
export interface Copy {
  readonly text: string;
  readonly id: string;
  readonly messageId: string;
  readonly expected: number;
  readonly follows: string | undefined;
  readonly reply: string;
}

export type Answer =
  | { readonly seq: number; readonly duplicate?: true }
  | { readonly error: { readonly code: number; readonly err_code?: number; readonly description: string } };

type Callback = (error: Error | null, message: Msg) => void;

export class SimulatedStream {
  readonly clock: SimulatedClock;
  readonly windowMs: number;
  readonly replicas: number;
  generation = 0;
  /** By number, from 1 on; undefined where one was removed. */
  stored: ({ readonly id: string; readonly text: string; readonly messageId: string } | undefined)[] = [];
  /** How many messages the one who is asked has gone through; all but in a test of a new leader. */
  known: number = Infinity;
  /** Nobody answers questions. */
  isSilent = false;
  /** What the program sent, first to last. */
  readonly sent: Copy[] = [];
  /** Does with a copy what the network does. */
  carry: (copy: Copy) => void = () => {};
  /** Questions for messages. */
  looks = 0;
  readonly view: StreamView;
  readonly #known = new Map<string, { readonly seq: number; readonly at: number }>();
  readonly #lost = new Set<() => void>();
  #callback: Callback = () => {};

  constructor(clock: SimulatedClock, { replicas = 1, windowMs = 120_000 } = {}) {
    this.clock = clock;
    this.replicas = replicas;
    this.windowMs = windowMs;
    this.view = new StreamView(this.#connection() as unknown as StreamConnection, this.info());
  }

  info(): StreamInfo {
    const identity = { logId: "01890a5d-ac96-474b-8cce-b302099a8057", generation: this.generation, codec: null };
    const messages = Math.min(this.stored.length, this.known);
    return {
      config: streamSettings("s", this.replicas, identity, this.windowMs),
      state: { messages, bytes: 0, first_seq: 1, last_seq: messages },
      cluster: { leader: "n1", replicas: [{ name: "n2", current: true, active: 0 }] },
    } as unknown as StreamInfo;
  }

  /** The program's connection is lost, and made anew. */
  lose(): void {
    for (const call of this.#lost) call();
  }

  /** A copy comes to the server. */
  arrive(copy: Copy): Answer {
    const { id, text, messageId, expected, follows } = copy;
    const before = this.#known.get(messageId);
    if (before !== undefined && this.clock.now() - before.at <= this.windowMs)
      return { seq: before.seq, duplicate: true };
    const last = this.stored.length;
    if (expected !== last) {
      return { error: { code: 400, err_code: 10_071, description: `wrong last sequence: ${last}` } };
    }
    if (follows !== undefined && this.stored[last - 1]?.messageId !== follows) {
      return { error: { code: 400, err_code: 10_070, description: "wrong last msg ID" } };
    }
    return { seq: this.#store({ id, text, messageId }) };
  }

  /** Another program appends. */
  append(text: string, messageId: string = text): number {
    return this.#store({ id: `other ${text}`, text, messageId });
  }

  answer({ reply }: Copy, answer: Answer | "nobody"): void {
    const data = Buffer.from(answer === "nobody" ? "" : JSON.stringify(answer));
    this.#callback(null, {
      subject: reply,
      data,
      json: () => JSON.parse(data.toString()) as unknown,
    } as unknown as Msg);
  }

  get texts(): (string | undefined)[] {
    return this.stored.map((message) => message?.text);
  }

  #store(message: { readonly id: string; readonly text: string; readonly messageId: string }): number {
    const seq = this.stored.push(message);
    this.#known.set(message.messageId, { seq, at: this.clock.now() });
    return seq;
  }

  #connection(): object {
    const { clock } = this;
    const pause = (): Promise<void> => new Promise((resolve) => void clock.after(200, resolve));
    return {
      clock,
      location: { stream: "s", shown: "nats://simulated/s", servers: ["simulated"] },
      pause,
      moveOn: async () => {},
      whenLost: (call: () => void) => {
        this.#lost.add(call);
        return () => this.#lost.delete(call);
      },
      ask: async (doing: string, question: () => Promise<unknown>, patienceMs = 60_000) => {
        const begun = clock.now();
        while (this.isSilent) {
          if (clock.now() - begun > patienceMs) throw new Error(`nobody answers: ${doing}`);
          await pause();
        }
        return await question();
      },
      manager: {
        streams: {
          info: async () => this.info(),
          getMessage: async (_: string, { seq }: { seq: number }) => {
            this.looks++;
            const message = seq > this.known ? undefined : this.stored[seq - 1];
            if (message === undefined) {
              throw new JetStreamApiError({ code: 404, err_code: 10_037, description: "no message found" });
            }
            const data = Buffer.from(message.text);
            const headers = [
              [header.id, message.id],
              [header.crc, crcText(crc32(data))],
            ] as const;
            return { header: new Map(headers), data };
          },
        },
      },
      nats: {
        isClosed: () => false,
        subscribe: (_: string, { callback }: { callback: Callback }) => {
          this.#callback = callback;
          return { unsubscribe: () => {} };
        },
        publish: (_: string, data: Uint8Array, options: { headers: { encode(): Uint8Array }; reply: string }) => {
          const copy = copyOf(data, Buffer.from(options.headers.encode()).toString(), options.reply);
          this.sent.push(copy);
          this.carry(copy);
        },
      },
    };
  }
}

function copyOf(data: Uint8Array, headers: string, reply: string): Copy {
  const of = (name: string): string | undefined => new RegExp(`^${name}: (.*)\r$`, "m").exec(headers)?.[1];
  return {
    text: Buffer.from(data).toString(),
    id: of(header.id) ?? "",
    messageId: of(header.messageId) ?? "",
    expected: Number(of(header.expectedLast)),
    follows: of(header.expectedLastId),
    reply,
  };
}
