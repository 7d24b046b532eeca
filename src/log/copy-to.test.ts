import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { linesOf, seqsOf, textsOf } from "../../test/crash/read-data.ts";
import { newPath, scratchDirectory } from "../../test/crash/scratch-directory.ts";
import { bytesOf, flipBit, namesIn } from "../../test/errors/directory-bytes.ts";
import { ioError } from "../storage/io-error.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import type { Storage } from "../storage/storage.ts";
import { FileLog } from "./file-log.ts";
import { verify } from "./verify.ts";

async function logOf(count: number): Promise<FileLog> {
  const log = await FileLog.open(newPath(), { segmentBytes: 1024 });
  log.appendBatchSync(Array.from({ length: count }, (_, i) => String(i).padEnd(100)));
  return log;
}

test("a copy is a closed log that holds the same records with the same ids", async () => {
  const log = await logOf(50);
  const copy = newPath();
  expect(await log.copyTo(copy)).toEqual({ records: 50, bytes: 50 * 132 });
  const lines = await linesOf(log);
  expect(await verify(copy)).toMatchObject({ ok: true, records: 50, tornBytes: 0 });
  const copied = await FileLog.open(copy);
  expect(copied.recovery).toEqual({ records: 50, tornBytes: 0, redone: 0, indexRebuilt: false });
  expect(await linesOf(copied)).toEqual(lines);
  expect(await copied.append("next")).toMatchObject({ seq: 50 });
  await copied.close();
  expect(log.nextSeq).toBe(50);
  await log.close();
});

test("beside appends a copy holds a prefix: all that was acknowledged before, nothing torn", async () => {
  const log = await logOf(10);
  const stop = new AbortController();
  let acknowledged = 10;
  const writer = (async (): Promise<void> => {
    while (!stop.signal.aborted) acknowledged = (await log.append("x".repeat(100))).seq + 1;
  })();
  for (let i = 0; i < 5; i++) {
    const before = acknowledged;
    const copy = newPath();
    const { records } = await log.copyTo(copy);
    expect(records).toBeGreaterThanOrEqual(before);
    const copied = await FileLog.open(copy, { readOnly: true });
    expect(await linesOf(copied)).toEqual(await linesOf(log, { to: records }));
    await copied.close();
  }
  stop.abort();
  await writer;
  await log.close();
});

test("a copy of a trimmed log begins where it does; one of an empty log is empty", async () => {
  const log = await logOf(50);
  await log.trim({ before: 30 });
  const copy = newPath();
  expect(await log.copyTo(copy)).toMatchObject({ records: 50 - log.firstSeq });
  const copied = await FileLog.open(copy);
  expect(copied.firstSeq).toBe(log.firstSeq);
  expect(await seqsOf(copied)).toEqual(await seqsOf(log));
  await copied.close();
  await log.reset();
  const empty = newPath();
  expect(await log.copyTo(empty)).toEqual({ records: 0, bytes: 0 });
  const opened = await FileLog.open(empty);
  expect(await opened.append("first")).toMatchObject({ seq: 0 });
  expect(opened.generation).toBe(1);
  await opened.close();
  await log.close();
});

test("a read-only log is copied beside its writer, with what is durable", async () => {
  const log = await logOf(20);
  const reader = await FileLog.open(log.location, { readOnly: true });
  await log.append("more");
  const copy = newPath();
  expect(await reader.copyTo(copy)).toMatchObject({ records: 21 });
  const copied = await FileLog.open(copy, { readOnly: true });
  expect((await textsOf(copied)).at(-1)).toBe("more");
  await copied.close();
  await reader.close();
  await log.close();
});

test("a reset or a trim while the copy is made changes nothing of it", async () => {
  for (const change of [(log: FileLog) => log.reset(), (log: FileLog) => log.trim({ before: "end" })]) {
    const log = await logOf(200);
    const lines = await linesOf(log);
    const copy = newPath();
    const copying = log.copyTo(copy);
    await change(log);
    await log.append("after");
    expect(await copying).toMatchObject({ records: 200 });
    expect(await verify(copy)).toMatchObject({ ok: true, records: 200 });
    const copied = await FileLog.open(copy);
    expect(await linesOf(copied)).toEqual(lines);
    await copied.close();
    await log.close();
  }
});

test("a segment that another process trims just before it is opened does not fail the copy", async () => {
  const log = await logOf(50);
  const { storage } = nodeMachine;
  let isGone = false;
  const trimmed: Storage = {
    ...storage,
    openSync(path, mode, options) {
      if (isGone && path.startsWith(log.location) && path.endsWith("00000000000000000000.log")) {
        isGone = false;
        throw ioError("ENOENT", "open", path);
      }
      return storage.openSync(path, mode, options);
    },
  };
  const reader = await FileLog.open(log.location, { readOnly: true, machine: { ...nodeMachine, storage: trimmed } });
  isGone = true;
  const copy = newPath();
  expect(await reader.copyTo(copy)).toMatchObject({ records: 50 });
  expect(await verify(copy)).toMatchObject({ ok: true, records: 50 });
  await reader.close();
  await log.close();
});

test("a copy goes to an empty directory or a new one, given as a path or a file: URL", async () => {
  const log = await logOf(3);
  const empty = scratchDirectory();
  await log.copyTo(pathToFileURL(empty));
  expect(namesIn(empty)).toContain("MANIFEST");
  await log.copyTo(join(scratchDirectory(), "a", "b"));
  await expect(log.copyTo("s3://bucket")).rejects.toBeInstanceOf(TypeError);
  await log.close();
});

test("a directory that holds something is left as it is", async () => {
  const log = await logOf(3);
  const full = scratchDirectory();
  writeFileSync(join(full, "other"), "data");
  const before = bytesOf(full);
  await expect(log.copyTo(full)).rejects.toMatchObject({ code: "SEQLOG_IO", facts: { path: full, errno: "EEXIST" } });
  await expect(log.copyTo(log.location)).rejects.toMatchObject({ code: "SEQLOG_IO", facts: { errno: "EEXIST" } });
  expect(bytesOf(full)).toEqual(before);
  const file = join(full, "other");
  await expect(log.copyTo(file)).rejects.toMatchObject({ code: "SEQLOG_IO" });
  mkdirSync(join(full, "dir"));
  await log.close();
});

test("a damaged record is reported, not copied, and what was copied until then is no log", async () => {
  const log = await logOf(30);
  const segment = join(log.location, "00000000000000000007.log");
  flipBit(segment, 132 + 40);
  const copy = newPath();
  await expect(log.copyTo(copy)).rejects.toMatchObject({
    code: "SEQLOG_DAMAGED",
    facts: { file: segment, offset: 132, seq: 8 },
  });
  expect(namesIn(copy)).not.toContain("MANIFEST");
  await log.close();
});

test("a flip that only the record index knows of is not carried into a copy", async () => {
  const log = await logOf(30);
  const segment = join(log.location, "00000000000000000007.log");
  // The last bits of the UUID are covered by no CRC of the record.
  flipBit(segment, 132 + 31);
  await expect(log.copyTo(newPath())).rejects.toMatchObject({
    code: "SEQLOG_DAMAGED",
    facts: { file: segment, offset: 132, seq: 8 },
  });
  await log.close();
});
