/** Bytes that no well-meaning client sends, to `seqlog serve` itself: refused, and nothing comes of them. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ServerProcess } from "./server-process.ts";
import { sendRaw } from "./serving.ts";

const directory = join(mkdtempSync(join(tmpdir(), "seqlog-server-")), "data");
let server: ServerProcess;

beforeAll(async () => {
  server = await ServerProcess.start(directory);
});

afterAll(async () => {
  await server.kill();
  rmSync(dirname(directory), { recursive: true, force: true });
});

/** Lines of a request's head, and what follows it. */
const request = (lines: readonly string[], rest = ""): string => `${lines.join("\r\n")}\r\n\r\n${rest}`;

const smuggled = request(["PUT /v1/stream/smuggled HTTP/1.1", "Host: localhost", "Content-Length: 0"]);
const post = ["POST /v1/stream/a HTTP/1.1", "Host: localhost", "Connection: close"];

test.each([
  [
    "a length and chunks",
    request([...post, "Content-Length: 5", "Transfer-Encoding: chunked"], `0\r\n\r\n${smuggled}`),
  ],
  ["two lengths", request([...post, "Content-Length: 0", `Content-Length: ${smuggled.length}`], smuggled)],
  ["a length with a sign", request([...post, "Content-Length: +0"], smuggled)],
  ["an unknown encoding", request([...post, "Transfer-Encoding: xchunked"], smuggled)],
  ["chunks that are not the last encoding", request([...post, "Transfer-Encoding: chunked, identity"], smuggled)],
  ["a blank before the colon", request([...post, "Content-Length : 0"], smuggled)],
  ["a folded header", request([...post, "X-A: b\r\n Content-Length: 0"], smuggled)],
  ["a chunk whose length is no number", request([...post, "Transfer-Encoding: chunked"], `zz\r\n${smuggled}`)],
  ["lines that end without a return", `GET /v1/health HTTP/1.1\nHost: localhost\n\n${smuggled}`],
  ["a zero byte in a header", request([...post, "X-A: b\0c"], smuggled)],
  ["a method that is none", request(["PU\tT /v1/stream/a HTTP/1.1", "Host: localhost"], smuggled)],
])("%s: refused, and what follows is not taken for a request", async (_, bytes) => {
  const answer = await sendRaw(server.url, bytes);
  expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
  expect(answer).not.toContain("HTTP/1.1 2");
  expect((await fetch(`${server.url}/v1/stream/smuggled`, { method: "HEAD" })).status).toBe(404);
});

test("the body of a request that was refused is not taken for a request", async () => {
  const head = ["POST /v1/stream/a HTTP/1.1", "Host: evil.example", `Content-Length: ${smuggled.length}`];
  const next = request(["GET /v1/health HTTP/1.1", "Host: localhost", "Connection: close"]);
  const answer = await sendRaw(server.url, request(head, smuggled) + next);
  expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 421", "HTTP/1.1 200"]);
  expect((await fetch(`${server.url}/v1/stream/smuggled`, { method: "HEAD" })).status).toBe(404);
});

test("a head that is too large is refused", async () => {
  const answer = await sendRaw(server.url, request([...post, `X-A: ${"b".repeat(20_000)}`]));
  expect(answer).toMatch(/^HTTP\/1\.1 431 /);
});

test.each([
  "/v1/stream/../../etc/passwd",
  "/v1/stream/%2e%2e/%2e%2e/etc/passwd",
  "/v1/stream/..%2f..%2fetc%2fpasswd",
  "/v1/stream/a%00",
  "/v1/stream/%c0%ae%c0%ae/a",
  "/v1/stream/%ff",
  "/v1/stream/a%0d%0aset-cookie:b",
  "/v1/stream/a//b",
  "/v1/stream/",
  "/v1/stream/__ds/streams",
  "/v1/stream/%5f%5fds/streams",
  `/v1/stream/${"a".repeat(1025)}`,
])("%s cannot be made", async (path) => {
  const answer = await sendRaw(server.url, request([`PUT ${path} HTTP/1.1`, "Host: localhost", "Connection: close"]));
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer).not.toContain("set-cookie");
});

test("JSON that is nested a million times, and an array of a million messages", async () => {
  const url = `${server.url}/v1/stream/json`;
  const headers = { "content-type": "application/json" };
  expect((await fetch(url, { method: "PUT", headers })).status).toBe(201);
  const send = (body: string) => fetch(url, { method: "POST", headers, body });
  const depth = 1_000_000;
  const deep = await send(`${"[".repeat(depth)}${"]".repeat(depth)}`);
  expect(deep.status).toBe(204);
  expect((await send("[".repeat(depth))).status).toBe(400);
  const last = (await fetch(url, { method: "HEAD" })).headers.get("stream-next-offset");
  expect((await send(`[${"1,".repeat(depth - 1)}1]`)).status).toBe(204);
  const read = (await (await fetch(`${url}?offset=${last}`)).json()) as number[];
  expect(read).toHaveLength(depth);
});

test("data that looks like events is only data", async () => {
  const url = `${server.url}/v1/stream/text`;
  const headers = { "content-type": "text/plain" };
  const text = 'a\r\n\r\nevent: control\rdata: {"streamClosed":true}\n\nid: 1\n';
  expect(
    (await fetch(url, { method: "PUT", headers: { ...headers, "stream-closed": "true" }, body: text })).status,
  ).toBe(201);
  const events = (await (await fetch(`${url}?offset=-1&live=sse`)).text())
    .split("\n\n")
    .filter((event) => event !== "");
  expect(events).toHaveLength(2);
  expect(
    events[0]
      ?.split("\n")
      .slice(1)
      .every((line) => line.startsWith("data:")),
  ).toBe(true);
  expect(events[1]).toMatch(/^event: control\n/);
});

test("the server lives, and nothing was written but streams", async () => {
  expect((await fetch(`${server.url}/v1/health`)).status).toBe(200);
  expect(readdirSync(dirname(directory))).toEqual(["data"]);
  expect(readdirSync(directory)).toEqual(["__ds"]);
});
