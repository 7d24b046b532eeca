import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import pino from "pino";
import { expect, test } from "vitest";
import { textsOf } from "../../test/crash/read-data.ts";
import { newPath } from "../../test/crash/scratch-directory.ts";
import { json, text } from "../log/codec.ts";
import { FileLog } from "../log/file-log.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { failWith } from "../testing/fault-plan.ts";
import { withFaults } from "../testing/fault-injecting-storage.ts";
import { type DestinationOptions, destination } from "./destination.ts";

/** The messages in a log, read beside its writer or after it. */
async function messagesIn(path: string): Promise<string[]> {
  const log = await FileLog.open(path, { codec: json<{ msg: string }>(), readOnly: true });
  const messages: string[] = [];
  for await (const { data } of log.read()) messages.push(data.msg);
  await log.close();
  return messages;
}

test("each line is a record, durable when the call returns", async () => {
  const path = newPath();
  const lines = destination({ path });
  const logger = pino({ base: null, timestamp: false }, lines);
  logger.info("one");
  expect(await messagesIn(path)).toEqual(["one"]);
  logger.child({ user: 7 }).warn("two\nlines");
  expect(lines.log.pendingBytes).toBe(0);
  await lines.close();
  const log = await FileLog.open(path);
  expect(await textsOf(log)).toEqual(['{"level":30,"msg":"one"}', '{"level":40,"user":7,"msg":"two\\nlines"}']);
  await log.close();
});

test("buffered lines are written together in the background, in order; flush says when they are on the disk", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  const lines = destination({ log, mode: "buffered" });
  const logger = pino(lines);
  const before = storage.operations.count("write", ".log");
  for (let i = 0; i < 1000; i++) logger.info(String(i));
  expect(log.nextSeq).toBe(0);
  await new Promise<void>((resolve, reject) => logger.flush((error) => (error ? reject(error) : resolve())));
  expect(log.nextSeq).toBe(1000);
  expect(storage.operations.count("write", ".log") - before).toBeLessThan(20);
  expect(await messagesIn(log.location)).toEqual(Array.from({ length: 1000 }, (_, i) => String(i)));
  await lines.close();
  await log.append("the log is its owner's to close");
  await log.close();
});

test("no more than maxBufferedBytes wait: the call that would exceed it blocks until all is durable", async () => {
  const log = await FileLog.open(newPath());
  const lines = destination({ log, mode: "buffered", maxBufferedBytes: 1000 });
  let most = 0;
  let blocked = 0;
  for (let i = 0; i < 100; i++) {
    lines.write(`${String(i).padEnd(68, "x")}\n`);
    most = Math.max(most, log.pendingBytes);
    if (log.pendingBytes === 0) blocked++;
  }
  expect(most).toBe(1000);
  expect(blocked).toBe(9);
  lines.write("L".repeat(5000));
  expect(log.pendingBytes).toBe(0);
  expect(log.nextSeq).toBe(101);
  await lines.close();
  await log.close();
});

test("a fatal line, and flushSync, leave nothing in the buffer", async () => {
  const log = await FileLog.open(newPath());
  const lines = destination({ log, mode: "buffered" });
  const logger = pino(lines);
  logger.info("before");
  logger.fatal("the end");
  expect(log.nextSeq).toBe(2);
  logger.info("after");
  lines.flushSync();
  expect(log.nextSeq).toBe(3);
  await lines.close();
  await log.close();
});

test("it may share a log with the program, with text() too", async () => {
  const log = await FileLog.open(newPath(), { codec: text() });
  const lines = destination({ log });
  pino({ base: null, timestamp: false }, lines).info("a line");
  await log.append("the program's own");
  expect(await textsOf(log)).toEqual(['{"level":30,"msg":"a line"}', "the program's own"]);
  await lines.close();
  await log.close();
  const values = await FileLog.open(newPath(), { codec: json() });
  // @ts-expect-error a log of another codec would store the lines as something else
  const wrong: DestinationOptions = { log: values };
  expect(wrong).toBeDefined();
  await values.close();
});

test("a line that cannot be appended is an error event, or without a listener the call's own error", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  const lines = destination({ log });
  let isFull = true;
  storage.faults.on({ kind: "write", path: ".log", times: 1000 }, () => (isFull ? failWith("ENOSPC") : undefined));
  expect(() => lines.write("lost\n")).toThrow(expect.objectContaining({ code: "SEQLOG_NO_SPACE" }));
  const errors: Error[] = [];
  lines.on("error", (error) => errors.push(error));
  lines.write("lost too\n");
  expect(errors).toMatchObject([{ code: "SEQLOG_NO_SPACE" }]);
  isFull = false;
  lines.write("kept\n");
  expect(await textsOf(log)).toEqual(["kept"]);
  await lines.close();
  lines.write("after the end\n");
  expect(errors).toMatchObject([{ code: "SEQLOG_NO_SPACE" }, { code: "SEQLOG_CLOSED" }]);
  await log.close();
});

