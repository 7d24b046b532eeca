/**
 * The CRC-32 of any range of a file, at a cost that does not grow with the range: every byte is read
 * once for the CRCs at the blocks' borders, and a range follows from two of them. So data full of
 * headers that all claim the rest of the file costs no more than as many short records.
 *
 * Ranges are asked for from front to back.
 */
import { appendCrc } from "../format/crc32-combine.ts";
import { crc32 } from "../format/crc32.ts";
import { readAt, run } from "../storage/plan.ts";
import type { StorageFile } from "../storage/storage.ts";

const blockLength = 4096;

const pieceLength = 1024 * 1024;

/** A length is a u32, so no range crosses more borders. */
const mostBorders = 2 ** 32 / blockLength + 2;

/** Asked about one file. */
export class RangeCrc {
  readonly #file: StorageFile;
  readonly #looked: () => void;
  /** At `border % mostBorders` the CRC of what lies between the first border and this one. */
  #borders: Uint32Array | undefined;
  #first = 0;
  #last = 0;
  #piece: Uint8Array | undefined;
  /** The block in which the last range began: the next one mostly begins there too. */
  #startBlock: { readonly block: number; readonly bytes: Uint8Array } | undefined;

  /** @param looked called before each read; may throw to end it */
  constructor(file: StorageFile, looked: () => void) {
    this.#file = file;
    this.#looked = looked;
  }

  /** The CRC of `length` bytes from `start` on; −1 when the file ends before. */
  async of(start: number, length: number): Promise<number> {
    const end = start + length;
    const from = Math.floor(start / blockLength);
    const to = Math.floor(end / blockLength);
    if (from === to) {
      this.#looked();
      const bytes = await run(readAt(this.#file, start, length));
      return bytes.length < length ? -1 : crc32(bytes);
    }
    if (!(await this.#reach(from, to))) return -1;
    if (this.#startBlock?.block !== from) {
      this.#startBlock = { block: from, bytes: await run(readAt(this.#file, from * blockLength, blockLength)) };
    }
    const before = crc32(this.#startBlock.bytes, 0, start - from * blockLength, this.#border(from));
    this.#looked();
    const rest = await run(readAt(this.#file, to * blockLength, end - to * blockLength));
    if (rest.length < end - to * blockLength) return -1;
    const all = crc32(rest, 0, rest.length, this.#border(to));
    return (appendCrc(before, 0, length) ^ all) >>> 0;
  }

  #border(block: number): number {
    return this.#borders?.[block % mostBorders] as number;
  }

  /** Makes the CRCs at all borders in between known. @returns false when the file ends before */
  async #reach(from: number, to: number): Promise<boolean> {
    const borders = (this.#borders ??= new Uint32Array(mostBorders));
    if (from < Math.max(this.#first, this.#last - mostBorders + 1) || from > this.#last) {
      this.#first = this.#last = from;
      borders[from % mostBorders] = 0;
    }
    while (this.#last < to) {
      this.#looked();
      const piece = (this.#piece ??= new Uint8Array(pieceLength));
      const target = piece.subarray(0, Math.min(pieceLength, (to - this.#last) * blockLength));
      const read = await this.#file.read(target, this.#last * blockLength);
      for (let at = 0; at + blockLength <= read; at += blockLength) {
        const crc = crc32(target, at, at + blockLength, this.#border(this.#last));
        borders[++this.#last % mostBorders] = crc;
      }
      if (read < target.length) return false;
    }
    return true;
  }
}
