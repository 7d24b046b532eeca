/**
 * Makes the records past the mark durable before anybody sees them.
 *
 * After a failed fsync the page cache holds bytes that the disk does not, and says that they are
 * clean: writing the same bytes again in place, or syncing again, brings nothing to the disk
 * (measured on ext4; "fsyncgate", and Rebello et al., "Can Applications Recover from fsync
 * Failures?", USENIX ATC 2020). So they are copied to another file, the segment is cut, and they
 * are written anew. The copy is whole before the cut, so a crash at any step is made good by doing
 * it again at the next open.
 *
 * `<segment>.tail`: the bytes, then 40 bytes of trailer, little-endian:
 * `["seqlogT1"][u64 position in the segment][u64 seq of the first record][u64 length][u32 CRC-32 of the bytes][u32 CRC-32 of the 36 trailer bytes before]`.
 */
import { dirname } from "node:path";
import { SeqlogError } from "../errors.ts";
import { crc32 } from "../format/crc32.ts";
import { readUint64 } from "../format/record.ts";
import { asOffset } from "../numbers.ts";
import { type Plan, readAt } from "../storage/plan.ts";
import type { Storage, StorageFile } from "../storage/storage.ts";
import { writeFullySync } from "../storage/write-fully.ts";
import type { IndexFile } from "./index-file.ts";
import { chunkOf } from "./verify-chunk.ts";
import { type ChainEnd, crcOfRange, walkChain } from "./walk-chain.ts";

const magic = Buffer.from("seqlogT1", "latin1");
const trailerLength = 40;
const copyLength = 1024 * 1024;

/** The name of a segment's redo copy. */
export function tailPath(segmentPath: string): string {
  return `${segmentPath}.tail`;
}

/** Copies `[start, end)` of the segment to its redo copy, durably and whole or not at all. */
export function* saveTail(
  storage: Storage,
  segment: StorageFile,
  start: number,
  end: number,
  firstSeq: number,
): Plan<void> {
  const path = tailPath(segment.path);
  yield* copyRange(storage, segment, start, end, path, (crc) => {
    const trailer = Buffer.alloc(trailerLength);
    magic.copy(trailer);
    trailer.writeBigUInt64LE(BigInt(start), 8);
    trailer.writeBigUInt64LE(BigInt(firstSeq), 16);
    trailer.writeBigUInt64LE(BigInt(end - start), 24);
    trailer.writeUInt32LE(crc, 32);
    trailer.writeUInt32LE(crc32(trailer, 0, 36), 36);
    return trailer;
  });
}

/**
 * Copies part of a file to a new one: temp, fsync, rename, fsync of the directory.
 * @param trailer what to write behind the bytes, given their CRC
 */
export function* copyRange(
  storage: Storage,
  from: StorageFile,
  start: number,
  end: number,
  path: string,
  trailer?: (crc: number) => Uint8Array,
): Plan<void> {
  const temporary = `${path}.tmp`;
  storage.unlinkSync(temporary);
  const copy = storage.openSync(temporary, "create-new");
  try {
    const buffer = new Uint8Array(Math.min(copyLength, end - start));
    let crc = 0;
    for (let at = start; at < end;) {
      const target = buffer.subarray(0, Math.min(buffer.length, end - at));
      const read = yield { file: from, target, position: at };
      if (read !== target.length) throw changedUnderUs(from.path, at + read);
      crc = crc32(target, 0, read, crc);
      writeFullySync(copy, target, at - start);
      at += read;
    }
    if (trailer !== undefined) writeFullySync(copy, trailer(crc), end - start);
    copy.fsyncSync();
  } catch (error) {
    copy.closeSync();
    storage.unlinkSync(temporary);
    throw error;
  }
  copy.closeSync();
  storage.renameSync(temporary, path);
  storage.fsyncDirectorySync(dirname(path));
}

