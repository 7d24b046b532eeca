/** Reads what follows while what was read before is checked and looked at. */
import { run as runPlan } from "../storage/plan.ts";
import type { LogView, OpenSegment } from "./log-view.ts";
import type { Fetched } from "./segment-reader.ts";

/** Bytes that are being read before anybody asked for them. */
export interface ReadAhead {
  /** The record that they start with. */
  readonly seq: number;
  /** Undefined when they could not be read: asking for them will show why. Does not reject. */
  readonly fetched: Promise<Fetched | undefined>;
}

/** Begins to read what starts with `seq` at `place`, when that lies in the same segment and is there already. */
export function readAhead(
  view: LogView,
  seq: number,
  place: { readonly base: number; readonly offset: number },
  maxBytes: number,
  stop: number,
): ReadAhead | undefined {
  if (seq >= stop || view.isClosed) return undefined;
  let segment: OpenSegment;
  try {
    segment = view.acquire(seq);
  } catch {
    return undefined;
  }
  const limit = segment.limit();
  if (segment.base !== place.base || seq >= limit.nextSeq || place.offset >= limit.end) {
    segment.release();
    return undefined;
  }
  return { seq, fetched: fetchAndRelease(segment, seq, place.offset, maxBytes, stop - seq) };
}

async function fetchAndRelease(
  segment: OpenSegment,
  seq: number,
  offset: number,
  maxBytes: number,
  most: number,
): Promise<Fetched | undefined> {
  try {
    try {
      return await runPlan(segment.reader.fetch(seq, offset, segment.limit(), maxBytes, most));
    } finally {
      segment.release();
    }
  } catch {
    return undefined;
  }
}
