/** Length-framed records, for `--binary`: `[u32 length, little-endian][bytes]`, one after the other. */
import { inputFault, type RecordSplitter, UnfinishedRecord } from "./record-splitter.ts";

const lengthBytes = 4;

export class FrameSplitter implements RecordSplitter {
  readonly #maxBytes: number;
  readonly #length = new Uint8Array(lengthBytes);
  /** How much of the length field is there. */
  #lengthFilled = 0;
  readonly #unfinished = new UnfinishedRecord();
  /** Where in the input the current frame starts. */
  #frameStart = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get unfinishedBytes(): number {
    return this.#lengthFilled + this.#unfinished.length;
  }

  push(piece: Uint8Array, records: Uint8Array[]): void {
    let at = 0;
    while (at < piece.length) {
      if (this.#lengthFilled < lengthBytes) {
        this.#length[this.#lengthFilled++] = piece[at++] as number;
        if (this.#lengthFilled < lengthBytes) continue;
        this.#checkLength();
      }
      const wanted = this.#dataLength() - this.#unfinished.length;
      const part = piece.subarray(at, at + wanted);
      at += part.length;
      if (part.length < wanted) this.#unfinished.add(part);
      else this.#complete(this.#unfinished.takeWith(part), records);
    }
  }

  end(): void {
    if (this.#lengthFilled === 0) return;
    const found = this.unfinishedBytes;
    const expected = this.#lengthFilled < lengthBytes ? "at least 4" : String(lengthBytes + this.#dataLength());
    throw inputFault(
      `the input ends inside the frame that starts at byte ${this.#frameStart}: ${found} of ${expected} bytes are there`,
      { position: this.#frameStart, found },
    );
  }

  #complete(record: Uint8Array, records: Uint8Array[]): void {
    records.push(record);
    this.#frameStart += lengthBytes + record.length;
    this.#lengthFilled = 0;
  }

  #checkLength(): void {
    const length = this.#dataLength();
    if (length <= this.#maxBytes) return;
    throw inputFault(
      `the frame at byte ${this.#frameStart} has a length of ${length} bytes; one record holds at most ${this.#maxBytes}`,
      { position: this.#frameStart, length, maxRecordBytes: this.#maxBytes },
    );
  }

  #dataLength(): number {
    return new DataView(this.#length.buffer).getUint32(0, true);
  }
}