test("buffered, each line that cannot be appended is an error event", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  const lines = destination({ log, mode: "buffered" });
  storage.faults.on({ kind: "write", path: ".log" }, ({ background }) => (background ? failWith("ENOSPC") : undefined));
  const errors: Error[] = [];
  const both = new Promise<void>((resolve) => {
    lines.on("error", (error) => {
      if (errors.push(error) === 2) resolve();
    });
  });
  lines.write("a\n");
  lines.write("b\n");
  await both;
  expect(errors).toMatchObject([{ code: "SEQLOG_NO_SPACE" }, { code: "SEQLOG_NO_SPACE" }]);
  await lines.close();
  await log.close();
});

test("end closes a log that it opened, and says close; closing twice is fine", async () => {
  const path = newPath();
  const lines = destination({ path, mode: "buffered" });
  lines.write("last\n");
  const closed = once(lines, "close");
  lines.end();
  await closed;
  await lines.close();
  await lines[Symbol.asyncDispose]();
  const log = await FileLog.open(path);
  expect(log.recovery).toMatchObject({ records: 1, redone: 0 });
  await log.close();
});

test("a wrong mode or size is found at the call, and nothing is opened; a log in use is SEQLOG_LOCKED", async () => {
  const path = newPath();
  expect(() => destination({ path, mode: "async" as never })).toThrow(TypeError);
  expect(() => destination({ path, maxBufferedBytes: -1 })).toThrow(RangeError);
  await expect(FileLog.open(path, { readOnly: true })).rejects.toMatchObject({ code: "SEQLOG_NOT_FOUND" });
  const lines = destination({ path });
  expect(() => destination({ path })).toThrow(expect.objectContaining({ code: "SEQLOG_LOCKED" }));
  await lines.close();
});

test("many destinations are one listener of the process", async () => {
  const before = process.listenerCount("exit");
  const all = Array.from({ length: 12 }, () => destination({ path: newPath() }));
  expect(process.listenerCount("exit")).toBe(before + 1);
  await Promise.all(all.map((lines) => lines.close()));
  expect(process.listenerCount("exit")).toBe(before);
});

const program = `
import pino from "pino";
const { destination } = await import(process.argv[1]);
const [, , path, ending, given] = process.argv;
const { openLog } = await import(new URL("../index.js", process.argv[1]));
const options = given === "log" ? { log: await openLog(path) } : { path };
const logger = pino(destination({ ...options, mode: "buffered" }));
for (let i = 0; i < 100; i++) logger.info(String(i));
if (ending === "exit") process.exit(3);
if (ending === "close") await options.log.close();
if (ending === "throw") throw new Error("uncaught");
`;

test.each([
  ["the end of its work", "return", "path", 0],
  ["process.exit", "exit", "path", 3],
  ["an uncaught exception", "throw", "path", 1],
  ["process.exit, with a log that was given", "exit", "log", 3],
  ["the end of its work, with a log that was given and closed by the program", "close", "log", 0],
])("buffered lines outlive %s", async (_name, ending, given, code) => {
  const path = newPath();
  const { href } = new URL("../../dist/pino/index.js", import.meta.url);
  const args = ["--input-type=module", "-e", program, href, path, ending, given];
  expect(spawnSync(process.execPath, args).status).toBe(code);
  expect(await messagesIn(path)).toHaveLength(100);
  if (given === "path") expect(readFileSync(`${path}/MANIFEST`, "utf8")).toContain('"state":{"nextSeq":100,');
  const log = await FileLog.open(path);
  expect(log.recovery).toMatchObject({ records: 100, tornBytes: 0 });
  await log.close();
});

test.each([
  ["sync", "path"],
  ["buffered", "path"],
  ["buffered", "log"],
])("a line logged at exit, after the destination has heard of it, is there too (%s, %s)", async (mode, given) => {
  const path = newPath();
  const program = `
    import pino from "pino";
    import { openLog } from "./dist/index.js";
    import { destination } from "./dist/pino/index.js";
    const path = ${JSON.stringify(path)};
    const lines = destination({ mode: "${mode}", ...(${given === "log"} ? { log: await openLog(path) } : { path }) });
    const logger = pino(lines);
    process.on("exit", (code) => logger.info("bye " + code));
    logger.info("hello");
    process.exit(3);`;
  const { status, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 3, stderr: "" });
  const log = await FileLog.open(path, { codec: json<{ msg: string }>() });
  const messages: string[] = [];
  for await (const { data } of log.read()) messages.push(data.msg);
  expect(messages).toEqual(["hello", "bye 3"]);
  await log.close();
});

test("a log that takes little at a time is waited for, not overrun", async () => {
  for (const mode of ["buffered", "sync"] as const) {
    const log = await FileLog.open(newPath(), { maxPendingBytes: 4096 });
    const lines = destination({ log, mode });
    const errors: Error[] = [];
    lines.on("error", (error) => errors.push(error));
    const logger = pino(lines);
    const own: Promise<unknown>[] = [];
    for (let i = 0; i < 500; i++) {
      logger.info(String(i));
      // The program's own, which nobody waits for.
      if (log.pendingBytes < 3500) own.push(log.append("x".repeat(500)));
    }
    logger.info("y".repeat(10_000));
    await Promise.all(own);
    await log.flush();
    expect(errors).toEqual([]);
    expect(log.nextSeq).toBe(501 + own.length);
    await lines.close();
    await log.close();
  }
});
