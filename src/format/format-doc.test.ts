import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { decodeManifest, encodeManifest } from "../log/manifest.ts";
import { IndexFile } from "../segment/index-file.ts";
import { redoTail, tailPath } from "../segment/redo.ts";
import { chunkOf, verifyChunk } from "../segment/verify-chunk.ts";
import { runSync } from "../storage/plan.ts";
import { readHolder } from "../storage/writer-lock.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import { crc32OfHeader } from "./crc32.ts";
import { entryHeaderCrc, entryKind, entryLength, entryOffset, noSeed, segmentSeed } from "./index-entry.ts";
import { headerAt, headerLength } from "./record.ts";
import { formatId, millisecondsOfId, parseId } from "./uuid.ts";

const page = readFileSync(new URL("FORMAT.md", import.meta.url), "utf8");

/** The fenced block behind the comment that names it. */
function block(name: string): string {
  const start = page.indexOf("```\n", page.indexOf(`<!-- example: ${name} -->`)) + 4;
  expect(page.indexOf(`<!-- example: ${name} -->`), `example ${name}`).toBeGreaterThan(0);
  return page.slice(start, page.indexOf("```", start));
}

/** The bytes at the start of each line; what is said of them stands behind two blanks. */
function bytesOf(name: string): Uint8Array {
  const hex = block(name)
    .split("\n")
    .flatMap((line) => (line.split("  ")[0] ?? "").split(" "))
    .filter((byte) => byte !== "");
  for (const byte of hex) expect(byte).toMatch(/^[0-9a-f]{2}$/);
  return Uint8Array.from(hex, (byte) => Number.parseInt(byte, 16));
}

function entriesOf(bytes: Uint8Array, seed: number, base: number): unknown[] {
  const { view } = chunkOf(bytes, 0);
  return Array.from({ length: bytes.length / entryLength }, (_, i) => ({
    offset: entryOffset(view, i * entryLength),
    headerCrc: entryHeaderCrc(view, i * entryLength),
    kind: entryKind(view, i * entryLength, seed, base + i),
  }));
}

const segment = bytesOf("segment");

test("the segment of the example holds the two records that the page says", () => {
  const chunk = chunkOf(segment, 0);
  const walked = verifyChunk(chunk, segment.length, Infinity);
  expect(walked).toEqual({ starts: [0, 37], end: 69, problem: 0, needed: 0 });
  expect(segment.length).toBe(69);
  expect(Buffer.from(segment.subarray(headerLength, 37)).toString()).toBe("hello");
  const ids = walked.starts.map((start) => formatId(segment, start + headerAt.id));
  expect(ids).toEqual(["9f3c1d2e-5b6a-4c7d-8e9f-0a1b2c3d4e5f", "01890a5d-ac96-774b-bcce-b302099a8057"]);
  for (const id of ids) expect(page).toContain(id);
  expect(page).toContain(new Date(millisecondsOfId(segment, 37 + headerAt.id)).toISOString());
});

test("the record index of the example belongs to the segment of the example", () => {
  const { view } = chunkOf(segment, 0);
  const headerCrcs = [crc32OfHeader(view, 0), crc32OfHeader(view, 37)];
  expect(entriesOf(bytesOf("record index, seed 0, base 0"), noSeed, 0)).toEqual([
    { offset: 0, headerCrc: headerCrcs[0], kind: "firm" },
    { offset: 37, headerCrc: headerCrcs[1], kind: "firm" },
  ]);
  const logId = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";
  const seed = segmentSeed(parseId(logId), 2, 1000);
  const name = `record index, log ${logId}, generation 2, base 1000, seed ${seed.toString(16)}`;
  expect(entriesOf(bytesOf(name), seed, 1000)).toEqual([
    { offset: 0, headerCrc: headerCrcs[0], kind: "firm" },
    { offset: 37, headerCrc: headerCrcs[1], kind: "provisional" },
  ]);
});

test("the redo copy of the example brings record 1 back", () => {
  const disk = new SimulatedDisk();
  const { storage } = disk.boot();
  disk.writeFile("/events.log", segment.subarray(0, 37));
  disk.writeFile(tailPath("/events.log"), bytesOf("redo copy"));
  disk.writeFile("/events.idx", bytesOf("record index, seed 0, base 0").subarray(0, entryLength));
  const file = storage.openSync("/events.log", "write");
  const index = IndexFile.openSync(storage, "/events.idx", "write", 0, noSeed);
  expect(runSync(redoTail(storage, file, index))).toBe(true);
  expect(disk.readFile("/events.log", "medium")).toEqual(segment);
  expect(disk.readFile("/events.idx", "medium")).toEqual(bytesOf("record index, seed 0, base 0"));
  expect(disk.list("/")).toEqual(["events.idx", "events.log"]);
});

test("the MANIFEST of the example is one, and the code writes the same bytes", () => {
  const bytes = Buffer.from(block("MANIFEST"));
  const manifest = decodeManifest(bytes, "MANIFEST");
  expect(manifest).toMatchObject({ generation: 2, firstSeq: 1000, state: { nextSeq: 1002, activeBytes: 69 } });
  expect(Buffer.from(encodeManifest(manifest)).equals(bytes)).toBe(true);
});

test("the LOCK of the example names its holder", () => {
  const disk = new SimulatedDisk();
  disk.writeFile("/LOCK", Buffer.from(block("LOCK")));
  const file = disk.boot().storage.openSync("/LOCK", "read");
  expect(readHolder(file)).toEqual({ pid: 4711, host: "db-1", since: Date.UTC(2025, 0, 1), kind: "kernel" });
});
