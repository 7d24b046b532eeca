/**
 * The fast way through records: one CRC over many of them instead of one for each.
 *
 * A CRC of the whole follows from the CRCs of its parts: those of the data stand in the headers,
 * those of the headers in the record index. When the CRC of the bytes as they
 * are is that one, all data has the CRC that its header names, and every header is the one that the
 * record index holds. This finds every burst of up to 32 wrong bits that lies in data, or in the
 * CRC field alone; of any other damage, such as bursts across the border of that field or in
 * several records at once, all but one in 2^32.
 */
import { crc32 } from "../format/crc32.ts";
import { appendCrc, appendHeaderCrc } from "../format/crc32-combine.ts";
import { entryLength } from "../format/index-entry.ts";
import { checkHeader, headerAt, headerLength } from "../format/record.ts";
import type { Chunk, Walked } from "./verify-chunk.ts";

/**
 * Checks whole records from the start of `chunk`, at most `most` and no more than there are entries.
 * @param entries those of these records, from the first on; whether they are self-valid need not be known
 * @returns undefined when anything is not as the entries and headers say: `verifyChunk` finds out what
 */
export function verifyProven(chunk: Chunk, fileEnd: number, most: number, entries: DataView): Walked | undefined {
  const { bytes, view, position } = chunk;
  const count = Math.min(most, Math.floor(entries.byteLength / entryLength));
  const starts: number[] = [];
  let crc = 0;
  let at = 0;
  for (let i = 0; i < count && bytes.length - at >= headerLength; i++) {
    const start = position + at;
    const length = checkHeader(bytes, view, at, start, fileEnd - start);
    if (length < 0) return undefined;
    if (headerLength + length > bytes.length - at) break;
    const entry = i * entryLength;
    if (entries.getUint32(entry, true) !== view.getUint32(at + headerAt.offset, true)) return undefined;
    if (entries.getUint32(entry + 4, true) !== view.getUint32(at + headerAt.offset + 4, true)) return undefined;
    crc = appendHeaderCrc(crc, entries.getUint32(entry + 8, true));
    crc = appendCrc(crc, view.getUint32(at + headerAt.crc, true), length);
    starts.push(at);
    at += headerLength + length;
  }
  if (starts.length === 0 || crc32(bytes, 0, at) !== crc >>> 0) return undefined;
  return { starts, end: at, problem: 0, needed: 0 };
}
