import { expect, test } from "vitest";
import { crc32, crc32OfHeader } from "../format/crc32.ts";
import { entryHeaderCrc, entryKind, entryLength, entryOffset } from "../format/index-entry.ts";
import { headerAt, headerLength, problem, writeHeader } from "../format/record.ts";
import { createIdSourceV4 } from "../format/uuid.ts";
import { run, runSync } from "../storage/plan.ts";
import type { StorageFile } from "../storage/storage.ts";
import { failWith } from "../testing/fault-plan.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import { chunkOf } from "./verify-chunk.ts";
import { type ChainEnd, type ChainRun, crcOfRange, endOfNonZero, walkChain } from "./walk-chain.ts";

const mebibyte = 1024 * 1024;
const ids = createIdSourceV4(new SeededRandom("ids"));

function recordOf(data: Uint8Array, offset: number): Buffer {
  const record = Buffer.alloc(headerLength + data.length);
  record.set(data, headerLength);
  writeHeader(chunkOf(record, 0).view, 0, data.length, offset, crc32(data));
  ids.write(record, headerAt.id);
  return record;
}

/** Records of these lengths, back to back. */
function segmentOf(...lengths: readonly number[]): Buffer {
  let offset = 0;
  return Buffer.concat(
    lengths.map((length, i) => {
      const record = recordOf(Buffer.alloc(length, i + 1), offset);
      offset += record.length;
      return record;
    }),
  );
}

function fileOf(bytes: Uint8Array): StorageFile & { readonly disk: SimulatedDisk } {
  const disk = new SimulatedDisk();
  disk.writeFile("/s.log", bytes);
  return Object.assign(disk.boot().storage.openSync("/s.log", "read"), { disk });
}

function walk(bytes: Uint8Array, fileEnd = bytes.length): ChainEnd {
  return runSync(walkChain(fileOf(bytes), { seq: 0, offset: 0 }, fileEnd));
}

const three = segmentOf(10, 0, 50);

test("a whole file is a chain to its end", () => {
  expect(walk(three)).toEqual({ nextSeq: 3, end: three.length, problem: 0 });
  expect(walk(new Uint8Array(0))).toEqual({ nextSeq: 0, end: 0, problem: 0 });
});

test("a record cut at any byte ends the log before it", () => {
  for (let cut = 75; cut < three.length; cut++) {
    expect(walk(three.subarray(0, cut)), `cut at ${cut}`).toEqual({
      nextSeq: 2,
      end: 74,
      problem: cut < 74 + headerLength ? problem.headerCut : problem.dataCut,
    });
  }
  expect(walk(three.subarray(0, 74))).toMatchObject({ nextSeq: 2, end: 74, problem: 0 });
});

test.each([
  ["its length", 0, problem.dataCut],
  ["its own offset", 4, problem.wrongOffset],
  ["its CRC", 12, problem.wrongCrc],
  ["its data", headerLength, problem.wrongCrc],
])("a record with a wrong byte in %s ends the log before it", (_, at, code) => {
  const bytes = Buffer.from(three);
  bytes[74 + at] = 0xff;
  expect(walk(bytes)).toMatchObject({ nextSeq: 2, end: 74, problem: code });
});

test("zeros behind the records end the log", () => {
  expect(walk(Buffer.concat([three, Buffer.alloc(100)]))).toMatchObject({ nextSeq: 3, end: three.length });
  expect(walk(Buffer.alloc(100))).toEqual({ nextSeq: 0, end: 0, problem: problem.wrongId });
});

test("it is told of every record, in order, also of those that do not fit into one read", () => {
  const lengths = [5, mebibyte - headerLength, 0, 3 * mebibyte, mebibyte, 7, mebibyte - 20, 900_000, 1];
  const bytes = segmentOf(...lengths);
  const { view } = chunkOf(bytes, 0);
  const visited: unknown[] = [];
  const expected: unknown[] = [];
  for (let i = 0, offset = 0; i < lengths.length; i++) {
    expected.push([100 + i, offset, crc32OfHeader(view, offset), lengths[i]]);
    offset += headerLength + (lengths[i] as number);
  }
  const visit = ({ seq, offset, end, entries, count, ...run }: ChainRun): void => {
    const starts = run.starts();
    for (let i = 0; i < count; i++) {
      const start = starts[i] as number;
      const length = (starts[i + 1] ?? end) - start - headerLength;
      const entry = chunkOf(entries, 0).view;
      expect(entryKind(entry, i * entryLength, 77, seq + i)).toBe("firm");
      expect(entryOffset(entry, i * entryLength)).toBe(offset + start);
      visited.push([seq + i, offset + start, entryHeaderCrc(entry, i * entryLength), length]);
    }
  };
  const plan = walkChain(fileOf(bytes), { seq: 100, offset: 0 }, bytes.length, { visit, seed: 77 });
  expect(runSync(plan)).toEqual({ nextSeq: 109, end: bytes.length, problem: 0 });
  expect(visited).toEqual(expected);
});

