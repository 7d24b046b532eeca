import * as fc from "fast-check";
import { expect, test } from "vitest";
import { SeededRandom } from "../testing/seeded-random.ts";
import { crc32 } from "./crc32.ts";
import {
  checkData,
  checkHeader,
  describeProblem,
  headerAt,
  headerLength,
  maxDataLength,
  problem,
  readUint64,
  writeHeader,
  writeOwnOffset,
} from "./record.ts";
import { createIdSourceV4, createIdSourceV7 } from "./uuid.ts";

const sources = [createIdSourceV4(new SeededRandom("a")), createIdSourceV7(new SeededRandom("b"), () => 1e12, 0)];

interface Encoded {
  readonly bytes: Buffer;
  readonly view: DataView;
}

/** A record that stands `at` bytes into a buffer and at `offset` of its file. */
function encode(data: Uint8Array, offset: number, at = 0, source = 0): Encoded {
  const bytes = Buffer.alloc(at + headerLength + data.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  bytes.set(data, at + headerLength);
  writeHeader(view, at, data.length, offset, crc32(data));
  sources[source]?.write(bytes, at + headerAt.id);
  return { bytes, view };
}

function check({ bytes, view }: Encoded, position: number, left = bytes.length, at = 0): number {
  return checkHeader(bytes, view, at, position, left);
}

const offset = fc.oneof(
  fc.nat({ max: 1000 }),
  fc.maxSafeNat(),
  fc.nat({ max: 64 }).map((n) => 2 ** 32 - 32 + n),
);

test("what was encoded is valid where it was encoded for, at any offset up to 2^53", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 400 }),
      offset,
      fc.nat({ max: 9 }),
      fc.nat({ max: 1 }),
      (data, to, at, v) => {
        const record = encode(data, to, at, v);
        expect(check(record, to, headerLength + data.length, at)).toBe(data.length);
        expect(checkData(record.bytes, record.view, at, data.length)).toBe(true);
        expect(readUint64(record.view, at + headerAt.offset)).toBe(to);
      },
    ),
    { numRuns: 300 },
  );
});

test("the header is [u32 length][u64 own offset][u32 CRC-32][16 bytes UUID], little-endian", () => {
  const { bytes } = encode(Buffer.from("123456789"), 2 ** 40 + 3);
  expect(bytes.readUInt32LE(0)).toBe(9);
  expect(bytes.readBigUInt64LE(4)).toBe(2n ** 40n + 3n);
  expect(bytes.readUInt32LE(12)).toBe(0xcbf43926);
  expect(bytes.subarray(32).toString()).toBe("123456789");
});

test("fewer than 32 bytes are not a header", () => {
  const record = encode(new Uint8Array(0), 0);
  for (let left = 0; left < headerLength; left++) expect(check(record, 0, left)).toBe(problem.headerCut);
});

test("a length past the end of the file is found before anything else is looked at", () => {
  const record = encode(Buffer.from("hello"), 0);
  expect(check(record, 0, headerLength + 4)).toBe(problem.dataCut);
  record.view.setUint32(headerAt.length, 0xffffffff, true);
  record.bytes.fill(0xff, 4);
  expect(check(record, 0)).toBe(problem.dataCut);
});

test("a record that stands elsewhere than it says is not valid", () => {
  fc.assert(
    fc.property(offset, offset, (own, position) => {
      fc.pre(own !== position);
      expect(check(encode(Buffer.from("x"), own), position)).toBe(problem.wrongOffset);
    }),
    { numRuns: 300 },
  );
});

test("an offset that differs only above 32 bits is another one", () => {
  expect(check(encode(new Uint8Array(0), 37), 37 + 2 ** 32)).toBe(problem.wrongOffset);
  expect(check(encode(new Uint8Array(0), 37 + 2 ** 32), 37)).toBe(problem.wrongOffset);
});

test("zeros are not a record, not even at offset 0", () => {
  const zeros = Buffer.alloc(64);
  expect(check({ bytes: zeros, view: new DataView(zeros.buffer, zeros.byteOffset, 64) }, 0)).toBe(problem.wrongId);
});

test("the UUID must have variant 10 and version 4 or 7", () => {
  for (const [at, value] of [
    [6, 0x10],
    [6, 0x5f],
    [8, 0x00],
    [8, 0xc0],
  ] as const) {
    const record = encode(Buffer.from("x"), 0);
    record.bytes[headerAt.id + at] = value;
    expect(check(record, 0)).toBe(problem.wrongId);
  }
});

test("one flipped bit in data or CRC does not pass", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.nat(), (data, where) => {
      const record = encode(data, 0);
      const bit = where % ((data.length + 4) * 8);
      const at = bit < 32 ? headerAt.crc + (bit >> 3) : headerLength + ((bit - 32) >> 3);
      record.bytes[at] = (record.bytes[at] as number) ^ (1 << (bit & 7));
      expect(checkData(record.bytes, record.view, 0, data.length)).toBe(false);
    }),
    { numRuns: 300 },
  );
});

test("a record that is moved differs in its own offset alone", () => {
  const record = encode(Buffer.from("hello"), 100);
  const before = Buffer.from(record.bytes);
  writeOwnOffset(record.view, 0, 2 ** 33 + 7);
  expect(check(record, 2 ** 33 + 7)).toBe(5);
  writeOwnOffset(record.view, 0, 100);
  expect(record.bytes.equals(before)).toBe(true);
});

test("every problem has words of its own", () => {
  const words = Object.values(problem).map((code) => describeProblem(code));
  expect(new Set(words).size).toBe(words.length);
  expect(words.every((text) => !text.startsWith("problem"))).toBe(true);
  expect(describeProblem(-99)).toBe("problem -99");
});

test("no record is longer than a write may be", () => {
  expect(maxDataLength + headerLength).toBeLessThan(2 ** 31);
});
