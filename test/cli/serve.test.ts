import { readdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readToEnd, readUntil } from "../server/serving.ts";
import { SeqlogProcess, seqlog, temporaryDirectory } from "./seqlog-process.ts";

const type = { "content-type": "application/json" };

/** Starts a server on a port of its own; resolves when it says where. */
async function start(args: readonly string[]): Promise<{ process: SeqlogProcess; url: string }> {
  const process = new SeqlogProcess(["serve", ...args, "--port", "0"]);
  await process.until(({ stdout }) => stdout.includes("\n"));
  return { process, url: /http:\/\/[^\s"]+/.exec(process.stdout.toString())?.[0] ?? "" };
}

test("it says where it is, and keeps what it acknowledged when it is killed", async () => {
  const dir = join(temporaryDirectory(), "data");
  const first = await start([dir]);
  expect(first.process.stdout.toString()).toBe(`seqlog: serving ${dir} at ${first.url}\n`);
  await fetch(`${first.url}/v1/stream/a`, { method: "PUT", headers: type, body: '[{"n":1}]' });
  const place = { "producer-id": "p", "producer-epoch": "0", "producer-seq": "0" };
  const append = (url: string): Promise<Response> =>
    fetch(`${url}/v1/stream/a`, { method: "POST", headers: { ...type, ...place }, body: '[{"n":2},{"n":3}]' });
  expect((await append(first.url)).status).toBe(200);
  first.process.child.kill("SIGKILL");
  await first.process.finished;

  const second = await start([dir, "--json"]);
  expect(JSON.parse(second.process.stdout.toString())).toEqual({ url: second.url });
  expect(await (await fetch(`${second.url}/v1/stream/a`)).json()).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  // It knows the append again.
  expect((await append(second.url)).status).toBe(204);
  second.process.child.kill("SIGTERM");
  expect((await second.process.finished).code).toBe(143);

  // What is in the log is frames; what is shown is messages.
  const [id] = readdirSync(join(dir, "__ds", "streams"));
  const log = join(dir, "__ds", "streams", id as string);
  expect((await seqlog(["cat", log])).text).toBe('{"n":1}\n[{"n":2},{"n":3}]\n');
  expect((await seqlog(["cat", log, "--where", "n=1", "--fields", "n"])).text).toBe('{"n":1}\n');
  expect((await seqlog(["tail", log, "-n", "1", "--json"])).text).toContain('"data":[{"n":2},{"n":3}]');
  expect((await seqlog(["get", log, "0"])).text).toBe('{"n":1}\n');
  expect((await seqlog(["verify", log])).code).toBe(0);
  // What is no frame cannot be put among them.
  const refused = await seqlog(["append", log], "a line\n");
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("over HTTP")]);
});

test("SIGINT ends live reads, finishes what is under way and closes the logs", async () => {
  const dir = temporaryDirectory();
  const { process, url } = await start([dir]);
  await fetch(`${url}/v1/stream/a`, { method: "PUT", headers: type });
  await fetch(`${url}/v1/stream/a`, { method: "POST", headers: type, body: "1" });
  const poll = fetch(`${url}/v1/stream/a?offset=now&live=long-poll`);
  const events = await fetch(`${url}/v1/stream/a?offset=-1&live=sse`);
  const reader = (events.body as ReadableStream<Uint8Array>).getReader();
  await readUntil(reader, "data:[1]");
  process.child.kill("SIGINT");
  expect((await poll).status).toBe(204);
  await readToEnd(reader);
  expect((await process.finished).code).toBe(130);
  const [id] = readdirSync(join(dir, "__ds", "streams"));
  const { text } = await seqlog(["stats", join(dir, "__ds", "streams", id as string), "--json"]);
  expect(JSON.parse(text)).toMatchObject({ records: 1 });
});

