/**
 * The payloads that were appended last, for readers who wait at the tail: a thousand of them are
 * served without a look at the disk. Holds a run without gaps, bounded in bytes.
 */
import { type Frame, isCloseOnly } from "../frame/frame.ts";
import type { Piece } from "./source.ts";

const maxKeptBytes = 256 * 1024;

/** What an array takes beside its bytes, about. */
const bytesAPart = 128;

export class RecentParts {
  #parts: Uint8Array[] = [];
  /** The seq of the first. */
  #first = 0;
  #bytes = 0;
  /** What was read last: many readers are at the same place. */
  #last: (Piece & { readonly to: number }) | undefined;

  clear(): void {
    this.#parts = [];
    this.#bytes = 0;
    this.#last = undefined;
  }

  /** Takes the payload of a record that is durable now. */
  add(seq: number, frame: Frame): void {
    if (this.#first + this.#parts.length !== seq) this.clear();
    if (this.#parts.length === 0) this.#first = seq;
    if (isCloseOnly(frame)) return;
    const { payload } = frame;
    // A part of a body must not keep all of it.
    const part = payload.byteLength < payload.buffer.byteLength ? new Uint8Array(payload) : payload;
    this.#parts.push(part);
    this.#bytes += part.length + bytesAPart;
    while (this.#bytes > maxKeptBytes && this.#parts.length > 1) {
      this.#bytes -= (this.#parts.shift() as Uint8Array).length + bytesAPart;
      this.#first++;
    }
  }

  /** The payloads from `from` up to `to`; undefined when they are not all here. */
  read(from: number, to: number, maxBytes: number): Piece | undefined {
    if (this.#last?.from === from && this.#last.to === to) return this.#last;
    const begin = from - this.#first;
    if (begin < 0 || to - this.#first > this.#parts.length) return undefined;
    const parts: Uint8Array[] = [];
    let next = from;
    for (let bytes = 0; next < to && bytes < maxBytes; next++) {
      const part = this.#parts[next - this.#first] as Uint8Array;
      bytes += part.length;
      if (part.length > 0) parts.push(part);
    }
    this.#last = { from, next, to, parts };
    return this.#last;
  }
}
