import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import pino from "pino";
import { expect, test } from "vitest";
import { textsOf } from "../../test/crash/read-data.ts";
import { newPath, scratchDirectory } from "../../test/crash/scratch-directory.ts";
import { FileLog } from "../log/file-log.ts";
import transport from "./transport.ts";

const target = createRequire(import.meta.url).resolve("seqlog/pino");
const plain = { base: null, timestamp: false } as const;

function lineOf(msg: string): string {
  return `{"level":30,"msg":"${msg}"}`;
}

/** pino ends the thread of a transport that nothing refers to, and a test that waits is no reference. */
const held: unknown[] = [];

function started(options: Parameters<typeof pino.transport>[0]): ReturnType<typeof pino.transport> {
  const stream = pino.transport(options);
  held.push(stream);
  return stream;
}

/** Ends a transport; resolves when its thread has closed the log. */
async function end(stream: ReturnType<typeof pino.transport>): Promise<void> {
  const closed = once(stream, "close");
  stream.end();
  await closed;
}

async function linesIn(path: string): Promise<string[]> {
  const log = await FileLog.open(path);
  const lines = await textsOf(log);
  await log.close();
  return lines;
}

test("pino runs it by its name in a thread of its own; each line is a record, in order", async () => {
  const path = newPath();
  const stream = started({ target: "seqlog/pino", options: { path, segmentBytes: 16 * 1024 } });
  const logger = pino(plain, stream);
  const messages = Array.from({ length: 2000 }, (_, i) => `message ${i} ü`);
  for (const message of messages) logger.info(message);
  await end(stream);
  expect(await linesIn(path)).toEqual(messages.map(lineOf));
  const log = await FileLog.open(path);
  expect((await log.stats()).segments).toBeGreaterThan(5);
  await log.close();
});

test("logger.flush and a fatal line wait until all before is on the disk", async () => {
  const path = newPath();
  const stream = started({ target, options: { path } });
  const logger = pino(plain, stream);
  for (let i = 0; i < 500; i++) logger.info(String(i));
  await new Promise<void>((resolve, reject) => logger.flush((error) => (error ? reject(error) : resolve())));
  const reader = await FileLog.open(path, { readOnly: true });
  expect((await textsOf(reader)).length).toBe(500);
  logger.info("before");
  logger.fatal("the end");
  expect((await textsOf(reader)).slice(500)).toEqual([lineOf("before"), '{"level":60,"msg":"the end"}']);
  await reader.close();
  await end(stream);
});

test("a line larger than pino's buffer comes whole", async () => {
  const path = newPath();
  const stream = started({ target, options: { path } });
  const logger = pino(plain, stream);
  const large = "ü".repeat(3 * 1024 * 1024);
  logger.info("small");
  logger.info(large);
  logger.info("small");
  await end(stream);
  expect((await linesIn(path)).map((line) => line.length)).toEqual([26, 21 + large.length, 26]);
});

test("it works beside other targets, and in a pipeline", async () => {
  const path = newPath();
  const other = newPath();
  const stream = started({
    targets: [
      { target, options: { path }, level: "info" },
      { pipeline: [{ target, options: { path: other } }], level: "error" },
    ],
  });
  const logger = pino(plain, stream);
  for (let i = 0; i < 300; i++) logger.info(String(i));
  logger.error("both");
  await end(stream);
  const lines = await linesIn(path);
  expect(lines.slice(0, 300)).toEqual(Array.from({ length: 300 }, (_, i) => lineOf(String(i))));
  expect(lines.slice(300)).toEqual(['{"level":50,"msg":"both"}']);
  expect(await linesIn(other)).toEqual(['{"level":50,"msg":"both"}']);
});

test("a log that is in use is an error of the transport, unless it may wait", async () => {
  const path = newPath();
  const holder = await FileLog.open(path);
  const refused = started({ target, options: { path } });
  const [error] = (await once(refused, "error")) as [Error];
  expect(error.message).toContain(path);
  const waiting = started({ target, options: { path, lockTimeoutMs: 60_000 } });
  pino(plain, waiting).info("late");
  await holder.close();
  await end(waiting);
  expect(await linesIn(path)).toEqual([lineOf("late")]);
});

test("as a plain stream it takes text and bytes, cut anywhere, with a last line that has no end", async () => {
  const path = newPath();
  const bytes = Buffer.from("öne\ntwo\nthrée\nfour");
  const stream = await transport({ path });
  await pipeline(Readable.from(Array.from(bytes, (byte) => Buffer.of(byte))), stream);
  await new Promise<void>((resolve) => (stream.closed ? resolve() : stream.once("close", resolve)));
  expect(await linesIn(path)).toEqual(["öne", "two", "thrée", "four"]);
});

test("no piece is taken as read before it is durable", async () => {
  const path = newPath();
  const stream = await transport({ path });
  const reader = await FileLog.open(path, { readOnly: true });
  expect(stream.write("a\nb\n")).toBe(false);
  expect(reader.nextSeq).toBe(0);
  await once(stream, "drain");
  expect(await textsOf(reader)).toEqual(["a", "b"]);
  stream.end();
  await once(stream, "close");
  await reader.close();
});

test("an append that fails closes the log, so that another can open it, and then is the stream's error", async () => {
  const path = newPath();
  const stream = await transport({ path, maxRecordBytes: 10 });
  stream.write("short\n");
  stream.write("much too long for it\n");
  const error = await new Promise((resolve) => stream.once("error", resolve));
  expect(error).toBeInstanceOf(RangeError);
  expect(await linesIn(path)).toEqual(["short"]);
});

const program = `
import pino from "pino";
const [, target, path, ending] = process.argv;
const logger = pino(pino.transport({ target, options: { path } }));
for (let i = 0; i < 1000; i++) logger.info(String(i));
if (ending === "exit") process.exit(3);
if (ending === "throw") throw new Error("uncaught");
`;

test.each([
  ["the end of its work", "return", 0],
  ["process.exit", "exit", 3],
  ["an uncaught exception", "throw", 1],
])("%s waits until every line is in the log, and the log closed", async (_name, ending, code) => {
  const path = newPath();
  const args = ["--input-type=module", "-e", program, target, path, ending];
  expect(spawnSync(process.execPath, args).status).toBe(code);
  expect(readFileSync(`${path}/MANIFEST`, "utf8")).toContain('"state":{"nextSeq":1000,');
  const log = await FileLog.open(path);
  expect(log.recovery).toEqual({ records: 1000, tornBytes: 0, redone: 0, indexRebuilt: false });
  await log.close();
});

test("a directory that cannot be one is an error at once", async () => {
  const file = `${scratchDirectory()}/no/such`;
  await expect(transport({ path: "http://example.com" })).rejects.toBeInstanceOf(TypeError);
  const stream = await transport({ path: file });
  stream.destroy();
  await once(stream, "close");
});
