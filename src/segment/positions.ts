/** From what a user names to a seq: a number, a time, an id, the start, the end, the last n. */
import { SeqlogError } from "../errors.ts";
import { headerAt } from "../format/record.ts";
import { idLength, millisecondsOfId, parseId } from "../format/uuid.ts";
import { type SeqLike, checkSeq } from "../numbers.ts";
import { type Plan, run, runSync } from "../storage/plan.ts";
import type { Run } from "./log-record.ts";
import type { LogView } from "./log-view.ts";
import type { Range } from "./read-range.ts";
import { mayBeMended, readForward } from "./read-range.ts";
import { type TimedRange, timeOf, withTimes } from "./time-bounds.ts";

/**
 * A place in a log: a seq, a point in time (the first record at or after it), the first record,
 * the place after the last one, a record's id, or the n-th record from the end.
 */
export type Position = SeqLike | Date | "start" | "end" | { readonly id: string } | { readonly last: number };

/** Which part of a log to read. */
export interface RangeOptions {
  /**
   * The first record. Default `"start"`. A live read holds a time past the last record against the
   * records that come, and leaves out those before it.
   */
  readonly from?: Position;
  /**
   * The record before which to end. Default: the end; of a live read, none. A live read ends, for a
   * time past the last record, when the first record at or after it comes; the clock alone ends nothing.
   */
  readonly to?: Position;
  /** Records at most. */
  readonly limit?: number;
}

/** Options of `read`. `live` goes on as records become durable; `reverse` walks the same range from its end. */
export type ReadOptions = RangeOptions & { readonly signal?: AbortSignal } & (
    | { readonly reverse?: false; readonly live?: boolean }
    | { readonly reverse: true; readonly live?: false }
  );

/** Reads one record, as a plan. */
function* readOne(view: LogView, seq: number): Plan<Run> {
  const segment = view.acquire(seq);
  try {
    return yield* segment.reader.one(seq, segment.limit());
  } finally {
    segment.release();
  }
}

/** One record, blocking; undefined where there is none. */
export function getSync(view: LogView, seq: number): Run | undefined {
  if (seq >= view.nextSeq) return undefined;
  const segment = view.acquire(seq);
  try {
    const limit = segment.limit();
    return segment.reader.oneSync(seq, limit) ?? runSync(segment.reader.one(seq, limit));
  } finally {
    segment.release();
  }
}

/**
 * Looks something up beside another process, which may reset or trim the log meanwhile: then what
 * was found missing or damaged says nothing, and it is looked up again in what the log is now.
 */
async function lookUp<T>(view: LogView, look: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const { generation, firstSeq } = view;
    try {
      return await look();
    } catch (error) {
      const mayHaveMoved =
        SeqlogError.is(error, "SEQLOG_NOT_FOUND") ||
        SeqlogError.is(error, "SEQLOG_DAMAGED") ||
        SeqlogError.is(error, "SEQLOG_TRIMMED");
      if (!mayHaveMoved || attempt === maxLookUps) throw error;
      const isMended = attempt === 1 && (await mayBeMended(view, error));
      await view.refresh();
      if (!isMended && view.generation === generation && view.firstSeq === firstSeq) throw error;
    }
  }
}

const maxLookUps = 5;

/** One record; undefined where there is none. */
export async function get(view: LogView, seq: number): Promise<Run | undefined> {
  if (seq >= view.nextSeq || view.isStale) await view.refresh();
  return await lookUp(view, async () => (seq >= view.nextSeq ? undefined : await run(readOne(view, seq))));
}

/**
 * The first record at or after a time: a binary search, since the times of version 7 ids never go
 * back inside a log. The next seq when all are older.
 * @throws SEQLOG_UNSUPPORTED when the log has ids of version 4, which hold no time
 */
export function seqAt(view: LogView, time: Date): Promise<number> {
  return lookUp(view, () => searchTime(view, time));
}

async function searchTime(view: LogView, time: Date): Promise<number> {
  const ms = time.getTime();
  if (Number.isNaN(ms)) throw new RangeError("the Date is invalid");
  // An empty log has no record that could tell.
  if (view.manifest?.idVersion === 4) throw noTimes(view);
  let lower = view.firstSeq;
  let upper = view.nextSeq;
  while (lower < upper) {
    const middle = Math.floor((lower + upper) / 2);
    const found = timeOf(await run(readOne(view, middle)), 0);
    if (Number.isNaN(found)) throw noTimes(view);
    if (found < ms) lower = middle + 1;
    else upper = middle;
  }
  return lower;
}

