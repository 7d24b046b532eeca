/** Reads a range of a stream in runs, forward, live or backward, over elections, restarts and network cuts. */
import type { Run } from "../segment/log-record.ts";
import { type Range, closedError, resetError, trimmedError } from "../segment/read-range.ts";
import { StreamPuller, wholeRecords } from "./stream-puller.ts";
import { type StreamRecord, runsOf } from "./stream-run.ts";
import type { StreamView } from "./stream-view.ts";

/** Whether a read has to end: with its reason, or because the log was closed. */
function checkGoesOn(view: StreamView, incarnation: number, signal: AbortSignal): void {
  signal.throwIfAborted();
  if (view.incarnation !== incarnation) throw resetError(view.location, view.generation);
}

/**
 * Forward; a live read goes on with what comes.
 * @throws SEQLOG_TRIMMED when records of the range were removed; SEQLOG_RESET, SEQLOG_CLOSED; SEQLOG_DAMAGED; SEQLOG_IO
 */
export async function* readStreamForward(
  view: StreamView,
  range: Range,
  isLive: boolean,
  signal: AbortSignal,
): AsyncGenerator<Run> {
  const { incarnation, connection } = view;
  const { to, maxBytes } = range;
  let next = range.from;
  let left = range.limit;
  if (left === 0 || next >= to) return;
  let puller: StreamPuller | undefined;
  const nudge = (): void => puller?.nudge();
  const unwatch = view.watch(nudge);
  signal.addEventListener("abort", nudge);
  try {
    for (;;) {
      checkGoesOn(view, incarnation, signal);
      if (view.isClosed) {
        if (isLive) return;
        throw closedError(view.location);
      }
      if (puller === undefined || puller.isBroken) {
        puller?.close();
        puller = await begin(view, next, isLive, maxBytes);
        if (puller === undefined) continue;
        checkGoesOn(view, incarnation, signal);
        if (next < view.firstSeq) throw trimmedError(view.location, next, view.firstSeq);
      }
      const taken = await puller.take();
      checkGoesOn(view, incarnation, signal);
      const records: StreamRecord[] = [];
      let expected = next;
      for (const record of taken) {
        if (record.seq < next || records.length === left) continue;
        if (record.seq >= to) break;
        if (record.seq > expected && !(await isHole(view, expected, incarnation))) {
          yield* runsOf(records, maxBytes, connection.location.stream);
          throw trimmedError(view.location, expected, view.firstSeq);
        }
        expected = record.seq + 1;
        records.push(record);
      }
      const last = taken.at(-1);
      for (const run of runsOf(records, maxBytes, connection.location.stream)) {
        next = run.firstSeq + run.starts.length;
        left -= run.starts.length;
        yield run;
        checkGoesOn(view, incarnation, signal);
      }
      if (left === 0 || next >= to || (last !== undefined && last.seq >= to - 1)) return;
      if (taken.length === 0 && !isLive && !puller.isBroken && !view.isClosed) {
        // The stream ended before the range: the rest was never there, or was removed meanwhile.
        if (!(await isHole(view, next, incarnation))) throw trimmedError(view.location, next, view.firstSeq);
        return;
      }
    }
  } catch (error) {
    if (isLive && view.isClosed && !signal.aborted) return;
    throw error;
  } finally {
    signal.removeEventListener("abort", nudge);
    unwatch();
    puller?.close();
  }
}

/** Begins at `next`; undefined when the stream went meanwhile, and is there again. */
async function begin(
  view: StreamView,
  next: number,
  isLive: boolean,
  maxBytes: number,
): Promise<StreamPuller | undefined> {
  await view.refresh();
  return await StreamPuller.open(view.connection, next, isLive, maxBytes, wholeRecords);
}

/** Whether a record that did not come was deleted between others; else it was removed from the front. */
async function isHole(view: StreamView, seq: number, incarnation: number): Promise<boolean> {
  await view.refresh();
  if (view.incarnation !== incarnation) throw resetError(view.location, view.generation);
  return seq >= view.firstSeq;
}

/** Backward: runs come last first, the records in each still in order. */
export async function* readStreamBackward(view: StreamView, range: Range, signal: AbortSignal): AsyncGenerator<Run> {
  const { incarnation } = view;
  let left = range.limit;
  let upper = range.to;
  let step = 64;
  while (upper > range.from && left > 0) {
    checkGoesOn(view, incarnation, signal);
    if (view.isClosed) throw closedError(view.location);
    if (upper <= view.firstSeq) throw trimmedError(view.location, upper - 1, view.firstSeq);
    const lower = Math.max(range.from, view.firstSeq, upper - Math.min(step, left));
    const runs: Run[] = [];
    let bytes = 0;
    const piece = { from: lower, to: upper, limit: Infinity, maxBytes: range.maxBytes };
    for await (const run of readStreamForward(view, piece, false, signal)) {
      runs.push(run);
      bytes += run.end;
    }
    step = bytes > range.maxBytes ? Math.max(1, Math.floor(step / 2)) : Math.min(4096, step * 2);
    for (const run of runs.reverse()) {
      if (left <= 0) return;
      left -= run.starts.length;
      yield run;
    }
    upper = lower;
  }
}
