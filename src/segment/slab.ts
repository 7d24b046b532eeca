/**
 * Memory for records that are read one by one: pieces of a slab, each given out once and never
 * written again. A record keeps its slab in memory, 64 KiB, as a record of a larger read keeps that.
 */
const slabLength = 64 * 1024;

/** Larger ones get memory of their own. */
const largestPiece = 8 * 1024;

/** Part of a slab. */
export interface Piece {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where in `bytes` it starts. */
  readonly at: number;
}

let bytes = new Uint8Array(0);
let view = new DataView(bytes.buffer);
let used = 0;

/** A piece of `length` bytes, its content arbitrary. */
export function takePiece(length: number): Piece {
  if (length > largestPiece) {
    const own = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
    return { bytes: own, view: new DataView(own.buffer), at: 0 };
  }
  if (used + length > bytes.length) {
    bytes = new Uint8Array(Buffer.allocUnsafeSlow(slabLength).buffer);
    view = new DataView(bytes.buffer);
    used = 0;
  }
  const at = used;
  used += length;
  return { bytes, view, at };
}
