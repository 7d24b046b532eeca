/**
 * From input to the data of records: the input is cut into parts (lines, rows, frames), of which those
 * to be skipped are not looked into, and each of the others becomes the data of one record.
 */

/** Cuts the input into parts. When it is not what it should be it throws, after having added all before the fault. */
export interface PartSource<Part> {
  push(piece: Uint8Array, parts: Part[]): void | Promise<void>;
  /** The input ended. */
  end(parts: Part[]): void | Promise<void>;
}

/** What becomes of a part. `number` counts from 1, with those that are skipped. */
export type DataOfPart<Part> = (part: Part, number: number) => Uint8Array;

/** A reader whatever its parts are. */
export interface ImportReader {
  /** Adds the records that a piece completes, also when it throws. */
  push(piece: Uint8Array, records: Uint8Array[]): Promise<void>;
  end(records: Uint8Array[]): Promise<void>;
  /** Parts that were passed over. */
  readonly skipped: number;
}

export class PartReader<Part> implements ImportReader {
  readonly #source: PartSource<Part>;
  readonly #dataOf: DataOfPart<Part>;
  readonly #skip: number;
  #number = 0;

  constructor(source: PartSource<Part>, dataOf: DataOfPart<Part>, skip: number) {
    this.#source = source;
    this.#dataOf = dataOf;
    this.#skip = skip;
  }

  get skipped(): number {
    return Math.min(this.#number, this.#skip);
  }

  push(piece: Uint8Array, records: Uint8Array[]): Promise<void> {
    return this.#take((parts) => this.#source.push(piece, parts), records);
  }

  end(records: Uint8Array[]): Promise<void> {
    return this.#take((parts) => this.#source.end(parts), records);
  }

  async #take(take: (parts: Part[]) => void | Promise<void>, records: Uint8Array[]): Promise<void> {
    const parts: Part[] = [];
    try {
      await take(parts);
    } finally {
      // Also before a fault: one of these may have an earlier one.
      for (const part of parts) {
        this.#number++;
        if (this.#number > this.#skip) records.push(this.#dataOf(part, this.#number));
      }
    }
  }
}

/** Throws for data that must not be stored. */
export type CheckData = (data: Uint8Array, number: number) => void;

/** What becomes of a part, once it was checked. */
export function checked<Part>(dataOf: DataOfPart<Part>, check: CheckData): DataOfPart<Part> {
  return (part, number) => {
    const data = dataOf(part, number);
    check(data, number);
    return data;
  };
}
