/** NDJSON, for `--ndjson`: lines that must each be one JSON value. They are stored as they are. */
import { findJsonFault } from "./json-fault.ts";
import { LineSplitter } from "./line-splitter.ts";
import { printableLine } from "./printable.ts";
import { inputFault, type RecordSplitter } from "./record-splitter.ts";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class NdjsonSplitter implements RecordSplitter {
  readonly #lines: LineSplitter;
  /** Lines checked so far. */
  #checked = 0;

  constructor(maxBytes: number) {
    this.#lines = new LineSplitter(maxBytes);
  }

  get unfinishedBytes(): number {
    return this.#lines.unfinishedBytes;
  }

  push(piece: Uint8Array, records: Uint8Array[]): void {
    const lines: Uint8Array[] = [];
    try {
      this.#lines.push(piece, lines);
    } finally {
      // Of a line that is too long the ones before it are checked first: their fault is the earlier one.
      this.#check(lines, records);
    }
  }

  end(records: Uint8Array[]): void {
    const lines: Uint8Array[] = [];
    this.#lines.end(lines);
    this.#check(lines, records);
  }

  #check(lines: readonly Uint8Array[], records: Uint8Array[]): void {
    for (const line of lines) {
      checkJson(line, "line", this.#checked + 1);
      records.push(line);
      this.#checked++;
    }
  }
}

/**
 * The text of JSON.
 * @param what names what it is the content of in messages, and `number` which: `line 3`
 * @throws {UsageError} when it is not JSON, with the column
 */
export function checkJson(bytes: Uint8Array, what: string, number: number): string {
  const facts = { [what]: number };
  let text: string;
  try {
    text = strict.decode(bytes);
  } catch {
    throw inputFault(`${what} ${number} is not UTF-8, so it is not JSON`, facts);
  }
  try {
    JSON.parse(text);
  } catch {
    const { position, expected } = findJsonFault(text);
    const column = position + 1;
    const found = position < text.length ? `found ${quote(text, position)}` : `the ${what} ends`;
    throw inputFault(`${what} ${number}, column ${column}: expected ${expected}, ${found}`, {
      ...facts,
      column,
      expected,
    });
  }
  return text;
}

/** A little of the text from the fault on. */
function quote(text: string, position: number): string {
  const rest = text.slice(position, position + 20);
  return `"${printableLine(rest)}${position + 20 < text.length ? "…" : ""}"`;
}
