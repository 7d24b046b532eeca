/**
 * One entry of a record index, 16 bytes, little-endian:
 * `[u64 offset][u32 CRC-32 of the record's header][u32 check]`.
 *
 * The check is the CRC-32 of `[u64 seq][u64 offset][u32 header CRC]`, going on from the segment's
 * seed, so that an entry of another log, generation, segment or place is never taken for this one.
 * An entry with its right check is self-valid and *firm*: it was written after its record was
 * durable. With the inverted check it is *provisional*: written, in the weaker durability modes,
 * before that. FORMAT.md says what follows from each.
 */
import { crc32, crc32OfNumbers } from "./crc32.ts";
import { readUint64 } from "./record.ts";

/** Bytes of an entry. */
export const entryLength = 16;

/** What an entry is worth. */
export type EntryKind = "invalid" | "provisional" | "firm";

/** The seed of the single-file pair. */
export const noSeed = 0;

/** The seed of a directory log's segment: the CRC-32 of log id, generation and base seq. */
export function segmentSeed(logId: Uint8Array, generation: number, baseSeq: number): number {
  return crc32OfNumbers(crc32(logId), generation, baseSeq, 0);
}

/** Writes the entry of record `seq`. */
export function writeEntry(
  view: DataView,
  at: number,
  seed: number,
  seq: number,
  offset: number,
  headerCrc: number,
  kind: "firm" | "provisional",
): void {
  view.setUint32(at, offset >>> 0, true);
  view.setUint32(at + 4, Math.floor(offset / 0x1_0000_0000), true);
  view.setUint32(at + 8, headerCrc, true);
  const check = crc32OfNumbers(seed, seq, offset, headerCrc);
  view.setUint32(at + 12, kind === "firm" ? check : ~check, true);
}

/** Reads the kind of the entry that stands where that of record `seq` belongs. */
export function entryKind(view: DataView, at: number, seed: number, seq: number): EntryKind {
  const offset = readUint64(view, at);
  const headerCrc = view.getUint32(at + 8, true);
  const found = view.getUint32(at + 12, true);
  // What a power cut leaves of an entry is often zeros, and once in 2^32 they would pass.
  if (offset === 0 && headerCrc === 0 && found === 0) return "invalid";
  const check = crc32OfNumbers(seed, seq, offset, headerCrc);
  return found === check ? "firm" : found === ~check >>> 0 ? "provisional" : "invalid";
}

/** The offset in the entry at `at`. */
export function entryOffset(view: DataView, at: number): number {
  return readUint64(view, at);
}

/** The CRC of the record's header in the entry at `at`. */
export function entryHeaderCrc(view: DataView, at: number): number {
  return view.getUint32(at + 8, true);
}
