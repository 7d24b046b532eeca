/** Where a consumer is to go on, from what a user names. */
import { resetError, trimmedError } from "../segment/read-range.ts";
import type { Position } from "../segment/positions.ts";
import { type ConsumedLog, type Mark, idBefore } from "./consumed-log.ts";
import type { Place } from "./feed.ts";

/**
 * The place that a position names, for a consumer to go on from.
 * @throws {RangeError} past the end; SEQLOG_TRIMMED, and as reading
 */
export async function seekPlace(
  log: ConsumedLog<unknown>,
  position: Position,
  name: string,
  mark: Mark,
): Promise<Place> {
  const { view } = log;
  await view.refresh();
  const { generation } = view;
  const seq = await view.resolve(position, name);
  // What was found out belongs to a log that is no more; it says nothing of the one there is now.
  if (view.generation !== generation) throw resetError(view.location, view.generation);
  if (seq < view.firstSeq) throw trimmedError(view.location, seq, view.firstSeq);
  if (seq > view.nextSeq) {
    throw new RangeError(`${name}: ${view.location} ends before ${view.nextSeq}, so no consumer can stand at ${seq}`);
  }
  // Past the mark of a log that another process writes, nothing may be kept yet.
  const durable = Math.min(seq, await mark.end());
  const beforeId = await idBefore(view, durable);
  if (view.generation !== generation) throw resetError(view.location, view.generation);
  return { generation, seq: durable, beforeId };
}
