/**
 * The data of the records: the same for every contender and every process, and not compressible,
 * so that no store wins by storing less.
 */
import { createCipheriv } from "node:crypto";

const kinds = 8192;

/** Record `i` of a log holds `at(i)`. */
export class Payloads {
  #all;

  constructor(size) {
    this.size = size;
    const cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16));
    const bytes = cipher.update(Buffer.alloc(kinds * size));
    this.#all = Array.from({ length: kinds }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
  }

  at(i) {
    return this.#all[i % kinds];
  }

  /** Batches that follow each other and begin again: call with the number of records so far. */
  batches(count) {
    if (kinds % count !== 0) throw new RangeError(`batches of ${count} do not divide ${kinds}`);
    const made = Array.from({ length: kinds / count }, (_, i) => this.#all.slice(i * count, (i + 1) * count));
    return (soFar) => made[(soFar / count) % made.length];
  }
}
