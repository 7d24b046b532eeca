import { describe, expect, test } from "vitest";
import { scratchDirectory } from "../crash/scratch-directory.ts";
import { codeOf, eventsUntil, handlerOf, listen, sendRaw } from "./serving.ts";

const json = { "content-type": "application/json" };

/** Answers what a request in a program's hands gets. */
function fetcher(
  settings: Parameters<typeof handlerOf>[1] = {},
): (path: string, init?: RequestInit) => Promise<Response> {
  const handler = handlerOf(scratchDirectory(), settings);
  return (path, init) => handler.fetch(new Request(`http://localhost:7700${path}`, init));
}

describe("Host", () => {
  const host = (name: string): RequestInit => ({ headers: { host: name } });

  test.each(["localhost", "localhost:7700", "127.0.0.1:1", "[::1]:7700", "LOCALHOST.", "logs.example.com:8443"])(
    "%s is let in",
    async (name) => {
      const get = fetcher({ hosts: ["logs.example.com"] });
      expect((await get("/v1/health", host(name))).status).toBe(200);
    },
  );

  test.each(["evil.example", "localhost.evil.example", "10.0.0.7:7700", "[fe80::1]", "127.0.0.1.evil.example", ""])(
    "%j is not, by any route or method",
    async (name) => {
      const get = fetcher();
      for (const path of ["/v1/health", "/v1/logs", "/v1/stream/a", "/nowhere"]) {
        expect(await codeOf(await get(path, host(name)))).toBe("421 HOST");
      }
      expect(await codeOf(await get("/v1/stream/a", { ...host(name), method: "OPTIONS" }))).toBe("421 HOST");
    },
  );

  test("addresses of numbers are let in where they are allowed; names still are not", async () => {
    const get = fetcher({ allowAddresses: true });
    expect((await get("/v1/health", host("10.0.0.7:7700"))).status).toBe(200);
    expect((await get("/v1/health", host("[fe80::1]:7700"))).status).toBe(200);
    expect((await get("/v1/health", host("10.0.0.7.evil.example"))).status).toBe(421);
  });

  test("an address may be given with brackets or without; what no request can have is refused at once", async () => {
    const get = fetcher({ hosts: ["fe80::1", "[fe80::2]"] });
    expect((await get("/v1/health", host("[fe80::1]:7700"))).status).toBe(200);
    expect((await get("/v1/health", host("[fe80::2]"))).status).toBe(200);
    expect((await get("/v1/health", host("[fe80::3]"))).status).toBe(421);
    expect(() => fetcher({ hosts: ["http://foo"] })).toThrow(TypeError);
    expect(() => fetcher({ origins: ["*"] })).toThrow(TypeError);
  });

  test("a request without one is refused", async () => {
    const url = await listen(handlerOf(scratchDirectory()));
    expect(await sendRaw(url, "GET /v1/health HTTP/1.0\r\n\r\n")).toContain("421 Misdirected Request");
  });
});

describe("Origin", () => {
  const from = (origin: string): RequestInit => ({ headers: { host: "localhost:7700", origin } });

  test("a page of another origin cannot append, nor read", async () => {
    const get = fetcher();
    await get("/v1/stream/a", { method: "PUT" });
    for (const origin of [
      "https://evil.example",
      "null",
      "http://localhost:3000",
      "http://localhost:7700.evil.example",
    ]) {
      const init = from(origin);
      expect(await codeOf(await get("/v1/stream/a", { ...init, method: "POST", body: "x" }))).toBe("403 ORIGIN");
      const read = await get("/v1/stream/a", init);
      expect(read.status).toBe(403);
      expect(read.headers.get("access-control-allow-origin")).toBeNull();
      const preflight = await get("/v1/stream/a", { ...init, method: "OPTIONS" });
      expect(preflight.headers.get("access-control-allow-origin")).toBeNull();
    }
  });

  test("the server's own pages can", async () => {
    const get = fetcher();
    expect((await get("/v1/health", from("http://localhost:7700"))).status).toBe(200);
  });

  test("an origin that was allowed can, and is told so", async () => {
    const get = fetcher({ origins: ["https://app.example"] });
    const response = await get("/v1/health", from("https://app.example"));
    expect(response.status).toBe(200);
    expect(response.headers.get("access-control-allow-origin")).toBe("https://app.example");
    expect(response.headers.get("access-control-expose-headers")).toContain("stream-next-offset");
    expect(response.headers.get("vary")).toBe("origin");
    const preflight = await get("/v1/stream/a", { ...from("https://app.example"), method: "OPTIONS" });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-headers")).toContain("producer-epoch");
    expect((await get("/v1/health", from("https://other.example"))).status).toBe(403);
  });

  test("the slash of an origin's address does no harm", async () => {
    const get = fetcher({ origins: ["https://app.example/"] });
    expect((await get("/v1/health", from("https://app.example"))).status).toBe(200);
  });
});

