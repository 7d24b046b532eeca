/** Subscriptions over HTTP: what the conformance suite does not ask. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { openLog } from "../../src/index.ts";
import { type HandlerSettings, type StreamHandler, createHandler } from "../../src/server/index.ts";
import { nodeMachine } from "../../src/storage/node-machine.ts";
import { codeOf, handlerOf, listen } from "./serving.ts";
import { type Received, WebhookReceiver, done, isSigned, taken } from "./webhook-receiver.ts";

const settings: HandlerSettings = { allowWebhooks: ["127.0.0.1"] };

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "seqlog-subscriptions-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

interface Described {
  readonly generation: number;
  readonly status: string;
  readonly failure?: { readonly attempts: number; readonly reason: string; readonly next_attempt_at: string };
  readonly streams: readonly { readonly path: string; readonly link_type: string; readonly acked_offset: string }[];
}

/** A client of one handler, without a socket. */
class Client {
  readonly handler: StreamHandler;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(handler: StreamHandler, headers: Readonly<Record<string, string>> = {}) {
    this.handler = handler;
    this.#headers = headers;
  }

  async send(method: string, name: string, body?: unknown, token?: string): Promise<Response> {
    const headers: Record<string, string> = { ...this.#headers, "content-type": "application/json" };
    if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
    return await this.handler.fetch(
      new Request(`http://localhost/v1/stream/${name}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      }),
    );
  }

  async ok(method: string, name: string, body?: unknown, token?: string): Promise<Response> {
    const response = await this.send(method, name, body, token);
    if (!response.ok) throw new Error(`${method} ${name}: ${response.status} ${await response.text()}`);
    return response;
  }

  async describe(id: string): Promise<Described> {
    return (await (await this.ok("GET", `__ds/subscriptions/${id}`)).json()) as Described;
  }

  async ackedOf(id: string, path: string): Promise<string | undefined> {
    return (await this.describe(id)).streams.find((stream) => stream.path === path)?.acked_offset;
  }
}

interface Claimed {
  readonly wake_id: string;
  readonly generation: number;
  readonly token: string;
  readonly streams: readonly { readonly path: string; readonly acked_offset: string; readonly tail_offset: string }[];
}

async function claim(client: Client, id: string, worker = "w"): Promise<Claimed> {
  return (await (await client.ok("POST", `__ds/subscriptions/${id}/claim`, { worker })).json()) as Claimed;
}

async function until(is: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await is())) await sleep(10);
}

const offset = (seq: number): string => `${String(seq).padStart(16, "0")}_${"0".repeat(16)}`;

const pull = { type: "pull-wake", pattern: "a/**", wake_stream: "wakes" };

async function withPull(client: Client, more: object = {}): Promise<void> {
  await client.ok("PUT", "wakes");
  await client.ok("PUT", "__ds/subscriptions/p", { ...pull, ...more });
}

test("of streams that were there it is about what comes from then on; of later ones about all", async () => {
  const client = new Client(handlerOf(newDirectory()));
  await client.ok("PUT", "a/old", "[1,2]");
  await withPull(client);
  expect(await codeOf(await client.send("POST", "__ds/subscriptions/p/claim", { worker: "w" }))).toBe(
    "409 NO_PENDING_WORK",
  );
  await client.ok("POST", "a/old", "3");
  await client.ok("PUT", "a/new/er", "[1]");
  await client.ok("PUT", "b", "[1]");
  const { streams } = await claim(client, "p");
  expect(streams).toEqual([
    { path: "a/old", link_type: "glob", acked_offset: offset(1), tail_offset: offset(2), has_pending: true },
    { path: "a/new/er", link_type: "glob", acked_offset: "-1", tail_offset: offset(1), has_pending: true },
  ]);
});

test("a stream that is deleted, or runs out, is unlinked; another one of its name is new from its beginning", async () => {
  let shiftMs = 0;
  const clock = { ...nodeMachine.clock, now: () => nodeMachine.clock.now() + shiftMs };
  const client = new Client(handlerOf(newDirectory(), { machine: { ...nodeMachine, clock } }));
  await client.ok("PUT", "a/1", "[1]");
  const soon = new Date(Date.now() + 3_600_000).toISOString();
  const headers = { "content-type": "application/json", "stream-expires-at": soon };
  await client.handler.fetch(new Request("http://localhost/v1/stream/a/2", { method: "PUT", headers, body: "[1]" }));
  await withPull(client, { streams: ["a/2", "x"] });
  await client.ok("PUT", "x", "[1]");
  const paths = async (): Promise<string[]> => (await client.describe("p")).streams.map(({ path }) => path).sort();
  expect(await paths()).toEqual(["a/1", "a/2", "x"]);
  await client.ok("DELETE", "a/1");
  await client.ok("DELETE", "x");
  expect(await paths()).toEqual(["a/2"]);
  shiftMs = 7_200_000;
  expect(await paths()).toEqual([]);
  await client.ok("PUT", "a/1", "[7]");
  await client.ok("PUT", "x", "[7]");
  expect((await claim(client, "p")).streams).toMatchObject([{ path: "a/1", acked_offset: "-1" }]);
});

test("the parts of a wake's life: acknowledged in part, fenced, released, over when it is silent", async () => {
  const client = new Client(handlerOf(newDirectory()));
  await withPull(client, { lease_ttl_ms: 600_000 });
  await client.ok("PUT", "a/1", "[1,2]");
  await client.ok("POST", "a/1", "3");
  const first = await claim(client, "p", "one");
  const at = (of: Claimed): { wake_id: string; generation: number } => ({
    wake_id: of.wake_id,
    generation: of.generation,
  });
  const ack = (of: Claimed, seq: number, isDone = false): Promise<Response> =>
    client.send(
      "POST",
      "__ds/subscriptions/p/ack",
      { ...at(of), acks: [{ stream: "a/1", offset: offset(seq) }], done: isDone },
      of.token,
    );
  expect(await (await ack(first, 1)).json()).toEqual({ ok: true, next_wake: false });
  expect(await codeOf(await ack(first, 0))).toBe("409 INVALID_OFFSET");
  expect(await codeOf(await ack(first, 3))).toBe("409 INVALID_OFFSET");
  const other = { ...at(first), acks: [{ stream: "b", offset: offset(0) }] };
  expect(await codeOf(await client.send("POST", "__ds/subscriptions/p/ack", other, first.token))).toBe(
    "409 INVALID_OFFSET",
  );
  const early = { ...at(first), acks: [{ stream: "a/1", offset: "-1" }] };
  expect(await codeOf(await client.send("POST", "__ds/subscriptions/p/ack", early, first.token))).toBe(
    "409 INVALID_OFFSET",
  );
  expect(await client.ackedOf("p", "a/1")).toBe(offset(1));
  // There is more to do: the next wake begins at once.
  expect((await client.send("POST", "__ds/subscriptions/p/release", at(first), first.token)).status).toBe(204);
  expect(await codeOf(await ack(first, 2))).toBe("409 FENCED");
  const second = await claim(client, "p", "two");
  expect(second.generation).toBe(first.generation + 1);
  expect(await (await ack(second, 2, true)).json()).toEqual({ ok: true, next_wake: false });
  const events = (await (await client.ok("GET", "wakes")).json()) as {
    generation: number;
    stream: string;
    type: string;
  }[];
  expect(events.map(({ generation }) => generation)).toEqual([1, 2]);
  expect(events[0]).toMatchObject({ type: "wake", subscription_id: "p", stream: "a/1" });
});

test("who is silent for as long as its lease is fenced, and the work is there for another one", async () => {
  const client = new Client(handlerOf(newDirectory()));
  await withPull(client, { lease_ttl_ms: 1000 });
  await client.ok("PUT", "a/1", "[1]");
  const ack = async (of: Claimed): Promise<Response> => {
    const body = { ...of, acks: [{ stream: "a/1", offset: offset(1) }], done: true };
    return await client.send("POST", "__ds/subscriptions/p/ack", body, of.token);
  };
  const silent = await claim(client, "p", "one");
  await until(async () => (await client.describe("p")).generation > silent.generation);
  expect(await codeOf(await ack(silent))).toBe("409 FENCED");
  // However slow this machine is, once it is in time.
  await until(async () => (await ack(await claim(client, "p", "two"))).status === 200);
  expect(await client.ackedOf("p", "a/1")).toBe(offset(1));
});

test("what is acknowledged, claimed and fenced is the same after a restart", async () => {
  const directory = newDirectory();
  const before = new Client(createHandler({ dir: directory }));
  await withPull(before);
  await before.ok("PUT", "a/1", "[1]");
  await before.ok("POST", "a/1", "2");
  const first = await claim(before, "p");
  await before.ok("POST", "__ds/subscriptions/p/release", first, first.token);
  const second = await claim(before, "p", "two");
  const acks = [{ stream: "a/1", offset: offset(1) }];
  await before.ok("POST", "__ds/subscriptions/p/ack", { ...second, acks }, second.token);
  await before.handler.close();
  const after = new Client(handlerOf(directory));
  expect(await after.ackedOf("p", "a/1")).toBe(offset(1));
  const busy = await after.send("POST", "__ds/subscriptions/p/claim", { worker: "three" });
  expect(await busy.json()).toMatchObject({ error: { code: "ALREADY_CLAIMED", current_holder: "two", generation: 2 } });
  expect(await codeOf(await after.send("POST", "__ds/subscriptions/p/ack", first, first.token))).toBe("409 FENCED");
  await after.ok("POST", "__ds/subscriptions/p/ack", { ...second, done: true }, second.token);
});

test("a subscription that was made anew does not take the tokens of the one before", async () => {
  const client = new Client(handlerOf(newDirectory()));
  await withPull(client);
  await client.ok("PUT", "a/1", "[1]");
  const old = await claim(client, "p");
  await client.ok("DELETE", "__ds/subscriptions/p");
  await client.ok("DELETE", "__ds/subscriptions/p");
  await client.ok("PUT", "__ds/subscriptions/p", pull);
  await client.ok("POST", "a/1", "2");
  await claim(client, "p");
  expect(await codeOf(await client.send("POST", "__ds/subscriptions/p/ack", old, old.token))).toBe(
    "404 SUBSCRIPTION_NOT_FOUND",
  );
});

test("a webhook that fails comes again, and its subscription says why", async () => {
  const client = new Client(handlerOf(newDirectory(), settings));
  let isBroken = true;
  const receiver = await WebhookReceiver.start((received, response) => {
    if (isBroken) response.writeHead(500).end();
    else done(received, response);
  });
  await client.ok("PUT", "__ds/subscriptions/h", { type: "webhook", pattern: "a/*", webhook: { url: receiver.url } });
  await client.ok("PUT", "a/1", "[1]");
  const first = await receiver.nth(0);
  await until(async () => (await client.describe("h")).status === "failed");
  expect((await client.describe("h")).failure).toMatchObject({
    reason: expect.stringContaining("500") as string,
  });
  isBroken = false;
  const second = await receiver.nth(1);
  expect(second.wake.generation).toBe(first.wake.generation);
  await until(async () => (await client.ackedOf("h", "a/1")) === offset(1));
  expect((await client.describe("h")).status).toBe("active");
});

test("a receiver that hangs holds up nobody else, and is given up", async () => {
  const client = new Client(handlerOf(newDirectory(), { ...settings, limits: { webhookTimeoutMs: 300 } }));
  const hanging = await WebhookReceiver.start(() => undefined);
  const quick = await WebhookReceiver.start(done);
  for (let i = 0; i < 8; i++) {
    const webhook = { url: hanging.url };
    await client.ok("PUT", `__ds/subscriptions/hang${i}`, { type: "webhook", pattern: "a/*", webhook });
  }
  await client.ok("PUT", "__ds/subscriptions/quick", { type: "webhook", pattern: "a/*", webhook: { url: quick.url } });
  await client.ok("PUT", "a/1", "[1]");
  await until(async () => (await client.ackedOf("quick", "a/1")) === offset(1));
  // Four at once to one host, and the others when these are given up.
  await hanging.nth(7);
  await until(async () => (await client.describe("hang0")).failure?.reason === "no answer within 300 ms");
});

test("a receiver that is silent after it took a webhook gets the next one; its callback is signed for one wake", async () => {
  const handler = handlerOf(newDirectory(), settings);
  const url = await listen(handler);
  const client = new Client(handler);
  const receiver = await WebhookReceiver.start(taken);
  const asked = { type: "webhook", pattern: "a/*", webhook: { url: receiver.url }, lease_ttl_ms: 1000 };
  await fetch(`${url}/v1/stream/__ds/subscriptions/h%20%2F1`, { method: "PUT", body: JSON.stringify(asked) });
  await client.ok("PUT", "a/1", "[1]");
  const first = await receiver.nth(0);
  const second = await receiver.nth(1);
  expect(second.wake.generation).toBe(first.wake.generation + 1);
  expect(await isSigned(second, `${url}/v1/stream/__ds/jwks.json`)).toBe(true);
  const callBack = async ({ wake }: typeof first, token = wake.callback_token): Promise<Response> =>
    await fetch(wake.callback_url, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ ...wake, acks: [{ path: "a/1", offset: offset(1) }], done: true }),
    });
  expect(await codeOf(await callBack(first))).toBe("409 FENCED");
  expect(await codeOf(await callBack(second, "none"))).toBe("401 TOKEN_INVALID");
  expect(await codeOf(await callBack(second, first.wake.callback_token))).toBe("409 FENCED");
  // However slow this machine is, once it is in time.
  await until(async () => (await callBack(receiver.received.at(-1) as Received)).status === 200);
});

test("with tokens of the server everything needs one but what has tokens of its own, and public keys", async () => {
  const secret = "0123456789abcdef0123456789abcdef";
  const handler = handlerOf(newDirectory(), { tokens: [secret] });
  const stranger = new Client(handler);
  const client = new Client(handler, { authorization: `Bearer ${secret}` });
  await withPull(client);
  await client.ok("PUT", "a/1", "[1]");
  for (const [method, name] of [
    ["GET", "p"],
    ["PUT", "p"],
    ["DELETE", "p"],
    ["POST", "p/streams"],
    ["DELETE", "p/streams/x"],
    ["POST", "p/claim"],
  ] as const) {
    expect(
      await codeOf(await stranger.send(method, `__ds/subscriptions/${name}`, method === "GET" ? undefined : {})),
    ).toBe("401 TOKEN");
  }
  for (const name of ["p/ack", "p/release", "p/callback", "nobody/ack"]) {
    expect(await codeOf(await stranger.send("POST", `__ds/subscriptions/${name}`, {}))).toBe("401 TOKEN_INVALID");
    expect(await codeOf(await client.send("POST", `__ds/subscriptions/${name}`, {}))).toBe("401 TOKEN_INVALID");
  }
  expect((await stranger.ok("GET", "__ds/jwks.json")).headers.get("content-type")).toBe("application/jwk-set+json");
  const claimed = await claim(client, "p");
  await stranger.ok("POST", "__ds/subscriptions/p/ack", { ...claimed, acks: [], done: false }, claimed.token);
});

test("what is asked wrongly is refused in words", async () => {
  const client = new Client(handlerOf(newDirectory(), settings));
  const url = "http://127.0.0.1:1/";
  const base = { type: "webhook", pattern: "a/*", webhook: { url } };
  const wrong: readonly (readonly [unknown, string])[] = [
    ["{", "INVALID_REQUEST"],
    ["[]", "INVALID_REQUEST"],
    [{}, "INVALID_REQUEST"],
    [{ ...base, type: "push" }, "INVALID_REQUEST"],
    [{ ...base, pattern: undefined }, "INVALID_REQUEST"],
    [{ ...base, pattern: "a*" }, "INVALID_REQUEST"],
    [{ ...base, pattern: "__ds/*" }, "INVALID_REQUEST"],
    [{ ...base, pattern: 7 }, "INVALID_REQUEST"],
    [{ ...base, streams: "a" }, "INVALID_REQUEST"],
    [{ ...base, streams: ["a/../b"] }, "INVALID_REQUEST"],
    [{ ...base, webhook: {} }, "INVALID_REQUEST"],
    [{ ...base, lease_ttl_ms: 999 }, "INVALID_REQUEST"],
    [{ ...base, lease_ttl_ms: 1000.5 }, "INVALID_REQUEST"],
    [{ ...base, description: "x".repeat(1025) }, "INVALID_REQUEST"],
    [{ type: "pull-wake", pattern: "a" }, "INVALID_REQUEST"],
    [{ type: "pull-wake", streams: ["w"], wake_stream: "w" }, "INVALID_REQUEST"],
    [{ ...base, webhook: { url: "https://169.254.169.254/" } }, "WEBHOOK_URL_REJECTED"],
    [{ ...base, webhook: { url: "http://127.0.0.2:1/" } }, "WEBHOOK_URL_REJECTED"],
  ];
  for (const [body, code] of wrong) {
    const found = await codeOf(await client.send("PUT", "__ds/subscriptions/h", body));
    expect({ body, found }).toEqual({ body, found: `400 ${code}` });
  }
  const streams = Array.from({ length: 1001 }, (_, i) => `s${i}`);
  expect(await codeOf(await client.send("PUT", "__ds/subscriptions/h", { ...base, streams }))).toBe(
    "409 TOO_MANY_STREAMS",
  );
  await client.ok("PUT", "__ds/subscriptions/h", { ...base, description: "" });
  expect(await codeOf(await client.send("PUT", "__ds/subscriptions/h", { ...base, pattern: "b" }))).toBe(
    "409 SUBSCRIPTION_ALREADY_EXISTS",
  );
  expect(await codeOf(await client.send("POST", "__ds/subscriptions/h/claim", { worker: "w" }))).toBe(
    "400 INVALID_REQUEST",
  );
  await client.ok("POST", "__ds/subscriptions/h/streams", { streams: streams.slice(1) });
  expect(await codeOf(await client.send("POST", "__ds/subscriptions/h/streams", { streams: ["s0"] }))).toBe(
    "409 TOO_MANY_STREAMS",
  );
  expect(await codeOf(await client.send("POST", "__ds/subscriptions/h", {}))).toBe("405 METHOD");
  expect(await codeOf(await client.send("GET", "__ds/subscriptions/none"))).toBe("404 SUBSCRIPTION_NOT_FOUND");
  expect(await codeOf(await client.send("GET", "__ds/subscriptions/h/other"))).toBe("400 PATH");
  expect(await codeOf(await client.send("PUT", "__ds/subscriptions/%00", base))).toBe("400 INVALID_REQUEST");
}, 60_000);

test("there are so many subscriptions, and no more", async () => {
  const client = new Client(handlerOf(newDirectory(), { limits: { maxSubscriptions: 1 } }));
  await withPull(client);
  await client.ok("PUT", "__ds/subscriptions/p", pull);
  expect(await codeOf(await client.send("PUT", "__ds/subscriptions/q", pull))).toBe("409 TOO_MANY_SUBSCRIPTIONS");
  await client.ok("DELETE", "__ds/subscriptions/p");
  await client.ok("PUT", "__ds/subscriptions/q", pull);
});

test("what they are kept in is listed and served to nobody", async () => {
  const client = new Client(handlerOf(newDirectory()));
  await withPull(client);
  const listed = await client.handler.fetch(new Request("http://localhost/v1/logs"));
  expect(((await listed.json()) as { logs: { name: string }[] }).logs.map(({ name }) => name)).toEqual(["wakes"]);
  expect(await codeOf(await client.send("GET", "__ds/subscriptions"))).toBe("400 PATH");
  expect(await codeOf(await client.send("GET", "__ds/KEYS"))).toBe("400 PATH");
});

test("a wake lists a thousand streams, and the next one those that were left out", async () => {
  const client = new Client(handlerOf(newDirectory(), { maxOpenLogs: 2000 }));
  await withPull(client, { lease_ttl_ms: 600_000 });
  let next = 0;
  const make = async (): Promise<void> => {
    while (next < 1003) await client.ok("PUT", `a/${next++}`, "[1]");
  };
  await Promise.all(Array.from({ length: 16 }, make));
  const seen = new Set<string>();
  for (let isNext = true; isNext;) {
    const claimed = await claim(client, "p");
    const acks = claimed.streams.map(({ path, tail_offset }) => ({ stream: path, offset: tail_offset }));
    expect(acks.length).toBeLessThanOrEqual(1000);
    for (const { path, acked_offset } of claimed.streams) if (acked_offset === "-1") seen.add(path);
    const body = { ...claimed, acks, done: true };
    const answer = await client.ok("POST", "__ds/subscriptions/p/ack", body, claimed.token);
    isNext = ((await answer.json()) as { next_wake: boolean }).next_wake;
  }
  expect(seen.size).toBe(1003);
}, 120_000);

test("to ask for a subscription makes nothing", async () => {
  const directory = newDirectory();
  const client = new Client(handlerOf(directory));
  expect(await codeOf(await client.send("GET", "__ds/subscriptions/p"))).toBe("404 SUBSCRIPTION_NOT_FOUND");
  await client.ok("DELETE", "__ds/subscriptions/p");
  expect(await (await client.ok("GET", "__ds/jwks.json")).json()).toEqual({ keys: [] });
  expect(await codeOf(await client.send("POST", "__ds/subscriptions/p/ack", {}, "x"))).toBe("401 TOKEN_INVALID");
  expect(readdirSync(directory)).toEqual([]);
});

test("a server that is not the owner of the directory answers 423, and takes no append that would wake nobody", async () => {
  const directory = newDirectory();
  const first = new Client(createHandler({ dir: directory, ...settings }));
  const receiver = await WebhookReceiver.start(done);
  await first.ok("PUT", "a/1", "[1]");
  await first.ok("PUT", "a/2", "[1]");
  const second = new Client(handlerOf(directory, settings));
  const asked = { type: "webhook", pattern: "a/*", webhook: { url: receiver.url } };
  await first.ok("PUT", "__ds/subscriptions/h", asked);
  for (const [method, name, body] of [
    ["GET", "h", undefined],
    ["PUT", "h", asked],
    ["DELETE", "h", undefined],
    ["POST", "h/claim", { worker: "w" }],
  ] as const) {
    expect(await codeOf(await second.send(method, `__ds/subscriptions/${name}`, body))).toBe("423 SEQLOG_LOCKED");
  }
  expect((await second.ok("GET", "__ds/jwks.json")).status).toBe(200);
  expect(await codeOf(await second.send("POST", "a/2", "2"))).toBe("423 SEQLOG_LOCKED");
  await first.handler.close();
  // Now it is the owner.
  await second.ok("POST", "a/2", "2");
  expect((await receiver.nth(0)).wake.streams).toMatchObject([{ path: "a/2", has_pending: true }, { path: "a/1" }]);
});

test("a stream that tells of wakes and is not there is waited for", async () => {
  const client = new Client(handlerOf(newDirectory()));
  await client.ok("PUT", "__ds/subscriptions/p", pull);
  await client.ok("PUT", "a/1", "[1]");
  await until(async () => (await client.describe("p")).failure?.reason.includes("no stream wakes") === true);
  const lines = { "content-type": "text/plain" };
  await client.handler.fetch(new Request("http://localhost/v1/stream/wakes", { method: "PUT", headers: lines }));
  await until(async () => (await (await client.ok("GET", "wakes")).text()).includes('"subscription_id":"p"'));
  await client.ok("DELETE", "wakes");
  await client.ok("PUT", "wakes");
  // Nobody had taken the wake: it is told of again.
  await until(async () => (await (await client.ok("GET", "wakes")).text()).includes('"generation":1'));
});

test("a stream that is named no more while its webhook is under way stays so", async () => {
  const client = new Client(handlerOf(newDirectory(), settings));
  let answer!: () => void;
  const receiver = await WebhookReceiver.start((received, response) => (answer = () => done(received, response)));
  await client.ok("PUT", "__ds/subscriptions/h", {
    type: "webhook",
    streams: ["x", "y"],
    webhook: { url: receiver.url },
  });
  await client.ok("PUT", "x", "[1]");
  await receiver.nth(0);
  await client.ok("DELETE", "__ds/subscriptions/h/streams/x");
  await client.ok("DELETE", "__ds/subscriptions/h/streams/none");
  answer();
  await client.ok("PUT", "y", "[1]");
  await receiver.nth(1);
  answer();
  await until(async () => (await client.ackedOf("h", "y")) === offset(1));
  await client.ok("POST", "x", "2");
  expect((await client.describe("h")).streams).toMatchObject([{ path: "y", link_type: "explicit" }]);
  // Named as well as met by a pattern, it is met still when it is named no more, and begins where it was.
  await withPull(client, { streams: ["a/1"] });
  await client.ok("PUT", "a/1", "[1]");
  await client.ok("DELETE", "__ds/subscriptions/p/streams/a%2F1");
  expect((await claim(client, "p")).streams).toMatchObject([{ path: "a/1", link_type: "glob", has_pending: true }]);
});

test("a close calls off what is under way", async () => {
  const directory = newDirectory();
  const client = new Client(createHandler({ dir: directory, ...settings }));
  let dropped!: () => void;
  const isDropped = new Promise<void>((resolve) => (dropped = resolve));
  const receiver = await WebhookReceiver.start((_, response) => void response.on("close", dropped));
  await client.ok("PUT", "__ds/subscriptions/h", { type: "webhook", pattern: "a/*", webhook: { url: receiver.url } });
  await client.ok("PUT", "a/1", "[1]");
  const first = await receiver.nth(0);
  await client.handler.close();
  await isDropped;
  // It was not done with: it comes again.
  handlerOf(directory, settings);
  expect((await receiver.nth(1)).wake).toMatchObject({ wake_id: first.wake.wake_id, generation: 1 });
});

test("where the logs of a program are served there are none", async () => {
  const log = await openLog(join(newDirectory(), "events"));
  const handler = createHandler({ logs: { events: log } });
  onTestFinished(async () => {
    await handler.close();
    await log.close();
  });
  const client = new Client(handler);
  expect(await codeOf(await client.send("GET", "__ds/subscriptions/p"))).toBe("404 NOT_FOUND");
  expect(await codeOf(await client.send("GET", "__ds/jwks.json"))).toBe("404 NOT_FOUND");
  expect(await codeOf(await client.send("PUT", "__ds/subscriptions/p", pull))).toBe("405 READ_ONLY");
  expect(await codeOf(await client.send("POST", "__ds/subscriptions/p/claim", {}))).toBe("405 READ_ONLY");
});

test("what is in front of the callback's URL is what the subscription was made through, or what the operator says", async () => {
  const receiver = await WebhookReceiver.start(done);
  const asked = { type: "webhook", pattern: "*", webhook: { url: receiver.url } };
  for (const [i, [publicUrl, wanted]] of (
    [
      [undefined, "http://localhost/base"],
      ["https://logs.example.com/x/", "https://logs.example.com/x"],
    ] as const
  ).entries()) {
    const more = publicUrl === undefined ? {} : { publicUrl };
    const handler = handlerOf(newDirectory(), { ...settings, basePath: "/base", ...more });
    const at = (name: string): string => `http://localhost/base/v1/stream/${name}`;
    await handler.fetch(new Request(at("__ds/subscriptions/h"), { method: "PUT", body: JSON.stringify(asked) }));
    await handler.fetch(new Request(at("a"), { method: "PUT", body: "x" }));
    const { wake } = await receiver.nth(i);
    expect(wake.callback_url).toBe(`${wanted}/v1/stream/__ds/subscriptions/h/callback`);
  }
  expect(() => createHandler({ dir: newDirectory(), publicUrl: "logs.example.com" })).toThrow(TypeError);
  expect(() => createHandler({ dir: newDirectory(), allowWebhooks: ["http://x"] })).toThrow(TypeError);
});
