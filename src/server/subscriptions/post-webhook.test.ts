import { type RequestListener, createServer } from "node:http";
import type { AddressInfo, LookupFunction } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { nodeMachine } from "../../storage/node-machine.ts";
import { type PostOptions, type WebhookAnswer, postWebhook } from "./post-webhook.ts";
import { WebhookTargets } from "./webhook-target.ts";

async function receive(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
}

function post(url: string, options: Partial<PostOptions> = {}): Promise<WebhookAnswer> {
  return postWebhook(
    { url, headers: { "content-type": "application/json" }, body: '{"a":"ä"}' },
    {
      clock: nodeMachine.clock,
      targets: new WebhookTargets(["127.0.0.1"]),
      timeoutMs: 60_000,
      signal: new AbortController().signal,
      ...options,
    },
  );
}

const namesOf =
  (...addresses: readonly string[]): LookupFunction =>
  (_, options, done) => {
    const found = addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
    if (options.all === true) done(null, found);
    else done(null, found[0]?.address ?? "", found[0]?.family);
  };

test("it is sent, and the answer read", async () => {
  const seen: string[] = [];
  const url = await receive((request, response) => {
    request.setEncoding("utf8");
    request.on("data", (text: string) => seen.push(`${request.method} ${request.headers["content-length"]} ${text}`));
    request.on("end", () => response.writeHead(202).end('{"done":true}'));
  });
  expect(await post(url)).toEqual({ status: 202, body: '{"done":true}' });
  expect(seen).toEqual(['POST 10 {"a":"ä"}']);
});

test("a redirection is not followed", async () => {
  let hits = 0;
  const url = await receive((_, response) => {
    hits++;
    response.writeHead(307, { location: "/elsewhere" }).end();
  });
  expect(await post(url)).toEqual({ status: 307, body: undefined });
  expect(hits).toBe(1);
});

test("of an answer without an end so much is read, and the connection dropped", async () => {
  let dropped!: () => void;
  const isDropped = new Promise<void>((resolve) => (dropped = resolve));
  const url = await receive((_, response) => {
    const piece = Buffer.alloc(32 * 1024);
    const more = (): void => {
      while (response.write(piece));
    };
    response.on("drain", more).on("close", dropped);
    response.writeHead(200);
    more();
  });
  expect(await post(url)).toEqual({ status: 200, body: undefined });
  await isDropped;
});

test.each(["before its head", "in its body"])("an answer that does not come is given up: %s", async (when) => {
  let dropped!: () => void;
  const isDropped = new Promise<void>((resolve) => (dropped = resolve));
  const url = await receive((_, response) => {
    if (when === "in its body") response.writeHead(200).write("{");
    response.on("close", dropped);
  });
  await expect(post(url, { timeoutMs: 50 })).rejects.toThrow("no answer within 50 ms");
  await isDropped;
});

test("one that is called off drops its connection", async () => {
  const off = new AbortController();
  let dropped!: () => void;
  const isDropped = new Promise<void>((resolve) => (dropped = resolve));
  const url = await receive((_, response) => {
    response.on("close", dropped);
    off.abort();
  });
  await expect(post(url, { signal: off.signal })).rejects.toThrow("called off");
  await isDropped;
  await expect(post(url, { signal: off.signal })).rejects.toThrow("called off");
});

test("a connection that ends early is a failure", async () => {
  const url = await receive((request) => void request.socket.destroy());
  await expect(post(url)).rejects.toThrow(/hang up|reset/);
  const half = await receive((request, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("{", () => request.socket.destroy());
  });
  await expect(post(half)).rejects.toThrow(/early|aborted|reset/);
});

test("a head that is too long is a failure", async () => {
  const url = await receive((_, response) => response.writeHead(200, { "x-long": "x".repeat(40_000) }).end());
  await expect(post(url)).rejects.toThrow(/overflow/i);
});

test.each([
  ["loopback", ["127.0.0.1"]],
  ["a private network", ["10.1.2.3"]],
  ["the metadata service", ["169.254.169.254"]],
  ["loopback of version 6", ["::1"]],
  ["loopback in other clothes", ["::ffff:127.0.0.1"]],
  ["a public address and a private one beside", ["8.8.8.8", "192.168.0.1"]],
  ["nothing", []],
])("a name that leads to %s is not connected to", async (_, addresses) => {
  let hits = 0;
  await receive(() => hits++);
  const options = { targets: new WebhookTargets([]), lookup: namesOf(...addresses) };
  await expect(post("https://hooks.example.com/", options)).rejects.toThrow("does not lead to the public internet");
  expect(hits).toBe(0);
});

test("a name that the operator vouches for may lead anywhere; its port is looked at", async () => {
  const url = await receive((_, response) => response.writeHead(204).end());
  const { port } = new URL(url);
  const options = { targets: new WebhookTargets([`hooks.internal:${port}`]), lookup: namesOf("127.0.0.1") };
  expect(await post(`http://hooks.internal:${port}/`, options)).toEqual({ status: 204, body: "" });
  await expect(post("http://hooks.internal:1/", options)).rejects.toThrow("may not go to");
});

test("what was allowed once, and is not any more, is not connected to", async () => {
  let hits = 0;
  const url = await receive(() => hits++);
  await expect(post(url, { targets: new WebhookTargets([]) })).rejects.toThrow("may not go to");
  expect(hits).toBe(0);
});
