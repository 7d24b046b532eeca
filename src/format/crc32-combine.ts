/**
 * The CRC-32 of pieces one behind the other, from the CRC-32s of the pieces alone.
 *
 * A CRC is a remainder of polynomials over GF(2), so appending n bytes multiplies the CRC of what
 * stands before by x^(8n) (zlib's `crc32_combine` does the same). The product is linear in the CRC:
 * for each n that is needed it is four look-ups in a table of 1,024 words.
 *
 * Tables are made when a length first needs them, one for each value of each of its lower two bytes:
 * at most 511 of 4 KiB.
 */

/** x^8 modulo the polynomial; bit 31 stands for x^0, as in the CRC itself. */
const x8 = 0x00800000;
const one = 0x80000000;

/** The product of two polynomials modulo that of CRC-32. */
function multiply(a: number, b: number): number {
  let product = 0;
  let factor = b;
  for (let bit = one; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= factor;
    factor = factor & 1 ? (factor >>> 1) ^ 0xedb88320 : factor >>> 1;
  }
  return product >>> 0;
}

/** x^(8n). */
function power(n: number): number {
  let result = one;
  let square = x8;
  for (let left = n; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result = multiply(result, square);
    square = multiply(square, square);
  }
  return result;
}

/** `table[256 * k + b]`: byte value b at place k of a CRC, times x^(8n). */
function tableFor(n: number): Int32Array {
  const factor = power(n);
  const table = new Int32Array(1024);
  for (let place = 0; place < 4; place++) {
    for (let byte = 1; byte < 256; byte++) {
      const lowest = byte & -byte;
      const rest = byte & (byte - 1);
      const column = rest === 0 ? multiply(factor, (lowest << (8 * place)) >>> 0) : table[256 * place + lowest];
      table[256 * place + byte] = (table[256 * place + rest] as number) ^ (column as number);
    }
  }
  return table;
}

function shifted(table: Int32Array, crc: number): number {
  return (
    (table[crc & 255] as number) ^
    (table[256 + ((crc >>> 8) & 255)] as number) ^
    (table[512 + ((crc >>> 16) & 255)] as number) ^
    (table[768 + (crc >>> 24)] as number)
  );
}

const headerTable = tableFor(32);
const lowTables: Int32Array[] = [];
const highTables: Int32Array[] = [];

/** The CRC of what `crc` is of and 32 bytes behind it whose CRC is `header`. May be negative: the same 32 bits. */
export function appendHeaderCrc(crc: number, header: number): number {
  return shifted(headerTable, crc) ^ header;
}

/** The CRC of what `crc` is of and `length` bytes behind it whose CRC is `data`. May be negative: the same 32 bits. */
export function appendCrc(crc: number, data: number, length: number): number {
  let state = crc;
  const low = length & 255;
  if (low > 0) state = shifted((lowTables[low] ??= tableFor(low)), state);
  const high = (length >>> 8) & 255;
  if (high > 0) state = shifted((highTables[high] ??= tableFor(high * 256)), state);
  if (length > 0xffff) state = multiply(state >>> 0, power(length - (length & 0xffff)));
  return state ^ data;
}
