/**
 * The conformance suite while the server is killed with SIGKILL at every 100th request: all that it
 * answered before is as true after. Live reads are between the kills, not under them.
 * SEQLOG_KILL_EVERY=25 kills four times as often.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Suite, defineConformanceTests, longPollSeconds } from "./conformance-suite.ts";
import { KillProxy } from "./kill-proxy.ts";
import { ServerProcess } from "./server-process.ts";

const everyRequest = Number(process.env["SEQLOG_KILL_EVERY"] ?? 100);

const directory = mkdtempSync(join(tmpdir(), "seqlog-server-"));
const suite: Suite = { baseUrl: "", longPollTimeoutMs: longPollSeconds * 1000 };
let proxy: KillProxy;

beforeAll(async () => {
  const args = ["--long-poll", String(longPollSeconds)];
  proxy = await KillProxy.start(everyRequest, () => ServerProcess.start(directory, { args }));
  suite.baseUrl = proxy.url;
});

afterAll(async () => {
  await proxy.close();
  rmSync(directory, { recursive: true, force: true });
});

defineConformanceTests(suite);

test("the server was killed that often", () => {
  console.log(`${proxy.kills} kills, ${proxy.requests} requests`);
  expect(proxy.kills).toBeGreaterThan(proxy.requests / everyRequest / 2);
});