test("long data is checked in a stream: memory stays at one MiB, and a wrong byte at its end is found", () => {
  const bytes = segmentOf(3, 5 * mebibyte, 3);
  const file = fileOf(bytes);
  expect(runSync(walkChain(file, { seq: 0, offset: 0 }, bytes.length)).nextSeq).toBe(3);
  bytes[35 + headerLength + 5 * mebibyte - 1] = 0;
  expect(walk(bytes)).toMatchObject({ nextSeq: 1, end: 35, problem: problem.wrongCrc });
  expect(Math.max(...file.disk.log.map((operation) => operation.length))).toBe(mebibyte);
});

test("a length field of 4 GiB costs neither memory nor reads", () => {
  const bytes = Buffer.concat([three, recordOf(Buffer.alloc(20), three.length)]);
  bytes.writeUInt32LE(0xffffffff, three.length);
  const file = fileOf(bytes);
  const end = runSync(walkChain(file, { seq: 0, offset: 0 }, bytes.length));
  expect(end).toMatchObject({ nextSeq: 3, end: three.length, problem: problem.dataCut });
  expect(file.disk.operations.count("read")).toBe(1);
});

test("it can begin at any record, and ends where it is told to", () => {
  const file = fileOf(three);
  expect(runSync(walkChain(file, { seq: 7, offset: 42 }, three.length))).toMatchObject({ nextSeq: 9, problem: 0 });
  expect(runSync(walkChain(file, { seq: 0, offset: 0 }, 74))).toMatchObject({ nextSeq: 2, end: 74, problem: 0 });
  expect(runSync(walkChain(file, { seq: 0, offset: 0 }, 100))).toMatchObject({
    nextSeq: 2,
    problem: problem.headerCut,
  });
});

test("a file that is shorter than it was said to be ends where it ends", () => {
  expect(walk(three, three.length + 5000)).toMatchObject({ nextSeq: 3, end: three.length, problem: 0 });
  const long = segmentOf(3 * mebibyte);
  expect(walk(long.subarray(0, 2 * mebibyte), long.length)).toMatchObject({
    nextSeq: 0,
    end: 0,
    problem: problem.wrongCrc,
  });
});

test("blocking or not, it is the same walk", async () => {
  const bytes = segmentOf(10, 2 * mebibyte, 3);
  const end = await run(walkChain(fileOf(bytes), { seq: 0, offset: 0 }, bytes.length));
  expect(end).toEqual(walk(bytes));
});

test("the last byte that is not zero is found across pieces", () => {
  const bytes = Buffer.alloc(3 * mebibyte + 17);
  const end = (start: number, until = bytes.length): number => runSync(endOfNonZero(fileOf(bytes), start, until));
  expect(end(0)).toBe(0);
  expect(end(500)).toBe(500);
  bytes[mebibyte + 17] = 1;
  expect(end(0)).toBe(mebibyte + 18);
  expect(end(mebibyte + 18)).toBe(mebibyte + 18);
  expect(end(0, mebibyte)).toBe(0);
  bytes[bytes.length - 1] = 1;
  expect(end(0)).toBe(bytes.length);
  expect(end(bytes.length)).toBe(bytes.length);
});

test("the CRC of a range is that of its bytes, and none where the file ends before", () => {
  const bytes = segmentOf(3000);
  const crc = (length: number): number => runSync(crcOfRange(fileOf(bytes), 32, length, new Uint8Array(700)));
  expect(crc(3000)).toBe(crc32(bytes, 32));
  expect(crc(0)).toBe(0);
  expect(crc(3001)).toBe(-1);
});

