/** Bytes for fuzzing: files put together from pieces of logs, and logs with pieces moved about. */
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { recordAt } from "./oracle.ts";

/** Lengths that are near a limit of some kind. */
const extremes: readonly number[] = [
  0,
  1,
  31,
  32,
  0x7f,
  0xffff,
  2 ** 20,
  2 ** 24,
  2 ** 30,
  2 ** 30 + 1,
  2 ** 31,
  2 ** 32 - 1,
];

/** A piece of a file that is put together. */
type Piece =
  | { readonly kind: "record"; readonly data: Uint8Array; readonly version: number; readonly shift: number }
  | { readonly kind: "header"; readonly length: number }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "zeros"; readonly length: number };

const bytes: fc.Arbitrary<Uint8Array> = fc.uint8Array({ maxLength: 120 });

const piece: fc.Arbitrary<Piece> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("record" as const),
      data: bytes,
      version: fc.constantFrom(4, 7),
      // Most records know where they are.
      shift: fc.oneof(
        { weight: 9, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.integer({ min: -40, max: 40 }) },
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("header" as const), length: fc.constantFrom(...extremes) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("bytes" as const), bytes }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("zeros" as const), length: fc.nat(200) }) },
);

/** A header with some UUID. */
export function header(length: number, offset: number, crc: number, version: number): Buffer {
  const made = Buffer.alloc(32, 0x5a);
  made.writeUInt32LE(length, 0);
  made.writeBigUInt64LE(BigInt(Math.max(0, offset)), 4);
  made.writeUInt32LE(crc, 12);
  made.writeUInt8((version << 4) | 3, 22);
  made.writeUInt8(0x9c, 24);
  return made;
}

/** Any bytes: mostly records one behind the other, and then something else. */
export const anySegment: fc.Arbitrary<Buffer> = fc.array(piece, { maxLength: 12 }).map((pieces) => {
  let file = Buffer.alloc(0);
  for (const one of pieces) {
    const at = file.length;
    const added =
      one.kind === "record"
        ? Buffer.concat([header(one.data.length, at + one.shift, crc32(one.data), one.version), one.data])
        : one.kind === "header"
          ? header(one.length, at, 0, 4)
          : one.kind === "bytes"
            ? one.bytes
            : Buffer.alloc(one.length);
    file = Buffer.concat([file, added]);
  }
  return file;
});

/**
 * Any entries of a record index whose seed is given. A firm one that is right proves its record, so
 * it is only made where there is one; a provisional one may have outlived the data of its record.
 */
export function anyIndex(segment: Buffer, seed: number): fc.Arbitrary<Buffer> {
  const entry = fc.oneof(
    { weight: 4, arbitrary: fc.constant("right" as const) },
    { weight: 1, arbitrary: fc.constant("provisional" as const) },
    { weight: 1, arbitrary: fc.uint8Array({ minLength: 16, maxLength: 16 }) },
    { weight: 1, arbitrary: fc.constant(new Uint8Array(16)) },
  );
  return fc.tuple(fc.array(entry, { maxLength: 14 }), fc.uint8Array({ maxLength: 15 })).map(([entries, rest]) => {
    let offset = 0;
    const made = entries.map((one, seq) => {
      const length = offset + 32 <= segment.length ? segment.readUInt32LE(offset) : 0;
      const headerCrc = crc32(segment.subarray(offset, offset + 32));
      const at = offset;
      const isThere = recordAt(segment, at) !== undefined;
      offset = Math.min(segment.length, offset + 32 + length);
      if (one instanceof Uint8Array) return Buffer.from(one);
      if (one === "right") return isThere ? indexEntry(seed, seq, at, headerCrc, true) : Buffer.alloc(16);
      return length < 2 ** 20 ? indexEntry(seed, seq, at, headerCrc, false) : Buffer.alloc(16);
    });
    return Buffer.concat([...made, rest]);
  });
}

/** A self-valid entry of a record index. */
export function indexEntry(seed: number, seq: number, offset: number, headerCrc: number, isFirm: boolean): Buffer {
  const named = Buffer.alloc(24);
  named.writeBigUInt64LE(BigInt(seq), 0);
  named.writeBigUInt64LE(BigInt(offset), 8);
  named.writeUInt32LE(headerCrc, 16);
  const check = crc32(named.subarray(0, 20), seed);
  named.writeUInt32LE(isFirm ? check : ~check >>> 0, 20);
  return named.subarray(8);
}

/** Something that happens to the bytes of a file. Places are taken modulo what is there. */
export type Mutation =
  | { readonly kind: "splice"; readonly at: number; readonly removed: number; readonly added: Uint8Array }
  | { readonly kind: "copy"; readonly from: number; readonly length: number; readonly to: number }
  | { readonly kind: "repeat"; readonly from: number; readonly length: number; readonly to: number }
  | { readonly kind: "zeros"; readonly at: number; readonly length: number }
  | { readonly kind: "number"; readonly at: number; readonly value: number }
  | { readonly kind: "cut"; readonly length: number };

const place = fc.nat(100_000);
// Mostly whole sectors, entries and headers: what disks and programs move about.
const size = fc.oneof(fc.nat(64), fc.constantFrom(16, 32, 512, 4096));

/** Any mutation. */
export const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ kind: fc.constant("splice" as const), at: place, removed: size, added: bytes }),
  fc.record({ kind: fc.constant("copy" as const), from: place, length: size, to: place }),
  fc.record({ kind: fc.constant("repeat" as const), from: place, length: size, to: place }),
  fc.record({ kind: fc.constant("zeros" as const), at: place, length: size }),
  fc.record({ kind: fc.constant("number" as const), at: place, value: fc.constantFrom(...extremes) }),
  fc.record({ kind: fc.constant("cut" as const), length: place }),
);

/**
 * Does it, to a copy.
 * @param marks where numbers are: `number` overwrites one of these
 */
export function mutate(file: Buffer, how: Mutation, marks: readonly number[]): Buffer {
  const within = (at: number): number => (file.length === 0 ? 0 : at % (file.length + 1));
  const copy = Buffer.from(file);
  switch (how.kind) {
    case "splice": {
      const at = within(how.at);
      return Buffer.concat([file.subarray(0, at), how.added, file.subarray(at + how.removed)]);
    }
    case "copy":
      file.copy(copy, within(how.to), within(how.from), within(how.from) + how.length);
      return copy;
    case "repeat": {
      const [from, to] = [within(how.from), within(how.to)];
      return Buffer.concat([file.subarray(0, to), file.subarray(from, from + how.length), file.subarray(to)]);
    }
    case "zeros":
      return copy.fill(0, within(how.at), Math.min(file.length, within(how.at) + how.length));
    case "number": {
      const at = marks[how.at % Math.max(1, marks.length)] ?? 0;
      if (at + 4 <= copy.length) copy.writeUInt32LE(how.value, at);
      return copy;
    }
    case "cut":
      return copy.subarray(0, within(how.length));
  }
}
