/** Where a consumer is to go on, from what a user names. */
import { resetError, trimmedError } from "../segment/read-range.ts";
import type { Position } from "../segment/positions.ts";
import { type ConsumedLog, type Mark, idBefore } from "./consumed-log.ts";
import type { Place } from "./feed.ts";

/**
 * The place that a position names, for a consumer to go on from.
 * @throws {RangeError} past the end, or for a time in the future; SEQLOG_TRIMMED, and as reading
 */
export async function seekPlace(
  log: ConsumedLog<unknown>,
  position: Position,
  name: string,
  mark: Mark,
): Promise<Place> {
  const { view } = log;
  await view.refresh();
  const { generation, nextSeq: end } = view;
  const seq = await view.resolve(position, name);
  // What was found out belongs to a log that is no more; it says nothing of the one there is now.
  if (view.generation !== generation) throw resetError(view.location, view.generation);
  if (seq < view.firstSeq) throw trimmedError(view.location, seq, view.firstSeq);
  if (seq > view.nextSeq) {
    throw new RangeError(`${name}: ${view.location} ends before ${view.nextSeq}, so no consumer can stand at ${seq}`);
  }
  // Records that come before that time would be delivered: a place is a seq, and there is none for it yet.
  if (position instanceof Date && seq >= end && position.getTime() > log.machine.clock.now()) {
    throw new RangeError(
      `${name}: ${position.toISOString()} is in the future, and a consumer begins at a record that is there, or at "end". Use "end", and leave out older records in the handler`,
    );
  }
  // Past the mark of a log that another process writes, nothing may be kept yet.
  const durable = Math.min(seq, await mark.end());
  const beforeId = await idBefore(view, durable);
  if (view.generation !== generation) throw resetError(view.location, view.generation);
  return { generation, seq: durable, beforeId };
}
