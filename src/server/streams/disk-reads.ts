/**
 * Reads of streams and logs for clients, so many at once in this process: a thousand clients that are far
 * behind do not bring a thousand pieces into memory together.
 */

const most = 8;
let underWay = 0;
const waiting: (() => void)[] = [];

/** Calls when it is its turn. */
export async function inTurnOfReads<T>(call: () => Promise<T>): Promise<T> {
  if (underWay >= most) await new Promise<void>((resolve) => waiting.push(resolve));
  else underWay++;
  try {
    return await call();
  } finally {
    // Whoever is next takes this place over.
    const next = waiting.shift();
    if (next === undefined) underWay--;
    else next();
  }
}
