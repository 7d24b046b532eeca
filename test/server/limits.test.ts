/**
 * What many streams and many readers cost one server. Memory is measured from outside, in /proc.
 *
 * `npm test` makes 400 streams; SEQLOG_STREAMS=20000 makes as many as the limits are stated for, and
 * then the time that the server takes to start is one of them.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { type ClientRequest, get } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { newPath } from "../crash/scratch-directory.ts";
import { inParallel } from "./in-parallel.ts";
import { ServerProcess } from "./server-process.ts";

const mib = 1024 * 1024;
const statedStreams = 20_000;
const streams = Number(process.env["SEQLOG_STREAMS"] ?? 400);
const messages = 10;
const maxResident = 400 * mib;
const maxStartMs = 5000;

const type = { "content-type": "application/json" };
const messageOf = (stream: number, n: number) => ({ stream, n, text: "x".repeat(64) });
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** How many the server lists, page after page. */
async function listedBy(url: string): Promise<number> {
  let count = 0;
  for (let after = ""; ;) {
    const response = await fetch(`${url}/v1/logs?after=${encodeURIComponent(after)}`);
    const { logs, next } = (await response.json()) as { logs: unknown[]; next?: string };
    count += logs.length;
    if (next === undefined) return count;
    after = next;
  }
}

test(
  `${streams} streams of ${messages} messages: at most 400 MiB, and all are there after a restart`,
  { timeout: 60_000 + streams * 200 },
  async () => {
    const directory = join(await mkdtemp(join(tmpdir(), "seqlog-server-")), "data");
    let server = await ServerProcess.start(directory);
    onTestFinished(async () => {
      await server.kill();
      await rm(dirname(directory), { recursive: true });
    }, 600_000);
    const urlOf = (i: number): string => `${server.url}/v1/stream/streams/${i}`;
    // Far more than may be open at once: their logs are opened and closed in turn.
    await inParallel(32, numbers(streams), async (i) => {
      const { status } = await fetch(urlOf(i), { method: "PUT", headers: type });
      expect(status).toBe(201);
      for (const n of numbers(messages)) {
        const body = JSON.stringify(messageOf(i, n));
        expect((await fetch(urlOf(i), { method: "POST", headers: type, body })).status).toBe(204);
      }
    });
    const writing = server.memory().peak;
    await server.kill();

    const began = performance.now();
    server = await ServerProcess.start(directory);
    const startMs = performance.now() - began;
    await inParallel(32, numbers(streams), async (i) => {
      const response = await fetch(urlOf(i));
      expect(await response.json()).toEqual(numbers(messages).map((n) => messageOf(i, n)));
    });
    const reading = server.memory().peak;
    expect(await listedBy(server.url)).toBe(streams);
    console.log(
      `${streams} streams: ${(writing / mib).toFixed(0)} MiB resident at most while written, ` +
        `${(reading / mib).toFixed(0)} MiB while read after kill -9; it listened ${startMs.toFixed(0)} ms after its start`,
    );
    expect(Math.max(writing, reading)).toBeLessThanOrEqual(maxResident);
    if (streams >= statedStreams) expect(startMs).toBeLessThan(maxStartMs);
  },
);

/** Reads server-sent events, and counts what came. */
class EventReader {
  messages = 0;
  readonly request: ClientRequest;
  #wanted = 0;
  #reached: (() => void) | undefined;

  constructor(url: string) {
    let text = "";
    this.request = get(`${url}?offset=-1&live=sse`, { agent: false }, (response) => {
      response.setEncoding("utf8");
      response.on("data", (piece: string) => {
        text += piece;
        const end = text.lastIndexOf("\n\n");
        if (end < 0) return;
        this.messages += text.slice(0, end).match(/"n":/g)?.length ?? 0;
        text = text.slice(end);
        if (this.messages >= this.#wanted) this.#reached?.();
      });
      response.on("error", () => undefined);
    });
    this.request.on("error", () => undefined);
  }

  /** Resolves when it has so many. */
  async has(count: number): Promise<void> {
    this.#wanted = count;
    if (this.messages < count) await new Promise<void>((resolve) => (this.#reached = resolve));
  }
}

test("1,000 readers of one stream are sent each message once, within 400 MiB", async () => {
  const server = await ServerProcess.start(newPath());
  onTestFinished(() => server.kill());
  const url = `${server.url}/v1/stream/news`;
  const append = async (n: number): Promise<void> => {
    const { status } = await fetch(url, { method: "POST", headers: type, body: JSON.stringify({ n }) });
    expect(status).toBe(204);
  };
  await fetch(url, { method: "PUT", headers: type, body: '{"n":0}' });
  const readers = numbers(1000).map(() => new EventReader(url));
  onTestFinished(() => {
    for (const { request } of readers) request.destroy();
  });
  await Promise.all(readers.map((reader) => reader.has(1)));
  await inParallel(4, numbers(100), async (i) => await append(i + 1));
  await Promise.all(readers.map((reader) => reader.has(101)));
  expect(readers.filter((reader) => reader.messages !== 101)).toEqual([]);
  const { peak } = server.memory();
  console.log(`1,000 readers: ${(peak / mib).toFixed(0)} MiB resident at most`);
  expect(peak).toBeLessThanOrEqual(maxResident);
});
