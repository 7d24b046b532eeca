import { crc32 as zlibCrc32 } from "node:zlib";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { entryHeaderCrc, entryKind, entryLength, entryOffset, noSeed, segmentSeed, writeEntry } from "./index-entry.ts";

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const kind = fc.constantFrom("firm" as const, "provisional" as const);
const entry = fc.record({ seed: u32, seq: fc.maxSafeNat(), offset: fc.maxSafeNat(), headerCrc: u32, kind });
type Given = typeof entry extends fc.Arbitrary<infer T> ? T : never;

function written({ seed, seq, offset, headerCrc, kind: as }: Given, at = 0): DataView {
  const view = new DataView(new ArrayBuffer(at + entryLength));
  writeEntry(view, at, seed, seq, offset, headerCrc, as);
  return view;
}

test("what was written is read back, firm as firm and provisional as provisional", () => {
  fc.assert(
    fc.property(entry, fc.nat({ max: 20 }), (given, at) => {
      const view = written(given, at);
      expect(entryKind(view, at, given.seed, given.seq)).toBe(given.kind);
      expect(entryOffset(view, at)).toBe(given.offset);
      expect(entryHeaderCrc(view, at)).toBe(given.headerCrc);
    }),
    { numRuns: 500 },
  );
});

test("the check is the CRC-32 of seq, offset and header CRC, going on from the seed; provisional is its inverse", () => {
  fc.assert(
    fc.property(entry, (given) => {
      const bytes = Buffer.alloc(20);
      bytes.writeBigUInt64LE(BigInt(given.seq), 0);
      bytes.writeBigUInt64LE(BigInt(given.offset), 8);
      bytes.writeUInt32LE(given.headerCrc, 16);
      const check = zlibCrc32(bytes, given.seed);
      expect(written({ ...given, kind: "firm" }).getUint32(12, true)).toBe(check);
      expect(written({ ...given, kind: "provisional" }).getUint32(12, true)).toBe(~check >>> 0);
    }),
    { numRuns: 300 },
  );
});

test("one flipped bit anywhere makes it invalid", () => {
  fc.assert(
    fc.property(entry, (given) => {
      const view = written(given);
      for (let bit = 0; bit < entryLength * 8; bit++) {
        view.setUint8(bit >> 3, view.getUint8(bit >> 3) ^ (1 << (bit & 7)));
        expect(entryKind(view, 0, given.seed, given.seq), `bit ${bit}`).toBe("invalid");
        view.setUint8(bit >> 3, view.getUint8(bit >> 3) ^ (1 << (bit & 7)));
      }
    }),
    { numRuns: 30 },
  );
});

test("an entry of another place is invalid: the seqs differ in their low or in their high half", () => {
  // Two seqs that differ in at most 32 neighbouring bits never have the same check, in either form.
  fc.assert(
    fc.property(entry, fc.integer({ min: 1, max: 2 ** 21 - 1 }), fc.boolean(), (given, change, high) => {
      const low = given.seq % 2 ** 32;
      const top = Math.floor(given.seq / 2 ** 32);
      const other = high ? (top ^ change) * 2 ** 32 + low : top * 2 ** 32 + ((low ^ change) >>> 0);
      expect(entryKind(written(given), 0, given.seed, other)).not.toBe(given.kind);
    }),
    { numRuns: 500 },
  );
  const view = written({ seed: noSeed, seq: 7, offset: 300, headerCrc: 5, kind: "firm" });
  const taken = Array.from({ length: 2000 }, (_, seq) => seq).filter(
    (seq) => entryKind(view, 0, noSeed, seq) !== "invalid",
  );
  expect(taken).toEqual([7]);
});

test("an entry of another log, generation or segment is invalid", () => {
  fc.assert(
    fc.property(entry, u32, (given, seed) => {
      fc.pre(seed !== given.seed);
      expect(entryKind(written(given), 0, seed, given.seq)).not.toBe(given.kind);
    }),
    { numRuns: 500 },
  );
});

test("the seed is the CRC-32 of log id, generation, base seq and four zeros", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.nat(),
      fc.maxSafeNat(),
      (logId, generation, baseSeq) => {
        const bytes = Buffer.alloc(36);
        bytes.set(logId);
        bytes.writeBigUInt64LE(BigInt(generation), 16);
        bytes.writeBigUInt64LE(BigInt(baseSeq), 24);
        expect(segmentSeed(logId, generation, baseSeq)).toBe(zlibCrc32(bytes));
      },
    ),
    { numRuns: 300 },
  );
});

test("logs, generations and segments have seeds of their own", () => {
  const [one, other] = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)];
  const seeds = [segmentSeed(one, 0, 0), segmentSeed(other, 0, 0), segmentSeed(one, 1, 0), segmentSeed(one, 0, 1)];
  expect(new Set(seeds).size).toBe(seeds.length);
});

test("the zeros of an index that was not written yet are no entries", () => {
  const view = new DataView(new ArrayBuffer(entryLength));
  const taken = Array.from({ length: 100_000 }, (_, seq) => seq).filter(
    (seq) => entryKind(view, 0, noSeed, seq) !== "invalid",
  );
  expect(taken).toEqual([]);
});
