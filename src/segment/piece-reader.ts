/** Reads a file in pieces, and hands out what is left of a piece before it reads the next one. */
import type { StorageFile } from "../storage/storage.ts";
import { type Chunk, chunkOf } from "./verify-chunk.ts";

const pieceLength = 1024 * 1024;

/** Goes through one file. */
export class PieceReader {
  readonly #file: StorageFile;
  readonly #end: number;
  readonly #buffer: Uint8Array;
  #position = 0;
  #length = 0;

  /** @param end nothing is read from there on */
  constructor(file: StorageFile, end: number) {
    this.#file = file;
    this.#end = end;
    this.#buffer = new Uint8Array(Math.max(0, Math.min(pieceLength, end)));
  }

  /**
   * The bytes from `position` on: at least `least` of them (at most 1 MiB) unless the file ends before.
   * They hold until the next call.
   */
  async from(position: number, least: number): Promise<Chunk> {
    const there = this.#position + this.#length - position;
    if (position < this.#position || there < Math.min(least, this.#end - position)) {
      const target = this.#buffer.subarray(0, Math.max(0, Math.min(this.#buffer.length, this.#end - position)));
      this.#length = 0;
      this.#length = await this.#file.read(target, position);
      this.#position = position;
    }
    return chunkOf(this.#buffer.subarray(position - this.#position, this.#length), position);
  }
}
