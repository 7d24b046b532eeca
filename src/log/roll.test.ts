import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { linesOf, seqsOf, textsOf } from "../../test/crash/read-data.ts";
import { newPath } from "../../test/crash/scratch-directory.ts";
import { namesIn } from "../../test/errors/directory-bytes.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { failWith } from "../testing/fault-plan.ts";
import { withFaults } from "../testing/fault-injecting-storage.ts";
import { FileLog } from "./file-log.ts";

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(i));
}

test("a segment is followed by the next when it would grow past segmentBytes, never split within a record", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  // 128 bytes a record: eight fill a segment exactly.
  for (let i = 0; i < 9; i++) await log.append("x".repeat(96));
  expect(namesIn(log.location)).toEqual([
    "00000000000000000000.idx",
    "00000000000000000000.log",
    "00000000000000000008.idx",
    "00000000000000000008.log",
    "MANIFEST",
  ]);
  expect(statSync(join(log.location, "00000000000000000000.log")).size).toBe(1024);
  expect(await log.get(8)).toMatchObject({ seq: 8, segment: "00000000000000000008.log", offset: 0 });
  await log.close();
});

test("many small segments are read as one log, before and after opening again", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  await Promise.all(numbers(1000).map((data) => log.append(data)));
  expect((await log.stats()).segments).toBeGreaterThan(30);
  expect(await textsOf(log)).toEqual(numbers(1000));
  const lines = await linesOf(log);
  await log.close();
  const again = await FileLog.open(log.location, { segmentBytes: 1024 });
  expect(again.recovery).toMatchObject({ records: 1000, tornBytes: 0, redone: 0, indexRebuilt: false });
  expect(await linesOf(again)).toEqual(lines);
  expect(await again.append("next")).toMatchObject({ seq: 1000 });
  await again.close();
});

test("a batch goes over as many segments as it needs", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  const waiting = log.appendBatch(numbers(200));
  const sync = log.appendBatchSync(numbers(200));
  expect(await waiting).toEqual({ first: 0, last: 199, count: 200 });
  expect(sync).toEqual({ first: 200, last: 399, count: 200 });
  expect(await textsOf(log)).toEqual([...numbers(200), ...numbers(200)]);
  expect((await log.stats()).segments).toBeGreaterThan(10);
  await log.close();
});

test("a record larger than segmentBytes has a segment of its own", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  const large = "L".repeat(5000);
  const results = await Promise.all([log.append("small"), log.append(large), log.append("next")]);
  expect(results.map(({ segment, offset }) => [segment, offset])).toEqual([
    ["00000000000000000000.log", 0],
    ["00000000000000000001.log", 0],
    ["00000000000000000002.log", 0],
  ]);
  expect(await textsOf(log)).toEqual(["small", large, "next"]);
  await log.close();
});

test("a record larger than segmentBytes may be the first of a log", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  expect(await log.append("L".repeat(5000))).toMatchObject({ segment: "00000000000000000000.log", offset: 0 });
  expect(await log.append("next")).toMatchObject({ segment: "00000000000000000001.log" });
  await log.close();
});

test("sealed segments, and the last one after close, hold records and nothing else", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  await log.appendBatch(numbers(100));
  const { bytes, segments } = await log.stats();
  await log.close();
  const logs = namesIn(log.location).filter((name) => name.endsWith(".log"));
  expect(logs).toHaveLength(segments);
  const sizes = logs.map((name) => statSync(join(log.location, name)).size);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(bytes);
  // The seed's format: length, own offset, …; records back to back up to the end of the file.
  const file = readFileSync(join(log.location, logs[1] as string));
  let offset = 0;
  for (; offset < file.length; offset += 32 + file.readUInt32LE(offset)) {
    expect(file.readBigUInt64LE(offset + 4)).toBe(BigInt(offset));
  }
  expect(offset).toBe(file.length);
});

test("another segmentBytes at a later open concerns only what is appended then", async () => {
  const path = newPath();
  const log = await FileLog.open(path, { segmentBytes: 4096 });
  await log.appendBatch(numbers(50));
  await log.close();
  const smaller = await FileLog.open(path, { segmentBytes: 1024 });
  expect(await smaller.append("next")).toMatchObject({ seq: 50, segment: "00000000000000000050.log" });
  await smaller.close();
  const larger = await FileLog.open(path, { segmentBytes: 64 * 1024 });
  expect(await larger.append("after")).toMatchObject({ seq: 51, segment: "00000000000000000050.log" });
  expect(await seqsOf(larger)).toHaveLength(52);
  await larger.close();
});

test.each(["open", "fsync", "fsyncDirectory"] as const)(
  "a disk that is full at the %s of a roll rejects that append, and the old segment goes on",
  async (kind) => {
    const { machine, storage } = withFaults(nodeMachine);
    const log = await FileLog.open(newPath(), { machine, segmentBytes: 1024 });
    await log.append("0".padEnd(900));
    const next = /00000000000000000001\.idx$/;
    storage.faults.on(kind === "fsyncDirectory" ? { kind } : { kind, path: next }, failWith("ENOSPC"));
    await expect(log.append("1".padEnd(900))).rejects.toMatchObject({ code: "SEQLOG_NO_SPACE" });
    expect(namesIn(log.location)).not.toContain("00000000000000000001.log");
    // This one still fits into the old segment, so none may begin in the middle of it.
    expect(await log.append("2")).toMatchObject({ seq: 1, segment: "00000000000000000000.log" });
    expect(await log.append("3".padEnd(900))).toMatchObject({ seq: 2, segment: "00000000000000000002.log" });
    await log.close();
    const again = await FileLog.open(log.location);
    expect((await textsOf(again)).map((data) => data.trim())).toEqual(["0", "2", "3"]);
    await again.close();
  },
);

test("a sealing fsync that fails poisons: the record that asked for the roll is not acknowledged", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await FileLog.open(newPath(), { machine, segmentBytes: 1024 });
  await log.append("0".padEnd(900));
  storage.faults.on({ kind: "fsync", path: "00000000000000000000.log" }, failWith("EIO"));
  await expect(log.append("1".padEnd(900))).rejects.toMatchObject({ code: "SEQLOG_POISONED" });
  await log.close();
  const again = await FileLog.open(log.location);
  expect((await textsOf(again)).map((data) => data.trim())).toEqual(["0"]);
  await again.close();
});
