/** Work that is done two at a time: child processes on the two cores of a small machine. */
export async function twoAtATime<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all([worker(), worker()]);
}

/**
 * Which calls of `total` to make fail: all of them with SEQLOG_FAULTS=all, else about `most`, spread
 * from the first to the last and one past it, at which nothing happens any more.
 */
export function spread(total: number, most: number): number[] {
  const all = Array.from({ length: total + 1 }, (_, i) => i + 1);
  if (process.env["SEQLOG_FAULTS"] === "all" || all.length <= most) return all;
  return [...new Set(Array.from({ length: most }, (_, i) => 1 + Math.round((i * total) / (most - 1))))];
}
