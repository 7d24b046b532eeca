/** Whole numbers of 0 to 2^53−1 in as few bytes as they need: seven bits each, the lowest first (LEB128). */

/** How many bytes a number takes. */
export function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length++;
  return length;
}

/** Writes a number at `at`; returns where it ends. */
export function writeVarint(target: Uint8Array, at: number, value: number): number {
  let end = at;
  let rest = value;
  // Bit operations would cut at 32 bits.
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) target[end++] = (rest % 0x80) | 0x80;
  target[end++] = rest;
  return end;
}

/** Reads numbers one behind the other. */
export class VarintReader {
  at: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  /** @throws {TypeError} where no such number stands */
  next(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.#bytes[this.at++];
      if (byte === undefined) throw new TypeError("a frame ends inside a number");
      value += (byte & 0x7f) * scale;
      if (!Number.isSafeInteger(value)) throw new TypeError("a number in a frame is past 2^53");
      if (byte < 0x80) return value;
    }
  }
}
