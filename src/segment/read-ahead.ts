/** Reads the run that follows while the caller looks at the one before. */
import { run as runPlan } from "../storage/plan.ts";
import type { Run } from "./log-record.ts";
import type { LogView, OpenSegment } from "./log-view.ts";

/** A run that is being read before anybody asked for it. */
export interface ReadAhead {
  /** Undefined when it could not be read: asking for it will show why. Does not reject. */
  readonly run: Promise<Run | undefined>;
}

/** Begins to read the run that starts with `seq` at `place`, when that lies in the same segment and is there already. */
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
  if (segment.base !== place.base || seq >= limit.nextSeq) {
    segment.release();
    return undefined;
  }
  return { run: readAndRelease(segment, seq, place.offset, maxBytes, stop - seq) };
}

async function readAndRelease(
  segment: OpenSegment,
  seq: number,
  offset: number,
  maxBytes: number,
  most: number,
): Promise<Run | undefined> {
  try {
    return await runPlan(segment.reader.run(seq, offset, segment.limit(), maxBytes, most));
  } catch {
    return undefined;
  } finally {
    segment.release();
  }
}
