/** JSON bodies: checked, and one level of an array taken apart, each message with the bytes it was sent as. */

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const comma = 0x2c;
const quote = 0x22;
const backslash = 0x5c;
const open = { bracket: 0x5b, brace: 0x7b } as const;
const close = { bracket: 0x5d, brace: 0x7d } as const;

/** The messages of a body. */
export interface JsonMessages {
  /** The byte length of each. */
  readonly lengths: Uint32Array;
  /** All of them, with a comma between two and no white space around them. */
  readonly payload: Uint8Array;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/**
 * The messages of a body: the elements of an array, or the one value that it is.
 * @param charge told, before they are made, how many bytes the lengths will take: of many short messages
 * more than the body. What it throws is thrown on
 * @throws {SyntaxError} when the body is not JSON in UTF-8
 */
export function splitJson(body: Uint8Array, charge?: (bytes: number) => void): JsonMessages {
  const count = countMessages(body);
  charge?.(count * Uint32Array.BYTES_PER_ELEMENT);
  const lengths = new Uint32Array(count);
  let start = 0;
  let end = body.length;
  while (isSpace(body[start])) start++;
  while (isSpace(body[end - 1])) end--;
  if (body[start] === open.bracket) return { lengths, payload: splitArray(body, start + 1, end - 1, lengths) };
  lengths[0] = end - start;
  return { lengths, payload: body.subarray(start, end) };
}

function countMessages(body: Uint8Array): number {
  try {
    const value: unknown = JSON.parse(utf8.decode(body));
    return Array.isArray(value) ? value.length : 1;
  } catch (error) {
    throw new SyntaxError(error instanceof SyntaxError ? error.message : "the body is not valid UTF-8", {
      cause: error,
    });
  }
}

/**
 * What stands between the brackets, without the white space around messages; fills in their lengths. It is
 * known to be valid: only strings and nesting have to be told apart.
 */
function splitArray(body: Uint8Array, start: number, end: number, lengths: Uint32Array): Uint8Array {
  const payload = new Uint8Array(end - start);
  let found = 0;
  let used = 0;
  let from = start;
  const add = (to: number): void => {
    let first = from;
    let last = to;
    while (first < last && isSpace(body[first])) first++;
    while (last > first && isSpace(body[last - 1])) last--;
    // Only of an array without elements.
    if (first === last) return;
    if (found > 0) payload[used++] = comma;
    payload.set(body.subarray(first, last), used);
    used += last - first;
    lengths[found++] = last - first;
  };
  let depth = 0;
  for (let i = start; i < end; i++) {
    switch (body[i]) {
      case quote:
        for (i++; body[i] !== quote; i++) if (body[i] === backslash) i++;
        break;
      case open.bracket:
      case open.brace:
        depth++;
        break;
      case close.bracket:
      case close.brace:
        depth--;
        break;
      case comma:
        if (depth > 0) break;
        add(i);
        from = i + 1;
        break;
    }
  }
  add(end);
  return payload.subarray(0, used);
}
