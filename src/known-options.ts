/** Options that nobody reads are refused: a misspelt one, ignored in silence, would be another promise than the one asked for. */

/** Every name once; the type keeps such a table complete. */
export type OptionNames<Options> = { readonly [Name in keyof Options]-?: true };

/**
 * Refuses options with other names than the known ones.
 *
 * @param what whose options they are, as a message begins: `openLog`, `consumer`
 * @throws {TypeError} naming what was found, and what was probably meant
 */
export function refuseUnknownOptions<Options extends object>(
  what: string,
  options: Options,
  known: OptionNames<Options>,
): void {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`${what}: options must be an object, got ${options === null ? "null" : typeof options}`);
  }
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || Object.hasOwn(known, name)) continue;
    const names = Object.keys(known);
    const meant = names.find((other) => isNear(name.toLowerCase(), other.toLowerCase()));
    const advice =
      meant === undefined ? `there are ${names.sort().join(", ")}` : `did you mean ${JSON.stringify(meant)}?`;
    throw new TypeError(`${what}: there is no option ${JSON.stringify(name)}; ${advice}`);
  }
}

/** Whether two changes of a letter, or fewer, make one of the other. */
function isNear(one: string, other: string): boolean {
  let row = Array.from({ length: other.length + 1 }, (_, i) => i);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const changed = (row[j - 1] as number) + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return (row[other.length] as number) <= 2;
}
