/** The damage that a verify found, from several segments at once: the first ranges of the log, and how many there are. */
import type { Damage } from "./verify.ts";

/** So many ranges are kept. Of the others only the number is known: memory must not grow with the damage. */
const keptRanges = 1000;

/** Takes damage in the order of each segment, of the segments in any. */
export class DamageList {
  /** What was known before anything was read through, as far as the reading did not find the same. */
  #claims: readonly Damage[];
  /** By the place of the segment in the log; the last one is never empty. */
  readonly #lists: (Damage[] | undefined)[] = [];
  #found = 0;
  #kept = 0;

  constructor(claims: readonly Damage[]) {
    this.#claims = claims;
  }

  /** How many ranges there are, those included that are not kept. */
  get count(): number {
    return this.#claims.length + this.#found;
  }

  /** The first ranges, in the order of the log. */
  get first(): Damage[] {
    return [...this.#claims, ...this.#lists.flatMap((list) => list ?? [])].slice(0, keptRanges);
  }

  /** @param place of the segment in the log */
  add(place: number, damage: Damage): void {
    const { file, offset, end = offset } = damage;
    const isSame = (claim: Damage): boolean => claim.file === file && offset <= claim.offset && claim.offset <= end;
    if (this.#claims.some(isSame)) this.#claims = this.#claims.filter((claim) => !isSame(claim));
    this.#found++;
    const lists = this.#lists;
    if (this.#kept === keptRanges) {
      if (place >= lists.length - 1) return;
      lists.at(-1)?.pop();
      while ((lists.at(-1)?.length ?? 0) === 0) lists.pop();
      this.#kept--;
    }
    (lists[place] ??= []).push(damage);
    this.#kept++;
  }
}
