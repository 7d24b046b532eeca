import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { entryLength, entryOffset, writeEntry } from "../format/index-entry.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { EntryPages } from "./entry-pages.ts";
import { IndexFile } from "./index-file.ts";

const base = 1000;
const seed = 7;
const offsetOf = (seq: number): number => (seq - base) * 100;

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "seqlog-pages-"));
  path = join(directory, "a.idx");
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Entries of so many records. */
function entries(count: number): Buffer {
  const bytes = Buffer.alloc(count * entryLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let i = 0; i < count; i++) writeEntry(view, i * entryLength, seed, base + i, i * 100, i, "firm");
  return bytes;
}

function openPages(bytes: Uint8Array): { pages: EntryPages; index: IndexFile } {
  writeFileSync(path, bytes);
  const index = IndexFile.openSync(nodeMachine.storage, path, "read", base, seed);
  return { pages: new EntryPages(index), index };
}

function found(pages: EntryPages, seq: number, nextSeq: number): number | undefined {
  const page = pages.pageSync(seq, nextSeq);
  return page === undefined ? undefined : entryOffset(page, pages.placeOf(seq));
}

test("gives the entry of each record before the next seq, in whole pages and in the last one", () => {
  const { pages, index } = openPages(entries(1300));
  const nextSeq = base + 1300;
  for (const seq of [base, base + 511, base + 512, base + 1023, base + 1024, nextSeq - 1]) {
    expect(found(pages, seq, nextSeq)).toBe(offsetOf(seq));
  }
  expect(found(pages, nextSeq, nextSeq)).toBeUndefined();
  index.closeSync();
});

test("a page that was read before its records were there is looked at again when the next seq has grown, and only then", () => {
  const { pages, index } = openPages(entries(10));
  expect(found(pages, base + 9, base + 10)).toBe(900);
  writeFileSync(path, entries(20));
  expect(found(pages, base + 15, base + 10)).toBeUndefined();
  expect(found(pages, base + 15, base + 18)).toBe(1500);
  expect(found(pages, base + 18, base + 18)).toBeUndefined();
  expect(found(pages, base + 18, base + 19)).toBe(1800);
  index.closeSync();
});

test("an entry that is not that of its place is not given, nor one behind it in its page", () => {
  const bytes = entries(1100);
  bytes.copyWithin(300 * entryLength, 200 * entryLength, 201 * entryLength);
  const { pages, index } = openPages(bytes);
  const nextSeq = base + 1100;
  expect(found(pages, base + 299, nextSeq)).toBe(29_900);
  expect(found(pages, base + 300, nextSeq)).toBeUndefined();
  expect(found(pages, base + 301, nextSeq)).toBeUndefined();
  expect(found(pages, base + 512, nextSeq)).toBe(51_200);
  index.closeSync();
});

test("of more entries than are kept at a time all are given, the first ones by reading them again", () => {
  const count = 4_100 * 512;
  const { pages, index } = openPages(entries(count));
  const nextSeq = base + count;
  for (let place = 0; place < count; place += 512) {
    expect(found(pages, base + place, nextSeq)).toBe(place * 100);
  }
  // The file says something else now: what is still kept does not see that, what was given up does.
  writeFileSync(path, new Uint8Array(count * entryLength));
  expect(found(pages, nextSeq - 1, nextSeq)).toBe(offsetOf(nextSeq - 1));
  expect(found(pages, base, nextSeq)).toBeUndefined();
  pages.clear();
  expect(found(pages, nextSeq - 1, nextSeq)).toBeUndefined();
  index.closeSync();
});
