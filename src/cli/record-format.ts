/**
 * `--format`: how a record is printed. `raw` and `binary` are exact bytes; to a terminal nothing goes
 * that could steer it.
 */
import { InvalidArgumentError } from "commander";
import { decodeLossy, printableText } from "./printable.ts";
import { parsePattern } from "./record-pattern.ts";
import { isoTime } from "./record-time.ts";
import type { RecordView } from "./record-view.ts";
import type { Output } from "./output.ts";
import { UsageError } from "./usage-error.ts";

/** Prints one record. */
export type RecordFormat = (view: RecordView, output: Output) => void;

/** What the command line says; the output decides the rest. */
export type FormatName = "raw" | "json" | "hex" | "binary" | { readonly pattern: string };

/** For the help of every command that prints records. */
export const formatHelp =
  "raw, json, hex, binary or a pattern: %s seq, %o offset, %i id, %t time, %d data, %l length, \\n, \\t";

/** Reads `--format`. */
export function parseFormat(text: string): FormatName {
  if (text === "raw" || text === "json" || text === "hex" || text === "binary") return text;
  if (!text.includes("%"))
    throw new InvalidArgumentError("It must be raw, json, hex, binary or a pattern such as '%s %t %d'.");
  parsePattern(text);
  return { pattern: text };
}

/** `--json` and `--format` say the same thing: both together must agree. */
export function chosenFormat(options: {
  readonly json?: boolean;
  readonly format?: FormatName;
}): FormatName | undefined {
  if (options.json !== true) return options.format;
  if (options.format !== undefined && options.format !== "json") {
    throw new UsageError("--json is --format json: give one of the two");
  }
  return "json";
}

/** The format as a function. */
export function recordFormat(name: FormatName, output: Output): RecordFormat {
  if (typeof name === "object") return patternFormat(name.pattern, output.isTerminal);
  switch (name) {
    case "raw":
      return output.isTerminal ? printRawToTerminal : printRaw;
    case "json":
      return printJson;
    case "hex":
      return printHex;
    case "binary":
      if (output.isTerminal) {
        throw new UsageError("--format binary is not for a terminal: send it to a file or a pipe, or use --format hex");
      }
      return printBinary;
  }
}

const lineFeed = new Uint8Array([0x0a]);

/** The record's bytes and a line feed. */
function printRaw(view: RecordView, output: Output): void {
  output.put(view.bytes);
  output.put(lineFeed);
}

function printRawToTerminal(view: RecordView, output: Output): void {
  output.line(printableText(decodeLossy(view.bytes)));
}

/** The bytes as hexadecimal digits, one record a line. */
function printHex(view: RecordView, output: Output): void {
  const { buffer, byteOffset, byteLength } = view.bytes;
  output.line(Buffer.from(buffer, byteOffset, byteLength).toString("hex"));
}

/** `[u32 length, little-endian][bytes]`: what `append --binary` reads. */
function printBinary(view: RecordView, output: Output): void {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, view.bytes.length, true);
  output.put(length);
  output.put(view.bytes);
}

function printJson(view: RecordView, output: Output): void {
  const { seq, offset, segment, id, time } = view.record;
  const head = JSON.stringify({ seq, offset, segment, id, time: isoTime(time) ?? null });
  output.line(`${head.slice(0, -1)},"data":${view.data}}`);
}

function patternFormat(pattern: string, isTerminal: boolean): RecordFormat {
  const parts = parsePattern(pattern);
  return (view, output) => {
    for (const part of parts) {
      const shown = part(view);
      // The pattern's own text is the user's wish; what comes out of the log is not.
      output.put(isTerminal && typeof shown !== "string" ? printableText(decodeLossy(shown)) : shown);
    }
  };
}
