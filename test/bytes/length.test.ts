/** A damaged length costs no memory: it is held against the file, and where it fits the data is checked in a stream. */
import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import { SeqlogError } from "../../src/errors.ts";
import { verify } from "../../src/log/verify.ts";
import { LogReader } from "../../src/segment/log-reader.ts";
import { closedFile, single } from "./logs.ts";
import { MemoryMachine } from "./memory-machine.ts";
import { header, indexEntry } from "./mutation.ts";
import { recordAt } from "./oracle.ts";
import { forward, readOnly, writeFile } from "./reading.ts";

const megabyte = 2 ** 20;
const gigabyte = 2 ** 30;

/** A log whose record 1 says that it is so long, in a file of this size: the rest is zeros. */
async function claiming(hasIndex: boolean, length: number, size: number): Promise<MemoryMachine> {
  const { files } = await closedFile();
  const segment = Buffer.from(files.get(single.log) as Buffer);
  const next = 32 + (recordAt(segment, 0)?.data.length as number);
  segment.writeUInt32LE(length, next);
  const kept = new Map([...files, [single.log, segment]]);
  if (!hasIndex) kept.delete(single.index);
  const machine = new MemoryMachine(kept);
  if (size > segment.length) machine.extend(single.log, size);
  return machine;
}

test.each([
  { hasIndex: true, length: gigabyte, size: 0 },
  { hasIndex: false, length: gigabyte, size: 0 },
  { hasIndex: true, length: 150 * megabyte, size: 160 * megabyte },
  { hasIndex: false, length: 150 * megabyte, size: 160 * megabyte },
])("record index: $hasIndex, a length of $length, bytes of the file: $size", async ({ hasIndex, length, size }) => {
  const machine = await claiming(hasIndex, length, size);
  const before = process.memoryUsage().arrayBuffers;

  const { records, error } = await readOnly(machine, "file", "read");
  expect(records.map(({ seq }) => seq)).toEqual(error?.code === "SEQLOG_DAMAGED" && records.length === 0 ? [] : [0]);

  const report = await verify(single.log, { machine });
  if (hasIndex) expect(report.ok).toBe(false);

  const reader = await LogReader.open(single.log, { machine });
  if (hasIndex) await expect(reader.get(1)).rejects.toSatisfy((thrown) => SeqlogError.is(thrown, "SEQLOG_DAMAGED"));
  await reader.close();

  expect(machine.largestBuffer).toBeLessThanOrEqual(2 * megabyte);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * megabyte);
});

test("opening for writing neither", async () => {
  const machine = await claiming(true, gigabyte, 0);
  const { error } = await writeFile(machine);
  expect(error).toBeUndefined();
  expect(machine.largestBuffer).toBeLessThanOrEqual(2 * megabyte);
});

test("long data that is damaged is checked in a stream, before memory is taken for it", async () => {
  const length = 20 * megabyte;
  const last = 32 + length;
  const segment = Buffer.alloc(last + 32);
  header(length, 0, 1, 4).copy(segment);
  header(0, last, 0, 4).copy(segment, last);
  const index = [0, last].map((at, seq) => indexEntry(0, seq, at, crc32(segment.subarray(at, at + 32)), true));
  const machine = new MemoryMachine(
    new Map([
      [single.log, segment],
      [single.index, Buffer.concat(index)],
    ]),
  );
  for (const way of forward) {
    const { records, error } = await readOnly(machine, "file", way);
    expect({ way, code: error?.code, served: records.length }).toEqual({ way, code: "SEQLOG_DAMAGED", served: 0 });
  }
  const { bySeq } = await writeFile(machine);
  expect(bySeq.map((found) => found instanceof SeqlogError)).toEqual([true, false]);
  expect((await verify(single.log, { machine })).ok).toBe(false);
  // As much as a record may have by default is trusted to its record index.
  expect(machine.largestBuffer).toBeLessThanOrEqual(16 * megabyte);
});

test("reading backwards does not take all that lies behind damage into memory", async () => {
  // One record, then more than any interrupted write leaves.
  const segment = Buffer.concat([header(0, 0, 0, 4), Buffer.alloc(40 * megabyte, 0xff)]);
  const machine = new MemoryMachine(new Map([[single.log, segment]]));
  const { error } = await readOnly(machine, "file", "reverse");
  expect(error?.code).toBe("SEQLOG_DAMAGED");
  expect(machine.largestBuffer).toBeLessThanOrEqual(2 * megabyte);
});
