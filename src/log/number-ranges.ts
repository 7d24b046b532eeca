/**
 * Which seqs records may have had, when some before or behind them are gone: what is known at a few
 * places, carried along a segment in both directions. Pure.
 */

/** What stands in a segment, in order. */
export type Stretch =
  | { readonly kind: "records"; readonly count: number; readonly seq: number | undefined }
  | { readonly kind: "missing"; readonly bytes: number };

/** From and up to; `to` is Infinity where nothing bounds it. */
export interface Bounds {
  readonly from: number;
  readonly to: number;
}

/** No record is shorter. */
const least = 32;

/**
 * The bounds of the seq at the start of each stretch, and, as the last item, of the one behind all.
 * @param before bounds of the seq at the start
 * @param behind bounds of the seq behind the last stretch
 */
export function numberRanges(stretches: readonly Stretch[], before: Bounds, behind: Bounds): Bounds[] {
  const forward: Bounds[] = [];
  let at = before;
  for (const [i, stretch] of stretches.entries()) {
    if (stretch.kind === "records") at = exactly(stretch.seq) ?? at;
    forward.push(at);
    at = add(at, sizeOf(stretch, i === stretches.length - 1), 1);
  }
  forward.push(at);

  const bounds: Bounds[] = Array.from({ length: forward.length });
  at = behind;
  for (let i = stretches.length; ; i--) {
    const both = meet(forward[i] as Bounds, at);
    bounds[i] = both;
    if (i === 0) return bounds;
    const stretch = stretches[i - 1] as Stretch;
    at = add(both, sizeOf(stretch, i === stretches.length), -1);
  }
}

function exactly(seq: number | undefined): Bounds | undefined {
  return seq === undefined ? undefined : { from: seq, to: seq };
}

/** How many records a stretch holds, or held: bytes behind the last record may be of none. */
function sizeOf(stretch: Stretch, isLast: boolean): Bounds {
  if (stretch.kind === "records") return { from: stretch.count, to: stretch.count };
  return { from: isLast ? 0 : 1, to: Math.max(1, Math.floor(stretch.bytes / least)) };
}

function add(bounds: Bounds, size: Bounds, direction: 1 | -1): Bounds {
  return direction === 1
    ? { from: bounds.from + size.from, to: bounds.to + size.to }
    : { from: Math.max(0, bounds.from - size.to), to: bounds.to - size.from };
}

/** What both say; the first alone where they contradict each other, as a forged record makes them do. */
function meet(one: Bounds, other: Bounds): Bounds {
  const from = Math.max(one.from, other.from);
  const to = Math.min(one.to, other.to);
  return from <= to ? { from, to } : one;
}
