/**
 * Patterns of stream names: `*` stands for one segment, `**` for any number of them, none included.
 * A star that is meant as one is written `%2A`.
 */

/** What is wrong with a pattern, in words; undefined when it may be one. */
export function problemOfPattern(pattern: string): string | undefined {
  for (const segment of pattern.split("/")) {
    if (segment.includes("*") && segment !== "*" && segment !== "**") {
      return `a star stands for whole segments; write %2A for one that is meant in ${JSON.stringify(segment)}`;
    }
  }
  return undefined;
}

type Part = "any" | "one" | { readonly literal: string };

function partOf(segment: string): Part {
  if (segment === "**") return "any";
  return segment === "*" ? "one" : { literal: segment.replaceAll(/%2a/gi, "*") };
}

/** A pattern that is ready to be compared. It takes at most segments of it times segments of the name. */
export class Pattern {
  readonly #parts: readonly Part[];

  constructor(pattern: string) {
    this.#parts = pattern.split("/").map(partOf);
  }

  matches(name: string): boolean {
    const parts = this.#parts;
    const segments = name.split("/");
    let part = 0;
    let segment = 0;
    /** The last `**`, and the first segment that it does not stand for so far: where to go on after a mismatch. */
    let any = -1;
    let taken = 0;
    while (segment < segments.length) {
      const wanted = parts[part];
      if (wanted === "any") {
        any = part++;
        taken = segment;
      } else if (wanted === "one" || (wanted !== undefined && wanted.literal === segments[segment])) {
        part++;
        segment++;
      } else if (any >= 0) {
        part = any + 1;
        segment = ++taken;
      } else {
        return false;
      }
    }
    while (parts[part] === "any") part++;
    return part === parts.length;
  }
}
