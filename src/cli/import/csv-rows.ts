/**
 * CSV (RFC 4180) by the library csv-parse, row by row. Fields stay bytes: what is not UTF-8 must be
 * found, not replaced. Rows end with CR LF or LF.
 */
import { CsvError, parse, type Parser } from "csv-parse";
import { quoteName } from "../printable.ts";
import { inputFault } from "../record-splitter.ts";
import { decodeUtf8 } from "./decode-utf8.ts";

/** A row behind the header. */
export interface CsvRow {
  readonly fields: readonly Uint8Array[];
  /** Where in the input it starts. */
  readonly line: number;
}

const byteOrderMark = Buffer.from("\uFEFF");

export class CsvRows {
  readonly #parser: Parser;
  readonly #maxBytes: number;
  readonly #takeHeader: (header: readonly string[]) => void;
  #header: readonly string[] | undefined;
  /** Rows that the parser has completed and nobody has taken. */
  #rows: CsvRow[] = [];
  #rowCount = 0;
  #line = 1;
  /** The first bytes of the input, until it is known whether they are a byte order mark. */
  #start: Buffer | undefined = Buffer.alloc(0);

  /**
   * @param maxBytes the longest row
   * @param takeHeader gets the names of the columns, before any row; may refuse them
   */
  constructor(maxBytes: number, delimiter: string, takeHeader: (header: readonly string[]) => void) {
    this.#maxBytes = maxBytes;
    this.#takeHeader = takeHeader;
    this.#parser = parse({
      delimiter,
      // Each byte one character, so that `max_record_size` counts all fields of a row.
      encoding: "latin1",
      max_record_size: maxBytes,
      record_delimiter: ["\r\n", "\n"],
      // Said here, with the header's names.
      relax_column_count: true,
      on_record: (fields: readonly string[]) => this.#take(fields.map((field) => Buffer.from(field, "latin1"))),
    });
    // Told by the callback of the write too.
    this.#parser.on("error", () => {});
  }

  async push(piece: Uint8Array, rows: CsvRow[]): Promise<void> {
    await this.#write(this.#withoutMark(piece), rows);
  }

  async end(rows: CsvRow[]): Promise<void> {
    if (this.#start !== undefined) await this.#write(this.#start, rows);
    await this.#call((done) => this.#parser.end(done), rows);
  }

  async #write(piece: Uint8Array, rows: CsvRow[]): Promise<void> {
    if (piece.length > 0) await this.#call((done) => this.#parser.write(piece, done), rows);
  }

  /** Hands over what was completed before the fault, if there is one. */
  async #call(call: (done: (error?: Error | null) => void) => void, rows: CsvRow[]): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => {
        call((error) => (error ? reject(error) : resolve()));
      });
    } catch (error) {
      throw error instanceof CsvError ? this.#fault(error) : error;
    } finally {
      for (const row of this.#rows) rows.push(row);
      this.#rows = [];
    }
  }

  /** Excel begins a file with one. */
  #withoutMark(piece: Uint8Array): Uint8Array {
    if (this.#start === undefined) return piece;
    const start = Buffer.concat([this.#start, piece]);
    const isMarkSoFar = byteOrderMark.subarray(0, start.length).equals(start.subarray(0, byteOrderMark.length));
    if (isMarkSoFar && start.length < byteOrderMark.length) {
      this.#start = start;
      return Buffer.alloc(0);
    }
    this.#start = undefined;
    return isMarkSoFar ? start.subarray(byteOrderMark.length) : start;
  }

  /** Called by the parser, which drops the row for the null. */
  #take(fields: readonly Uint8Array[]): null {
    if (this.#header === undefined) {
      this.#header = readHeader(fields);
      this.#takeHeader(this.#header);
    } else {
      this.#rows.push({ fields, line: this.#line });
      this.#rowCount++;
    }
    this.#line += 1 + fields.reduce((sum, field) => sum + countLineFeeds(field), 0);
    return null;
  }

  #fault({ code, ...facts }: CsvError): Error {
    const row = this.#header === undefined ? "the header" : `row ${this.#rowCount + 1}`;
    const column = typeof facts["column"] === "number" ? facts["column"] + 1 : undefined;
    const name = column === undefined ? undefined : this.#header?.[column - 1];
    const place = `${row} (line ${this.#line})${column === undefined ? "" : `, column ${column}${name === undefined ? "" : ` ${quoteName(name)}`}`}`;
    return inputFault(`${place}: ${reasonOf(code, this.#maxBytes)}`, {
      line: this.#line,
      ...(this.#header === undefined ? {} : { row: this.#rowCount + 1 }),
      ...(column === undefined ? {} : { column }),
    });
  }
}

function reasonOf(code: string, maxBytes: number): string {
  switch (code) {
    case "CSV_QUOTE_NOT_CLOSED":
      return "the input ends inside a quoted field";
    case "CSV_INVALID_CLOSING_QUOTE":
      return 'after a quoted field there is something else than the delimiter or the end of the row (a quote inside is written "")';
    case "INVALID_OPENING_QUOTE":
      return "a quote inside a field that does not begin with one";
    case "CSV_MAX_RECORD_SIZE":
      return `the row is longer than ${maxBytes} bytes (is a quote not closed?)`;
    default:
      return code;
  }
}

function readHeader(fields: readonly Uint8Array[]): readonly string[] {
  const names: string[] = [];
  for (const [i, field] of fields.entries()) {
    const name = decodeUtf8(field);
    const place = `the header (line 1), column ${i + 1}`;
    const facts = { line: 1, column: i + 1 };
    if (name === undefined) throw inputFault(`${place} is not UTF-8`, facts);
    if (name === "") throw inputFault(`${place} has no name`, facts);
    if (names.includes(name)) throw inputFault(`${place}: there is a ${quoteName(name)} already`, facts);
    names.push(name);
  }
  return names;
}

function countLineFeeds(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, at + 1)) count++;
  return count;
}
