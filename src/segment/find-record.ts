/**
 * Finds the next record behind damage. A record names its own position, so at each byte the u64 that
 * would be an own offset is held against the position; only what agrees is looked at further.
 *
 * What is found may be a forgery: the data of a record that is gone can hold the bytes of one. It can
 * also hold any number of headers whose data is never what they say; `RangeCrc` bounds what one costs.
 */
import { checkData, checkHeader, headerAt, headerLength, readUint64 } from "../format/record.ts";
import type { StorageFile } from "../storage/storage.ts";
import { PieceReader } from "./piece-reader.ts";
import { RangeCrc } from "./range-crc.ts";

/** Up to here reading the data is as cheap as anything else. */
const shortLength = 16 * 1024;

/** What else must hold of a record at `[start, end)`, whose id ends in `lastIdByte`. */
export type Acceptance = (start: number, end: number, lastIdByte: number) => boolean;

/** What a search reads with; who searches one file several times keeps them. */
export interface SearchTools {
  readonly pieces: PieceReader;
  readonly crcs: RangeCrc;
}

/**
 * The position of the first whole record that lies in `[from, end)`; −1 when there is none.
 * @param looked called with each position that was reached, and at each that was looked at closely;
 * may throw to end the search
 */
export async function findRecord(
  file: StorageFile,
  from: number,
  end: number,
  accepts: Acceptance,
  looked: (position: number) => void,
  tools?: SearchTools,
): Promise<number> {
  let reached = from;
  const pieces = tools?.pieces ?? new PieceReader(file, end);
  const crcs = tools?.crcs ?? new RangeCrc(file, () => looked(reached));
  for (let position = from; position + headerLength <= end;) {
    const piece = await pieces.from(position, headerLength);
    const bytes = piece.bytes.subarray(0, end - position);
    if (bytes.length < headerLength) return -1;
    const { view } = piece;
    const last = bytes.length - headerLength;
    for (let at = nextCandidate(bytes, view, position, 0); at <= last;) {
      const start = position + at;
      const length = checkHeader(bytes, view, at, start, end - start);
      if (length >= 0) {
        reached = start;
        looked(start);
        const isShort = length <= shortLength && at + headerLength + length <= bytes.length;
        const isWhole = isShort
          ? checkData(bytes, view, at, length)
          : (await crcs.of(start + headerLength, length)) === view.getUint32(at + headerAt.crc, true);
        // Last: only what was read is known to be readable.
        if (isWhole && accepts(start, start + headerLength + length, bytes[at + headerLength - 1] as number)) {
          return start;
        }
      }
      at = nextCandidate(bytes, view, position, at + 1);
    }
    position += last + 1;
    looked(position);
  }
  return -1;
}

/** The next place in the chunk, from `at` on, whose own offset would be right; past its end when there is none. */
function nextCandidate(bytes: Uint8Array, view: DataView, position: number, at: number): number {
  const last = bytes.length - headerLength;
  const low = position & 255;
  for (let i = at; i <= last; i++) {
    // Nearly all places end here.
    if (bytes[i + headerAt.offset] !== ((low + i) & 255)) continue;
    if (readUint64(view, i + headerAt.offset) === position + i) return i;
  }
  return last + 1;
}
