/** `--format '%s %d'`: a line laid out by hand. */
import { InvalidArgumentError } from "commander";
import type { RecordView } from "./record-view.ts";
import { isoTime } from "./record-time.ts";

/** One part of the line. */
type Part = (view: RecordView) => string | Uint8Array;

const fields: Readonly<Record<string, Part>> = {
  s: ({ record }) => String(record.seq),
  o: ({ record }) => String(record.offset),
  i: ({ record }) => record.id,
  t: ({ record }) => isoTime(record.time) ?? "-",
  d: (view) => view.bytes,
  l: (view) => String(view.bytes.length),
};

const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", "0": "\0", "\\": "\\" };

/**
 * Reads a pattern. The line ends with a line feed, unless the pattern ends with one or with `\0`
 * (for `xargs -0`).
 */
export function parsePattern(pattern: string): readonly Part[] {
  const parts: Part[] = [];
  let literal = "";
  const endLiteral = (): void => {
    const text = literal;
    if (text !== "") parts.push(() => text);
    literal = "";
  };
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern.charAt(i);
    const next = pattern.charAt(i + 1);
    if (character === "%" && next === "%") {
      literal += "%";
      i++;
    } else if (character === "%") {
      const field = Object.hasOwn(fields, next) ? fields[next] : undefined;
      if (field === undefined) {
        throw new InvalidArgumentError(
          `It has %${next}; it may have %s seq, %o offset, %i id, %t time, %d data, %l length, and %% for a %.`,
        );
      }
      endLiteral();
      parts.push(field);
      i++;
    } else if (character === "\\") {
      const escaped = Object.hasOwn(escapes, next) ? escapes[next] : undefined;
      if (escaped === undefined)
        throw new InvalidArgumentError(`It has \\${next}; it may have \\n, \\t, \\r, \\0 and \\\\.`);
      literal += escaped;
      i++;
    } else {
      literal += character;
    }
  }
  if (!/[\n\0]$/.test(literal)) literal += "\n";
  endLiteral();
  return parts;
}
