/** Salvage at the size that it is for: 100 MB with 1,000 places overwritten. */
import { closeSync, openSync, readFileSync, readdirSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { newPath } from "../../test/crash/scratch-directory.ts";
import { bytesOf } from "../../test/errors/directory-bytes.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { FileLog } from "./file-log.ts";
import type { MissingRange } from "./salvage-report.ts";
import { salvage } from "./salvage.ts";
import { verify } from "./verify.ts";

const headerLength = 32;
const totalBytes = 100_000_000;
const overwrites = 1000;
const overwriteLength = 64;

interface Stored {
  readonly seq: number;
  readonly file: string;
  readonly offset: number;
  readonly end: number;
}

/** 100 MB of records of very different lengths, in segments of 16 MiB or in one. */
async function build(random: SeededRandom, segmentBytes: number): Promise<string> {
  const log = await FileLog.open(newPath(), { durability: "os", segmentBytes });
  const pool = Buffer.alloc(1024 * 1024);
  random.fill(pool);
  for (let bytes = 0; bytes < totalBytes;) {
    const batch: Uint8Array[] = [];
    for (let i = 0; i < 200; i++) {
      // Some are empty, most are short, and a few are longer than the pieces in which a file is read.
      const kind = random.int(2000);
      const length = kind === 0 ? 1024 * 1024 : kind < 100 ? random.int(2) : random.int(4000);
      const start = random.int(pool.length - length + 1);
      batch.push(pool.subarray(start, start + length));
      bytes += headerLength + length;
    }
    log.appendBatchSync(batch);
  }
  await log.close();
  return log.location;
}

function segmentsOf(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(".log"))
    .sort();
}

/** Every record by the chain alone: an account that owes nothing to the code under test. */
function recordsOf(directory: string): { stored: Stored[]; bytes: Map<string, Buffer> } {
  const stored: Stored[] = [];
  const bytes = new Map<string, Buffer>();
  for (const name of segmentsOf(directory)) {
    const content = readFileSync(join(directory, name));
    bytes.set(name, content);
    for (let offset = 0; offset < content.length;) {
      const end = offset + headerLength + content.readUInt32LE(offset);
      stored.push({ seq: stored.length, file: name, offset, end });
      offset = end;
    }
  }
  return { stored, bytes };
}

function overwriteAtRandom(directory: string, random: SeededRandom, sizes: Map<string, Buffer>): void {
  const names = segmentsOf(directory);
  const noise = Buffer.alloc(overwriteLength);
  const files = new Map(names.map((name) => [name, openSync(join(directory, name), "r+")]));
  for (let i = 0; i < overwrites; i++) {
    const name = random.pick(names);
    const size = (sizes.get(name) as Buffer).length;
    random.fill(noise);
    writeSync(files.get(name) as number, noise, 0, overwriteLength, random.int(size - overwriteLength + 1));
  }
  for (const fd of files.values()) closeSync(fd);
}

/** Where untouched records are, and the ranges between them. */
function expectation(
  directory: string,
  { stored, bytes }: { stored: Stored[]; bytes: Map<string, Buffer> },
): { whole: Stored[]; missing: { file: string; offset: number; end: number; firstSeq: number; lastSeq: number }[] } {
  const whole: Stored[] = [];
  const missing: { file: string; offset: number; end: number; firstSeq: number; lastSeq: number }[] = [];
  let name = "";
  let now = Buffer.alloc(0);
  for (const record of stored) {
    if (record.file !== name) now = readFileSync(join(directory, (name = record.file)));
    const { seq, file, offset, end } = record;
    const before = bytes.get(file) as Buffer;
    if (now.compare(before, offset, end, offset, end) === 0) {
      whole.push(record);
      continue;
    }
    const last = missing.at(-1);
    if (last?.file === join(directory, file) && last.end === offset) {
      last.end = end;
      last.lastSeq = seq;
    } else missing.push({ file: join(directory, file), offset, end, firstSeq: seq, lastSeq: seq });
  }
  return { whole, missing };
}

test.each([
  ["with its record indexes", 16 * 1024 * 1024, (): void => {}],
  [
    "without MANIFEST and record indexes",
    16 * 1024 * 1024,
    (directory: string): void => {
      for (const name of readdirSync(directory)) if (!name.endsWith(".log")) rmSync(join(directory, name));
    },
  ],
  [
    "as one file without a record index",
    200 * 1024 * 1024,
    (directory: string): void => {
      for (const name of readdirSync(directory)) if (!name.endsWith(".log")) rmSync(join(directory, name));
    },
  ],
])(
  "of 100 MB with 1,000 random overwrites every record that was not touched is recovered, %s",
  async (name, segmentBytes, spoil) => {
    const random = new SeededRandom(name);
    const directory = await build(random, segmentBytes);
    const before = recordsOf(directory);
    overwriteAtRandom(directory, random, before.bytes);
    spoil(directory);
    const { whole, missing } = expectation(directory, before);
    const input = bytesOf(directory);
    const out = newPath("out");
    const report = await salvage(
      segmentBytes > totalBytes ? join(directory, segmentsOf(directory)[0] as string) : directory,
      { out },
    );
    expect(bytesOf(directory)).toEqual(input);

    const hasIndex = name.startsWith("with its");
    const ranges = missingIn(report.report);
    expect(report.missing).toEqual(ranges.slice(0, 1000));
    if (ranges[0]?.file.endsWith("MANIFEST") === true) ranges.shift();
    expect(ranges.map(({ file, offset, end }) => ({ file, offset, end }))).toEqual(
      missing.map(({ file, offset, end }) => ({ file, offset, end })),
    );
    for (const [i, { firstSeq = -1, lastSeq = Infinity, isExact }] of ranges.entries()) {
      const lost = missing[i] as (typeof missing)[number];
      if (hasIndex) expect({ firstSeq, lastSeq, isExact }).toEqual({ ...pickSeqs(lost), isExact: true });
      expect(firstSeq).toBeLessThanOrEqual(lost.firstSeq);
      expect(lastSeq).toBeGreaterThanOrEqual(lost.lastSeq);
    }
    expect(report.records).toBe(whole.length);
    expect(report.resynchronised === 0).toBe(hasIndex);
    expect(await verify(out)).toMatchObject({ ok: true, records: whole.length });

    const log = await FileLog.open(out, { readOnly: true });
    let i = 0;
    for await (const batch of log.readBatches()) {
      for (const record of batch) {
        const { file, offset, end } = whole[i++] as Stored;
        const original = before.bytes.get(file) as Buffer;
        const isSame =
          Buffer.compare(record.bytes, original.subarray(offset + headerLength, end)) === 0 &&
          record.id.replaceAll("-", "") === original.toString("hex", offset + 16, offset + headerLength);
        if (!isSame) throw new Error(`record ${record.seq} is not the one at ${offset} of ${file}`);
      }
    }
    expect(i).toBe(whole.length);
    await log.close();
  },
);

/** The missing ranges that `salvage.ndjson` tells of. */
function missingIn(path: string): MissingRange[] {
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  return lines.flatMap((line) => {
    const { kind, ...range } = JSON.parse(line) as MissingRange & { kind: string };
    return kind === "missing" ? [range] : [];
  });
}

function pickSeqs({ firstSeq, lastSeq }: { firstSeq: number; lastSeq: number }): object {
  return { firstSeq, lastSeq };
}