describe("tokens", () => {
  const tokens = ["0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"];

  test.each(tokens.map((token) => `Bearer ${token}`))("%s opens", async (authorization) => {
    const get = fetcher({ tokens });
    expect((await get("/v1/logs", { headers: { authorization } })).status).toBe(200);
  });

  test.each([
    undefined,
    "",
    "Bearer",
    "Bearer ",
    "Bearer 0123456789abcdef",
    `Basic ${tokens[0]}`,
    `Bearer ${tokens[0]}x`,
  ])("%j does not", async (authorization) => {
    const get = fetcher({ tokens });
    const response = await get("/v1/logs", authorization === undefined ? {} : { headers: { authorization } });
    expect(response.headers.get("www-authenticate")).toBe("Bearer");
    expect(await codeOf(response)).toBe("401 TOKEN");
  });

  test("whether the server is well anybody may ask", async () => {
    const get = fetcher({ tokens });
    expect((await get("/v1/health")).status).toBe(200);
    expect((await get("/v1/health", { headers: { host: "evil.example" } })).status).toBe(421);
    expect((await get("/v1/health", { headers: { origin: "https://evil.example" } })).status).toBe(403);
  });

  test.each(["short", "with a blank in it, and long", "ümläut-0123456789"])("%j cannot be one", (token) => {
    expect(() => handlerOf(scratchDirectory(), { tokens: [token] })).toThrow(TypeError);
  });
});

