import { execFile } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { newPath } from "../../test/crash/scratch-directory.ts";
import { type DiagnosticsMessages, appendChannel } from "../diagnostics.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import { failWith } from "../testing/fault-plan.ts";
import { withFaults } from "../testing/fault-injecting-storage.ts";
import { FileLog } from "./file-log.ts";

/** All that comes on a channel until the test ends. */
function messagesOn<Name extends keyof DiagnosticsMessages>(name: Name): DiagnosticsMessages[Name][] {
  const messages: DiagnosticsMessages[Name][] = [];
  const note = (message: unknown): void => void messages.push(message as DiagnosticsMessages[Name]);
  subscribe(name, note);
  onTestFinished(() => void unsubscribe(name, note));
  return messages;
}

test("seqlog:append tells of each write once, whoever shares it, blocking or not, with what it wrote", async () => {
  const log = await FileLog.open(newPath());
  const messages = messagesOn("seqlog:append");
  await Promise.all(["a", "b", "c"].map((data) => log.append(data)));
  log.appendSync("d");
  await log.appendBatch(["e", "f"]);
  const { location: path } = log;
  const of = { path, generation: 0, durable: true, durationMs: expect.any(Number) as number };
  expect(messages).toEqual([
    { ...of, firstSeq: 0, count: 3, bytes: 99 },
    { ...of, firstSeq: 3, count: 1, bytes: 33 },
    { ...of, firstSeq: 4, count: 2, bytes: 66 },
  ]);
  for (const { durationMs } of messages) expect(durationMs).toBeGreaterThan(0);
  await log.close();
});

test("a subscriber that comes late, or after a reset, is told the right seqs", async () => {
  const log = await FileLog.open(newPath());
  await log.appendBatch(["a", "b", "c"]);
  const messages = messagesOn("seqlog:append");
  await log.append("d");
  await log.reset();
  await log.append("e");
  await log.close();
  const again = await FileLog.open(log.location, { durability: "os" });
  await again.append("f");
  await again.close();
  expect(messages).toMatchObject([
    { generation: 0, firstSeq: 3, count: 1, durable: true },
    { generation: 1, firstSeq: 0, count: 1, durable: true },
    { generation: 1, firstSeq: 1, count: 1, durable: false },
  ]);
});

test("an append that failed is not told", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine });
  const messages = messagesOn("seqlog:append");
  storage.faults.on({ kind: "write", path: ".log" }, ({ background }) => (background ? failWith("ENOSPC") : undefined));
  await expect(log.append("refused")).rejects.toMatchObject({ code: "SEQLOG_NO_SPACE" });
  await log.append("taken");
  expect(messages).toMatchObject([{ firstSeq: 0, count: 1 }]);
  await log.close();
});

test("seqlog:roll tells which segment was sealed and which is written now", async () => {
  const messages = messagesOn("seqlog:roll");
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  for (let i = 0; i < 9; i++) await log.append("x".repeat(96));
  expect(messages).toEqual([
    {
      path: log.location,
      generation: 0,
      sealed: "00000000000000000000.log",
      sealedBytes: 1024,
      segment: "00000000000000000008.log",
      firstSeq: 8,
    },
  ]);
  await log.close();
});

test("seqlog:sync tells of a flush and of the syncs in the background", async () => {
  const messages = messagesOn("seqlog:sync");
  const disk = new SimulatedDisk();
  const machine = disk.boot();
  const weak = await FileLog.open("/weak", { machine, durability: { intervalMs: 50 } });
  await weak.append("a");
  expect(messages).toEqual([]);
  await weak.flush();
  const durationMs = expect.any(Number) as number;
  const flushed = { path: "/weak", of: "records", reason: "flush", durationMs };
  expect(messages).toEqual([flushed]);
  const background = { path: "/weak", of: "records", reason: "background", durationMs };
  await disk.clock.advance(1000);
  expect(messages).toEqual([flushed, background]);
  await weak.close();

  const strong = await FileLog.open("/strong", { machine });
  await strong.append("a");
  // Every record is durable by itself, so there is nothing to sync.
  await strong.flush();
  await disk.clock.advance(2000);
  expect(messages.slice(2)).toEqual([{ path: "/strong", of: "record-index", reason: "background", durationMs }]);
  await strong.close();
});

test("seqlog:recovery tells what opening found, for writers alone", async () => {
  const messages = messagesOn("seqlog:recovery");
  const log = await FileLog.open(newPath());
  await log.append("a");
  await log.close();
  const again = FileLog.openSync(log.location);
  const reader = await FileLog.open(log.location, { readOnly: true });
  expect(messages).toEqual([
    { path: log.location, records: 0, tornBytes: 0, redone: 0, indexRebuilt: false },
    { path: log.location, records: 1, tornBytes: 0, redone: 0, indexRebuilt: false },
  ]);
  await reader.close();
  await again.close();
});

test("without subscribers no message is built and no clock is asked", async () => {
  const log = await FileLog.open(newPath(), { writes: "background" });
  const { publish } = appendChannel;
  const { hrtime } = process;
  let asked = 0;
  appendChannel.publish = () => asked++;
  process.hrtime = Object.assign((time?: [number, number]) => (asked++, hrtime(time)), { bigint: hrtime.bigint });
  try {
    await log.append("a");
    log.appendSync("b");
  } finally {
    process.hrtime = hrtime;
    appendChannel.publish = publish;
  }
  expect(asked).toBe(0);
  await log.close();
});

/** A program of its own: this one may not have uncaught exceptions. */
const program = `
import { subscribe } from "node:diagnostics_channel";
const { openLog } = await import(process.argv[1]);
process.on("uncaughtException", (error) => console.log(error.message));
subscribe("seqlog:append", () => { throw new Error("the subscriber is broken"); });
const log = await openLog(process.argv[2]);
console.log((await log.append("a")).seq);
console.log(log.appendSync("b").seq);
await log.close();
`;

test("a subscriber that throws does not reach the log: Node reports it as an uncaught exception", async () => {
  const { href } = new URL("../../dist/index.js", import.meta.url);
  const path = newPath();
  const args = ["--input-type=module", "-e", program, href, path];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(stdout.trim().split("\n").sort()).toEqual(["0", "1", "the subscriber is broken", "the subscriber is broken"]);
  const log = await FileLog.open(path);
  expect(log.recovery).toMatchObject({ records: 2 });
  await log.close();
});
