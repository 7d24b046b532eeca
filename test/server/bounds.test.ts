/** What one client, or one stream, may not take: refused before anything is written, or undone. */
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { json, openLog } from "../../src/index.ts";
import { createHandler } from "../../src/server/index.ts";
import { scratchDirectory } from "../crash/scratch-directory.ts";
import { codeOf, handlerOf, listen } from "./serving.ts";

const type = { "content-type": "application/json" };

type Call = (path: string, init?: RequestInit) => Promise<Response>;

function serving(dir: string): { readonly call: Call; readonly close: () => Promise<void> } {
  const handler = handlerOf(dir);
  return {
    call: (path, init) => handler.fetch(new Request(`http://localhost/v1/stream/${path}`, init)),
    close: () => handler.close(),
  };
}

test.each(["fetch", "node"])("what many short messages take beside their bytes counts, by %s", async (way) => {
  const handler = handlerOf(scratchDirectory(), { limits: { maxBodiesBytes: 4096 } });
  const url = way === "node" ? await listen(handler) : "http://localhost";
  const call = (path: string, method: string, body = ""): Promise<Response> => {
    const request = new Request(`${url}/v1/stream/${path}`, { method, headers: type, body });
    return way === "node" ? fetch(request) : handler.fetch(request);
  };
  const many = JSON.stringify(Array.from({ length: 1000 }, () => 1));
  const one = JSON.stringify("x".repeat(many.length - 2));
  expect(await codeOf(await call("a", "PUT", many))).toBe("503 BUSY");
  expect((await call("a", "PUT")).status).toBe(201);
  // None of them leaves anything behind that counts.
  for (let i = 0; i < 3; i++) {
    expect(await codeOf(await call("a", "POST", many))).toBe("503 BUSY");
    expect((await call("a", "POST", one)).status).toBe(204);
    expect((await call("a", "POST", JSON.stringify([1, 1]))).status).toBe(204);
  }
});

test("a fork of a fork goes 64 deep and no deeper, and the deepest gives all of it", async () => {
  const { call } = serving(scratchDirectory());
  await call("0", { method: "PUT", headers: type, body: "[0]" });
  for (let depth = 1; depth <= 65; depth++) {
    const headers = { ...type, "stream-forked-from": `/v1/stream/${depth - 1}` };
    const made = await call(String(depth), { method: "PUT", headers, body: `[${depth}]` });
    if (depth === 65) expect(await codeOf(made)).toBe("409 FORK_DEPTH");
    else expect(made.status).toBe(201);
  }
  const messages: unknown[] = [];
  for (let offset = "-1"; ;) {
    const response = await call(`64?offset=${offset}`);
    messages.push(...((await response.json()) as unknown[]));
    if (response.headers.get("stream-up-to-date") === "true") break;
    offset = response.headers.get("stream-next-offset") as string;
  }
  expect(messages).toEqual(Array.from({ length: 65 }, (_, i) => i));
});

test.each([
  ["content-type", `text/plain; x=${"y".repeat(1024)}`],
  ["stream-expires-at", `2990-01-01T00:00:00.${"0".repeat(1024)}Z`],
])("a PUT with a %s of over a KiB is refused, and makes nothing", async (name, value) => {
  const { call } = serving(scratchDirectory());
  expect(await codeOf(await call("a", { method: "PUT", headers: { [name]: value } }))).toBe("400 HEADER_TOO_LONG");
  expect((await call("a", { method: "HEAD" })).status).toBe(404);
});

test("PUT says no to a log of a program that is asked to expire, to be closed, or to be a fork", async () => {
  const dir = scratchDirectory();
  const log = await openLog(join(dir, "events"), { codec: json() });
  await log.append({ n: 1 });
  await log.close();
  const { call } = serving(dir);
  await call("other", { method: "PUT", headers: type });
  const put = (more: Record<string, string>): Promise<Response> =>
    call("events", { method: "PUT", headers: { ...type, ...more } });
  expect((await put({})).status).toBe(200);
  for (const more of [
    { "stream-ttl": "60" },
    { "stream-expires-at": "2990-01-01T00:00:00Z" },
    { "stream-closed": "true" },
    { "stream-forked-from": "/v1/stream/other" },
  ]) {
    expect(await codeOf(await put(more as unknown as Record<string, string>))).toBe("409 EXISTS");
  }
});

test("an ETag says where the answer begins: of the first record, which one that is", async () => {
  const file = { segmentBytes: 1024 };
  const log = await openLog(join(scratchDirectory(), "events"), { codec: json(), file });
  for (let n = 0; n < 100; n++) await log.append({ n, text: "x".repeat(50) });
  const handler = createHandler({ logs: { events: log } });
  const etagFrom = async (offset: string, method = "GET"): Promise<string | null> => {
    const request = new Request(`http://localhost/v1/stream/events?offset=${offset}`, { method });
    return (await handler.fetch(request)).headers.get("etag");
  };
  const tokenOf = (seq: number): string => `${String(seq).padStart(16, "0")}_${"0".repeat(16)}`;
  const [before, headBefore] = [await etagFrom("-1"), await etagFrom("-1", "HEAD")];
  expect(before).toBe(await etagFrom(tokenOf(0)));
  await log.trim({ before: 50 });
  const first = log.firstSeq as number;
  expect(first).toBeGreaterThan(0);
  expect(await etagFrom("-1")).toBe(await etagFrom(tokenOf(first)));
  expect(await etagFrom("-1")).not.toBe(before);
  // It ends where it did, and begins elsewhere.
  expect(await etagFrom("-1", "HEAD")).not.toBe(headBefore);
  await handler.close();
  await log.close();
});

test("a snapshot of a stream's state that is refused is replaced when the stream is opened to write", async () => {
  const dir = scratchDirectory();
  const first = serving(dir);
  await first.call("a", { method: "PUT", headers: { "content-type": "text/plain" } });
  const post = (call: Call): Promise<Response> =>
    call("a", { method: "POST", headers: { "content-type": "text/plain" }, body: "x" });
  for (let i = 0; i < 5; i++) expect((await post(first.call)).status).toBe(204);
  await first.close();
  const path = join(
    dir,
    readdirSync(dir, { recursive: true, encoding: "utf8" }).find((name) => name.endsWith("PRODUCERS")) ?? "",
  );
  const whole = readFileSync(path, "utf8");
  expect(whole).toContain('"nextSeq":5');
  writeFileSync(path, "damaged");
  const second = serving(dir);
  expect((await post(second.call)).status).toBe(204);
  // Of the records before the one that was appended.
  expect(readFileSync(path, "utf8")).toBe(whole);
  await second.close();
});

test("a body limit of which a record would be larger than a log takes is refused, with both named", () => {
  const options = { dir: scratchDirectory(), limits: { maxBodyBytes: 800 * 1024 * 1024 } };
  expect(() => createHandler(options)).toThrow(/maxBodyBytes must be 715128832 at most.*maxRecordBytes is 1 GiB/);
});
