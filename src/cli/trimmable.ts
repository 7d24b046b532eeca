/** What a trim would remove, without opening the log for writing. */
import type { Position } from "../index.ts";
import { Follower } from "../log/follower.ts";
import { type HeldBack, RetentionKeeper } from "../log/retention.ts";
import { asSeq } from "../numbers.ts";
import { resolvePosition } from "../segment/positions.ts";
import { localPath } from "../storage/local-path.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import type { Trimmed } from "./trim.ts";

type Segments = Follower["segments"];

/** Counts of the log as it is, and as it would be. With `force` consumers hold nothing back. */
export async function trimmable(location: string, position: Position, force: boolean): Promise<Trimmed> {
  const view = await Follower.open(nodeMachine, localPath(location, "the log's directory"));
  try {
    const wanted = await resolvePosition(view, position, "before", new AbortController().signal);
    const { segments } = view;
    const { seq, heldBack } = force ? { seq: wanted } : heldBackOf(view, wanted);
    const after = statsOf(segments.slice(segmentsBefore(segments, seq)));
    return { before: statsOf(segments), after, ...(heldBack === undefined ? {} : { heldBack }) };
  } finally {
    view.close();
  }
}

/** The rule of the writer itself. */
function heldBackOf(view: Follower, seq: number): { readonly seq: number; readonly heldBack?: HeldBack } {
  const { location, manifest, segments } = view;
  const host = { location, manifest, segments, withSegment: noAges };
  const held = new RetentionKeeper(nodeMachine, host, { protect: "consumers" }).heldBack(seq);
  return held.heldBack.records === 0 ? { seq } : held;
}

function noAges(): never {
  throw new Error("what consumers need does not depend on the age of records");
}

/** The last one, which is being written, never goes. */
function segmentsBefore(segments: Segments, seq: number): number {
  const kept = segments.findIndex(({ nextSeq }) => nextSeq > seq);
  return kept < 0 ? segments.length - 1 : Math.min(kept, segments.length - 1);
}

function statsOf(segments: Segments): Trimmed["before"] {
  const firstSeq = asSeq(segments[0]?.base ?? 0);
  const nextSeq = asSeq(segments.at(-1)?.nextSeq ?? firstSeq);
  const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
  return { firstSeq, nextSeq, records: nextSeq - firstSeq, bytes, segments: segments.length };
}
