/** Reads a file from front to back; the next piece is being read while the caller looks at this one. */
import type { AheadRequest, Plan } from "../storage/plan.ts";
import type { StorageFile } from "../storage/storage.ts";
import { type Chunk, chunkOf } from "./verify-chunk.ts";

const pieceLength = 1024 * 1024;

/** Room before a piece for what the caller left of the one before. */
const mostLeft = 256 * 1024;

/** Goes through one file. Whoever makes one calls `settle` before it lets go of the file. */
export class PiecesAhead {
  /** Where the file ends: less than what was said when a read ended sooner. */
  end: number;
  readonly #file: StorageFile;
  readonly #room: number;
  #buffer: Uint8Array;
  /** What the next piece is read into; none where there is one piece only, or where records are too long for it. */
  #other: Uint8Array | undefined;
  #chunk: Chunk | undefined;
  #ahead: AheadRequest | undefined;

  constructor(file: StorageFile, start: number, end: number) {
    const length = Math.max(end - start, 0);
    this.end = end;
    this.#file = file;
    this.#room = length > pieceLength ? mostLeft : 0;
    this.#buffer = new Uint8Array(this.#room + Math.min(length, pieceLength));
    this.#other = length > pieceLength ? new Uint8Array(this.#buffer.length) : undefined;
  }

  /**
   * The bytes from `position` on, 1 MiB of them or more unless the file ends before. They hold until
   * the next call.
   */
  *from(position: number): Plan<Chunk> {
    const ahead = this.#ahead;
    const left = this.#chunk === undefined ? 0 : this.#chunk.position + this.#chunk.bytes.length - position;
    const other = this.#other;
    if (
      ahead !== undefined &&
      other !== undefined &&
      ahead.position === position + left &&
      left >= 0 &&
      left <= this.#room
    ) {
      const { bytes } = this.#chunk as Chunk;
      // Before the read after this one begins: that goes to where these bytes are now.
      other.set(bytes.subarray(bytes.length - left), this.#room - left);
      this.#other = this.#buffer;
      this.#buffer = other;
      return yield* this.#read(ahead, left);
    }
    if (ahead !== undefined) {
      // Long records: what would be read ahead of the next one, too, is likely to be read in vain.
      yield* this.settle();
      this.#other = undefined;
    }
    return yield* this.#read(this.#request(this.#buffer, position), 0);
  }

  /** Waits for what is being read ahead; does not fail. */
  *settle(): Plan<void> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (ahead?.begun === undefined) return;
    try {
      yield ahead;
    } catch {
      // Nobody needs these bytes.
    }
  }

  *#read(request: AheadRequest, left: number): Plan<Chunk> {
    const next = request.position + request.target.length;
    this.#ahead = this.#other === undefined || next >= this.end ? undefined : this.#request(this.#other, next);
    const read = yield { ...request, ahead: this.#ahead };
    // The file became shorter than it was said to be.
    if (read < request.target.length) this.end = request.position + read;
    this.#chunk = chunkOf(this.#buffer.subarray(this.#room - left, this.#room + read), request.position - left);
    return this.#chunk;
  }

  #request(buffer: Uint8Array, position: number): AheadRequest {
    const length = Math.min(pieceLength, this.end - position);
    const target = buffer.subarray(this.#room, this.#room + length);
    return { file: this.#file, target, position, begun: undefined };
  }
}
