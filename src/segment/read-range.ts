/**
 * Reads a range of a log in runs: forward, backward, or forward and then live. One run is in memory
 * at a time, and going forward a second piece that is being read. Works on a `LogView`, so a writer's own log, a follower's and a single file read alike.
 */
import { SeqlogError } from "../errors.ts";
import { asSeq } from "../numbers.ts";
import { run as runPlan } from "../storage/plan.ts";
import type { Run } from "./log-record.ts";
import type { LogView, OpenSegment } from "./log-view.ts";
import { type ReadAhead, readAhead } from "./read-ahead.ts";
import { nextOf } from "./segment-reader.ts";

/** A range with its ends resolved to seqs. */
export interface Range {
  readonly from: number;
  /** Exclusive; Infinity for a live read without end. */
  readonly to: number;
  /** Records at most. */
  readonly limit: number;
  readonly maxBytes: number;
}

/** The error for records that retention or `trim` removed. */
export function trimmedError(location: string, seq: number, firstSeq: number): SeqlogError<"SEQLOG_TRIMMED"> {
  return new SeqlogError(
    "SEQLOG_TRIMMED",
    `${location}: record ${seq} was removed; the first one available is ${firstSeq}`,
    { firstSeq: asSeq(firstSeq) },
  );
}

/** The error for using what was closed. */
export function closedError(location: string): SeqlogError<"SEQLOG_CLOSED"> {
  return new SeqlogError("SEQLOG_CLOSED", `${location}: the log was closed`, { path: location });
}

function checkStillThere(view: LogView, generation: number): void {
  if (view.isClosed) throw closedError(view.location);
  if (view.generation !== generation) {
    throw resetError(view.location, view.generation);
  }
}

/** Whether damage may have been another process's recovery, which has ended now. */
export async function mayBeMended(view: LogView, error: unknown): Promise<boolean> {
  return SeqlogError.is(error, "SEQLOG_DAMAGED") && (await view.waitForRecovery());
}

/**
 * What looks like damage may be a file that another process has replaced meanwhile, held against the
 * record index of the new one.
 */
async function explain(view: LogView, generation: number, error: unknown): Promise<unknown> {
  if (!SeqlogError.is(error, "SEQLOG_DAMAGED")) return error;
  try {
    checkStillThere(view, generation);
    if (view.isStale) await view.refresh();
    checkStillThere(view, generation);
    return error;
  } catch (reason) {
    return reason;
  }
}

/** The error for going on in a log that was reset meanwhile. */
export function resetError(location: string, generation: number): SeqlogError<"SEQLOG_RESET"> {
  return new SeqlogError(
    "SEQLOG_RESET",
    `${location}: the log was reset meanwhile; it is now generation ${generation}. Start again from its beginning`,
    { generation },
  );
}

/** Holds the segment of `seq`; when another process has just removed it, the view is brought up to date, and says so. */
async function acquire(view: LogView, seq: number, generation: number): Promise<OpenSegment> {
  try {
    return acquireOf(view, seq, generation);
  } catch (error) {
    if (!SeqlogError.is(error, "SEQLOG_NOT_FOUND")) throw error;
    await view.refresh();
    return acquireOf(view, seq, generation);
  }
}

/** The view may have come to another generation while the caller waited: its records are not those that are read. */
function acquireOf(view: LogView, seq: number, generation: number): OpenSegment {
  checkStillThere(view, generation);
  return view.acquire(seq);
}

/** Forward from `range.from`, then on as records become durable, until the range ends or the log is closed. */
export async function* readLive(view: LogView, range: Range, signal: AbortSignal): AsyncGenerator<Run> {
  const unfollow = view.follow();
  try {
    yield* readForward(view, range, true, signal);
  } catch (error) {
    // Closed while it looked for its segment again, or for the reason of damage: that ends it, too.
    if (!SeqlogError.is(error, "SEQLOG_CLOSED")) throw error;
  } finally {
    unfollow();
  }
}

