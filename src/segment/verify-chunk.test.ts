import { expect, test } from "vitest";
import { crc32, crc32OfHeader } from "../format/crc32.ts";
import { entryLength, noSeed, writeEntry } from "../format/index-entry.ts";
import { headerAt, headerLength, problem, writeHeader } from "../format/record.ts";
import { createIdSourceV4 } from "../format/uuid.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { type Walked, chunkOf, findContradiction, verifyChunk } from "./verify-chunk.ts";

const ids = createIdSourceV4(new SeededRandom("ids"));
/** Where the pieces of the examples lie in their file. */
const position = 5_000_000_000;

/** Records of 8, 0 and 100 bytes at `position`. */
const bytes = ((): Buffer => {
  let offset = position;
  return Buffer.concat(
    [8, 0, 100].map((length) => {
      const record = Buffer.alloc(headerLength + length, length);
      writeHeader(chunkOf(record, 0).view, 0, length, offset, crc32(record, headerLength));
      ids.write(record, headerAt.id);
      offset += record.length;
      return record;
    }),
  );
})();
const fileEnd = position + bytes.length;

function verify(have: number, end = fileEnd, most = Infinity): Walked {
  return verifyChunk(chunkOf(bytes.subarray(0, have), position), end, most);
}

test("records are found where they start, in a file of any size", () => {
  expect(verify(bytes.length)).toEqual({ starts: [0, 40, 72], end: 204, problem: 0, needed: 0 });
});

test("no more than asked for", () => {
  expect(verify(bytes.length, fileEnd, 2)).toEqual({ starts: [0, 40], end: 72, problem: 0, needed: 0 });
  expect(verify(bytes.length, fileEnd, 0)).toEqual({ starts: [], end: 0, problem: 0, needed: 0 });
});

test("a record that the piece cuts is not judged: it says how many bytes it needs", () => {
  expect(verify(72)).toEqual({ starts: [0, 40], end: 72, problem: 0, needed: headerLength });
  expect(verify(72 + 31)).toEqual({ starts: [0, 40], end: 72, problem: 0, needed: headerLength });
  expect(verify(72 + 32)).toEqual({ starts: [0, 40], end: 72, problem: 0, needed: 132 });
  expect(verify(203)).toEqual({ starts: [0, 40], end: 72, problem: 0, needed: 132 });
});

test("a record that the file cuts is judged, also when the piece has less of it", () => {
  expect(verify(80, position + 72 + 31)).toMatchObject({ end: 72, problem: problem.headerCut, needed: 0 });
  expect(verify(72 + 32, fileEnd - 1)).toMatchObject({ end: 72, problem: problem.dataCut, needed: 0 });
});

test("nothing behind the end is looked at", () => {
  expect(verify(bytes.length, position + 72)).toEqual({ starts: [0, 40], end: 72, problem: 0, needed: 0 });
});

test("a piece that lies elsewhere than it says holds no record", () => {
  expect(verifyChunk(chunkOf(bytes, position + 1), fileEnd + 1, Infinity)).toMatchObject({
    starts: [],
    problem: problem.wrongOffset,
  });
});

function entries(change: (seq: number) => { readonly offset?: number; readonly crc?: number; readonly seed?: number }) {
  const view = new DataView(new ArrayBuffer(3 * entryLength));
  const chunk = chunkOf(bytes, position);
  for (const [i, start] of [0, 40, 72].entries()) {
    const { offset = position + start, crc = crc32OfHeader(chunk.view, start), seed = noSeed } = change(7 + i);
    writeEntry(view, i * entryLength, seed, 7 + i, offset, crc, i === 1 ? "provisional" : "firm");
  }
  return findContradiction(chunk, [0, 40, 72], view, noSeed, 7);
}

test("entries that agree contradict nothing", () => {
  expect(entries(() => ({}))).toBe(-1);
});

test("the first record with another place or another header than its entry is named", () => {
  expect(entries((seq) => (seq === 9 ? { offset: position + 73 } : {}))).toBe(2);
  expect(entries((seq) => (seq >= 8 ? { crc: 1 } : {}))).toBe(1);
  expect(entries(() => ({ offset: 0 }))).toBe(0);
});

test("an entry that is not self-valid says nothing", () => {
  expect(entries(() => ({ seed: 99, offset: 0 }))).toBe(-1);
});

test("fewer entries than records say nothing of the rest", () => {
  const none = new DataView(new ArrayBuffer(entryLength - 1));
  expect(findContradiction(chunkOf(bytes, position), [0, 40, 72], none, noSeed, 7)).toBe(-1);
});
