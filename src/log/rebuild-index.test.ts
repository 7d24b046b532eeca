import { readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { linesOf } from "../../test/crash/read-data.ts";
import { newPath } from "../../test/crash/scratch-directory.ts";
import { bytesOf, flipBit } from "../../test/errors/directory-bytes.ts";
import { LogWriter } from "../segment/log-writer.ts";
import { RecordIndex } from "../segment/record-index.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import { FileLog } from "./file-log.ts";
import { rebuildIndex } from "./repair.ts";
import { verify } from "./verify.ts";

const bytesEach = 128;
const names = ["00000000000000000000", "00000000000000000010", "00000000000000000020"];

async function closedLog(): Promise<{ path: string; lines: string[]; indexes: string[]; segments: string[] }> {
  const log = await FileLog.open(newPath(), { segmentBytes: 10 * bytesEach });
  for (let i = 0; i < 25; i++) log.appendSync(String(i).padEnd(96, "."));
  const lines = await linesOf(log);
  await log.close();
  const path = log.location;
  return {
    path,
    lines,
    indexes: names.map((name) => join(path, `${name}.idx`)),
    segments: names.map((name) => join(path, `${name}.log`)),
  };
}

test("rebuilding what is right gives the same bytes", async () => {
  const { path, indexes } = await closedLog();
  const before = bytesOf(path);
  expect(await rebuildIndex(path)).toEqual({ records: 25, files: indexes });
  expect(bytesOf(path)).toEqual(before);
});

test("record indexes that are missing, cut, spoilt or random are made anew; no record changes", async () => {
  const { path, lines, indexes } = await closedLog();
  const before = bytesOf(path);
  const [a, b, c] = indexes as [string, string, string];
  rmSync(a);
  truncateSync(b, 50);
  writeFileSync(c, Buffer.alloc(1000, 0x99));
  expect(await rebuildIndex(path)).toMatchObject({ records: 25 });
  expect(bytesOf(path)).toEqual(before);
  flipBit(b, 40);
  expect((await verify(path)).ok).toBe(false);
  await rebuildIndex(path);
  expect((await verify(path)).ok).toBe(true);
  const log = await FileLog.open(path);
  expect(await linesOf(log)).toEqual(lines);
  await log.close();
});

test("a trimmed log is rebuilt from its first record on", async () => {
  const { path, indexes } = await closedLog();
  const log = await FileLog.open(path);
  await log.trim({ before: 15 });
  await log.close();
  expect(await rebuildIndex(path)).toEqual({ records: 15, files: indexes.slice(1) });
});

test("a segment that is not valid to its end keeps its record index, and nothing else changes", async () => {
  const { path, segments } = await closedLog();
  flipBit(segments[1] as string, 3 * bytesEach + 50);
  const before = bytesOf(path);
  await expect(rebuildIndex(path)).rejects.toMatchObject({
    code: "SEQLOG_DAMAGED",
    facts: { file: segments[1], offset: 3 * bytesEach, seq: 13 },
  });
  expect(bytesOf(path)).toEqual(before);
});

test("a record that only the record index knows to be damaged is not covered up", async () => {
  const { path, segments } = await closedLog();
  flipBit(segments[1] as string, 3 * bytesEach + 31);
  const before = bytesOf(path);
  await expect(rebuildIndex(path)).rejects.toMatchObject({
    code: "SEQLOG_DAMAGED",
    facts: { file: segments[1], offset: 3 * bytesEach, seq: 13 },
  });
  expect(bytesOf(path)).toEqual(before);
});

test("a log that is being written is SEQLOG_LOCKED", async () => {
  const log = await FileLog.open(newPath());
  await expect(rebuildIndex(log.location)).rejects.toMatchObject({ code: "SEQLOG_LOCKED" });
  await log.close();
});

test("where there is no log it says so, and makes none", async () => {
  const path = newPath();
  await expect(rebuildIndex(path)).rejects.toMatchObject({ code: "SEQLOG_NOT_FOUND", facts: { path } });
});

test("the record index of a single file is made anew", async () => {
  const path = newPath("a.log");
  const index = path.replace(".log", ".idx");
  const recordIndex = await RecordIndex.open(index);
  const writer = await LogWriter.open(path, recordIndex);
  for (let i = 0; i < 10; i++) await writer.append(String(i));
  await writer.close();
  await recordIndex.close();
  const right = readFileSync(index);
  writeFileSync(index, "nonsense");
  expect(await rebuildIndex(path)).toEqual({ records: 10, files: [index] });
  expect(readFileSync(index)).toEqual(right);
});

test("damage in a later segment leaves no trace of the record index that was being made for an earlier one", async () => {
  const { path, indexes, segments } = await closedLog();
  rmSync(indexes[0] as string);
  flipBit(segments[1] as string, 40 * 8);
  rmSync(indexes[1] as string);
  const before = bytesOf(path);
  await expect(FileLog.open(path)).rejects.toMatchObject({ code: "SEQLOG_DAMAGED" });
  expect(bytesOf(path)).toEqual(before);
});

test("what an interrupted rebuild left counts for nothing, and goes", async () => {
  const { path, lines, indexes } = await closedLog();
  const before = bytesOf(path);
  writeFileSync(`${indexes[0] as string}.tmp`, Buffer.alloc(100, 7));
  rmSync(indexes[0] as string);
  const log = await FileLog.open(path);
  expect(log.recovery.indexRebuilt).toBe(true);
  expect(await linesOf(log)).toEqual(lines);
  await log.close();
  expect(bytesOf(path)).toEqual(before);
});

test("a closed log whose record indexes are gone is read once, its last segment too", async () => {
  const disk = new SimulatedDisk();
  const machine = disk.boot();
  const log = await FileLog.open("/log", { machine, segmentBytes: 40 * 1024 * 1024 });
  await log.appendBatch(Array.from({ length: 60 }, () => Buffer.alloc(100_000)));
  await log.close();
  const index = disk.list("/log").find((name) => name.endsWith(".idx"));
  const before = disk.readFile(`/log/${String(index)}`);
  machine.storage.unlinkSync(`/log/${String(index)}`);
  const first = disk.log.length;
  expect(await rebuildIndex("/log", { machine })).toMatchObject({ records: 60, files: [`/log/${String(index)}`] });
  expect(disk.readFile(`/log/${String(index)}`)).toEqual(before);
  const reads = disk.log.slice(first).filter(({ kind, path }) => kind === "read" && path.endsWith(".log"));
  // The rest: the last record, once more, by its entry.
  expect(reads.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(60 * 100_032 + 300_000);
});
