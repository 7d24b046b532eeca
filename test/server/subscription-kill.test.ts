/**
 * `seqlog serve` is killed with SIGKILL while subscriptions are at work. What was answered is there
 * afterwards, a generation never comes back, and what was not done with comes again.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { ServerProcess } from "./server-process.ts";
import { WebhookReceiver, done } from "./webhook-receiver.ts";

const kills = Number(process.env["SEQLOG_KILLS"] ?? 12);

interface Claimed {
  readonly wake_id: string;
  readonly generation: number;
  readonly token: string;
  readonly streams: readonly { readonly path: string; readonly tail_offset: string; readonly has_pending: boolean }[];
}

interface Described {
  readonly generation: number;
  readonly streams: readonly { readonly path: string; readonly acked_offset: string }[];
}

/** A server that is killed and started again, on a directory that goes with the test. */
class Killed {
  #server: ServerProcess;
  readonly #directory: string;

  private constructor(server: ServerProcess, directory: string) {
    this.#server = server;
    this.#directory = directory;
  }

  static async start(): Promise<Killed> {
    const directory = mkdtempSync(join(tmpdir(), "seqlog-subscription-kill-"));
    const killed = new Killed(await Killed.#serve(directory), directory);
    onTestFinished(async () => {
      await killed.#server.kill();
      rmSync(directory, { recursive: true, force: true });
    });
    return killed;
  }

  static #serve(directory: string): Promise<ServerProcess> {
    return ServerProcess.start(directory, { args: ["--allow-webhook", "127.0.0.1"] });
  }

  async killAndStart(): Promise<void> {
    await this.#server.kill();
    this.#server = await Killed.#serve(this.#directory);
  }

  async send(method: string, name: string, body?: unknown, token?: string): Promise<Response> {
    return await fetch(`${this.#server.url}/v1/stream/${name}`, {
      method,
      headers: {
        "content-type": "application/json",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  async ok(method: string, name: string, body?: unknown, token?: string): Promise<unknown> {
    const response = await this.send(method, name, body, token);
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${name}: ${response.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  }

  async describe(id: string): Promise<Described> {
    return (await this.ok("GET", `__ds/subscriptions/${id}`)) as Described;
  }
}

/** A claim, or what whoever has it said when it got it: it is silent, and lets go of it in the end. */
async function claim(server: Killed): Promise<Claimed> {
  for (;;) {
    const response = await server.send("POST", "__ds/subscriptions/p/claim", { worker: "w" });
    if (response.status === 200) return (await response.json()) as Claimed;
    await response.arrayBuffer();
    await sleep(20);
  }
}

test("an acknowledgement that was answered survives, and a generation never comes back", async () => {
  const server = await Killed.start();
  await server.ok("PUT", "wakes");
  const asked = { type: "pull-wake", pattern: "a/*", wake_stream: "wakes", lease_ttl_ms: 1000 };
  await server.ok("PUT", "__ds/subscriptions/p", asked);
  await server.ok("PUT", "a/1");
  let acked = "-1";
  let generation = 0;
  const old: Claimed[] = [];
  for (let i = 0; i < kills; i++) {
    await server.ok("POST", "a/1", { i });
    const claimed = await claim(server);
    expect(claimed.generation).toBeGreaterThan(generation);
    ({ generation } = claimed);
    const [stream] = claimed.streams;
    const acks = [{ stream: "a/1", offset: stream?.tail_offset }];
    const sent = server.send(
      "POST",
      "__ds/subscriptions/p/ack",
      { ...claimed, acks, done: i % 3 === 0 },
      claimed.token,
    );
    // Now it is killed after the answer, now over it.
    const isAnswered = i % 2 === 0;
    if (isAnswered) {
      // In the time of its lease, or after it.
      if ((await sent).status === 200) acked = stream?.tail_offset as string;
    }
    const answered = sent.catch(() => undefined);
    await server.killAndStart();
    await answered;
    const found = await server.describe("p");
    expect(found.generation).toBeGreaterThanOrEqual(generation);
    const [link] = found.streams;
    expect((link?.acked_offset ?? "-1") >= acked).toBe(true);
    old.push(claimed);
    for (const before of old.slice(0, -1)) {
      const again = await server.send("POST", "__ds/subscriptions/p/ack", { ...before, acks: [] }, before.token);
      expect(await again.json()).toMatchObject({ error: { code: "FENCED" } });
    }
  }
  console.log(`${kills} kills, generation ${generation}`);
  expect(acked).not.toBe("-1");
}, 600_000);

test("a webhook that was not done with comes again, under its own generation, until it is", async () => {
  const server = await Killed.start();
  let isDone = false;
  const receiver = await WebhookReceiver.start((received, response) => {
    if (isDone) done(received, response);
  });
  const asked = { type: "webhook", pattern: "a/*", webhook: { url: receiver.url } };
  await server.ok("PUT", "__ds/subscriptions/h", asked);
  await server.ok("PUT", "a/1", [1]);
  const first = await receiver.nth(0);
  await server.killAndStart();
  const second = await receiver.nth(1);
  expect([second.wake.wake_id, second.wake.generation]).toEqual([first.wake.wake_id, first.wake.generation]);
  expect(second.wake.streams).toMatchObject([{ path: "a/1", acked_offset: "-1", has_pending: true }]);
  isDone = true;
  await server.killAndStart();
  const tail = second.wake.streams[0]?.tail_offset;
  while ((await server.describe("h")).streams[0]?.acked_offset !== tail) await sleep(20);
}, 600_000);

test("an append that was answered, and of which nobody was told, wakes after the kill", async () => {
  const server = await Killed.start();
  const receiver = await WebhookReceiver.start(done);
  const asked = { type: "webhook", pattern: "a/*", webhook: { url: receiver.url } };
  await server.ok("PUT", "__ds/subscriptions/h", asked);
  for (let i = 0; i < kills; i++) {
    await server.ok("PUT", `a/${i}`, [i]);
    // It may have been told, or not.
    await server.killAndStart();
  }
  const tails = `0000000000000001_${"0".repeat(16)}`;
  const acked = async (): Promise<number> =>
    (await server.describe("h")).streams.filter((stream) => stream.acked_offset === tails).length;
  while ((await acked()) < kills) await sleep(20);
}, 600_000);
