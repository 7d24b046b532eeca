/** The golden file: 500 records that the seed wrote, compiled with Go and unchanged. manifest.json says what is in it. */
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LogReader } from "../../src/segment/log-reader.ts";
import { LogWriter } from "../../src/segment/log-writer.ts";
import { RecordIndex } from "../../src/segment/record-index.ts";

interface Sample {
  readonly record: number;
  readonly offset: number;
  readonly length: number;
  readonly crc32: string;
  readonly id: string;
}

interface Golden {
  readonly records: number;
  readonly endOffset: number;
  readonly sha256OfAllData: string;
  readonly samples: readonly Sample[];
}

const goldenPath = new URL("go-500.log", import.meta.url);
const bytesOfGolden = readFileSync(goldenPath);
const manifest = JSON.parse(readFileSync(new URL("manifest.json", import.meta.url), "utf8")) as Record<string, Golden>;
const golden = manifest["go-500.log"] as Golden;

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "seqlog-golden-"));
  path = join(directory, "events.log");
});
afterEach(() => rmSync(directory, { recursive: true }));

/** What the manifest says of record `i`: (i*37) % 301 bytes, byte j is (i*131 + j*7) & 255. */
function payload(i: number): Uint8Array {
  return Uint8Array.from({ length: (i * 37) % 301 }, (_, j) => (i * 131 + j * 7) & 255);
}

interface Decoded {
  readonly offset: number;
  readonly crc: number;
  readonly id: Buffer;
  readonly data: Buffer;
}

/** The seed's format from its own text alone: [4 B length][8 B own offset][4 B CRC-32 of data][16 B UUID][data]. */
function decodeSeed(file: Buffer): Decoded[] {
  const records: Decoded[] = [];
  for (let at = 0; at < file.length;) {
    const length = file.readUInt32LE(at);
    const offset = Number(file.readBigUInt64LE(at + 4));
    const crc = file.readUInt32LE(at + 12);
    const id = file.subarray(at + 16, at + 32);
    const data = file.subarray(at + 32, at + 32 + length);
    if (offset !== at) throw new Error(`the record at ${at} says that it is at ${offset}`);
    if (data.length !== length) throw new Error(`the record at ${at} is cut`);
    if (crc32(data) !== crc) throw new Error(`the record at ${at} has a wrong CRC`);
    records.push({ offset, crc, id, data });
    at += 32 + length;
  }
  return records;
}

function text(id: Buffer): string {
  return id.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

test("LogReader reads what the manifest says, without a record index and without making one", async () => {
  copyFileSync(goldenPath, path);
  const reader = await LogReader.open(path);
  const sampled = new Set(golden.samples.map((sample) => sample.record));
  const samples: Sample[] = [];
  const hash = createHash("sha256");
  let seen = 0;
  let end = 0;
  for await (const record of reader.read()) {
    expect(record.seq).toBe(seen);
    expect(record.offset).toBe(end);
    expect(Buffer.compare(record.bytes, payload(seen)), `data of record ${seen}`).toBe(0);
    const found = {
      record: seen,
      offset: record.offset,
      length: record.bytes.length,
      crc32: crc32(record.bytes).toString(16).padStart(8, "0"),
      id: record.id,
    };
    if (sampled.has(seen)) samples.push(found);
    hash.update(record.bytes);
    end = record.offset + 32 + record.bytes.length;
    seen++;
  }
  expect(samples).toEqual(golden.samples);
  expect([seen, end]).toEqual([golden.records, golden.endOffset]);
  expect(hash.digest("hex")).toBe(golden.sha256OfAllData);
  expect(await reader.stats()).toEqual({
    firstSeq: 0,
    nextSeq: 500,
    records: 500,
    bytes: golden.endOffset,
    segments: 1,
  });
  await reader.close();
  expect(readdirSync(directory)).toEqual(["events.log"]);
  expect(readFileSync(path).equals(bytesOfGolden)).toBe(true);
});

test("LogReader finds single records of it by seq, by id and from the end", async () => {
  const reader = await LogReader.open(goldenPath);
  for (const sample of golden.samples) {
    expect((await reader.get(sample.record))?.offset).toBe(sample.offset);
    expect((await reader.find(sample.id))?.seq).toBe(sample.record);
  }
  expect(await reader.get(golden.records)).toBeUndefined();
  const seqs: number[] = [];
  for await (const record of reader.read({ reverse: true, limit: 3 })) seqs.push(record.seq);
  expect(seqs).toEqual([499, 498, 497]);
  await expect(reader.seqAt(new Date(0))).rejects.toMatchObject({ code: "SEQLOG_UNSUPPORTED" });
  await reader.close();
});

test("LogWriter goes on behind it: the seed's bytes stay, and the record index gives every offset", async () => {
  copyFileSync(goldenPath, path);
  const recordIndex = await RecordIndex.open(join(directory, "events.idx"));
  const writer = await LogWriter.open(path, recordIndex);
  expect(writer.recovery).toMatchObject({ records: 500, tornBytes: 0, redone: 500 });
  expect([writer.writeOffset, writer.dirtyOffset]).toEqual([golden.endOffset, -1]);
  for (const sample of golden.samples) expect(recordIndex.get(sample.record)).toBe(sample.offset);

  expect(await writer.append("one more")).toBe(golden.endOffset);
  expect(await writer.append(new Uint8Array(0))).toBe(golden.endOffset + 40);
  expect(recordIndex.length).toBe(502);
  await writer.close();
  await recordIndex.close();

  const after = readFileSync(path);
  expect(after.subarray(0, golden.endOffset).equals(bytesOfGolden)).toBe(true);
  const records = decodeSeed(after);
  expect(records.map((record) => record.data.toString()).slice(500)).toEqual(["one more", ""]);
  expect(readdirSync(directory).sort()).toEqual(["events.idx", "events.log", "events.log.lock"]);
});

test("opened again it is the same, and nothing is rebuilt", async () => {
  copyFileSync(goldenPath, path);
  for (const redone of [500, 0]) {
    const recordIndex = await RecordIndex.open(join(directory, "events.idx"));
    const writer = await LogWriter.open(path, recordIndex);
    expect(writer.recovery).toMatchObject({ records: 500, redone });
    await writer.close();
    await recordIndex.close();
  }
  expect(readFileSync(path).equals(bytesOfGolden)).toBe(true);
});

test("what LogWriter writes is the seed's format, by a decoder that knows nothing else", async () => {
  expect(existsSync(path)).toBe(false);
  const recordIndex = await RecordIndex.open(join(directory, "events.idx"));
  const writer = await LogWriter.open(path, recordIndex);
  const offsets = await Promise.all(Array.from({ length: 500 }, (_, i) => writer.append(payload(i))));
  await writer.close();
  await recordIndex.close();

  const records = decodeSeed(readFileSync(path));
  expect(records.map((record) => record.offset)).toEqual(offsets);
  expect(records.at(-1)).toMatchObject({ offset: 90730, crc: 0x4283c918 });
  const hash = createHash("sha256");
  for (const [i, record] of records.entries()) {
    expect(record.data.equals(payload(i)), `data of record ${i}`).toBe(true);
    expect(text(record.id)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    hash.update(record.data);
  }
  expect(new Set(records.map((record) => text(record.id))).size).toBe(500);
  expect(hash.digest("hex")).toBe(golden.sha256OfAllData);
});
