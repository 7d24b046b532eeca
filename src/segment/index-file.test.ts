import { describe, expect, test } from "vitest";
import { entryLength, writeEntry } from "../format/index-entry.ts";
import { runSync } from "../storage/plan.ts";
import type { Machine } from "../storage/storage.ts";
import { shortWrite } from "../testing/fault-plan.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import { EntryWriter, IndexFile } from "./index-file.ts";

const base = 1000;
const seed = 0x1234abcd;
const indexAt = "/s.idx";

type Kind = "firm" | "provisional" | "none";

/** An index with these entries; record `base + i` at offset 40·i. */
function disk(kinds: readonly Kind[], machineOf = new SimulatedDisk()): SimulatedDisk {
  const bytes = Buffer.alloc(kinds.length * entryLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (const [i, kind] of kinds.entries()) {
    if (kind !== "none") writeEntry(view, i * entryLength, seed, base + i, 40 * i, i, kind);
  }
  machineOf.writeFile(indexAt, bytes);
  return machineOf;
}

function open(machine: Machine, mode: "read" | "write" | "create" = "write"): IndexFile {
  return IndexFile.openSync(machine.storage, indexAt, mode, base, seed);
}

const long: readonly Kind[] = Array.from({ length: 10_000 }, () => "firm");

describe("the last entry", () => {
  test.each<[string, readonly Kind[], number | undefined, number | undefined]>([
    ["of an empty index", [], undefined, undefined],
    ["of zeros alone", ["none", "none"], undefined, undefined],
    ["before zeros", ["firm", "firm", "none", "none"], base + 1, base + 1],
    ["behind a hole", ["firm", "none", "firm", "none"], base + 2, base + 2],
    ["with provisional ones behind it", ["firm", "provisional", "provisional"], base, base + 2],
    ["when all are provisional", ["provisional", "provisional"], undefined, base + 1],
    ["a firm one counts as a provisional one, too", ["provisional", "firm"], base + 1, base + 1],
    ["far before the end of the file", ["firm", ...Array.from({ length: 9000 }, () => "none" as const)], base, base],
    ["of ten thousand", long, base + 9999, base + 9999],
  ])("%s", (_, kinds, firm, provisional) => {
    const index = open(disk(kinds).boot());
    expect(runSync(index.last("firm"))?.seq).toBe(firm);
    expect(runSync(index.last("provisional"))?.seq).toBe(provisional);
  });

  test("knows its offset and the CRC of its record's header", () => {
    const index = open(disk(["firm", "firm", "firm"]).boot());
    expect(runSync(index.last("firm"))).toEqual({ seq: base + 2, offset: 80, headerCrc: 2, kind: "firm" });
  });
});

describe("a run of self-valid entries", () => {
  test.each<[string, readonly Kind[], number, number]>([
    ["of none", [], base, base],
    ["ends at a hole", ["firm", "provisional", "none", "firm"], base, base + 2],
    ["ends with the file", ["firm", "provisional"], base, base + 2],
    ["begins where it is told to", ["none", "none", "firm", "firm", "none"], base + 2, base + 4],
    ["is empty past the end of the file", ["firm"], base + 5, base + 5],
    ["of ten thousand", long, base + 3, base + 10_000],
  ])("%s", (_, kinds, from, end) => {
    expect(runSync(open(disk(kinds).boot()).endOfRun(from))).toBe(end);
  });
});

test("an entry is looked up by seq, and there is none past the end of the file or half of one", () => {
  const on = disk(["firm", "none", "provisional"]);
  on.writeFile(indexAt, Buffer.concat([on.readFile(indexAt) as Uint8Array, Buffer.alloc(15)]));
  const index = open(on.boot());
  expect([0, 1, 2, 3, 4].map((i) => runSync(index.entry(base + i))?.kind)).toEqual([
    "firm",
    "invalid",
    "provisional",
    undefined,
    undefined,
  ]);
  expect(index.capacitySync()).toBe(3);
});

test("an entry of another segment, generation or log is none", () => {
  const { storage } = disk(["firm", "firm"]).boot();
  expect(runSync(IndexFile.openSync(storage, indexAt, "read", base, seed + 1).last("provisional"))).toBeUndefined();
  expect(runSync(IndexFile.openSync(storage, indexAt, "read", base + 1, seed).last("provisional"))).toBeUndefined();
});

test("a provisional entry becomes firm in its place", () => {
  const on = disk(["provisional", "provisional", "provisional"]);
  const index = open(on.boot());
  index.makeFirmSync({ seq: base + 1, offset: 40, headerCrc: 1, kind: "provisional" });
  expect(on.readFile(indexAt)).toEqual(disk(["provisional", "firm", "provisional"]).readFile(indexAt));
});

test("entries are cut off from a seq on", () => {
  const on = disk(["firm", "firm", "firm"]);
  const index = open(on.boot());
  index.truncateSync(base + 1);
  expect(on.readFile(indexAt)).toEqual(disk(["firm"]).readFile(indexAt));
  index.truncateSync(base);
  expect(index.capacitySync()).toBe(0);
});

test("many entries are written in pieces, and none twice", () => {
  const on = disk([]);
  const index = open(on.boot());
  const writer = new EntryWriter(index, base);
  writer.flushSync();
  expect(on.operations.count("write")).toBe(0);
  for (let i = 0; i < 10_000; i++) writer.add(base + i, 40 * i, i);
  writer.flushSync();
  writer.flushSync();
  expect(on.operations.count("write")).toBe(3);
  expect(Buffer.compare(on.readFile(indexAt) as Uint8Array, disk(long).readFile(indexAt) as Uint8Array)).toBe(0);
});

test("a write that comes back short is an error", () => {
  const machine = disk([]).boot();
  machine.faults.on({ kind: "write" }, shortWrite(17));
  expect(() => open(machine).writeSync(base, new Uint8Array(32))).toThrow(
    expect.objectContaining({ code: "SEQLOG_NO_SPACE" }),
  );
});
