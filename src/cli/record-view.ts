/**
 * A record as the command line shows it: its bytes, or the fields that were asked for. Text and JSON
 * are worked out once, and only when something wants them.
 */
import type { LogRecord } from "../index.ts";
import type { Projection } from "./fields.ts";
import { printableJson } from "./printable.ts";
import { UsageError } from "./usage-error.ts";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** First bytes that JSON text may have; saves an exception for each line of plain text. */
const jsonStarts = new Set([...' \t\r\n{["-0123456789tfn'].map((character) => character.charCodeAt(0)));

export class RecordView {
  readonly record: LogRecord;
  readonly #content: Uint8Array;
  readonly #projection: Projection | undefined;
  /** Undefined when not looked at yet, null when the bytes are not UTF-8. */
  #text: string | null | undefined;
  /** JSON values are never undefined: that says "not JSON". Valid when `#parsed`. */
  #value: unknown;
  #parsed = false;
  #shown: Uint8Array | undefined;

  /** @param content what it is to be taken for: its bytes, or what is in them */
  constructor(record: LogRecord, projection?: Projection, content: Uint8Array = record.bytes) {
    this.record = record;
    this.#content = content;
    this.#projection = projection;
  }

  /** The JSON value of the whole record; undefined when it is not JSON. */
  get value(): unknown {
    if (!this.#parsed) {
      this.#value = this.#parse();
      this.#parsed = true;
    }
    return this.#value;
  }

  /** The record's content as text; null when they are not UTF-8. */
  get text(): string | null {
    return this.#decode();
  }

  /** The bytes to show. */
  get bytes(): Uint8Array {
    if (this.#projection === undefined) return this.#content;
    this.#shown ??= Buffer.from(this.#projected(this.#projection));
    return this.#shown;
  }

  /** What is shown, as one line of JSON; undefined when it is not JSON. */
  get json(): string | undefined {
    if (this.#projection !== undefined) return printableJson(this.#projected(this.#projection));
    if (this.value === undefined) return undefined;
    // The record's own text and not the value, which would round numbers past 2^53. Line feeds can
    // only stand between tokens.
    return printableJson((this.#decode() as string).trim().replaceAll(/[\r\n\t]+/g, " "));
  }

  /** What is shown, in a JSON document: its JSON, else its text, else `{"base64": …}`. */
  get data(): string {
    const json = this.json;
    if (json !== undefined) return json;
    const text = this.#decode();
    const value = text ?? { base64: Buffer.from(this.bytes).toString("base64") };
    return printableJson(JSON.stringify(value));
  }

  #projected(projection: Projection): string {
    try {
      return JSON.stringify(projection(this.value));
    } catch {
      // Reading JSON has no limit of depth, writing it has one.
      throw new UsageError(`record ${this.record.seq} is nested too deeply for --fields`);
    }
  }

  #parse(): unknown {
    const bytes = this.#content;
    if (bytes.length === 0 || !jsonStarts.has(bytes[0] as number)) return undefined;
    const text = this.#decode();
    if (text === null) return undefined;
    try {
      return JSON.parse(text) as unknown;
    } catch {
      return undefined;
    }
  }

  #decode(): string | null {
    if (this.#text === undefined) {
      try {
        this.#text = strict.decode(this.#content);
      } catch {
        this.#text = null;
      }
    }
    return this.#text;
  }
}
