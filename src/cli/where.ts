/** `--where user.id=42`: which records to show. Conditions look into records that are JSON. */
import { type JsonPath, parseJsonPath, valueAt } from "./json-path.ts";

/** Says whether a record is wanted; `value` is undefined when the record is not JSON. */
export type Condition = (value: unknown) => boolean;

/**
 * One condition: `path=value`, `path!=value`, `path` (it is there) or `!path` (it is not).
 * `!=` and `!` hold exactly where `=` and the bare path do not, so also for records that are not JSON.
 */
export function parseCondition(text: string): Condition {
  const sign = indexOfSign(text);
  if (sign < 0) {
    const negated = text.startsWith("!");
    const path = parseJsonPath(negated ? text.slice(1) : text);
    return (value) => (valueAt(value, path) === undefined) === negated;
  }
  const negated = text[sign] === "!";
  const path = parseJsonPath(text.slice(0, sign));
  const equal = equalTo(path, text.slice(sign + (negated ? 2 : 1)));
  return negated ? (value) => !equal(value) : equal;
}

/** For commander: each `--where` adds a condition, and all must hold. */
export function addCondition(text: string, previous: readonly Condition[] | undefined): readonly Condition[] {
  return [...(previous ?? []), parseCondition(text)];
}

/** The first `=` or `!=` that is not part of an escaped key; −1 when there is none. */
function indexOfSign(text: string): number {
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "=" || (text[i] === "!" && text[i + 1] === "=")) return i;
  }
  return -1;
}

/** A string equals the text itself, anything equals the text read as JSON: 42 is "42", 42 and 42.0. */
function equalTo(path: JsonPath, wanted: string): Condition {
  const value = readJson(wanted);
  const whole = typeof value === "object" && value !== null ? JSON.stringify(value) : undefined;
  return (record) => {
    const found = valueAt(record, path);
    if (found === undefined) return false;
    if (found === wanted || found === value) return true;
    return whole !== undefined && typeof found === "object" && writeJson(found) === whole;
  };
}

/** Undefined for a value that is nested too deeply: reading JSON has no limit of depth, writing it has one. */
function writeJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

/** Undefined, which no JSON value is, when the text is not JSON. */
function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
