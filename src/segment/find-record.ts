/**
 * Finds the next record behind damage. A record names its own position, so at each byte the u64 that
 * would be an own offset is held against the position; only what agrees is looked at further.
 *
 * What is found may be a forgery: the data of a record that is gone can hold the bytes of one.
 */
import { checkData, checkHeader, headerAt, headerLength, readUint64 } from "../format/record.ts";
import { run } from "../storage/plan.ts";
import type { StorageFile } from "../storage/storage.ts";
import { chunkOf } from "./verify-chunk.ts";
import { crcOfRange } from "./walk-chain.ts";

const chunkLength = 1024 * 1024;

/** What else must hold of a record at `[start, end)`, whose id ends in `lastIdByte`. */
export type Acceptance = (start: number, end: number, lastIdByte: number) => boolean;

/**
 * The position of the first whole record that lies in `[from, end)`; −1 when there is none.
 * @param looked called with each position that was reached; may throw to end the search
 */
export async function findRecord(
  file: StorageFile,
  from: number,
  end: number,
  accepts: Acceptance,
  looked: (position: number) => void,
): Promise<number> {
  const buffer = new Uint8Array(Math.max(0, Math.min(chunkLength, end - from)));
  const forData = new Uint8Array(Math.min(64 * 1024, buffer.length));
  for (let position = from; position + headerLength <= end;) {
    const target = buffer.subarray(0, Math.min(buffer.length, end - position));
    const read = await file.read(target, position);
    if (read < headerLength) return -1;
    const { bytes, view } = chunkOf(target.subarray(0, read), position);
    const last = read - headerLength;
    for (let at = nextCandidate(bytes, view, position, 0); at <= last;) {
      const start = position + at;
      const length = checkHeader(bytes, view, at, start, end - start);
      if (length >= 0 && accepts(start, start + headerLength + length, bytes[at + headerLength - 1] as number)) {
        const isWhole =
          at + headerLength + length <= read
            ? checkData(bytes, view, at, length)
            : (await run(crcOfRange(file, start + headerLength, length, forData))) ===
              view.getUint32(at + headerAt.crc, true);
        if (isWhole) return start;
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