function noTimes(view: LogView): SeqlogError<"SEQLOG_UNSUPPORTED"> {
  const reason = "its ids are UUIDs of version 4, which hold no time";
  return new SeqlogError(
    "SEQLOG_UNSUPPORTED",
    `${view.location}: records cannot be found by time: ${reason}. Use a seq or an id`,
    { path: view.location, reason },
  );
}

/** The record with this id: by its time where it has one, else by going through all of them. */
export function findById(view: LogView, id: string, signal: AbortSignal): Promise<FoundRecord | undefined> {
  return lookUp(view, () => searchId(view, id, signal));
}

/** A record in the run that was read with it. */
interface FoundRecord {
  readonly run: Run;
  readonly index: number;
}

async function searchId(view: LogView, id: string, signal: AbortSignal): Promise<FoundRecord | undefined> {
  const wanted = parseId(id);
  const ms = millisecondsOfId(wanted, 0);
  let from = view.firstSeq;
  if (!Number.isNaN(ms) && view.firstSeq < view.nextSeq) {
    const first = timeOf(await run(readOne(view, view.firstSeq)), 0);
    if (!Number.isNaN(first)) from = await searchTime(view, new Date(ms));
    else return undefined;
  }
  const range: Range = { from, to: view.nextSeq, limit: Infinity, maxBytes: 256 * 1024 };
  for await (const found of readForward(view, range, false, signal)) {
    for (let i = 0; i < found.starts.length; i++) {
      if (!Number.isNaN(ms) && timeOf(found, i) > ms) return undefined;
      const at = (found.starts[i] as number) + headerAt.id;
      if (Buffer.compare(found.chunk.bytes.subarray(at, at + idLength), wanted) === 0) return { run: found, index: i };
    }
  }
  return undefined;
}

/** The seq that a position names. Not checked against the log's ends. */
export async function resolvePosition(
  view: LogView,
  position: Position,
  name: string,
  signal: AbortSignal,
): Promise<number> {
  if (typeof position === "number") return checkSeq(position, name);
  if (position === "start") return view.firstSeq;
  if (position === "end") return view.nextSeq;
  if (position instanceof Date) return await seqAt(view, position);
  if (typeof position === "object" && position !== null) {
    if ("last" in position && typeof position.last === "number") {
      return Math.max(view.firstSeq, view.nextSeq - checkSeq(position.last, `${name}.last`));
    }
    if ("id" in position && typeof position.id === "string") {
      const found = await findById(view, position.id, signal);
      if (found === undefined) throw new RangeError(`${name}: no record of ${view.location} has the id ${position.id}`);
      return found.run.firstSeq + found.index;
    }
  }
  throw new TypeError(
    `${name} must be a seq, a Date, "start", "end", { id } or { last }, got ${JSON.stringify(position)}`,
  );
}

/** The range that a read asks for. A date past the last record stays a time. A live read without `to` has no end. */
export async function resolveRange(
  view: LogView,
  options: ReadOptions,
  maxBytes: number,
  signal: AbortSignal,
): Promise<TimedRange> {
  const limit = options.limit ?? Infinity;
  if (limit !== Infinity) checkSeq(limit, "limit");
  const end = view.nextSeq;
  const from = await resolvePosition(view, options.from === undefined ? "start" : options.from, "from", signal);
  const live = options.live === true;
  const to =
    options.to === undefined ? (live ? Infinity : view.nextSeq) : await resolvePosition(view, options.to, "to", signal);
  const range = { from, to: live ? to : Math.min(to, view.nextSeq), limit, maxBytes };
  return live ? withTimes(range, options, end) : range;
}

/**
 * Checks the options of a read that do not depend on the log.
 * @throws {TypeError}
 */
export function checkReadOptions(options: ReadOptions): void {
  if (options.reverse === true && (options as { live?: boolean }).live === true) {
    throw new TypeError("a read is either live or in reverse, not both");
  }
}
