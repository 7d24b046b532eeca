import { crc32 as zlibCrc32 } from "node:zlib";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { crc32, crc32OfHeader, crc32OfNumbers } from "./crc32.ts";

/** `length` bytes that look like nothing in particular. */
function noise(length: number): Uint8Array {
  let state = length + 1;
  return Uint8Array.from({ length }, () => (state = Math.imul(state, 1664525) + 1013904223) >>> 24);
}

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });

test("the check value is that of CRC-32/ISO-HDLC", () => {
  expect(crc32(Buffer.from("123456789"))).toBe(0xcbf43926);
  expect(crc32(new Uint8Array(0))).toBe(0);
});

test("it agrees with zlib at every length from 0 to 400, from the start and going on from a CRC", () => {
  for (let length = 0; length <= 400; length++) {
    const bytes = noise(length);
    expect(crc32(bytes), `length ${length}`).toBe(zlibCrc32(bytes));
    for (const before of [1, 0x7fffffff, 0x80000000, 0xffffffff]) {
      expect(crc32(bytes, 0, length, before), `length ${length} after ${before}`).toBe(zlibCrc32(bytes, before));
    }
  }
});

test("a part of the bytes, in two steps, gives what zlib gives at once", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 700 }), fc.nat(), fc.nat(), u32, (bytes, a, b, before) => {
      const start = a % (bytes.length + 1);
      const middle = start + (b % (bytes.length - start + 1));
      const inTwo = crc32(bytes, middle, bytes.length, crc32(bytes, start, middle, before));
      // zlib gives 0 for no bytes where there is no memory behind them; nothing added changes nothing.
      expect(inTwo).toBe(start === bytes.length ? before : zlibCrc32(bytes.subarray(start), before));
    }),
    { numRuns: 300 },
  );
});

test("the CRC of a header is that of its 32 bytes, wherever they stand", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 80 }), fc.nat(), (bytes, place) => {
      const at = place % (bytes.length - 31);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      expect(crc32OfHeader(view, at)).toBe(zlibCrc32(bytes.subarray(at, at + 32)));
    }),
    { numRuns: 300 },
  );
});

test("the CRC of numbers is that of their 20 little-endian bytes", () => {
  const u53 = fc.maxSafeNat();
  fc.assert(
    fc.property(u32, u53, u53, u32, (before, first, second, third) => {
      const bytes = Buffer.alloc(20);
      bytes.writeBigUInt64LE(BigInt(first), 0);
      bytes.writeBigUInt64LE(BigInt(second), 8);
      bytes.writeUInt32LE(third, 16);
      expect(crc32OfNumbers(before, first, second, third)).toBe(zlibCrc32(bytes, before));
    }),
    { numRuns: 500 },
  );
});
