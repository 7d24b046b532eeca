/**
 * Reads a range of a stream in runs, forward, live or backward, over elections, restarts and network cuts.
 *
 * The server reads from any replica, which may be behind, or have lost something. So where records
 * end early, or one does not follow the one before, the stream's leader is asked, and what it has is
 * read from it. Nothing is left out but what the leader has deleted.
 */
import type { Run } from "../segment/log-record.ts";
import { type Range, closedError, resetError, trimmedError } from "../segment/read-range.ts";
import { StreamPuller, wholeRecords } from "./stream-puller.ts";
import { type StreamRecord, runsOf } from "./stream-run.ts";
import type { StreamView } from "./stream-view.ts";

/** Records that are asked of the leader one by one before a replica is tried again. */
const mostOneByOne = 100;

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
      const isEnd = taken.length === 0 && puller.isAtEnd && !puller.isBroken && !view.isClosed;
      const piece = await withoutGaps(view, taken, isEnd, isLive, { ...range, from: next, limit: left });
      // Those of a stream that was made anew meanwhile are not this one's.
      if (piece.missed > 0) await view.refresh();
      checkGoesOn(view, incarnation, signal);
      for (const run of runsOf(piece.records, maxBytes, connection.location.stream)) {
        next = run.firstSeq + run.starts.length;
        left -= run.starts.length;
        yield run;
        checkGoesOn(view, incarnation, signal);
      }
      if (piece.failure !== undefined) throw piece.failure;
      next = piece.next;
      if (left === 0 || next >= to) return;
      // The replica is behind, or lacks many: another one may not, or this one may have caught up.
      if (isEnd ? piece.records.length > 0 : next <= (taken.at(-1)?.seq ?? -1)) puller.close();
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

/** What was read, and where to go on. */
interface Piece {
  readonly records: readonly StreamRecord[];
  readonly next: number;
  /** How many of them the leader had alone. */
  readonly missed: number;
  /** To be told when those before it were read. */
  readonly failure?: unknown;
}

/**
 * The records of the range that were taken from a replica, and those that it lacks: between them, and
 * at its end. `next` is behind all that was read or is known to be deleted.
 */
async function withoutGaps(
  view: StreamView,
  taken: readonly StreamRecord[],
  isEnd: boolean,
  isLive: boolean,
  { from, to, limit }: Range,
): Promise<Piece> {
  const { incarnation } = view;
  const records: StreamRecord[] = [];
  let next = from;
  let missed = 0;
  /** Brings `next` to `end`, unless the limit is reached or too many are missing. */
  const fill = async (end: number): Promise<void> => {
    while (next < end && records.length < limit && missed < mostOneByOne) {
      const record = await view.recordFrom(next, end);
      if (record === undefined) {
        // A live read's end is none: more may come.
        if (!(isEnd && isLive)) next = end;
        return;
      }
      missed++;
      records.push(record);
      next = record.seq + 1;
    }
  };
  try {
    for (const record of taken) {
      if (record.seq < next) continue;
      if (record.seq > next) {
        // It is there, so a leader that has less is behind; in a stream that came in its place it proves nothing.
        if (view.incarnation === incarnation) view.acknowledged(record.seq);
        await fill(Math.min(record.seq, to));
      }
      if (record.seq !== next || record.seq >= to || records.length === limit) break;
      records.push(record);
      next++;
    }
    if (isEnd) await fill(to);
    return { records, next, missed };
  } catch (failure) {
    return { records, next, missed, failure };
  }
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