function changedUnderUs(path: string, offset: number): SeqlogError<"SEQLOG_DAMAGED"> {
  const reason = "the file became shorter while it was being recovered";
  return new SeqlogError("SEQLOG_DAMAGED", `${path}: ${reason}, at ${offset}; open the log again`, {
    file: path,
    offset: asOffset(offset),
    reason,
  });
}

/**
 * Does what a redo copy says, if there is one: the segment ends as the copy does, every record
 * durable and in the record index. Doing it twice is the same as doing it once.
 * @param segment a descriptor that was opened for writing
 * @returns whether there was a copy
 */
export function* redoTail(storage: Storage, segment: StorageFile, index: IndexFile): Plan<boolean> {
  const path = tailPath(segment.path);
  const found = storage.statSync(path);
  if (found === undefined) return false;
  const tail = storage.openSync(path, "read");
  try {
    const { start, firstSeq, length } = yield* readTrailer(tail, found.size);
    if (segment.statSync().size < start)
      throw badTail(segment.path, start, "the segment ends before its redo copy starts");
    // When the copy was made the segment ended with it.
    if (segment.statSync().size > start + length) {
      throw badTail(segment.path, start + length, "the segment goes on behind what its redo copy holds");
    }
    // Entries of an earlier redo may stand there: they must not prove what is about to be cut off.
    index.truncateSync(firstSeq);
    index.fsyncSync();
    segment.truncateSync(start);
    segment.fsyncSync();
    yield* writeBack(tail, length, segment, start);
    segment.fsyncSync();
    yield* indexAnew(segment, index, { seq: firstSeq, offset: start }, start + length);
  } finally {
    tail.closeSync();
  }
  storage.unlinkSync(path);
  storage.fsyncDirectorySync(dirname(path));
  return true;
}

function* writeBack(tail: StorageFile, length: number, segment: StorageFile, start: number): Plan<void> {
  const buffer = new Uint8Array(Math.min(copyLength, length));
  for (let done = 0; done < length;) {
    const target = buffer.subarray(0, Math.min(buffer.length, length - done));
    const read = yield { file: tail, target, position: done };
    if (read !== target.length) throw badTail(tail.path, done + read, "the redo copy became shorter");
    writeFullySync(segment, target, start + done);
    done += read;
  }
}

/** Writes the entries of all records from `from` on and cuts off any others; durable when it returns. */
export function* indexAnew(
  segment: StorageFile,
  index: IndexFile,
  from: { readonly seq: number; readonly offset: number },
  end: number,
): Plan<ChainEnd> {
  index.truncateSync(from.seq);
  const chain = yield* walkChain(segment, from, end, {
    visit: ({ seq, entries }) => index.writeSync(seq, entries),
    seed: index.seed,
  });
  index.fsyncSync();
  return chain;
}

function* readTrailer(tail: StorageFile, size: number): Plan<{ start: number; firstSeq: number; length: number }> {
  const trailer = yield* readAt(tail, Math.max(0, size - trailerLength), trailerLength);
  const { view } = chunkOf(trailer, 0);
  const whole =
    trailer.length === trailerLength &&
    magic.equals(trailer.subarray(0, 8)) &&
    crc32(trailer, 0, 36) === view.getUint32(36, true) &&
    readUint64(view, 24) === size - trailerLength;
  if (!whole) throw badTail(tail.path, 0, "the redo copy is not whole");
  const length = readUint64(view, 24);
  const buffer = new Uint8Array(Math.min(copyLength, length));
  if ((yield* crcOfRange(tail, 0, length, buffer)) !== view.getUint32(32, true)) {
    throw badTail(tail.path, 0, "the CRC-32 of the redo copy does not match");
  }
  return { start: readUint64(view, 8), firstSeq: readUint64(view, 16), length };
}

function badTail(file: string, offset: number, reason: string): SeqlogError<"SEQLOG_DAMAGED"> {
  return new SeqlogError(
    "SEQLOG_DAMAGED",
    `${file}: ${reason}; nothing was changed. Copy the directory before you do anything else`,
    { file, offset: asOffset(offset), reason },
  );
}
