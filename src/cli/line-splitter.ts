/**
 * Lines: each is a record without its line feed. A carriage return belongs to the record, an empty
 * line is an empty record, and a last line without a line feed is a record too.
 */
import { inputFault, noBytes, type RecordSplitter, UnfinishedRecord } from "./record-splitter.ts";

const lineFeed = 0x0a;

export class LineSplitter implements RecordSplitter {
  readonly #maxBytes: number;
  readonly #unfinished = new UnfinishedRecord();
  /** Lines completed so far. */
  #lines = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get unfinishedBytes(): number {
    return this.#unfinished.length;
  }

  push(piece: Uint8Array, records: Uint8Array[]): void {
    let start = 0;
    for (let end = piece.indexOf(lineFeed); end >= 0; end = piece.indexOf(lineFeed, start)) {
      const part = piece.subarray(start, end);
      this.#check(part);
      records.push(this.#unfinished.takeWith(part));
      this.#lines++;
      start = end + 1;
    }
    const rest = piece.subarray(start);
    this.#check(rest);
    this.#unfinished.add(rest);
  }

  end(records: Uint8Array[]): void {
    if (this.#unfinished.length === 0) return;
    records.push(this.#unfinished.takeWith(noBytes));
    this.#lines++;
  }

  #check(part: Uint8Array): void {
    if (this.#unfinished.length + part.length <= this.#maxBytes) return;
    const line = this.#lines + 1;
    throw inputFault(`line ${line} is longer than ${this.#maxBytes} bytes, the most that one record holds`, {
      line,
      maxRecordBytes: this.#maxBytes,
    });
  }
}
