/**
 * The protocol's own client, `@durable-streams/client`, through kills of the server with SIGKILL in the
 * middle of appends: its IdempotentProducer sends again what was not answered, and in the end each
 * message is in the stream once, in order; a reader that follows sees the same. SEQLOG_KILLS=200 kills so often.
 */
import { DurableStream, IdempotentProducer, stream } from "@durable-streams/client";
import { expect, onTestFinished, test } from "vitest";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { newPath } from "../crash/scratch-directory.ts";
import { KilledServer } from "./killed-server.ts";

const kills = Number(process.env["SEQLOG_KILLS"] ?? 20);

/** The host is not looked at. */
const url = "http://server.test/v1/stream/numbers";

interface Message {
  readonly n: number;
}

function isOffset(text: string): boolean {
  return /^\d{16}_\d{16}$/.test(text);
}

/** Resolves when the counter has come so far. */
class Counter {
  count = 0;
  #waiting: { readonly at: number; readonly resolve: () => void } | undefined;

  add(): void {
    this.count++;
    if (this.#waiting !== undefined && this.count >= this.#waiting.at) this.#waiting.resolve();
  }

  async more(n: number): Promise<void> {
    const at = this.count + n;
    await new Promise<void>((resolve) => (this.#waiting = { at, resolve }));
  }
}

test(
  `${kills} kills: no message is lost, none is there twice, and a follower sees each once`,
  { timeout: 60_000 + kills * 5000 },
  async () => {
    const server = new KilledServer(newPath());
    onTestFinished(() => server.kill());
    const random = new SeededRandom("kills of a server");
    const options = { url, fetch: server.fetch, warnOnHttp: false };
    const handle = await DurableStream.create({ ...options, contentType: "application/json" });

    const seen: number[] = [];
    const following = new AbortController();
    const follower = await stream<Message>({ ...options, live: "long-poll", json: true, signal: following.signal });
    const allSeen = new Promise<void>((resolve) => {
      follower.subscribeJson(({ items, streamClosed }) => {
        seen.push(...items.map(({ n }) => n));
        if (streamClosed) resolve();
      });
    });

    const sent = new Counter();
    const errors: Error[] = [];
    const producer = new IdempotentProducer(handle, "numbers-1", {
      lingerMs: 0,
      onError: (error) => errors.push(error),
      fetch: (input, init) => {
        // Counted when it is sent, so that kills hit appends that are under way.
        sent.add();
        return server.fetch(input, init);
      },
    });
    let next = 0;
    // From here on something was answered that could be lost.
    producer.append(JSON.stringify({ n: next++ }));
    await producer.flush();
    const producing = (async () => {
      while (server.kills < kills) {
        for (let i = 1 + random.int(20); i > 0; i--) producer.append(JSON.stringify({ n: next++ }));
        if (random.int(4) === 0) await producer.flush();
        else await new Promise((resolve) => setImmediate(resolve));
      }
      await producer.flush();
    })();

    const answered = new Set<string>();
    while (server.kills < kills) {
      await sent.more(1 + random.int(40));
      const acknowledged = producer.lastSuccessfulOffset ?? "nothing";
      answered.add(acknowledged);
      await server.killAndStart();
      const head = await handle.head();
      const offset = (head.exists ? head.offset : undefined) ?? "nothing";
      // What was answered before the kill is there after it: offsets sort as text.
      const isThere = isOffset(acknowledged) && isOffset(offset) && offset >= acknowledged;
      expect({ acknowledged, offset, isThere }).toEqual({ acknowledged, offset, isThere: true });
    }
    // It was another append each time but when the kill came too soon.
    expect(answered.size).toBeGreaterThan(kills / 10);
    await producing;
    await producer.close();
    await allSeen;

    const stored = await (await stream<Message>({ ...options, json: true })).json();
    const numbers = Array.from({ length: next }, (_, n) => n);
    expect(errors).toEqual([]);
    expect(stored.map(({ n }) => n)).toEqual(numbers);
    expect(seen).toEqual(numbers);
    expect(next).toBeGreaterThan(kills * 10);
    console.log(`${server.kills} kills, ${next} messages in ${sent.count} appends`);
  },
);