describe("paths", () => {
  test.each([
    "/v1/stream/",
    "/v1/stream/a//b",
    "/v1/stream/%2e%2e/a",
    "/v1/stream/a%2F%2E%2E%2Fb",
    "/v1/stream/__ds/x",
    "/v1/stream/a%00",
    "/v1/stream/%ff",
    `/v1/stream/${"x".repeat(1025)}`,
  ])("%s cannot be a stream's", async (path) => {
    const url = await listen(handlerOf(scratchDirectory()));
    for (const method of ["GET", "PUT", "DELETE"]) {
      const answer = await sendRaw(url, `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
      expect(answer).toContain("HTTP/1.1 400");
      expect(answer).toContain('"code":"PATH"');
    }
  });

  test("dots that a client sends as they are are not resolved", async () => {
    const url = await listen(handlerOf(scratchDirectory()));
    const answer = await sendRaw(
      url,
      "PUT /v1/stream/a/../../../x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    expect(answer).toContain("HTTP/1.1 400");
  });

  test("a name comes back as it was given, however it was encoded", async () => {
    const get = fetcher();
    const path = `/v1/stream/${encodeURIComponent("ä b/%2F")}`;
    const created = await get(path, { method: "PUT" });
    expect(created.headers.get("location")).toBe(`http://localhost:7700${path}`);
    expect((await get("/v1/stream/%C3%A4%20b/%252F", { method: "HEAD" })).status).toBe(200);
    const { logs } = (await (await get("/v1/logs")).json()) as { logs: { name: string }[] };
    expect(logs.map(({ name }) => name)).toEqual(["ä b/%2F"]);
  });

  test("other paths say where things are", async () => {
    const response = await fetcher()("/");
    const { error } = (await response.json()) as { error: { hint: string } };
    expect([response.status, error.hint]).toEqual([404, expect.stringContaining("/v1/stream/<name>")]);
  });

  test("a base path stands in front of all of them", async () => {
    const get = fetcher({ basePath: "/logs/" });
    expect((await get("/logs/v1/stream/a", { method: "PUT", headers: json, body: "[1]" })).status).toBe(201);
    const fork = { "stream-forked-from": "/logs/v1/stream/a" };
    expect((await get("/logs/v1/stream/b", { method: "PUT", headers: fork })).status).toBe(201);
    expect(await (await get("/logs/v1/stream/b")).text()).toBe("[1]");
    for (const other of ["/v1/stream/a", "/logsv1/stream/a", "/data/v1/health", "/logs"]) {
      expect(await codeOf(await get(other))).toBe("404 NO_ROUTE");
    }
    expect(() => handlerOf(scratchDirectory(), { basePath: "logs" })).toThrow(TypeError);
  });
});

describe("limits", () => {
  test.each(["content-length", "chunks"])(
    "a body that is too large is refused, by %s, and the answer arrives",
    async (how) => {
      const url = await listen(handlerOf(scratchDirectory(), { limits: { maxBodyBytes: 1000 } }));
      await fetch(`${url}/v1/stream/a`, { method: "PUT" });
      const body = Buffer.alloc(2 * 1024 * 1024);
      const response = await fetch(`${url}/v1/stream/a`, {
        method: "POST",
        headers: { "content-type": "application/octet-stream" },
        ...(how === "chunks" ? { body: new Blob([body]).stream(), duplex: "half" as const } : { body }),
      });
      expect(await codeOf(response)).toBe("413 BODY_TOO_LARGE");
      expect((await fetch(`${url}/v1/stream/a`)).headers.get("stream-next-offset")).toMatch(/^0+_0+$/);
    },
  );

  test("of fetch too", async () => {
    const get = fetcher({ limits: { maxBodyBytes: 10 } });
    await get("/v1/stream/a", { method: "PUT", headers: { "content-type": "text/plain" } });
    const init = { method: "POST", headers: { "content-type": "text/plain" } };
    expect(await codeOf(await get("/v1/stream/a", { ...init, body: "x".repeat(11) }))).toBe("413 BODY_TOO_LARGE");
    expect((await get("/v1/stream/a", { ...init, body: "x".repeat(10) })).status).toBe(204);
  });

  test("all bodies together have a limit, and give back what they took", async () => {
    const get = fetcher({ limits: { maxBodyBytes: 1000, maxBodiesBytes: 1500 } });
    await get("/v1/stream/a", { method: "PUT", headers: { "content-type": "text/plain" } });
    const post = (): Promise<Response> =>
      get("/v1/stream/a", { method: "POST", headers: { "content-type": "text/plain" }, body: "x".repeat(900) });
    const answers = await Promise.all([post(), post()]);
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 503]);
    expect((await post()).status).toBe(204);
  });

  test("an answer holds so much, and says that there is more", async () => {
    const get = fetcher({ limits: { maxChunkBytes: 100 } });
    await get("/v1/stream/a", { method: "PUT", headers: json });
    for (let i = 0; i < 20; i++)
      await get("/v1/stream/a", { method: "POST", headers: json, body: `"${String(i).repeat(20)}"` });
    const found: unknown[] = [];
    let offset = "-1";
    let answers = 0;
    for (let isOver = false; !isOver; answers++) {
      const response = await get(`/v1/stream/a?offset=${offset}`);
      isOver = response.headers.get("stream-up-to-date") === "true";
      offset = response.headers.get("stream-next-offset") as string;
      found.push(...((await response.json()) as unknown[]));
    }
    expect(found).toEqual(Array.from({ length: 20 }, (_, i) => String(i).repeat(20)));
    expect(answers).toBeGreaterThan(4);
  });

  test.each(["producer-id", "stream-seq"])("%s may be so long", async (name) => {
    const get = fetcher();
    await get("/v1/stream/a", { method: "PUT", headers: json });
    const place = { "producer-id": "p", "producer-epoch": "0", "producer-seq": "0" };
    const headers = { ...json, ...place, [name]: "x".repeat(1025) };
    expect(await codeOf(await get("/v1/stream/a", { method: "POST", headers, body: "1" }))).toBe("400 HEADER_TOO_LONG");
  });

  test("a reader of events that takes nothing is dropped, and others are not", async () => {
    const handler = handlerOf(scratchDirectory(), { limits: { slowReaderMs: 100 } });
    const url = await listen(handler);
    const type = { "content-type": "text/plain" };
    await fetch(`${url}/v1/stream/a`, { method: "PUT", headers: type });
    const slow = await fetch(`${url}/v1/stream/a?offset=-1&live=sse`);
    const quick = await fetch(`${url}/v1/stream/a?offset=-1&live=sse`);
    const quickEvents = eventsUntil(quick, "the end");
    // More than the system's own buffers take.
    for (let i = 0; i < 24; i++)
      await fetch(`${url}/v1/stream/a`, { method: "POST", headers: type, body: "x".repeat(1e6) });
    await fetch(`${url}/v1/stream/a`, { method: "POST", headers: type, body: "the end" });
    expect(await quickEvents).toContain("the end");
    const reader = (slow.body as ReadableStream<Uint8Array>).getReader();
    // It is told as soon as it looks: the connection ended before the last event.
    let received = "";
    const ended = await (async () => {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return "end";
        received += Buffer.from(value).toString();
      }
    })().catch((error: unknown) => (error as Error).name);
    expect(ended).toMatch(/end|TypeError/);
    expect(received).not.toContain("the end");
  });
});

