import { expect, test } from "vitest";
import { collect, seqsOf } from "../../test/crash/read-data.ts";
import { newPath } from "../../test/crash/scratch-directory.ts";
import { namesIn } from "../../test/errors/directory-bytes.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { failWith } from "../testing/fault-plan.ts";
import { withFaults } from "../testing/fault-injecting-storage.ts";
import { FileLog } from "./file-log.ts";
import type { FileOpenOptions } from "./file-open-options.ts";

/** Ten records in a segment: segments begin at 0, 10, 20, 30 and 40. */
async function logOf45(options: FileOpenOptions = {}): Promise<FileLog> {
  const log = await FileLog.open(newPath(), { segmentBytes: 1280, ...options });
  log.appendBatchSync(Array.from({ length: 45 }, (_, i) => String(i).padEnd(96)));
  expect((await log.stats()).segments).toBe(5);
  return log;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

test.each([
  [0, 0],
  [9, 0],
  [10, 10],
  [19, 10],
  [20, 20],
  [39, 30],
  [40, 40],
  [44, 40],
  [1000, 40],
])("trim before %d removes the whole segments before it: the first record is %d", async (before, firstSeq) => {
  const log = await logOf45();
  expect(await log.trim({ before })).toEqual({ removed: firstSeq });
  expect(log.firstSeq).toBe(firstSeq);
  expect(await seqsOf(log)).toEqual(range(firstSeq, 45));
  expect(await log.stats()).toMatchObject({ firstSeq, nextSeq: 45, records: 45 - firstSeq });
  expect(namesIn(log.location).filter((name) => name.endsWith(".log"))).toHaveLength(5 - firstSeq / 10);
  await log.close();
  const again = await FileLog.open(log.location);
  expect(again.firstSeq).toBe(firstSeq);
  expect(await seqsOf(again)).toEqual(range(firstSeq, 45));
  expect(await again.append("next")).toMatchObject({ seq: 45 });
  await again.close();
});

test("trim takes every kind of position, and never removes the segment that is written", async () => {
  const log = await logOf45();
  expect(await log.trim({ before: { last: 26 } })).toEqual({ removed: 10 });
  expect(await log.trim({ before: { id: (await log.get(25))?.id ?? "" } })).toEqual({ removed: 10 });
  expect(await log.trim({ before: new Date(0) })).toEqual({ removed: 0 });
  expect(await log.trim({ before: "start" })).toEqual({ removed: 0 });
  expect(await log.trim({ before: "end" })).toEqual({ removed: 20 });
  expect(log.firstSeq).toBe(40);
  expect(await log.trim({ before: "end" })).toEqual({ removed: 0 });
  await log.close();
});

test("trimming twice goes on from the first, and appends go on between", async () => {
  const log = await logOf45();
  await log.trim({ before: 15 });
  log.appendBatchSync(Array.from({ length: 20 }, () => "x".repeat(96)));
  expect(await log.trim({ before: 50 })).toEqual({ removed: 40 });
  expect(await seqsOf(log)).toEqual(range(50, 65));
  await log.close();
});

test("a reader that holds a segment reads on in it, then is told", async () => {
  const log = await logOf45();
  const records = log.read();
  await records.next();
  await log.trim({ before: 30 });
  const seqs: number[] = [];
  const rest = (async (): Promise<void> => {
    for await (const { seq } of records) seqs.push(seq);
  })();
  await expect(rest).rejects.toMatchObject({ code: "SEQLOG_TRIMMED", facts: { firstSeq: 30 } });
  expect(seqs).toEqual(range(1, 10));
  await log.close();
});

test("when MANIFEST cannot be replaced nothing is removed", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await logOf45({ machine });
  storage.faults.on({ kind: "write", path: "MANIFEST.tmp", times: 2 }, failWith("ENOSPC"));
  await expect(log.trim({ before: 30 })).rejects.toMatchObject({ code: "SEQLOG_NO_SPACE" });
  expect(log.firstSeq).toBe(0);
  expect(await seqsOf(log)).toEqual(range(0, 45));
  expect(await log.trim({ before: 30 })).toEqual({ removed: 30 });
  await log.close();
});

test("on a full disk the record indexes of what goes make room for MANIFEST", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await logOf45({ machine });
  storage.operations.clear();
  storage.faults.on({ kind: "write", path: "MANIFEST.tmp" }, failWith("ENOSPC"));
  expect(await log.trim({ before: 30 })).toEqual({ removed: 30 });
  expect(storage.operations.count("truncate", ".idx")).toBeGreaterThan(0);
  expect(await log.append("next")).toMatchObject({ seq: 45 });
  await log.close();
  const again = await FileLog.open(log.location);
  expect(await seqsOf(again)).toEqual(range(30, 46));
  await again.close();
});

test("a trim that fails after it gave up record indexes loses no record, and the next open makes them anew", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await logOf45({ machine });
  storage.faults.on({ kind: "write", path: "MANIFEST.tmp", times: 2 }, failWith("ENOSPC"));
  await expect(log.trim({ before: 30 })).rejects.toMatchObject({ code: "SEQLOG_NO_SPACE" });
  expect(await seqsOf(log)).toEqual(range(0, 45));
  await log.close();
  const again = await FileLog.open(log.location);
  expect(again.recovery.indexRebuilt).toBe(true);
  expect(await seqsOf(again)).toEqual(range(0, 45));
  await again.close();
});

test("when files cannot be unlinked the records are gone all the same, and the next open removes the files", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const log = await logOf45({ machine });
  storage.faults.on({ kind: "unlink", path: "00000000000000000000.log" }, failWith("EACCES"));
  expect(await log.trim({ before: 30 })).toEqual({ removed: 30 });
  expect(namesIn(log.location)).toContain("00000000000000000000.log");
  await expect(collect(log.read({ from: 0 }))).rejects.toMatchObject({ code: "SEQLOG_TRIMMED" });
  await log.close();
  const again = await FileLog.open(log.location);
  expect(namesIn(log.location)).toEqual([
    "00000000000000000030.idx",
    "00000000000000000030.log",
    "00000000000000000040.idx",
    "00000000000000000040.log",
    "MANIFEST",
  ]);
  expect(await seqsOf(again)).toEqual(range(30, 45));
  await again.close();
});
