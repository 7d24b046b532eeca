/** Clients that ask for much and take nothing, or send little at a time: what they cost is bounded, and the others are served. */
import { request as httpRequest } from "node:http";
import { type Socket, connect } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { newPath } from "../crash/scratch-directory.ts";
import { ServerProcess } from "./server-process.ts";

const mib = 1024 * 1024;
const clients = 200;
/** Their answers would be 3 GiB. What is held is bounded; when V8 collects what was, nobody says: 300 to 400 MiB. */
const maxResident = 640 * mib;

/** Each is an answer of its own; some of them are more than the buffers of a socket hold. */
const records = 6;
const recordBytes = 2 * mib;

/** Clients that send a request and read nothing of the answer; resolves when all have sent it. */
async function idleClients(url: string, query: string): Promise<void> {
  const { port, pathname } = new URL(url);
  const sent = Array.from({ length: clients }, async () => {
    const socket: Socket = connect(Number(port), "127.0.0.1").pause();
    onTestFinished(() => {
      socket.destroy();
    });
    // Being dropped is what may happen to it.
    socket.on("error", () => undefined);
    await new Promise<void>((resolve) => {
      socket.write(`GET ${pathname}${query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`, () => resolve());
    });
  });
  await Promise.all(sent);
}

/** An answer, by a client that takes it, and asks again when it was dropped among the others. */
async function readAgain(url: string): Promise<Uint8Array> {
  for (;;) {
    try {
      return new Uint8Array(await (await fetch(url)).arrayBuffer());
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  }
}

for (const [name, query] of [
  ["events from the beginning", "?offset=-1&live=sse"],
  ["a large answer", "?offset=-1"],
] as const) {
  test(`${clients} clients that ask for ${name} and read nothing cost a part of their answers`, async () => {
    const server = await ServerProcess.start(newPath());
    onTestFinished(() => server.kill());
    const url = `${server.url}/v1/stream/large`;
    const type = { "content-type": "application/octet-stream" };
    await fetch(url, { method: "PUT", headers: type });
    for (let i = 0; i < records; i++) {
      const { status } = await fetch(url, { method: "POST", headers: type, body: new Uint8Array(recordBytes).fill(i) });
      expect(status).toBe(204);
    }
    await idleClients(url, query);
    for (let i = 0; i < records; i++) {
      const body = await readAgain(`${url}?offset=${String(i).padStart(16, "0")}_${"0".repeat(16)}`);
      expect(body.length).toBe(recordBytes);
      expect(body[0]).toBe(i);
    }
    expect((await fetch(url, { method: "POST", headers: type, body: "more" })).status).toBe(204);
    const { peak } = server.memory();
    console.log(`${name}: ${(peak / mib).toFixed(0)} MiB resident at most`);
    expect(peak).toBeLessThanOrEqual(maxResident);
  });
}

test("a body in chunks of a byte costs about what a body costs", async () => {
  const server = await ServerProcess.start(newPath());
  onTestFinished(() => server.kill());
  const { hostname, port } = new URL(server.url);
  const headers = { "content-type": "application/octet-stream" };
  await fetch(`${server.url}/v1/stream/a`, { method: "PUT", headers });
  const request = httpRequest({ hostname, port, path: "/v1/stream/a", method: "POST", headers });
  const answered = new Promise<number | undefined>((resolve, reject) => {
    request.on("response", ({ statusCode }) => resolve(statusCode));
    request.on("error", reject);
  });
  request.flushHeaders();
  const socket = await new Promise<Socket>((resolve) => request.on("socket", resolve));
  // Each would take 400 bytes if it were kept as it comes.
  const chunks = "1\r\nx\r\n".repeat(16 * 1024);
  for (let i = 0; i < 128; i++) {
    if (!socket.write(chunks)) await new Promise((resolve) => socket.once("drain", resolve));
  }
  request.end();
  expect(await answered).toBe(204);
  expect((await (await fetch(`${server.url}/v1/stream/a`)).arrayBuffer()).byteLength).toBe(128 * 16 * 1024);
  const { peak } = server.memory();
  console.log(`2 MiB in chunks of a byte: ${(peak / mib).toFixed(0)} MiB resident at most`);
  expect(peak).toBeLessThanOrEqual(300 * mib);
});
