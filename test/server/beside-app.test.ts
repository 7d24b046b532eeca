/**
 * `seqlog serve` beside programs that write the same logs: it follows what they append, live, and
 * changes nothing of theirs.
 */
import { join } from "node:path";
import { stream } from "@durable-streams/client";
import { expect, onTestFinished, test } from "vitest";
import { FileLog, json } from "../../src/index.ts";
import { ChildWriter } from "../crash/child-writer.ts";
import { newPath } from "../crash/scratch-directory.ts";
import { ServerProcess } from "./server-process.ts";

async function serving(directory: string): Promise<ServerProcess> {
  const server = await ServerProcess.start(directory);
  onTestFinished(() => server.kill());
  return server;
}

interface Event {
  readonly n: number;
}

/** The client's live read of what an app appends; resolves `all` when so many have come. */
function follow(url: string, live: "long-poll" | "sse", count: number) {
  const seen: number[] = [];
  const ending = new AbortController();
  onTestFinished(() => ending.abort());
  const all = (async () => {
    const response = await stream<Event>({ url, live, json: true, signal: ending.signal, warnOnHttp: false });
    // Cut off, or aborted, when the test has what it waited for.
    response.closed.catch(() => undefined);
    await new Promise<void>((resolve) => {
      response.subscribeJson(({ items }) => {
        seen.push(...items.map(({ n }) => n));
        if (seen.length >= count) resolve();
      });
    });
    return seen;
  })();
  return { seen, all };
}

test("what an app appends is followed live over HTTP, POST is refused, and the app goes on unharmed", async () => {
  const directory = newPath("data");
  // The app makes its log while the server runs.
  const server = await serving(directory);
  const log = await FileLog.open(join(directory, "events"), { codec: json<Event>() });
  const url = `${server.url}/v1/stream/events`;
  const count = 300;
  await log.append({ n: 0 });
  const sse = follow(url, "sse", count);
  const longPoll = follow(url, "long-poll", count);
  for (let n = 1; n < count / 2; n++) await log.append({ n });
  const post = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: '{"n":-1}' });
  expect(post.status).toBe(405);
  expect(post.headers.get("allow")).toBe("GET, HEAD, OPTIONS");
  expect((await fetch(url, { method: "DELETE" })).status).toBe(405);
  expect((await fetch(url, { method: "PUT" })).status).toBe(409);
  await log.appendBatch(Array.from({ length: count / 2 }, (_, i) => ({ n: count / 2 + i })));
  const numbers = Array.from({ length: count }, (_, n) => n);
  expect(await sse.all).toEqual(numbers);
  expect(await longPoll.all).toEqual(numbers);

  // The server goes, the app does not notice.
  await server.kill();
  const { seq } = await log.append({ n: count });
  expect(seq).toBe(count);
  await log.close();
  const again = await FileLog.open(join(directory, "events"), { codec: json<Event>() });
  const found: number[] = [];
  for await (const { data } of again.read()) found.push(data.n);
  await again.close();
  expect(found).toEqual([...numbers, count]);
});

test("an app's log can be followed after the app died and while another one takes over", async () => {
  const directory = newPath("data");
  const path = join(directory, "events");
  const first = await ChildWriter.open(path);
  await first.append("a", "b");
  const server = await serving(directory);
  const url = `${server.url}/v1/stream/events`;
  const seen: string[] = [];
  const ending = new AbortController();
  onTestFinished(() => ending.abort());
  const follower = await stream({ url, live: "sse", signal: ending.signal, warnOnHttp: false });
  follower.closed.catch(() => undefined);
  const all = new Promise<void>((resolve) => {
    follower.subscribeBytes(({ data }) => {
      seen.push(Buffer.from(data).toString());
      if (seen.join("") === "abcd") resolve();
    });
  });
  await first.append("c");
  await first.kill();
  const second = await ChildWriter.open(path);
  await second.append("d");
  await all;
  const whole = await fetch(url);
  expect(await whole.text()).toBe("abcd");
  expect(whole.headers.get("stream-next-offset")).toBe("0000000000000004_0000000000000000");
});

test("a stream that another process writes is read here, and a write to it is answered 423 with the holder", async () => {
  const directory = newPath("data");
  const holder = await serving(directory);
  const other = await serving(directory);
  const path = "/v1/stream/shared";
  const headers = { "content-type": "text/plain" };
  expect((await fetch(holder.url + path, { method: "PUT", headers, body: "one " })).status).toBe(201);
  expect((await fetch(holder.url + path, { method: "POST", headers, body: "two " })).status).toBe(204);

  const read = await fetch(other.url + path);
  expect(await read.text()).toBe("one two ");
  const refused = await fetch(other.url + path, { method: "POST", headers, body: "three" });
  expect(refused.status).toBe(423);
  const { error } = (await refused.json()) as { error: { code: string; holder: { pid: number; host: string } } };
  expect(error.code).toBe("SEQLOG_LOCKED");
  expect(error.holder.pid).toBe(holder.pid);

  // Followed live, across the two servers.
  const polling = fetch(`${other.url}${path}?offset=${read.headers.get("stream-next-offset")}&live=long-poll`);
  expect((await fetch(holder.url + path, { method: "POST", headers, body: "three" })).status).toBe(204);
  expect(await (await polling).text()).toBe("three");

  // The holder is gone: what it held is free.
  await holder.kill();
  expect((await fetch(other.url + path, { method: "POST", headers, body: " four" })).status).toBe(204);
  expect(await (await fetch(other.url + path)).text()).toBe("one two three four");
});
