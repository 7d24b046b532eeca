/** Branded numbers, so that a record's number cannot be passed where a byte position is meant. */

declare const seqBrand: unique symbol;
declare const offsetBrand: unique symbol;

/** A record's number in its log: 0, 1, 2, … without gaps; at most 2^53 − 1. */
export type Seq = number & { readonly [seqBrand]: true };

/** A byte position inside one file. */
export type Offset = number & { readonly [offsetBrand]: true };

/** A number given as a seq: any number but an {@link Offset}. */
export type SeqLike = number & { readonly [offsetBrand]?: never };

/** Marks a number as a seq. For numbers that are known to be right; user input goes through {@link checkSeq}. */
export function asSeq(value: number): Seq {
  return value as Seq;
}

/** Marks a number as an offset. */
export function asOffset(value: number): Offset {
  return value as Offset;
}

/**
 * Checks a seq that a user gave.
 * @throws {RangeError} when it is not a whole number from 0 to 2^53 − 1
 */
export function checkSeq(value: number, name: string): Seq {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`${name} must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}, got ${String(value)}`);
  }
  return value as Seq;
}
