import { randomFillSync } from "node:crypto";
import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import { appendCrc, appendHeaderCrc } from "./crc32-combine.ts";

const random = (length: number): Buffer => randomFillSync(Buffer.alloc(length));

test.each([0, 1, 7, 255, 256, 257, 511, 4096, 65_535, 65_536, 65_537, 300_001, 20_000_000])(
  "the CRC of two pieces comes from those of both: %i bytes behind",
  (length) => {
    const before = random(100);
    const after = random(length);
    expect(appendCrc(crc32(before), crc32(after), length) >>> 0).toBe(crc32(Buffer.concat([before, after])));
  },
);

test("a header is 32 bytes", () => {
  const before = random(77);
  const header = random(32);
  expect(appendHeaderCrc(crc32(before), crc32(header)) >>> 0).toBe(crc32(Buffer.concat([before, header])));
});

test("nothing before, and many pieces one behind the other", () => {
  const pieces = Array.from({ length: 200 }, (_, i) => random((i * 37) % 700));
  const crc = pieces.reduce((state, piece) => appendCrc(state, crc32(piece), piece.length), 0);
  expect(crc >>> 0).toBe(crc32(Buffer.concat(pieces)));
});
