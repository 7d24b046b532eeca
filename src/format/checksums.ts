/** The checksums of records that lie one behind the other in memory, in as few calls as there can be. */
import { crc32, crc32OfHeader } from "./crc32.ts";
import { entryLength, writeEntry } from "./index-entry.ts";
import { headerAt, headerLength, readUint64 } from "./record.ts";
import { loadRecords, windowLength } from "./wasm/records-wasm.ts";

/** From so many bytes of data on `zlib.crc32` is the faster way, for all that its call costs. */
export const longData = 1024;

/** Bytes of records that `sealRecords` takes at most. */
export const mostToSeal: number = windowLength / 2;

/** Gives each record in `bytes[start, end)`, at most `mostToSeal` bytes, the CRC of its data. */
export function sealRecords(bytes: Uint8Array, view: DataView, start: number, end: number): void {
  const isOne = start < end && nextOf(view, start) === end;
  const wasm = isOne ? undefined : loadRecords();
  if (wasm !== undefined) return wasm.seal(bytes, start, end);
  for (let at = start; at < end;) {
    const next = nextOf(view, at);
    view.setUint32(at + headerAt.crc, crc32(bytes, at + headerLength, next), true);
    at = next;
  }
}

/** Where the record behind the one at `at` starts. */
function nextOf(view: DataView, at: number): number {
  return at + headerLength + view.getUint32(at, true);
}

/** Records in memory. */
export interface Encoded {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where each record starts. */
  readonly starts: readonly number[];
  /** Where the last one ends. */
  readonly end: number;
}

/**
 * Writes the index entries of the records, the first of which is `firstSeq`, to the start of `out`.
 * Each record must carry the own offset that it will have.
 */
export function writeEntries(
  { bytes, view, starts, end }: Encoded,
  firstSeq: number,
  seed: number,
  kind: "firm" | "provisional",
  out: Uint8Array,
): void {
  const wasm = starts.length > 1 ? loadRecords() : undefined;
  const outView = new DataView(out.buffer, out.byteOffset, out.byteLength);
  for (let i = 0; i < starts.length;) {
    const start = starts[i] as number;
    let next = i;
    // A long record is not copied for the sake of its header.
    while (next < starts.length) {
      const stop = starts[next + 1] ?? end;
      if (stop - start > windowLength || stop - (starts[next] as number) > longData) break;
      next++;
    }
    if (wasm === undefined || next - i < 2) {
      const headerCrc = crc32OfHeader(view, start);
      const offset = readUint64(view, start + headerAt.offset);
      writeEntry(outView, i * entryLength, seed, firstSeq + i, offset, headerCrc, kind);
      i++;
    } else {
      const stop = starts[next] ?? end;
      const entries = wasm.entries(bytes, start, stop, firstSeq + i, seed, kind === "firm");
      out.set(entries.subarray(0, (next - i) * entryLength), i * entryLength);
      i = next;
    }
  }
}