describe("requests that are refused", () => {
  test("a life so long that its end is no date", async () => {
    const get = fetcher();
    const put = (ttl: string): Promise<Response> =>
      get(`/v1/stream/${ttl}`, { method: "PUT", headers: { "stream-ttl": ttl } });
    expect((await put("99999999999")).status).toBe(201);
    expect(await codeOf(await put("100000000000"))).toBe("400 EXPIRY");
  });

  test.each([
    "2030-01-31",
    "2030-13-01T00:00:00Z",
    "2030-02-31T00:00:00Z",
    "2030-02-29T00:00:00Z",
    "2030-00-01T00:00:00Z",
    "2030-01-31T24:00:00Z",
    "2030-01-31T00:00:00+24:00",
    "tomorrow",
    "1893456000",
  ])("%s as a time", async (expiresAt) => {
    const headers = { "stream-expires-at": expiresAt };
    expect(await codeOf(await fetcher()("/v1/stream/a", { method: "PUT", headers }))).toBe("400 EXPIRY");
  });

  test("an end is a time, however it is written", async () => {
    const get = fetcher();
    const put = async (expiresAt: string): Promise<number> =>
      (await get("/v1/stream/a", { method: "PUT", headers: { "stream-expires-at": expiresAt } })).status;
    expect(await put("2032-02-29T12:00:00Z")).toBe(201);
    for (const same of ["2032-02-29T12:00:00.000Z", "2032-02-29t12:00:00z", "2032-02-29T14:00:00+02:00"]) {
      expect(await put(same)).toBe(200);
    }
    expect(await put("2032-02-29T12:00:01Z")).toBe(409);
    expect((await get("/v1/stream/a", { method: "PUT" })).status).toBe(409);
    const { headers } = await get("/v1/stream/a", { method: "HEAD" });
    expect(headers.get("stream-expires-at")).toBe("2032-02-29T12:00:00Z");
  });

  test("a compressed body", async () => {
    const get = fetcher();
    await get("/v1/stream/a", { method: "PUT", headers: json });
    const headers = { ...json, "content-encoding": "gzip" };
    expect(await codeOf(await get("/v1/stream/a", { method: "POST", headers, body: "1" }))).toBe(
      "415 CONTENT_ENCODING",
    );
    const asItIs = { ...json, "content-encoding": "identity" };
    expect((await get("/v1/stream/a", { method: "POST", headers: asItIs, body: "1" })).status).toBe(204);
  });

  test.each([
    ["live=stream", "LIVE"],
    ["offset=1", "OFFSET"],
    ["offset=-1&offset=-1", "OFFSET"],
    ["live=sse", "OFFSET"],
  ])("?%s", async (query, code) => {
    const get = fetcher();
    await get("/v1/stream/a", { method: "PUT", headers: json });
    expect(await codeOf(await get(`/v1/stream/a?${query}`))).toBe(`400 ${code}`);
  });

  test("limits that are none", () => {
    const make = (limits: object) => (): unknown => handlerOf(scratchDirectory(), { limits });
    expect(make({ maxBodyBytes: 0 })).toThrow(RangeError);
    expect(make({ longPollTimeoutMs: 2 ** 31 })).toThrow(RangeError);
    expect(make({ maxBody: 1 })).toThrow(TypeError);
    expect(make({ maxBodyBytes: undefined })).not.toThrow();
  });
});

