/**
 * Live reads that are bounded by a time for which there is no record yet: that has no seq until such
 * a record comes. As the times of ids never go back, the first one at or after it decides.
 */
import { headerAt } from "../format/record.ts";
import { millisecondsOfId } from "../format/uuid.ts";
import type { Run } from "./log-record.ts";
import type { Range } from "./read-range.ts";

/** A range whose ends may still be times. */
export interface TimedRange extends Range {
  /** The range begins at the first record at or after this time, from `from` on. */
  readonly fromMs?: number;
  /** The range ends before the first record at or after this time. */
  readonly toMs?: number;
}

/** The bounds as the user named them. */
interface Bounds {
  readonly from?: unknown;
  readonly to?: unknown;
}

/** Reads a range live. */
type ReadLive = (range: Range) => AsyncGenerator<Run>;

/** When a record was appended; NaN where its id holds no time. */
export function timeOf(run: Run, index: number): number {
  return millisecondsOfId(run.chunk.bytes, (run.starts[index] as number) + headerAt.id);
}

/**
 * A live read's range, with each date that was resolved to the log's end kept as a time.
 * @param end where the log ended before the dates were looked up
 */
export function withTimes(range: Range, { from, to }: Bounds, end: number): TimedRange {
  return {
    ...range,
    ...(from instanceof Date && range.from >= end && { fromMs: from.getTime() }),
    ...(to instanceof Date && range.to >= end && { to: Infinity, toMs: to.getTime() }),
  };
}

/** Reads a range live whose ends may be times. */
export async function* readWithin(range: TimedRange, readLive: ReadLive): AsyncGenerator<Run> {
  const { fromMs, toMs } = range;
  let left = range.limit;
  if ((fromMs === undefined && toMs === undefined) || left === 0) return yield* readLive(range);
  // Records before `fromMs` do not count.
  for await (const run of readLive({ ...range, limit: Infinity })) {
    const { length } = run.starts;
    const end = toMs === undefined ? length : firstAt(run, toMs);
    const first = fromMs === undefined ? 0 : Math.min(firstAt(run, fromMs), end);
    const stop = Math.min(end, first + left);
    if (stop > first) yield partOf(run, first, stop);
    left -= stop - first;
    if (left === 0 || stop < length) return;
  }
}

/** The index of the first record at or after a time; how many there are when all are older. */
function firstAt(run: Run, ms: number): number {
  const index = run.starts.findIndex((_, at) => timeOf(run, at) >= ms);
  return index < 0 ? run.starts.length : index;
}

function partOf(run: Run, from: number, to: number): Run {
  const { starts, end, firstSeq } = run;
  return { ...run, starts: starts.slice(from, to), end: starts[to] ?? end, firstSeq: firstSeq + from };
}