/** Forward from `range.from`. With `live`, waits at the end for what comes. */
export async function* readForward(
  view: LogView,
  range: Range,
  live: boolean,
  signal: AbortSignal,
): AsyncGenerator<Run> {
  const { generation } = view;
  const stop = Math.min(range.to, range.from + range.limit);
  let seq = range.from;
  // Where `seq` starts, once known: in the segment with this base.
  let place = { base: -1, offset: 0 };
  // What is being read while the caller looks at what was read before.
  let ahead: ReadAhead | undefined;
  // Pieces that turned out not to be the next.
  let astray: ReadAhead["fetched"][] = [];
  // The record that was found damaged once; twice is damage.
  let damagedAt = -1;
  try {
    while (seq < stop) {
      signal.throwIfAborted();
      if (live && view.isClosed) return;
      checkStillThere(view, generation);
      const { version } = view;
      if (seq >= view.nextSeq) {
        if (!live) return;
        await view.changed(version, signal);
        continue;
      }
      await Promise.all(astray);
      astray = [];
      const read = await ahead?.fetched;
      ahead = undefined;
      if (live && view.isClosed) return;
      const segment = await acquire(view, seq, generation);
      let run: Run;
      try {
        const { reader } = segment;
        const limit = segment.limit();
        let fetched = read;
        const isKnown = place.base === segment.base;
        // The chain leads: where the record index would have gone on counts only when that is the same place.
        if (fetched?.seq !== seq || !isKnown || fetched.chunk.position !== place.offset) {
          const offset = isKnown ? place.offset : await runPlan(reader.locate(seq, limit));
          fetched = await runPlan(reader.fetch(seq, offset, limit, range.maxBytes, stop - seq));
        }
        const next = nextOf(fetched);
        if (next !== undefined) {
          const likely = { base: segment.base, offset: next.offset };
          ahead = readAhead(view, next.seq, likely, range.maxBytes, stop);
        }
        run = await runPlan(reader.check(fetched, limit));
        const nextSeq = seq + run.starts.length;
        place = { base: segment.base, offset: run.chunk.position + run.end };
        if (ahead?.seq !== nextSeq) {
          if (ahead !== undefined) astray.push(ahead.fetched);
          ahead = readAhead(view, nextSeq, place, range.maxBytes, stop);
        }
      } catch (error) {
        if (damagedAt !== seq && (await mayBeMended(view, error))) {
          damagedAt = seq;
          continue;
        }
        throw await explain(view, generation, error);
      } finally {
        segment.release();
      }
      seq += run.starts.length;
      yield run;
    }
  } finally {
    // Their descriptors are in use until then.
    await Promise.all([...astray, ahead?.fetched]);
  }
  signal.throwIfAborted();
}

/** Backward: runs come last first, the records in each still in order. */
export async function* readBackward(view: LogView, range: Range, signal: AbortSignal): AsyncGenerator<Run> {
  const { generation } = view;
  const stop = Math.max(range.from, range.to - range.limit);
  let most = 1024;
  for (let upper = range.to; upper > stop;) {
    signal.throwIfAborted();
    checkStillThere(view, generation);
    const segment = await acquire(view, upper - 1, generation);
    try {
      const limit = segment.limit();
      const end = await runPlan(segment.reader.locate(upper, limit));
      let lower = Math.max(stop, segment.base, upper - most);
      let start = await runPlan(segment.reader.locate(lower, limit));
      while (end - start > range.maxBytes && upper - lower > 1) {
        lower = upper - Math.floor((upper - lower) / 2);
        start = await runPlan(segment.reader.locate(lower, limit));
      }
      const runs: Run[] = [];
      for (let seq = lower, offset = start; seq < upper;) {
        const run = await runPlan(
          segment.reader.run(seq, offset, limit, Math.min(end - offset, range.maxBytes), upper - seq),
        );
        runs.push(run);
        seq += run.starts.length;
        offset = run.chunk.position + run.end;
      }
      yield* runs.reverse();
      upper = lower;
    } catch (error) {
      // What lies behind the damage is served first: smaller pieces, down to the record itself.
      if (SeqlogError.is(error, "SEQLOG_DAMAGED") && most > 1 && !view.isStale) {
        most = Math.floor(most / 2);
        continue;
      }
      throw await explain(view, generation, error);
    } finally {
      segment.release();
    }
  }
}
