/**
 * Reads of streams and logs for clients, so many at once in one process: a thousand clients that are far
 * behind do not bring a thousand pieces into memory together.
 */
import type { Clock } from "../../storage/storage.ts";

const most = 8;

interface Reads {
  underWay: number;
  readonly waiting: (() => void)[];
}

/** By the clock of the process: of simulated ones there are many, and one that died gives no place back. */
const readsOf = new WeakMap<Clock, Reads>();

/** Calls when it is its turn. */
export async function inTurnOfReads<T>(clock: Clock, call: () => Promise<T>): Promise<T> {
  const reads = readsOf.get(clock) ?? { underWay: 0, waiting: [] };
  readsOf.set(clock, reads);
  if (reads.underWay >= most) await new Promise<void>((resolve) => reads.waiting.push(resolve));
  else reads.underWay++;
  try {
    return await call();
  } finally {
    // Whoever is next takes this place over.
    const next = reads.waiting.shift();
    if (next === undefined) reads.underWay--;
    else next();
  }
}