describe("answers", () => {
  test("errors are JSON with a code, and hold no answer of another request", async () => {
    const response = await fetcher()("/v1/stream/none");
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await codeOf(response)).toBe("404 NOT_FOUND");
  });

  test("messages come back as they were sent", async () => {
    const get = fetcher();
    await get("/v1/stream/a", { method: "PUT", headers: json, body: '[ 12345678901234567890, {"b":1,"a":1.0} ]' });
    expect(await (await get("/v1/stream/a")).text()).toBe('[12345678901234567890,{"b":1,"a":1.0}]');
  });

  test("an offset past the end is of another history, and says so", async () => {
    const get = fetcher();
    await get("/v1/stream/a", { method: "PUT", headers: json, body: "[1]" });
    for (const offset of [`${"0".repeat(15)}2_${"0".repeat(16)}`, `${"9".repeat(16)}_${"9".repeat(16)}`]) {
      expect(await codeOf(await get(`/v1/stream/a?offset=${offset}`))).toBe("410 OFFSET_BEYOND");
    }
  });

  test("a deleted stream's ETag does not fit the one that has its name now", async () => {
    const get = fetcher();
    const make = (): Promise<Response> => get("/v1/stream/a", { method: "PUT", headers: json, body: "[1]" });
    await make();
    const etag = (await get("/v1/stream/a")).headers.get("etag") as string;
    expect((await get("/v1/stream/a", { headers: { "if-none-match": `"other", W/${etag}` } })).status).toBe(304);
    await get("/v1/stream/a", { method: "DELETE" });
    await make();
    expect((await get("/v1/stream/a", { headers: { "if-none-match": etag } })).status).toBe(200);
  });

  test("who comes beside a DELETE is told that there is no such stream, and by one code", async () => {
    const get = fetcher({ maxOpenLogs: 1 });
    const seen = new Set<string>();
    for (let i = 0; i < 30; i++) {
      const path = `/v1/stream/${i}`;
      await get(path, { method: "PUT", headers: json, body: "[1]" });
      // With another one open it is not.
      if (i % 2 === 1) await get("/v1/stream/other", { method: "PUT" });
      const answers = [get(path), get(path, { method: "DELETE" }), get(path)];
      for (let n = 0; n < 4; n++) answers.push(get(path, { method: "POST", headers: json, body: "2" }), get(path));
      for (const each of await Promise.all(answers)) seen.add(each.ok ? "ok" : await codeOf(each));
    }
    expect(seen).toContain("404 NOT_FOUND");
    // Closed, and not gone yet: they may try again.
    seen.delete("503 SEQLOG_CLOSED");
    expect([...seen].sort()).toEqual(["404 NOT_FOUND", "ok"]);
  });

  test("a long poll ends when its stream is deleted", async () => {
    const get = fetcher();
    await get("/v1/stream/a", { method: "PUT", headers: json });
    const poll = get("/v1/stream/a?offset=now&live=long-poll");
    const events = await get("/v1/stream/a?offset=now&live=sse");
    await get("/v1/stream/a", { method: "DELETE" });
    expect((await poll).status).toBe(404);
    expect(await events.text()).toContain("streamNextOffset");
  });

  test("closing the handler ends live reads and refuses what comes", async () => {
    const handler = handlerOf(scratchDirectory());
    const get = (path: string, init?: RequestInit): Promise<Response> =>
      handler.fetch(new Request(`http://localhost${path}`, init));
    await get("/v1/stream/a", { method: "PUT", headers: json });
    const poll = get("/v1/stream/a?offset=now&live=long-poll");
    const events = await get("/v1/stream/a?offset=now&live=sse");
    await handler.close();
    expect((await poll).status).toBe(204);
    expect(await events.text()).toContain("upToDate");
    expect(await codeOf(await get("/v1/stream/a", { method: "POST", headers: json, body: "1" }))).toBe("503 CLOSING");
  });

  test("the list has pages", async () => {
    const get = fetcher();
    for (const name of ["b", "a/1", "a/2", "c"]) await get(`/v1/stream/${name}`, { method: "PUT", headers: json });
    const list = async (query: string): Promise<unknown> => {
      const { logs, next } = (await (await get(`/v1/logs${query}`)).json()) as {
        logs: { name: string }[];
        next?: string;
      };
      return [logs.map(({ name }) => name), next];
    };
    expect(await list("")).toEqual([["a/1", "a/2", "b", "c"], undefined]);
    expect(await list("?limit=2")).toEqual([["a/1", "a/2"], "a/2"]);
    expect(await list("?limit=2&after=a/2")).toEqual([["b", "c"], undefined]);
    expect(await list("?prefix=a/")).toEqual([["a/1", "a/2"], undefined]);
    expect(await codeOf(await get("/v1/logs?limit=0"))).toBe("400 LIMIT");
    expect(await codeOf(await get("/v1/logs", { method: "DELETE" }))).toBe("405 METHOD");
  });
});