test("of logs that were used only so many stay open, and their writers' locks taken", async () => {
  const dir = temporaryDirectory();
  const first = await start([dir, "--max-open-logs", "1"]);
  const append = (url: string, name: string): Promise<Response> =>
    fetch(`${url}/v1/stream/${name}`, { method: "POST", headers: type, body: "1" });
  for (const name of ["a", "b"]) await fetch(`${first.url}/v1/stream/${name}`, { method: "PUT", headers: type });
  expect((await append(first.url, "a")).status).toBe(204);
  const second = await start([dir]);
  expect((await append(second.url, "a")).status).toBe(423);
  expect((await append(first.url, "b")).status).toBe(204);
  // The first one gives up its log of a for that of b, behind the answer.
  while ((await append(second.url, "a")).status !== 204);
  expect((await append(second.url, "b")).status).toBe(423);
  for (const { process } of [first, second]) {
    process.child.kill("SIGTERM");
    await process.finished;
  }
}, 120_000);

test.each(["0", "-1", "1.5", "many"])("--max-open-logs %s is refused", async (value) => {
  const { code, stderr } = await seqlog(["serve", temporaryDirectory(), "--port", "0", `--max-open-logs=${value}`]);
  expect([code, stderr]).toEqual([2, expect.stringContaining("whole number from 1")]);
});

describe("safety", () => {
  test("an address that others can reach needs tokens", async () => {
    const { code, stderr } = await seqlog(["serve", temporaryDirectory(), "--host", "0.0.0.0", "--port", "0"]);
    expect(code).toBe(2);
    expect(stderr).toContain("--token-file");
  });

  test("with tokens it is served, by addresses and by names that are allowed", async () => {
    const dir = temporaryDirectory();
    const file = join(dir, "tokens");
    writeFileSync(file, "# who may\n\n0123456789abcdef0123456789abcdef\n");
    const { url } = await start([
      join(dir, "data"),
      "--host",
      "0.0.0.0",
      "--token-file",
      file,
      "--allow-host",
      "logs.example",
    ]);
    const { port } = new URL(url);
    const authorization = "Bearer 0123456789abcdef0123456789abcdef";
    const get = (headers: Record<string, string>): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}/v1/logs`, { headers });
    expect((await get({ authorization })).status).toBe(200);
    expect((await get({})).status).toBe(401);
    const statusOf = (host: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = connect(Number(port), "127.0.0.1", () =>
          socket.write(
            `GET /v1/logs HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${authorization}\r\nConnection: close\r\n\r\n`,
          ),
        );
        socket.once("data", (data: Buffer) => {
          socket.destroy();
          resolve(data.toString().slice(9, 12));
        });
        socket.once("error", reject);
      });
    expect(await statusOf("logs.example:80")).toBe("200");
    expect(await statusOf(`10.1.2.3:${port}`)).toBe("200");
    expect(await statusOf("evil.example")).toBe("421");
  });

  test.each([
    ["an empty token file", "\n# nothing\n", "holds no token"],
    ["a token that is too short", "secret\n", "shorter than"],
  ])("%s is refused", async (_, content, message) => {
    const file = join(temporaryDirectory(), "tokens");
    writeFileSync(file, content);
    const { code, stderr } = await seqlog(["serve", temporaryDirectory(), "--port", "0", "--token-file", file]);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});

describe("what it cannot serve", () => {
  test("a log by itself", async () => {
    const log = join(temporaryDirectory(), "log");
    await seqlog(["append", log], "line\n");
    const { code, stderr } = await seqlog(["serve", log, "--port", "0"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("serve the directory that it is in")]);
  });

  test("a file, a port in use, a port that is none", async () => {
    const file = join(temporaryDirectory(), "file");
    writeFileSync(file, "");
    expect((await seqlog(["serve", file, "--port", "0"])).code).toBe(2);
    const { url } = await start([temporaryDirectory()]);
    const busy = await seqlog(["serve", temporaryDirectory(), "--port", new URL(url).port]);
    expect([busy.code, busy.stderr]).toEqual([4, expect.stringContaining("is in use by another program")]);
    expect((await seqlog(["serve", temporaryDirectory(), "--port", "70000"])).code).toBe(2);
    expect((await seqlog(["serve", temporaryDirectory(), "--base-path", "logs"])).code).toBe(2);
  });
});
