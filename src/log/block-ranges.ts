/** A set of block numbers, kept as ranges: what a disk cannot read mostly lies together. */
export class BlockRanges {
  /** Ascending; no two overlap or touch. Range i is `[starts[i], ends[i])`. */
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  #count = 0;

  /** How many blocks are in it. */
  get count(): number {
    return this.#count;
  }

  /** How many ranges they are kept as. */
  get ranges(): number {
    return this.#starts.length;
  }

  add(block: number): void {
    const i = this.#firstEndingBehind(block);
    if ((this.#starts[i] ?? Infinity) <= block) return;
    this.#count++;
    const touchesBefore = i > 0 && this.#ends[i - 1] === block;
    const touchesBehind = this.#starts[i] === block + 1;
    if (touchesBefore && touchesBehind) {
      this.#ends.splice(i - 1, 1);
      this.#starts.splice(i, 1);
    } else if (touchesBefore) this.#ends[i - 1] = block + 1;
    else if (touchesBehind) this.#starts[i] = block;
    else {
      this.#starts.splice(i, 0, block);
      this.#ends.splice(i, 0, block + 1);
    }
  }

  /** Whether any block of `[from, to)` is in it. */
  meets(from: number, to: number): boolean {
    return from < to && (this.#starts[this.#firstEndingBehind(from)] ?? Infinity) < to;
  }

  #firstEndingBehind(block: number): number {
    let low = 0;
    for (let high = this.#ends.length; low < high;) {
      const middle = (low + high) >>> 1;
      if ((this.#ends[middle] as number) > block) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
