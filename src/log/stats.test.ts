import { expect, test } from "vitest";
import { newPath } from "../../test/crash/scratch-directory.ts";
import { FileLog } from "./file-log.ts";

test("stats counts records, their bytes with headers, and segments", async () => {
  const log = await FileLog.open(newPath(), { segmentBytes: 1280 });
  expect(await log.stats()).toEqual({ firstSeq: 0, nextSeq: 0, records: 0, bytes: 0, segments: 1 });
  await log.appendBatch(Array.from({ length: 25 }, () => "x".repeat(96)));
  const full = { firstSeq: 0, nextSeq: 25, records: 25, bytes: 25 * 128, segments: 3 };
  expect(await log.stats()).toEqual(full);
  const reader = await FileLog.open(log.location, { readOnly: true });
  expect(await reader.stats()).toEqual(full);
  await log.append("more");
  expect(await reader.stats()).toEqual({ ...full, nextSeq: 26, records: 26, bytes: 25 * 128 + 36 });
  await log.trim({ before: 10 });
  const trimmed = { firstSeq: 10, nextSeq: 26, records: 16, bytes: 15 * 128 + 36, segments: 2 };
  expect(await log.stats()).toEqual(trimmed);
  expect(await reader.stats()).toEqual(trimmed);
  await log.reset();
  expect(await log.stats()).toEqual({ firstSeq: 0, nextSeq: 0, records: 0, bytes: 0, segments: 1 });
  await reader.close();
  await log.close();
});
