/**
 * Where a text stops being JSON (RFC 8259), for an error message that names the column: what
 * `JSON.parse` says differs from one Node to the next, and not all of it has a position. Only called
 * for texts that `JSON.parse` refused.
 */

/** The place and what should have stood there. */
export interface JsonFault {
  /** In UTF-16 units from the start of the text; its length when the text ends too early. */
  readonly position: number;
  readonly expected: string;
}

/** Values of one token but strings; sticky, as all of these, so that they match at a position. */
const scalar = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
/** The parts of a string. Matched one after the other: a pattern for all of it runs out of stack in a long one. */
const characters = /[ !#-[\]-\uffff]+/y;
const escape = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y;
const space = /[ \t\r\n]*/y;

/** What may come next. */
type Want = "value" | "value-or-end" | "key" | "key-or-end" | "colon" | "comma" | "nothing";

const inWords: Readonly<Record<Want, string>> = {
  value: "a value",
  "value-or-end": 'a value or "]"',
  key: "a key in double quotes",
  "key-or-end": 'a key in double quotes or "}"',
  colon: '":"',
  comma: '"," or the closing bracket',
  nothing: "nothing more",
};

/** Finds the first fault of a text that is not JSON. */
export function findJsonFault(text: string): JsonFault {
  const reader = new JsonReader(text);
  while (reader.step());
  return reader.fault;
}

/** Goes through the text token by token, with the open brackets on a stack of its own: nesting may be deep. */
class JsonReader {
  readonly #text: string;
  readonly #open: ("{" | "[")[] = [];
  #want: Want = "value";
  #at = 0;
  /** What stood in place of the token when `step` returned false. */
  fault: JsonFault = { position: 0, expected: inWords.value };

  constructor(text: string) {
    this.#text = text;
  }

  /** Reads one token; false at the fault. */
  step(): boolean {
    this.#at += lengthOfMatch(space, this.#text, this.#at);
    this.fault = { position: this.#at, expected: inWords[this.#want] };
    switch (this.#want) {
      case "colon":
        return this.#mark(":", "value");
      case "comma":
        return this.#mark(",", this.#open.at(-1) === "{" ? "key" : "value") || this.#close();
      case "key":
        return this.#key();
      case "key-or-end":
        return this.#close() || this.#key();
      case "value":
        return this.#value();
      case "value-or-end":
        return this.#close() || this.#value();
      case "nothing":
        return false;
    }
  }

  #mark(character: string, next: Want): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    this.#want = next;
    return true;
  }

  #close(): boolean {
    if (!this.#mark(this.#open.at(-1) === "{" ? "}" : "]", "nothing")) return false;
    this.#open.pop();
    this.#want = this.#afterValue();
    return true;
  }

  #key(): boolean {
    return this.#string("colon");
  }

  #value(): boolean {
    if (this.#mark("{", "key-or-end")) this.#open.push("{");
    else if (this.#mark("[", "value-or-end")) this.#open.push("[");
    else return this.#string(this.#afterValue()) || this.#scalar(this.#afterValue());
    return true;
  }

  #string(next: Want): boolean {
    if (this.#text[this.#at] !== '"') return false;
    let end = this.#at + 1;
    for (let length = 1; length > 0; end += length) {
      length = lengthOfMatch(characters, this.#text, end) || lengthOfMatch(escape, this.#text, end);
    }
    if (this.#text[end] !== '"') {
      this.fault = { position: end, expected: "the rest of a string" };
      return false;
    }
    this.#at = end + 1;
    this.#want = next;
    return true;
  }

  #scalar(next: Want): boolean {
    const length = lengthOfMatch(scalar, this.#text, this.#at);
    if (length === 0) return false;
    this.#at += length;
    this.#want = next;
    return true;
  }

  #afterValue(): Want {
    return this.#open.length === 0 ? "nothing" : "comma";
  }
}

/** 0 when there is no match at that place. */
function lengthOfMatch(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0].length ?? 0;
}