/** Records whose lengths leave something over at the end of every piece, now little, now more than there is room for. */
const mixed = [
  ...Array.from({ length: 9000 }, (_, i) => (i * 37) % 500),
  300_000,
  ...Array.from({ length: 3000 }, (_, i) => i % 300),
  200_000,
  900_000,
  ...Array.from({ length: 3000 }, (_, i) => (i * 11) % 900),
  3 * mebibyte,
  ...Array.from({ length: 3000 }, (_, i) => (i * 7) % 400),
];

async function entriesOf(bytes: Uint8Array, isBlocking: boolean): Promise<{ end: ChainEnd; entries: Buffer }> {
  const pieces: Buffer[] = [];
  const visit = ({ entries }: ChainRun): void => void pieces.push(Buffer.from(entries));
  const plan = walkChain(fileOf(bytes), { seq: 0, offset: 0 }, bytes.length, { visit, seed: 5 });
  const end = isBlocking ? runSync(plan) : await run(plan);
  return { end, entries: Buffer.concat(pieces) };
}

test("reading ahead changes nothing: blocking or not, the same records and the same end", async () => {
  const whole = segmentOf(...mixed);
  for (const bytes of [whole, whole.subarray(0, 2 * mebibyte + 17), whole.subarray(0, whole.length - 1)]) {
    const [one, other] = [await entriesOf(bytes, true), await entriesOf(bytes, false)];
    expect(other.end).toEqual(one.end);
    expect(other.entries.equals(one.entries)).toBe(true);
    const starts = Array.from({ length: one.end.nextSeq }, (_, i) =>
      entryOffset(chunkOf(one.entries, 0).view, i * entryLength),
    );
    expect(starts).toEqual(offsetsOf(mixed.slice(0, one.end.nextSeq)));
  }
});

function offsetsOf(lengths: readonly number[]): number[] {
  let next = 0;
  return lengths.map((length) => {
    const at = next;
    next += headerLength + length;
    return at;
  });
}

test("a walk that ends early, or fails, has no read under way when it ends", async () => {
  const bytes = segmentOf(...Array.from({ length: 9000 }, () => 500));
  bytes[500_000] = (bytes[500_000] as number) ^ 1;
  const stopped = fileOf(bytes);
  const end = await run(walkChain(stopped, { seq: 0, offset: 0 }, bytes.length));
  expect(end).toMatchObject({ nextSeq: 939, problem: problem.wrongCrc });
  // What was read ahead has ended too: with no background operation the descriptor may be closed.
  expect(stopped.disk.operations.count("read")).toBe(2);
  stopped.closeSync();

  const failed = fileOf(bytes);
  const visit = (): void => {
    throw new RangeError("the visitor's");
  };
  await expect(run(walkChain(failed, { seq: 0, offset: 0 }, bytes.length, { visit }))).rejects.toThrow(RangeError);
  expect(failed.disk.operations.count("read")).toBe(2);
  failed.closeSync();
});

test("an error of a read ahead is thrown when its bytes are needed, and not when they are not", async () => {
  const bytes = segmentOf(...Array.from({ length: 9000 }, () => 500));
  const needed = faultyFileOf(bytes, 1);
  await expect(run(walkChain(needed, { seq: 0, offset: 0 }, bytes.length))).rejects.toMatchObject({
    code: "SEQLOG_IO",
  });
  bytes[500_000] = (bytes[500_000] as number) ^ 1;
  const unneeded = faultyFileOf(bytes, 1);
  expect(await run(walkChain(unneeded, { seq: 0, offset: 0 }, bytes.length))).toMatchObject({ nextSeq: 939 });
});

/** One whose reads fail after the first `skip`. */
function faultyFileOf(bytes: Uint8Array, skip: number): StorageFile {
  const disk = new SimulatedDisk();
  disk.writeFile("/s.log", bytes);
  const machine = disk.boot();
  machine.faults.on({ kind: "read", skip }, failWith("EIO"));
  return machine.storage.openSync("/s.log", "read");
}

test("a file that becomes shorter while it is read ends where it ends now", async () => {
  const bytes = segmentOf(...Array.from({ length: 9000 }, () => 500));
  // At the end of a piece, and inside one.
  for (const [size, found] of [
    [3 * mebibyte, problem.headerCut],
    [3 * mebibyte + 100, problem.dataCut],
  ] as const) {
    const end = await run(walkChain(fileOf(bytes.subarray(0, size)), { seq: 0, offset: 0 }, bytes.length));
    expect(end).toEqual({ nextSeq: 5913, end: 5913 * 532, problem: found });
  }
});
