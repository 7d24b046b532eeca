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
  readonly lengths: readonly number[];
  /** All of them, with a comma between two and no white space around them. */
  readonly payload: Uint8Array;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/**
 * The messages of a body: the elements of an array, or the one value that it is.
 * @throws {SyntaxError} when the body is not JSON in UTF-8
 */
export function splitJson(body: Uint8Array): JsonMessages {
  try {
    JSON.parse(utf8.decode(body));
  } catch (error) {
    throw new SyntaxError(error instanceof SyntaxError ? error.message : "the body is not valid UTF-8", {
      cause: error,
    });
  }
  let start = 0;
  let end = body.length;
  while (isSpace(body[start])) start++;
  while (isSpace(body[end - 1])) end--;
  if (body[start] !== open.bracket) return { lengths: [end - start], payload: body.subarray(start, end) };
  return splitArray(body, start + 1, end - 1);
}

/** What stands between the brackets. It is known to be valid: only strings and nesting have to be told apart. */
function splitArray(body: Uint8Array, start: number, end: number): JsonMessages {
  const payload = new Uint8Array(end - start);
  const lengths: number[] = [];
  let used = 0;
  let from = start;
  const add = (to: number): void => {
    let first = from;
    let last = to;
    while (first < last && isSpace(body[first])) first++;
    while (last > first && isSpace(body[last - 1])) last--;
    // Only of an array without elements.
    if (first === last) return;
    if (lengths.length > 0) payload[used++] = comma;
    payload.set(body.subarray(first, last), used);
    used += last - first;
    lengths.push(last - first);
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
  return { lengths, payload: payload.subarray(0, used) };
}
