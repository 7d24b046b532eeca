/**
 * The seed of a segment's record index, found without MANIFEST. An entry's check is a CRC-32 that
 * begins at the seed, and a CRC runs backwards as well as forwards: an entry that agrees with the
 * header it points to gives the seed away, and two that give the same prove it.
 */
import { crc32OfHeader } from "../format/crc32.ts";
import { entryHeaderCrc, entryLength, entryOffset } from "../format/index-entry.ts";
import { headerAt, headerLength, readUint64 } from "../format/record.ts";
import { readAt, run } from "../storage/plan.ts";
import type { StorageFile } from "../storage/storage.ts";
import type { IndexFile } from "./index-file.ts";
import { chunkOf } from "./verify-chunk.ts";

/** So many entries, evenly spread, are held against the segment. */
const samples = 256;

const table: Uint32Array = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc >>> 0;
});

/** The place in `table` by the highest byte of what stands there: each occurs once. */
const byHighest: Uint8Array = new Uint8Array(256);
for (const [i, value] of table.entries()) byHighest[value >>> 24] = i;

function backOneWord(state: number, word: number): number {
  let crc = state;
  for (let shift = 24; shift >= 0; shift -= 8) {
    const place = byHighest[crc >>> 24] as number;
    crc = (((crc ^ (table[place] as number)) << 8) | (place ^ ((word >>> shift) & 255))) >>> 0;
  }
  return crc;
}

/** The seed with which an entry of `seq` has this check. */
export function seedFromCheck(check: number, seq: number, offset: number, headerCrc: number): number {
  let state = ~check >>> 0;
  for (const word of [headerCrc, Math.floor(offset / 2 ** 32), offset, Math.floor(seq / 2 ** 32), seq]) {
    state = backOneWord(state, word >>> 0);
  }
  return ~state >>> 0;
}

/**
 * The seed that most entries of the sample have which agree with the segment; undefined when none
 * does, so that the record index belongs to another file or nothing of one of the two is left.
 */
export async function findSeed(file: StorageFile, index: IndexFile): Promise<number | undefined> {
  const capacity = index.capacitySync();
  const votes = new Map<number, number>();
  for (let i = 0; i < Math.min(samples, capacity); i++) {
    const seq = index.base + Math.floor((i * capacity) / Math.min(samples, capacity));
    const entry = await run(index.entries(seq, 1));
    if (entry.byteLength < entryLength) break;
    const offset = entryOffset(entry, 0);
    if (!Number.isSafeInteger(offset)) continue;
    const header = await run(readAt(file, offset, headerLength));
    if (header.length < headerLength) continue;
    const { view } = chunkOf(header, offset);
    if (readUint64(view, headerAt.offset) !== offset || crc32OfHeader(view, 0) !== entryHeaderCrc(entry, 0)) continue;
    const seed = seedFromCheck(entry.getUint32(entryLength - 4, true), seq, offset, entryHeaderCrc(entry, 0));
    votes.set(seed, (votes.get(seed) ?? 0) + 1);
  }
  return [...votes].sort((a, b) => b[1] - a[1])[0]?.[0];
}
