/** A recovery that was killed between its redo copy and the end: every bit and every length of the copy. */
import { crc32 } from "node:zlib";
import { beforeAll, expect, test } from "vitest";
import { SeqlogError } from "../../src/errors.ts";
import { type Sample, killedDirectory } from "./logs.ts";
import { type Files, MemoryMachine } from "./memory-machine.ts";
import { checkRecord, readOnly, writeDirectory } from "./reading.ts";

const log = "/log/00000000000000000000.log";
const tail = `${log}.tail`;
const isAll = process.env["SEQLOG_BYTES"] === "all";

let sample: Sample;
let files: Files;
let copy: Buffer;

beforeAll(async () => {
  sample = await killedDirectory();
  const segment = sample.files.get(log) as Buffer;
  const { records } = sample.segments[0] as Sample["segments"][number];
  const start = records[sample.acknowledged]?.offset as number;
  const last = records.at(-1) as (typeof records)[number];
  const bytes = segment.subarray(start, last.offset + 32 + last.data.length);
  const trailer = Buffer.alloc(40);
  trailer.write("seqlogT1", "latin1");
  trailer.writeBigUInt64LE(BigInt(start), 8);
  trailer.writeBigUInt64LE(BigInt(sample.acknowledged), 16);
  trailer.writeBigUInt64LE(BigInt(bytes.length), 24);
  trailer.writeUInt32LE(crc32(bytes), 32);
  trailer.writeUInt32LE(crc32(trailer.subarray(0, 36)), 36);
  copy = Buffer.concat([bytes, trailer]);
  // The segment was cut at the mark, and nothing was written back yet.
  files = new Map([...sample.files, [log, segment.subarray(0, start)], [tail, copy]]);
});

function checkAll(machine: MemoryMachine): void {
  const { bySeq, error } = writeDirectory(machine);
  expect(error).toBeUndefined();
  const { records } = sample.segments[0] as Sample["segments"][number];
  expect(bySeq.length).toBe(records.length);
  for (const [seq, found] of bySeq.entries()) {
    if (found instanceof SeqlogError) throw found;
    checkRecord(found, seq, { segment: log, ...(records[seq] as (typeof records)[number]) });
  }
}

test("whole, it brings every record back and goes", () => {
  const machine = new MemoryMachine(files);
  checkAll(machine);
  expect(machine.bytesOf(tail)).toBeUndefined();
});

function checkRefused(damaged: Buffer, what: string): void {
  const machine = new MemoryMachine(new Map(files).set(tail, damaged));
  const { error } = writeDirectory(machine);
  if (!SeqlogError.is(error, "SEQLOG_DAMAGED") || error.facts.file !== tail) {
    throw new Error(`${what}: the redo copy was taken, or something else reported`, { cause: error });
  }
  const changed = [...machine.touched].filter((path) => !path.endsWith("LOCK"));
  if (changed.length > 0) throw new Error(`${what}: ${changed.join(", ")} changed`);
}

test("a flipped bit or a cut is reported, and nothing is changed", { timeout: isAll ? 3_600_000 : 120_000 }, () => {
  const damaged = Buffer.from(copy);
  for (let at = 0; at < copy.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      // In the slice one bit of each byte of the records, and all of the trailer.
      if (!isAll && at < copy.length - 40 && bit !== at % 8) continue;
      damaged[at] = (damaged[at] as number) ^ (1 << bit);
      checkRefused(damaged, `bit ${bit} of byte ${at}`);
      damaged[at] = (damaged[at] as number) ^ (1 << bit);
    }
    if (isAll || at % 7 === 0) checkRefused(copy.subarray(0, at), `the first ${at} bytes`);
  }
});

test("readers are served what was acknowledged, whatever the copy holds", async () => {
  for (const bytes of [copy, copy.subarray(0, 100), Buffer.alloc(0), Buffer.alloc(5000, 0xff)]) {
    const machine = new MemoryMachine(new Map(files).set(tail, bytes));
    const { records, error } = await readOnly(machine, "directory", "read");
    expect({ error, served: records.length }).toEqual({ error: undefined, served: sample.acknowledged });
  }
});
