/**
 * CRC-32/ISO-HDLC: the one of zlib, of gzip and of Go's `crc32.ChecksumIEEE`.
 * (Reflected polynomial 0xEDB88320; check value of "123456789": 0xCBF43926.)
 *
 * `zlib.crc32` runs at several GB/s but costs a call; short runs are cheaper in tables.
 */
import { crc32 as zlibCrc32 } from "node:zlib";

/** Below this many bytes the tables win (docs/performance.md has the measurement). */
const tableBelow = 160;

/** Slicing by 4 (Kounavis and Berry, 2005): `tables[k][b]` is the CRC of byte b followed by k zero bytes. */
const [t0, t1, t2, t3] = makeTables();

function makeTables(): [Int32Array, Int32Array, Int32Array, Int32Array] {
  const tables = [new Int32Array(256), new Int32Array(256), new Int32Array(256), new Int32Array(256)] as const;
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    tables[0][byte] = crc;
  }
  for (let byte = 0; byte < 256; byte++) {
    for (let k = 1; k < 4; k++) {
      const before = tables[k - 1]?.[byte] ?? 0;
      (tables[k] as Int32Array)[byte] = (before >>> 8) ^ (tables[0][before & 255] ?? 0);
    }
  }
  return [...tables];
}

/** The CRC of `bytes[start, end)`, going on from `crc` (that of the bytes before, 0 at the start). */
export function crc32(bytes: Uint8Array, start = 0, end: number = bytes.length, crc = 0): number {
  if (end - start >= tableBelow) return zlibCrc32(bytes.subarray(start, end), crc);
  let state = ~crc;
  for (let i = start; i < end; i++) {
    state = (state >>> 8) ^ (t0[(state ^ (bytes[i] as number)) & 255] as number);
  }
  return ~state >>> 0;
}

/** The CRC after four more bytes, given as a little-endian word. Both sides are the inverted inner state. */
function word(state: number, value: number): number {
  const x = state ^ value;
  return (
    (t3[x & 255] as number) ^
    (t2[(x >>> 8) & 255] as number) ^
    (t1[(x >>> 16) & 255] as number) ^
    (t0[x >>> 24] as number)
  );
}

/** The CRC of the 32 bytes of `view` at `at`: a record's header. */
export function crc32OfHeader(view: DataView, at: number): number {
  let state = -1;
  for (let i = at; i < at + 32; i += 4) state = word(state, view.getUint32(i, true));
  return ~state >>> 0;
}

/** The CRC of two u64 and a u32, little-endian, going on from `crc`. */
export function crc32OfNumbers(crc: number, first: number, second: number, third: number): number {
  let state = ~crc;
  state = word(state, first >>> 0);
  state = word(state, Math.floor(first / 0x1_0000_0000));
  state = word(state, second >>> 0);
  state = word(state, Math.floor(second / 0x1_0000_0000));
  state = word(state, third);
  return ~state >>> 0;
}
