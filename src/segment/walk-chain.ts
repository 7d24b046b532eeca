/**
 * Follows the chain of records through a file, for recovery and rebuilding: memory stays bounded
 * whatever a length field says, because long data is checked in a stream.
 */
import { crc32, crc32OfHeader } from "../format/crc32.ts";
import { headerAt, headerLength, problem } from "../format/record.ts";
import type { Plan } from "../storage/plan.ts";
import type { StorageFile } from "../storage/storage.ts";
import { chunkOf, verifyChunk } from "./verify-chunk.ts";
import { verifyHeaded } from "./verify-runs.ts";

const chunkLength = 1024 * 1024;

/** Where in a header the id's last byte is. */
const lastOfHeader = headerLength - 1;

/** Where a chain ended. */
export interface ChainEnd {
  /** The seq after the last valid record. */
  readonly nextSeq: number;
  /** The position after the last valid record. */
  readonly end: number;
  /** 0 when that is the end of the file, else what stands there (a code of `problem`). */
  readonly problem: number;
  /** Bytes of the largest record, header included. */
  readonly largest: number;
}

/** Called for each valid record, in order. */
export type Visit = (seq: number, offset: number, headerCrc: number, length: number) => void;

/**
 * Walks from a known record boundary to the first invalid byte, or to `fileEnd`.
 * @param isOurs the records were written by us, whose ids never end in 0x00: one that does is torn
 */
export function* walkChain(
  file: StorageFile,
  from: { readonly seq: number; readonly offset: number },
  fileEnd: number,
  visit?: Visit,
  isOurs = false,
): Plan<ChainEnd> {
  let { seq, offset } = from;
  let largest = 0;
  const buffer = new Uint8Array(Math.min(chunkLength, Math.max(fileEnd - offset, 0)));
  while (offset < fileEnd) {
    const target = buffer.subarray(0, Math.min(buffer.length, fileEnd - offset));
    const read = yield { file, target, position: offset };
    // The file became shorter than it was said to be: what is gone is invalid.
    if (read < target.length) fileEnd = offset + read;
    const chunk = chunkOf(target.subarray(0, read), offset);
    const headed = verifyHeaded(chunk, fileEnd);
    const walked = headed ?? verifyChunk(chunk, fileEnd, Infinity);
    for (let i = 0; i < walked.starts.length; i++) {
      const start = walked.starts[i] as number;
      if (isOurs && chunk.bytes[start + lastOfHeader] === 0) {
        return { nextSeq: seq, end: offset + start, problem: problem.wrongId, largest };
      }
      const length = (walked.starts[i + 1] ?? walked.end) - start - headerLength;
      visit?.(seq, offset + start, headed?.headerCrcs[i] ?? crc32OfHeader(chunk.view, start), length);
      largest = Math.max(largest, headerLength + length);
      seq++;
    }
    offset += walked.end;
    if (walked.problem !== 0) return { nextSeq: seq, end: offset, problem: walked.problem, largest };
    if (walked.needed > buffer.length) {
      if (isOurs && chunk.bytes[walked.end + lastOfHeader] === 0) {
        return { nextSeq: seq, end: offset, problem: problem.wrongId, largest };
      }
      const header = chunk.view.getUint32(walked.end + headerAt.crc, true);
      const headerCrc = crc32OfHeader(chunk.view, walked.end);
      const length = walked.needed - headerLength;
      const crc = yield* crcOfRange(file, offset + headerLength, length, buffer);
      if (crc !== header) return { nextSeq: seq, end: offset, problem: problem.wrongCrc, largest };
      visit?.(seq, offset, headerCrc, length);
      largest = Math.max(largest, walked.needed);
      seq++;
      offset += walked.needed;
    }
  }
  return { nextSeq: seq, end: offset, problem: 0, largest };
}

/** The CRC of part of a file, read through `buffer`; −1 when the file ends before. */
export function* crcOfRange(file: StorageFile, start: number, length: number, buffer: Uint8Array): Plan<number> {
  let crc = 0;
  for (let done = 0; done < length;) {
    const target = buffer.subarray(0, Math.min(buffer.length, length - done));
    const read = yield { file, target, position: start + done };
    if (read < target.length) return -1;
    crc = crc32(target, 0, read, crc);
    done += read;
  }
  return crc;
}

/** The position after the last byte that is not zero in `[start, end)`; `start` when all are zero. */
export function* endOfNonZero(file: StorageFile, start: number, end: number): Plan<number> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(chunkLength, Math.max(end - start, 0)));
  for (let upper = end; upper > start;) {
    const lower = Math.max(start, upper - buffer.length);
    const target = buffer.subarray(0, upper - lower);
    const read = yield { file, target, position: lower };
    for (let i = read - 1; i >= 0; i--) {
      if (target[i] !== 0) return lower + i + 1;
    }
    upper = lower;
  }
  return start;
}
