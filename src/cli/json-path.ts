/** A path into a JSON value: `user.id`, `items.0.name`; a dot inside a key is written `\.`. */
import { InvalidArgumentError } from "commander";

/** The keys from the outside in. */
export type JsonPath = readonly string[];

/** Reads a path. */
export function parseJsonPath(text: string): JsonPath {
  const keys = [""];
  for (let i = 0; i < text.length; i++) {
    const character = text.charAt(i);
    if (character === ".") keys.push("");
    else if (character === "\\" && i + 1 < text.length) keys[keys.length - 1] += text.charAt(++i);
    else keys[keys.length - 1] += character;
  }
  if (keys.includes("")) throw new InvalidArgumentError(`"${text}" is not a path such as user.id.`);
  return keys;
}

/** What lies at the path; undefined, which no JSON value is, when there is nothing. */
export function valueAt(value: unknown, path: JsonPath): unknown {
  let at = value;
  for (const key of path) {
    // Own keys alone: `constructor` is not in every record.
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return undefined;
    // An array has a `length` of its own that is not in the JSON.
    if (Array.isArray(at) && key === "length") return undefined;
    at = (at as Readonly<Record<string, unknown>>)[key];
  }
  return at;
}
