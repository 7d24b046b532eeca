/**
 * Buffers for batches, shared by all logs of the process: a log holds one only while it has
 * something to write, so a thousand idle logs cost nothing.
 */

const kib = 1024;

/** Sizes that are kept for reuse. The largest is the largest batch, the seed's buffer. */
const sizes = [16 * kib, 128 * kib, 1024 * kib, 8 * 1024 * kib] as const;

/** Bytes of a batch of more than one record, at most. */
export const maxBatchBytes: number = sizes[3];

/** No more than this lies idle. */
const maxIdleBytes = 4 * maxBatchBytes;

/** Bytes and the ways to look at them. */
export interface BatchBuffer {
  readonly bytes: Buffer;
  /** The same bytes: parts of a Buffer cost more to make. */
  readonly plain: Uint8Array;
  readonly view: DataView;
}

const idle: BatchBuffer[][] = sizes.map(() => []);
let idleBytes = 0;

/** A buffer of at least `length` bytes, its content arbitrary. */
export function acquireBuffer(length: number): BatchBuffer {
  const fit = sizes.findIndex((size) => size >= length);
  const kept = idle[fit]?.pop();
  if (kept !== undefined) {
    idleBytes -= kept.bytes.length;
    return kept;
  }
  const bytes = Buffer.allocUnsafeSlow(sizes[fit] ?? length);
  const { buffer, byteOffset, length: size } = bytes;
  return { bytes, plain: new Uint8Array(buffer, byteOffset, size), view: new DataView(buffer, byteOffset, size) };
}

/** Gives a buffer back. Nobody may write to it, or from it to a disk, afterwards. */
export function releaseBuffer(buffer: BatchBuffer): void {
  const fit = sizes.findIndex((size) => size === buffer.bytes.length);
  if (fit < 0 || idleBytes + buffer.bytes.length > maxIdleBytes) return;
  idleBytes += buffer.bytes.length;
  idle[fit]?.push(buffer);
}
