/** The text of one member of a JSON object, as it stands there: a parsed value would not give the same bytes back. */

const space = /[ \t\r\n]*/y;
/** Numbers and words; the text is JSON, so whatever ends them is not part of them. */
const scalar = /[^,}\] \t\r\n]+/y;

/**
 * The raw value of a member of the outermost object, without white space around it; of members with the
 * same name the last, as in `JSON.parse`. Undefined when there is none.
 *
 * @param json a JSON object
 */
export function rawMember(json: string, name: string): string | undefined {
  let found: string | undefined;
  let at = skip(space, json, json.indexOf("{") + 1);
  while (json[at] === '"') {
    const keyEnd = endOfString(json, at);
    const key: unknown = JSON.parse(json.slice(at, keyEnd));
    const start = skip(space, json, skip(space, json, keyEnd) + 1);
    const end = endOfValue(json, start);
    if (key === name) found = json.slice(start, end);
    // Over the comma; at the closing bracket there is no quote behind.
    at = skip(space, json, skip(space, json, end) + 1);
  }
  return found;
}

function endOfValue(json: string, start: number): number {
  const character = json[start];
  if (character === '"') return endOfString(json, start);
  if (character !== "{" && character !== "[") return skip(scalar, json, start);
  let depth = 0;
  for (let at = start; ;) {
    switch (json[at]) {
      case '"':
        at = endOfString(json, at);
        continue;
      case "{":
      case "[":
        depth++;
        break;
      case "}":
      case "]":
        depth--;
        if (depth === 0) return at + 1;
    }
    at++;
  }
}

/** The position after the closing quote. */
function endOfString(json: string, start: number): number {
  for (let quote = json.indexOf('"', start + 1); ; quote = json.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (json[quote - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
  }
}

function skip(pattern: RegExp, json: string, at: number): number {
  pattern.lastIndex = at;
  return at + (pattern.exec(json)?.[0].length ?? 0);
}
