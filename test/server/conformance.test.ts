/** The conformance suite against `seqlog serve`; then a kill −9, after which all that it left is there as it was. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Suite, defineConformanceTests, longPollSeconds } from "./conformance-suite.ts";
import { RecordedRequests } from "./recorded-requests.ts";
import { ServerProcess } from "./server-process.ts";
import { type StreamCopy, answerAgain, copyOf } from "./stream-copy.ts";

const directory = mkdtempSync(join(tmpdir(), "seqlog-server-"));
const args = ["--long-poll", String(longPollSeconds)];
const suite: Suite = { baseUrl: "", longPollTimeoutMs: longPollSeconds * 1000 };
let server: ServerProcess;
let recorded: RecordedRequests;

beforeAll(async () => {
  server = await ServerProcess.start(directory, { args });
  suite.baseUrl = server.url;
  recorded = new RecordedRequests();
});

afterAll(async () => {
  recorded.stop();
  await server.kill();
  rmSync(directory, { recursive: true, force: true });
});

defineConformanceTests(suite);

/** Everything that the server tells of what the suite made, and what it answers to each producer's last append. */
async function copyAll(): Promise<{ streams: Map<string, StreamCopy>; answers: string[] }> {
  const answers: string[] = [];
  for (const append of recorded.appends) answers.push(await answerAgain(server.url, append));
  const streams = new Map<string, StreamCopy>();
  for (const path of recorded.paths) streams.set(path, await copyOf(server.url + path));
  return { streams, answers };
}

/** Whether a stream may end by itself while this runs: no answer about it needs to stay as it was. */
function endsSoon({ head }: StreamCopy): boolean {
  const [, ttl = "Infinity"] = /^stream-ttl: (\d+)$/m.exec(head) ?? [];
  const [, expiresAt] = /^stream-expires-at: (.+)$/m.exec(head) ?? [];
  const lifeMs = expiresAt === undefined ? Infinity : Date.parse(expiresAt) - Date.now();
  return Number(ttl) < 120 || lifeMs < 120_000;
}

test("after kill -9 every stream has its HEAD, its bytes, and its answers to producers", async () => {
  recorded.stop();
  // An append that the suite sent to a stream that it made anew since is no repeat: now it is one.
  await copyAll();
  const before = await copyAll();
  await server.kill();
  server = await ServerProcess.start(directory, { args });
  const after = await copyAll();

  expect(after.answers).toEqual(before.answers);
  let there = 0;
  let bytes = 0;
  for (const [path, copy] of before.streams) {
    if (endsSoon(copy)) continue;
    expect({ path, ...after.streams.get(path) }).toEqual({ path, ...copy });
    if (copy.head.startsWith("200")) there++;
    bytes += copy.bytes;
  }
  expect(before.answers.length).toBeGreaterThan(30);
  expect(there).toBeGreaterThan(250);
  expect(bytes).toBeGreaterThan(1_000_000);
  console.log(`${there} streams of ${before.streams.size}, ${bytes} bytes, ${before.answers.length} producers`);
});
