/** A server on a directory in which programs write logs of their own. */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { FileLog, binary, json, openLog, text } from "../../src/index.ts";
import { frameCodecName } from "../../src/server/frame/frame.ts";
import { scratchDirectory } from "../crash/scratch-directory.ts";
import { codeOf, eventsUntil, handlerOf } from "./serving.ts";

const type = { "content-type": "application/json" };

function serving(dir: string): (path: string, init?: RequestInit) => Promise<Response> {
  const handler = handlerOf(dir);
  return (path, init) => handler.fetch(new Request(`http://localhost${path}`, init));
}

describe("a plain log", () => {
  test("made after the server started is followed live while its program appends", async () => {
    const dir = scratchDirectory();
    const call = serving(dir);
    expect((await call("/v1/stream/events")).status).toBe(404);
    const log = await openLog(join(dir, "events"), { codec: json() });
    onTestFinished(() => log.close());
    await log.append({ n: 1 });
    const found = async (): Promise<Response> => {
      for (;;) {
        const response = await call("/v1/stream/events");
        if (response.status !== 404) return response;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    expect(await (await found()).json()).toEqual([{ n: 1 }]);
    const events = eventsUntil(await call("/v1/stream/events?offset=now&live=sse"), '"n":3');
    await log.appendBatch([{ n: 2 }, { n: 3 }]);
    expect(await events).not.toContain('"n":1');
    const polled = call("/v1/stream/events?offset=now&live=long-poll");
    // Until the poll has begun to wait an append is one that it has seen.
    const more = setInterval(() => void log.append({ n: 4 }), 50);
    onTestFinished(() => clearInterval(more));
    expect(((await (await polled).json()) as { n: number }[])[0]).toEqual({ n: 4 });
  });

  test("is only read over HTTP", async () => {
    const dir = scratchDirectory();
    const call = serving(dir);
    const log = await openLog(join(dir, "events"), { codec: json() });
    await log.append(1);
    await log.close();
    expect(await codeOf(await call("/v1/stream/events", { method: "POST", headers: type, body: "1" }))).toBe(
      "405 PLAIN_LOG",
    );
    expect(await codeOf(await call("/v1/stream/events", { method: "DELETE" }))).toBe("405 PLAIN_LOG");
    expect(await codeOf(await call("/v1/stream/events", { method: "PUT" }))).toBe("409 EXISTS");
    const put = await call("/v1/stream/events", { method: "PUT", headers: type });
    expect([put.status, put.headers.get("stream-next-offset")]).toEqual([200, `${"0".repeat(15)}1_${"0".repeat(16)}`]);
    // Nobody took its lock.
    const again = await openLog(join(dir, "events"), { codec: json() });
    await again.close();
  });

  test("is what its codec says", async () => {
    const dir = scratchDirectory();
    const call = serving(dir);
    const logs = [
      await openLog(join(dir, "json"), { codec: json() }),
      await openLog(join(dir, "text"), { codec: text() }),
      await openLog(join(dir, "deep", "er", "bytes"), { codec: binary() }),
      await openLog(join(dir, "plain")),
    ];
    for (const log of logs) onTestFinished(() => log.close());
    const [asJson, asText, asBytes, asPlain] = logs as [(typeof logs)[0], ...FileLog<never>[]];
    await asJson.appendBatch([1, "two"] as never);
    await asText?.appendBatch(["one", "two"] as never);
    await asBytes?.append(new Uint8Array([1, 2]) as never);
    await asPlain?.append("plain" as never);
    const shown = async (name: string): Promise<unknown> => {
      const response = await call(`/v1/stream/${name}`);
      return [response.headers.get("content-type"), await response.text()];
    };
    expect(await shown("json")).toEqual(["application/json", '[1,"two"]']);
    expect(await shown("text")).toEqual(["text/plain; charset=utf-8", "one\ntwo\n"]);
    expect(await shown("deep/er/bytes")).toEqual(["application/octet-stream", "\u0001\u0002"]);
    expect(await shown("plain")).toEqual(["application/octet-stream", "plain"]);
    const { logs: listed } = (await (await call("/v1/logs")).json()) as { logs: { name: string; kind: string }[] };
    expect(listed.map(({ name, kind }) => `${kind} ${name}`)).toEqual([
      "log deep/er/bytes",
      "log json",
      "log plain",
      "log text",
    ]);
  });

  test("says what was trimmed, and begins with what is there", async () => {
    const dir = scratchDirectory();
    const call = serving(dir);
    const log = await openLog(join(dir, "events"), { codec: json(), file: { segmentBytes: 1024 } });
    onTestFinished(() => log.close());
    for (let n = 0; n < 100; n++) await log.append(n);
    await log.trim({ before: 50 });
    const { firstSeq } = log;
    expect(await codeOf(await call(`/v1/stream/events?offset=${"0".repeat(16)}_${"0".repeat(16)}`))).toBe(
      "410 SEQLOG_TRIMMED",
    );
    expect(((await (await call("/v1/stream/events")).json()) as number[])[0]).toBe(firstSeq);
    expect((await call("/v1/stream/events?offset=-1")).status).toBe(200);
  });

  test("that its program removes is gone like any other name", async () => {
    const dir = scratchDirectory();
    const log = await openLog(join(dir, "events"), { codec: json() });
    await log.append(1);
    await log.close();
    const handler = handlerOf(dir);
    const get = (): Promise<Response> => handler.fetch(new Request("http://localhost/v1/stream/events"));
    // Its name is known, the log was not opened.
    expect((await handler.fetch(new Request("http://localhost/v1/logs"))).status).toBe(200);
    rmSync(join(dir, "events"), { recursive: true });
    expect(await codeOf(await get())).toBe("404 NOT_FOUND");
  });

  test("of a stream's name gives way to the stream", async () => {
    const dir = scratchDirectory();
    const call = serving(dir);
    await call("/v1/stream/events", { method: "PUT", headers: type, body: "[1]" });
    const log = await openLog(join(dir, "events"), { codec: json() });
    onTestFinished(() => log.close());
    await log.append("the program's");
    expect(await (await call("/v1/stream/events")).json()).toEqual([1]);
  });
});

test("what is no log, or lies elsewhere, is not served", async () => {
  const dir = scratchDirectory();
  const elsewhere = scratchDirectory();
  const log = await openLog(join(elsewhere, "secret"), { codec: json() });
  await log.append("secret");
  await log.close();
  symlinkSync(join(elsewhere, "secret"), join(dir, "link"));
  mkdirSync(join(dir, "nothing"));
  writeFileSync(join(dir, "file"), "text");
  const call = serving(dir);
  for (const name of ["link", "nothing", "file", "nothing/deeper"]) {
    expect((await call(`/v1/stream/${name}`)).status).toBe(404);
  }
  expect(await (await call("/v1/logs")).json()).toEqual({ logs: [] });
});

describe("a stream that another process writes", () => {
  test("is read and followed, and a write to it names the holder", async () => {
    const dir = scratchDirectory();
    const call = serving(dir);
    await call("/v1/stream/a", { method: "PUT", headers: type, body: "[1]" });
    const [id] = (await import("node:fs")).readdirSync(join(dir, "__ds", "streams"));
    const frames = { name: frameCodecName, encode: (bytes: Uint8Array) => bytes, decode: (bytes: Uint8Array) => bytes };
    const other = await FileLog.open(join(dir, "__ds", "streams", id as string), { codec: frames });
    const refused = await call("/v1/stream/a", { method: "POST", headers: type, body: "2" });
    const { error } = (await refused.json()) as { error: { code: string; holder: { pid: number } } };
    expect([refused.status, error.code, error.holder.pid]).toEqual([423, "SEQLOG_LOCKED", process.pid]);
    expect(await codeOf(await call("/v1/stream/a", { method: "DELETE" }))).toBe("423 SEQLOG_LOCKED");
    const events = eventsUntil(await call("/v1/stream/a?offset=-1&live=sse"), '"theirs"');
    // As another server would: the frame of one message of eight bytes.
    await other.append(Buffer.from([1, 8, 1, 8, ...Buffer.from('"theirs"')]));
    expect(await events).toContain('data:["theirs"]');
    await other.close();
    expect((await call("/v1/stream/a", { method: "POST", headers: type, body: "2" })).status).toBe(204);
    expect(await (await call("/v1/stream/a")).json()).toEqual([1, "theirs", 2]);
  });
});
