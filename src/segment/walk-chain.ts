/**
 * Follows the chain of records through a file, for recovery and rebuilding: memory stays bounded
 * whatever a length field says, because long data is checked in a stream.
 */
import { crc32, crc32OfHeader } from "../format/crc32.ts";
import { entryLength, noSeed, writeEntry } from "../format/index-entry.ts";
import { headerAt, headerLength, problem } from "../format/record.ts";
import type { Plan } from "../storage/plan.ts";
import type { StorageFile } from "../storage/storage.ts";
import { PiecesAhead } from "./pieces-ahead.ts";
import { type Chunk, type Walked, chunkOf, verifyChunk } from "./verify-chunk.ts";
import { type WalkedRecords, walkWindow } from "./walk-window.ts";

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
}

/** Valid records that follow one another; gone when the visit returns. */
export interface ChainRun extends WalkedRecords {
  /** The seq of the first one. */
  readonly seq: number;
  /** Where it starts in the file; the others by `starts`. */
  readonly offset: number;
}

/** How to walk. */
export interface WalkOptions {
  /** Told of all valid records, in order. */
  readonly visit?: (run: ChainRun) => void;
  /** What the entries that a visitor sees are seeded with. */
  readonly seed?: number | undefined;
  /** The records were written by us, whose ids never end in 0x00: one that does is torn. */
  readonly isOurs?: boolean | undefined;
}

/** Walks from a known record boundary to the first invalid byte, or to `fileEnd`. */
export function* walkChain(
  file: StorageFile,
  from: { readonly seq: number; readonly offset: number },
  fileEnd: number,
  options: WalkOptions = {},
): Plan<ChainEnd> {
  const pieces = new PiecesAhead(file, from.offset, fileEnd);
  try {
    return yield* walkPieces(file, from, pieces, options);
  } finally {
    yield* pieces.settle();
  }
}

function* walkPieces(
  file: StorageFile,
  from: { readonly seq: number; readonly offset: number },
  pieces: PiecesAhead,
  { visit, seed = noSeed, isOurs = false }: WalkOptions,
): Plan<ChainEnd> {
  let { seq, offset } = from;
  /** What the data of a record that is longer than a piece is read through. */
  let longData: Uint8Array | undefined;
  const pass = (run: WalkedRecords): void => {
    visit?.({ ...run, seq, offset });
    seq += run.count;
    offset += run.end;
  };
  while (offset < pieces.end) {
    const chunk = yield* pieces.from(offset);
    let stopped: Walked = { starts: [], end: 0, problem: 0, needed: 0 };
    for (let at = 0; at < chunk.bytes.length; at = offset - chunk.position) {
      const run = walkWindow(chunk, at, seq, seed, isOurs);
      pass(run);
      if (run.count > 0) continue;
      const rest = chunkOf(chunk.bytes.subarray(at), offset);
      stopped = verifyChunk(rest, pieces.end, 1);
      if (isOurs && stopped.problem === 0 && rest.bytes[lastOfHeader] === 0) {
        stopped = { ...stopped, starts: [], problem: problem.wrongId };
      }
      if (stopped.starts.length === 0) break;
      // A record that one window is too short for.
      pass(oneRecord(rest, stopped.end, seq, seed));
    }
    if (stopped.problem !== 0) return { nextSeq: seq, end: offset, problem: stopped.problem };
    if (stopped.needed > chunkLength) {
      const header = chunkOf(
        chunk.bytes.slice(offset - chunk.position, offset - chunk.position + headerLength),
        offset,
      );
      const length = stopped.needed - headerLength;
      longData ??= new Uint8Array(chunkLength);
      const crc = yield* crcOfRange(file, offset + headerLength, length, longData);
      if (crc !== header.view.getUint32(headerAt.crc, true)) {
        return { nextSeq: seq, end: offset, problem: problem.wrongCrc };
      }
      pass(oneRecord(header, stopped.needed, seq, seed));
    }
  }
  return { nextSeq: seq, end: offset, problem: 0 };
}

/** A record that is known to be valid, by its header. */
function oneRecord({ view, position }: Chunk, end: number, seq: number, seed: number): WalkedRecords {
  const entries = new Uint8Array(entryLength);
  writeEntry(chunkOf(entries, 0).view, 0, seed, seq, position, crc32OfHeader(view, 0), "firm");
  return { count: 1, starts: () => [0], entries, end };
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
