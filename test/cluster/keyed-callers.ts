/**
 * Many callers that append to one log, each one record after the other, each under a key and until it is
 * acknowledged; a consumer that goes through the same log meanwhile; and what must hold of all of it
 * whatever happens to the servers.
 */
import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { type Log, openLog } from "../../src/index.ts";
import { copiesOf } from "./copies-of.ts";
import { storedMessages } from "./stored-messages.ts";

/** Between an append that failed and the same again. */
const retryMs = 50;

export class KeyedCallers {
  readonly #log: Log;
  readonly #reader: Log;
  readonly #stop = new AbortController();
  readonly #acknowledged = new Map<number, number[]>();
  readonly #consumed: string[] = [];
  #count = 0;
  #lastAt = performance.now();
  #longestMs = 0;
  #failures = 0;
  #listeners: { readonly count: number; resolve(): void }[] = [];
  readonly #callers: Promise<void>[];
  readonly #consuming: Promise<void>;

  private constructor(
    log: Log,
    reader: Log,
    callers: number,
    consuming: (taken: (text: string) => void) => Promise<void>,
  ) {
    this.#log = log;
    this.#reader = reader;
    this.#callers = Array.from({ length: callers }, (_, caller) => this.#call(caller));
    this.#consuming = consuming((text) => this.#consumed.push(text));
    this.#consuming.catch(() => {});
  }

  /** Callers and the consumer have connections of their own, as they would in two programs. */
  static async start(location: string, callers: number, replicas: number): Promise<KeyedCallers> {
    const log = await openLog(location as string, { nats: { replicas } } as object);
    const reader = await openLog(location as string);
    const consumer = await reader.consumer("follower", { from: "start" });
    return new KeyedCallers(log, reader, callers, (taken) =>
      consumer.run((delivery) => taken(Buffer.from(delivery.bytes).toString())),
    );
  }

  /** Acknowledged so far. */
  get count(): number {
    return this.#count;
  }

  /** Appends that were refused, and made again. */
  get failures(): number {
    return this.#failures;
  }

  /** Resolves when `more` records were acknowledged from now on. */
  acknowledged(more: number): Promise<void> {
    return new Promise((resolve) => {
      this.#listeners.push({ count: this.#count + more, resolve });
    });
  }

  /** The longest time without an acknowledgement since it was asked last. */
  takeLongestMs(): number {
    const longest = Math.max(this.#longestMs, performance.now() - this.#lastAt);
    this.#longestMs = 0;
    return longest;
  }

  /** Ends the callers, waits for the consumer, and checks everything. */
  async check(servers: string[], stream: string): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#callers);
    const stored = await storedMessages(servers, stream);
    const texts = stored.map(({ data }) => data.toString());
    // Each acknowledged record once, at the number that its caller was told.
    const places = new Map(texts.map((text, seq) => [text, seq]));
    assert.equal(places.size, texts.length);
    for (const [caller, seqs] of this.#acknowledged) {
      for (const [i, seq] of seqs.entries()) {
        const text = textOf(caller, i);
        const found = places.get(text);
        if (found === seq) continue;
        const copies = await copiesOf(servers, stream, seq + 1);
        assert.fail(
          `"${text}" was acknowledged at ${seq} and read at ${found ?? "no place"}. Message ${seq + 1}:\n${copies}`,
        );
      }
      // The order of each caller.
      assert.deepEqual(
        seqs,
        seqs.toSorted((a, b) => a - b),
      );
    }
    // Nothing that nobody appended: a caller's last record may be there without its acknowledgement.
    assert.equal(texts.length, this.#count);
    // The consumer comes to the end, and had each record in order; at least once, so again after a loss.
    while (this.#consumed.at(-1) !== texts.at(-1)) {
      await Promise.race([wait(retryMs), this.#consuming]);
    }
    assert.deepEqual([...new Set(this.#consumed)], texts);
    await this.#reader.close();
    await this.#consuming;
    await this.#log.close();
  }

  async #call(caller: number): Promise<void> {
    const seqs: number[] = [];
    this.#acknowledged.set(caller, seqs);
    for (let i = 0; !this.#stop.signal.aborted; i++) seqs.push(await this.#appendUntilThere(textOf(caller, i)));
  }

  async #appendUntilThere(text: string): Promise<number> {
    for (;;) {
      try {
        const { seq } = await this.#log.append(text, { key: text });
        this.#tell();
        return seq;
      } catch {
        this.#failures++;
        await wait(retryMs);
      }
    }
  }

  #tell(): void {
    const now = performance.now();
    this.#longestMs = Math.max(this.#longestMs, now - this.#lastAt);
    this.#lastAt = now;
    this.#count++;
    const due = this.#listeners.filter(({ count }) => this.#count >= count);
    if (due.length === 0) return;
    this.#listeners = this.#listeners.filter(({ count }) => this.#count < count);
    for (const { resolve } of due) resolve();
  }
}

function textOf(caller: number, i: number): string {
  return `caller ${caller}, record ${i}`;
}

/** What a person wants to know of many waits. */
export function inWords(waits: readonly number[]): string {
  const sorted = waits.toSorted((a, b) => a - b);
  const seconds = (ms: number | undefined): string => `${((ms ?? 0) / 1000).toFixed(1)} s`;
  return `p50 ${seconds(sorted[Math.floor((sorted.length - 1) / 2)])}, max ${seconds(sorted.at(-1))}`;
}
