/**
 * Walks the records in a piece of a segment and checks each: length, own offset, UUID, CRC.
 * The one place where stored bytes become records; readers and recovery both pass through it.
 */
import { crc32OfHeader } from "../format/crc32.ts";
import { checkData, checkHeader, headerLength, problem } from "../format/record.ts";
import { entryHeaderCrc, entryKind, entryLength, entryOffset } from "../format/index-entry.ts";

/** Bytes of a segment in memory: `bytes[0]` lies at `position` of the file. */
export interface Chunk {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly position: number;
}

/** Wraps bytes that were read from `position`. */
export function chunkOf(bytes: Uint8Array, position: number): Chunk {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), position };
}

/** What a walk found. */
export interface Walked {
  /** Where in the chunk each valid record starts. */
  readonly starts: number[];
  /** Where in the chunk the walk ended: after the last valid record. */
  readonly end: number;
  /** Why it ended: 0 at the chunk's or the file's end, else a code of `problem`. */
  readonly problem: number;
  /** When the next record is cut by the chunk's end: how many bytes of it must be read to judge it; else 0. */
  readonly needed: number;
}

/**
 * Checks records from the start of `chunk`, at most `most` of them.
 * @param fileEnd the position where the records end: lengths are held against it before anything else
 */
export function verifyChunk(chunk: Chunk, fileEnd: number, most: number): Walked {
  const { bytes, view, position } = chunk;
  const starts: number[] = [];
  let at = 0;
  while (starts.length < most && position + at < fileEnd) {
    const left = fileEnd - position - at;
    const have = bytes.length - at;
    if (have < headerLength && have < left) {
      if (left < headerLength) return { starts, end: at, problem: problem.headerCut, needed: 0 };
      return { starts, end: at, problem: 0, needed: headerLength };
    }
    const length = checkHeader(bytes, view, at, position + at, left);
    if (length < 0) return { starts, end: at, problem: length, needed: 0 };
    if (headerLength + length > have) return { starts, end: at, problem: 0, needed: headerLength + length };
    if (!checkData(bytes, view, at, length)) return { starts, end: at, problem: problem.wrongCrc, needed: 0 };
    starts.push(at);
    at += headerLength + length;
  }
  return { starts, end: at, problem: 0, needed: 0 };
}

/**
 * Holds records against their index entries. An entry that is not self-valid says nothing; one
 * that is must agree.
 * @param entries the entries from `firstSeq` on, as many as were read
 * @returns the place in `starts` of the first record that its entry contradicts, or −1
 */
export function findContradiction(
  chunk: Chunk,
  starts: readonly number[],
  entries: DataView,
  seed: number,
  firstSeq: number,
): number {
  const count = Math.min(starts.length, Math.floor(entries.byteLength / entryLength));
  for (let i = 0; i < count; i++) {
    const at = i * entryLength;
    if (entryKind(entries, at, seed, firstSeq + i) === "invalid") continue;
    const start = starts[i] as number;
    if (entryOffset(entries, at) !== chunk.position + start) return i;
    if (entryHeaderCrc(entries, at) !== crc32OfHeader(chunk.view, start)) return i;
  }
  return -1;
}
