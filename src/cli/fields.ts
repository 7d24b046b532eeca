/** `--fields a,b.c`: the parts of a JSON record to show. */
import { type JsonPath, parseJsonPath, valueAt } from "./json-path.ts";

/** Takes the parts out of a value. */
export type Projection = (value: unknown) => unknown;

/**
 * Reads a list of paths. What they name keeps its place: `b.c` of `{"b":{"c":1,"d":2}}` is `{"b":{"c":1}}`.
 * A record that is not a JSON object has no fields, and becomes `{}`.
 */
export function parseFields(text: string): Projection {
  const paths = text.split(/(?<!\\),/).map((path) => parseJsonPath(path.replaceAll("\\,", ",").trim()));
  return (value) => {
    const shown = emptyObject();
    for (const path of paths) {
      const found = valueAt(value, path);
      if (found !== undefined) place(shown, path, found);
    }
    return shown;
  };
}

type JsonObject = Record<string, unknown>;

/** Without a prototype, so that a field named `__proto__` is a field like any other. */
function emptyObject(): JsonObject {
  return Object.create(null) as JsonObject;
}

function place(target: JsonObject, path: JsonPath, found: unknown): void {
  let at = target;
  for (const key of path.slice(0, -1)) {
    const inner = at[key];
    // `a,a.b`: the whole of `a` is there already.
    if (inner !== undefined && Object.getPrototypeOf(inner) !== null) return;
    at = (inner ?? (at[key] = emptyObject())) as JsonObject;
  }
  at[path.at(-1) as string] = found;
}
