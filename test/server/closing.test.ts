/** A server that ends while requests are under way: what it says of them is so. */
import { type IncomingMessage, request as httpRequest } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import { serve } from "../../src/server/index.ts";
import { scratchDirectory } from "../crash/scratch-directory.ts";
import { codeOf, handlerOf } from "./serving.ts";

const type = { "content-type": "text/plain" };

/** What is there for the next server. */
async function leftBehind(dir: string): Promise<string[]> {
  const next = handlerOf(dir);
  const call = (path: string): Promise<Response> => next.fetch(new Request(`http://localhost/v1/${path}`));
  const { logs } = (await (await call("logs")).json()) as { logs: { name: string }[] };
  return await Promise.all(logs.map(async ({ name }) => `${name}: ${await (await call(`stream/${name}`)).text()}`));
}

describe.each(["POST", "PUT"])("a %s whose body is under way when the server ends", (method) => {
  const path = method === "POST" ? "/v1/stream/there" : "/v1/stream/other";

  test("is refused by fetch: nothing was appended, and nothing is", async () => {
    const dir = scratchDirectory();
    const handler = handlerOf(dir);
    const url = (of: string): string => `http://localhost${of}`;
    await handler.fetch(new Request(url("/v1/stream/there"), { method: "PUT", headers: type, body: "before" }));
    let isAskedFor!: () => void;
    const asked = new Promise<void>((resolve) => (isAskedFor = resolve));
    let finish!: () => void;
    const source = {
      start(controller: ReadableStreamDefaultController<Uint8Array>): void {
        finish = () => {
          controller.enqueue(Buffer.from("after"));
          controller.close();
        };
      },
      pull: () => isAskedFor(),
    };
    // Not before somebody reads.
    const body = new ReadableStream<Uint8Array>(source, { highWaterMark: 0 });
    const sent: RequestInit = { method, headers: type, body, duplex: "half" };
    const request = new Request(url(path), sent);
    const answered = handler.fetch(request);
    await asked;
    await handler.close();
    finish();
    const response = await answered;
    expect(response.headers.get("retry-after")).toBe("1");
    expect(await response.clone().text()).toContain("nothing was appended");
    expect(await codeOf(response)).toBe("503 CLOSING");
    expect(await leftBehind(dir)).toEqual(["there: before"]);
  });

  test("is refused over a connection that ends with the answer", async () => {
    const dir = scratchDirectory();
    const server = await serve({ dir, port: 0 });
    onTestFinished(() => server.close());
    await fetch(`${server.url}/v1/stream/there`, { method: "PUT", headers: type, body: "before" });
    const headers = { ...type, "content-length": "10", expect: "100-continue" };
    const request = httpRequest(`${server.url}${path}`, { method, headers });
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      request.on("response", resolve);
      request.on("error", reject);
    });
    // It is sent when the request is in the handler's hands.
    const isTaken = new Promise<void>((resolve) => request.on("continue", resolve));
    request.flushHeaders();
    await isTaken;
    request.write("after");
    const closed = server.close();
    request.end("after");
    const response = await answered;
    let text = "";
    for await (const part of response) text += String(part);
    expect([response.statusCode, response.headers.connection]).toEqual([503, "close"]);
    expect(JSON.parse(text)).toMatchObject({ error: { code: "CLOSING" } });
    await closed;
    expect(await leftBehind(dir)).toEqual(["there: before"]);
  });
});

test("any other error that is told while the server ends ends the connection too", async () => {
  const server = await serve({ dir: scratchDirectory(), port: 0, limits: { maxBodyBytes: 4 } });
  onTestFinished(() => server.close());
  const headers = { ...type, "transfer-encoding": "chunked", expect: "100-continue" };
  const request = httpRequest(`${server.url}/v1/stream/none`, { method: "POST", headers });
  const answered = new Promise<IncomingMessage>((resolve) => request.on("response", resolve));
  const isTaken = new Promise<void>((resolve) => request.on("continue", resolve));
  request.flushHeaders();
  await isTaken;
  const closed = server.close();
  request.end("after");
  const response = await answered;
  response.resume();
  expect([response.statusCode, response.headers.connection]).toEqual([413, "close"]);
  await closed;
});
