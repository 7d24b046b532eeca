import * as fc from "fast-check";
import { expect, test } from "vitest";
import { crc32OfHeader } from "../format/crc32.ts";
import { entryHeaderCrc, entryKind, entryLength, entryOffset } from "../format/index-entry.ts";
import { headerAt, headerLength } from "../format/record.ts";
import { createIdSourceV4, formatId } from "../format/uuid.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { Batch, type Waiter, conflictError } from "./batch.ts";
import { maxBatchBytes } from "./buffer-pool.ts";
import { chunkOf, verifyChunk } from "./verify-chunk.ts";

const ids = createIdSourceV4(new SeededRandom("ids"));

interface Told extends Waiter {
  settledAt: number;
  error: Error | undefined;
}

function waiter(count: number, expectedSeq = -1, isOver = false): Told {
  return {
    count,
    expectedSeq,
    isOver,
    settledAt: -1,
    error: undefined,
    settled(batch, index) {
      this.settledAt = batch.firstSeq + index;
    },
    failed(error) {
      this.error = error;
    },
  };
}

function batchOf(base: number, ...datas: readonly (Uint8Array | string)[]): Batch {
  const batch = new Batch(base, false, headerLength);
  for (const data of datas) batch.add(data, Buffer.byteLength(data as string), ids);
  return batch;
}

/** The data of the valid records that a batch holds for its place, as text. */
function texts(batch: Batch): string[] {
  const { starts, end, problem } = verifyChunk(chunkOf(batch.bytes, batch.base), batch.base + batch.length, Infinity);
  expect([end, problem]).toEqual([batch.length, 0]);
  expect(starts).toEqual(batch.starts);
  return starts.map((start, i) =>
    Buffer.from(batch.bytes.subarray(start + headerLength, starts[i + 1] ?? end)).toString(),
  );
}

function idsOf(batch: Batch): string[] {
  return batch.starts.map((start) => formatId(batch.bytes, start + headerAt.id));
}

test("records are encoded for the place where the batch will lie, whatever that is and however long they are", () => {
  fc.assert(
    fc.property(fc.nat(), fc.array(fc.uint8Array({ maxLength: 9000 }), { maxLength: 12 }), (base, datas) => {
      const batch = batchOf(base * 4099, ...datas);
      expect(texts(batch)).toEqual(datas.map((data) => Buffer.from(data).toString()));
      expect(batch.count).toBe(datas.length);
      batch.release();
    }),
    { numRuns: 100 },
  );
});

test("text is encoded as UTF-8", () => {
  const batch = batchOf(0, "ü€😀", "");
  expect(texts(batch)).toEqual(["ü€😀", ""]);
});

test("moved to another place the same records are valid there, with their ids", () => {
  const batch = batchOf(100, "one", "two", "three");
  const before = idsOf(batch);
  batch.move(2 ** 33 + 5);
  expect(texts(batch)).toEqual(["one", "two", "three"]);
  expect(idsOf(batch)).toEqual(before);
  batch.move(0);
  expect(texts(batch)).toEqual(["one", "two", "three"]);
});

test("a batch grows to 8 MiB, or to one record", () => {
  const batch = batchOf(0, "");
  expect(batch.takes(maxBatchBytes - headerLength)).toBe(true);
  expect(batch.takes(maxBatchBytes - headerLength + 1)).toBe(false);
  expect(new Batch(0, false, 1).takes(100 * maxBatchBytes)).toBe(true);
});

test("entries say where each record lies and what its header is", () => {
  const batch = batchOf(500, "one", "", "three");
  for (const kind of ["firm", "provisional"] as const) {
    const bytes = batch.entries(77, 40, kind);
    const { view } = chunkOf(bytes, 0);
    expect(bytes.length).toBe(3 * entryLength);
    for (const [i, start] of batch.starts.entries()) {
      expect(entryKind(view, i * entryLength, 77, 40 + i)).toBe(kind);
      expect(entryOffset(view, i * entryLength)).toBe(500 + start);
      expect(entryHeaderCrc(view, i * entryLength)).toBe(crc32OfHeader(batch.view, start));
    }
  }
});

test("each caller is told of the first of its own records", () => {
  const batch = batchOf(0, "a", "b", "c", "d");
  const callers = [waiter(1), waiter(2), waiter(1)];
  batch.waiters.push(...callers);
  batch.settle(10);
  expect(callers.map((caller) => caller.settledAt)).toEqual([10, 11, 13]);
  expect([batch.isSettled, batch.firstSeq]).toEqual([true, 10]);
});

test("what relied on a seq is taken out and told, what was told before is taken out, the rest stays", () => {
  const batch = batchOf(300, "a", "b1", "b2", "c", "d", "e");
  const callers = [waiter(1), waiter(2, 4), waiter(1, -1, true), waiter(1), waiter(1, 8, true)];
  batch.waiters.push(...callers);
  const before = idsOf(batch);
  batch.dropOrphans(2);
  expect(texts(batch)).toEqual(["a", "d"]);
  expect(idsOf(batch)).toEqual([before[0], before[4]]);
  expect(batch.waiters).toEqual([callers[0], callers[3]]);
  expect(callers.map((caller) => (caller.error as { code?: string } | undefined)?.code)).toEqual([
    undefined,
    "SEQLOG_CONFLICT",
    undefined,
    undefined,
    undefined,
  ]);
  batch.add("more", 4, ids);
  expect(texts(batch)).toEqual(["a", "d", "more"]);
});

test("a batch may lose all its records and take others", () => {
  const batch = batchOf(9, "a", "b");
  batch.waiters.push(waiter(2, 7));
  batch.dropOrphans(0);
  expect([batch.count, batch.length, batch.waiters.length]).toEqual([0, 0, 0]);
  batch.add("new", 3, ids);
  expect(texts(batch)).toEqual(["new"]);
});

test("a conflict names both seqs", () => {
  expect(conflictError(4, 9)).toMatchObject({
    code: "SEQLOG_CONFLICT",
    facts: { expectedSeq: 4, nextSeq: 9 },
    message: expect.stringContaining("expectedSeq is 4, but the next seq is 9"),
  });
});
