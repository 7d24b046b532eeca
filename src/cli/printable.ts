/**
 * Text that cannot steer a terminal. Records, file names and arguments may hold anything: escape
 * sequences, bells, and the marks that turn the direction of text around.
 *
 * Used for everything that goes to a terminal and for every error message; never for `raw` records
 * going into a pipe or a file, which are exact bytes.
 */

/** Control characters (C0, DEL, C1), line and paragraph separators, direction marks, lone surrogates. */
const unsafe = /[\p{Cc}\p{Cs}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
const unsafeButLayout = /(?![\n\t])[\p{Cc}\p{Cs}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
/** The same beyond what JSON escapes by itself. */
const unsafeInJson = /[\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

function escape(character: string): string {
  switch (character) {
    case "\n":
      return "\\n";
    case "\r":
      return "\\r";
    case "\t":
      return "\\t";
  }
  const code = character.codePointAt(0) as number;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}

/** One line of text without control characters. */
export function printableLine(text: string): string {
  return text.replace(unsafe, escape);
}

/** A name out of somebody's data, for a message. */
export function quoteName(name: string): string {
  return `"${printableLine(name)}"`;
}

/** Text without control characters but line feed and tab. */
export function printableText(text: string): string {
  return text.replace(unsafeButLayout, escape);
}

/** JSON text without control characters, equal in meaning: inside strings they become `\uXXXX`. */
export function printableJson(json: string): string {
  return json.replace(unsafeInJson, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Bytes as text; what is not UTF-8 becomes U+FFFD. */
export function decodeLossy(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
