/** The handler in the servers of other people. */
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import Fastify from "fastify";
import { describe, expect, onTestFinished, test } from "vitest";
import { json, openLog } from "../../src/index.ts";
import { createHandler } from "../../src/server/index.ts";
import { scratchDirectory } from "../crash/scratch-directory.ts";
import { codeOf, eventsUntil, handlerOf, listen, readToEnd, readUntil } from "./serving.ts";

const type = { "content-type": "application/json" };

function urlOf(server: Server): string {
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Creates, appends, reads, follows and forks at a mount point. */
async function useAll(base: string): Promise<void> {
  const url = `${base}/v1/stream/orders`;
  const created = await fetch(url, { method: "PUT", headers: type, body: "[1]" });
  expect([created.status, created.headers.get("location")]).toEqual([201, url]);
  const events = eventsUntil(await fetch(`${url}?offset=-1&live=sse`), "[2]");
  expect((await fetch(url, { method: "POST", headers: type, body: "2" })).status).toBe(204);
  expect(await events).toContain("data:[2]");
  expect(await (await fetch(url)).json()).toEqual([1, 2]);
  const forkedFrom = { "stream-forked-from": new URL(url).pathname };
  expect((await fetch(`${base}/v1/stream/fork`, { method: "PUT", headers: forkedFrom })).status).toBe(201);
  expect((await fetch(`${base}/v1/health`)).status).toBe(200);
}

describe("Express", () => {
  test("mounted under a path, beside other routes", async () => {
    const handler = handlerOf(scratchDirectory());
    const app = express();
    app.use("/logs", handler.node);
    app.get("/own", (_request, response) => void response.send("own"));
    app.get("/logs/own", (_request, response) => void response.send("behind"));
    const server = await new Promise<Server>((resolve) => {
      const listening = app.listen(0, "127.0.0.1", () => resolve(listening));
    });
    const base = urlOf(server);
    await useAll(`${base}/logs`);
    expect(await (await fetch(`${base}/own`)).text()).toBe("own");
    // What is not the handler's goes on to the next.
    expect(await (await fetch(`${base}/logs/own`)).text()).toBe("behind");
  });

  test("behind something that has read the body it says so", async () => {
    const handler = handlerOf(scratchDirectory());
    const app = express();
    app.use(express.json(), handler.node);
    const server = await new Promise<Server>((resolve) => {
      const listening = app.listen(0, "127.0.0.1", () => resolve(listening));
    });
    const url = `${urlOf(server)}/v1/stream/a`;
    await fetch(url, { method: "PUT", headers: { "content-type": "application/json" } });
    expect(await codeOf(await fetch(url, { method: "POST", headers: type, body: "[1]" }))).toBe("500 BODY_TAKEN");
  });
});

test("Fastify", async () => {
  const handler = handlerOf(scratchDirectory());
  const app = Fastify();
  onTestFinished(() => void app.close());
  await app.register((scope, _options, done) => {
    // The handler reads bodies itself.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, _payload, parsed) => parsed(null));
    scope.all("/v1/*", (request, reply) => {
      reply.hijack();
      handler.node(request.raw, reply.raw);
    });
    done();
  });
  app.get("/own", () => "own");
  const base = await app.listen({ port: 0, host: "127.0.0.1" });
  await useAll(base);
  expect(await (await fetch(`${base}/own`)).text()).toBe("own");
});

test("node:http, for all that comes", async () => {
  const handler = handlerOf(scratchDirectory());
  const server = createServer(handler.node);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const base = urlOf(server);
  await useAll(base);
  expect((await fetch(`${base}/own`)).status).toBe(404);
});

test("as fetch, with events", async () => {
  const handler = handlerOf(scratchDirectory());
  const call = (path: string, init?: RequestInit): Promise<Response> =>
    handler.fetch(new Request(`https://localhost${path}`, init));
  const created = await call("/v1/stream/a", { method: "PUT", headers: type });
  expect(created.headers.get("location")).toBe("https://localhost/v1/stream/a");
  const events = eventsUntil(await call("/v1/stream/a?offset=now&live=sse"), "[7]");
  await call("/v1/stream/a", { method: "POST", headers: type, body: "7" });
  expect(await events).toContain("data:[7]");
  const polled = call(`/v1/stream/a?offset=now&live=long-poll`);
  await call("/v1/stream/a", { method: "POST", headers: type, body: "8" });
  expect(await (await polled).json()).toEqual([8]);
  expect((await call("/v1/stream/a", { method: "HEAD" })).headers.get("stream-next-offset")).toMatch(/^0+2_0+$/);
});

describe("logs that a program has open", () => {
  test("are followed as the program appends, and not changed from outside", async () => {
    const log = await openLog(`${scratchDirectory()}/log`, { codec: json() });
    onTestFinished(() => log.close());
    const handler = createHandler({ logs: { events: log } });
    onTestFinished(() => handler.close());
    const call = (path: string, init?: RequestInit): Promise<Response> =>
      handler.fetch(new Request(`http://localhost${path}`, init));
    await log.append({ n: 1 });
    expect(await (await call("/v1/stream/events")).json()).toEqual([{ n: 1 }]);
    const polled = call("/v1/stream/events?offset=now&live=long-poll");
    const events = eventsUntil(await call("/v1/stream/events?offset=-1&live=sse"), '"n":2');
    await log.append({ n: 2 });
    expect(await (await polled).json()).toEqual([{ n: 2 }]);
    expect(await events).toContain('data:[{"n":1}]');
    for (const method of ["POST", "DELETE"]) {
      expect(
        await codeOf(
          await call("/v1/stream/events", { method, headers: type, ...(method === "POST" ? { body: "1" } : {}) }),
        ),
      ).toBe("405 PLAIN_LOG");
    }
    expect((await call("/v1/stream/events", { method: "PUT", headers: type })).status).toBe(200);
    expect(await codeOf(await call("/v1/stream/other", { method: "PUT", headers: type }))).toBe("405 READ_ONLY");
    expect(await (await call("/v1/logs")).json()).toEqual({
      logs: [{ name: "events", kind: "log", contentType: "application/json" }],
    });
    await handler.close();
    // It is the program's.
    await log.append({ n: 3 });
  });

  test("go on after a reset", async () => {
    const log = await openLog(`${scratchDirectory()}/log`, { codec: json() });
    onTestFinished(() => log.close());
    const handler = createHandler({ logs: { events: log } });
    onTestFinished(() => handler.close());
    const call = (path: string): Promise<Response> => handler.fetch(new Request(`http://localhost${path}`));
    await log.appendBatch([1, 2]);
    const offset = (await call("/v1/stream/events")).headers.get("stream-next-offset") as string;
    const events = await call("/v1/stream/events?offset=-1&live=sse");
    const reader = (events.body as ReadableStream<Uint8Array>).getReader();
    await readUntil(reader, "data:[1,2]");
    await log.reset();
    await log.appendBatch(["other", "history", "here"]);
    expect(await readToEnd(reader)).not.toContain("here");
    await log.reset();
    expect(await codeOf(await call(`/v1/stream/events?offset=${offset}`))).toBe("410 OFFSET_BEYOND");
    const polled = call("/v1/stream/events?offset=-1&live=long-poll");
    await log.append("new");
    expect(await (await polled).json()).toEqual(["new"]);
  });

  test.each(["fetch", "node"])("have ETags whatever their names are, by %s", async (way) => {
    const log = await openLog(`${scratchDirectory()}/log`, { codec: json() });
    onTestFinished(() => log.close());
    await log.append(1);
    const names = ["日本", 'a"b', "a,b", "100%", "ab/\u00e9"];
    const handler = createHandler({ logs: Object.fromEntries(names.map((name) => [name, log])) });
    onTestFinished(() => handler.close());
    const url = way === "node" ? await listen(handler) : "http://localhost";
    const etags = new Set<string>();
    for (const name of names) {
      const call = (init?: RequestInit): Promise<Response> => {
        const request = new Request(`${url}/v1/stream/${encodeURIComponent(name)}`, init);
        return way === "node" ? fetch(request) : handler.fetch(request);
      };
      const response = await call();
      expect([response.status, await response.json()]).toEqual([200, [1]]);
      const etag = response.headers.get("etag") as string;
      // RFC 9110, section 8.8.3, without what is not ASCII.
      expect(etag).toMatch(/^"[!#-~]+"$/);
      expect((await call({ method: "HEAD" })).headers.get("etag")).toBe(etag);
      expect((await call({ headers: { "if-none-match": `"other", ${etag}` } })).status).toBe(304);
      etags.add(etag);
    }
    expect(etags.size).toBe(names.length);
  });

  test.each(["fetch", "node"])(
    "an answer that cannot be sent is a 500 that the program is told of, by %s",
    async (way) => {
      const log = await openLog(`${scratchDirectory()}/log`, { codec: json() });
      onTestFinished(() => log.close());
      await log.append(1);
      // Its generation is in a header.
      const odd = new Proxy(log, {
        get: (target, key) => {
          if (key === "generation") return "日";
          const value: unknown = Reflect.get(target, key, target);
          return typeof value === "function" ? (value.bind(target) as unknown) : value;
        },
      });
      const told: string[] = [];
      const handler = createHandler({
        logs: { odd },
        onError: (error, request) => told.push(`${request?.method} ${request?.path} ${(error as Error).name}`),
      });
      onTestFinished(() => handler.close());
      const url = way === "node" ? await listen(handler) : "http://localhost";
      const call = (method: string): Promise<Response> => {
        const request = new Request(`${url}/v1/stream/odd`, { method });
        return way === "node" ? fetch(request) : handler.fetch(request);
      };
      const response = await call("GET");
      if (way === "node") expect(response.statusText).toBe("Internal Server Error");
      expect(response.headers.get("x-content-type-options")).toBe("nosniff");
      expect(await codeOf(response)).toBe("500 INTERNAL");
      expect((await call("HEAD")).status).toBe(500);
      expect(told).toEqual(["GET /v1/stream/odd TypeError", "HEAD /v1/stream/odd TypeError"]);
    },
  );

  test("have names that can be streams'", async () => {
    const log = await openLog(`${scratchDirectory()}/log`);
    onTestFinished(() => log.close());
    expect(() => createHandler({ logs: { "a/../b": log } })).toThrow(TypeError);
  });
});
