/** How a consumer stands to its log; how far it is behind is two look-ups, whatever the distance. */
import { SeqlogError } from "../errors.ts";
import { headerAt } from "../format/record.ts";
import { millisecondsOfId } from "../format/uuid.ts";
import type { ConsumerLag } from "../log/consumer-contract.ts";
import { get } from "../segment/positions.ts";
import { run } from "../storage/plan.ts";
import type { Clock } from "../storage/storage.ts";
import { misplacement } from "./check-checkpoint.ts";
import type { DirectoryView } from "./consumed-directory.ts";
import type { ConsumedView } from "./consumed-log.ts";

/** How a consumer stands to its log: how far it is behind, or what keeps it from going on. */
export interface Standing {
  readonly lag: ConsumerLag | undefined;
  readonly problem: string | undefined;
}

/** Of a consumer of this log and generation whose next record is `nextSeq`. */
export async function standingAt(view: ConsumedView, nextSeq: number): Promise<Standing> {
  const problem = await misplacement(view, nextSeq);
  if (problem !== undefined) return { lag: undefined, problem };
  try {
    return { lag: await view.lag(nextSeq), problem };
  } catch (error) {
    // Removed since it was looked for.
    const removed = SeqlogError.is(error, "SEQLOG_TRIMMED") ? await misplacement(view, nextSeq) : undefined;
    if (removed === undefined) throw error;
    return { lag: undefined, problem: removed };
  }
}

/** What lies from record `seq`, which was not trimmed, to the end of the log. */
export async function lagOf(clock: Clock, view: DirectoryView, seq: number): Promise<ConsumerLag> {
  const records = view.nextSeq - seq;
  if (records <= 0) return { records: 0, bytes: 0, ms: 0 };
  const segments = view.segments.filter((segment) => segment.nextSeq > seq);
  const open = view.acquire(seq);
  let offset: number;
  try {
    offset = await run(open.reader.locate(seq, open.limit()));
  } finally {
    open.release();
  }
  const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0) - offset;
  const first = await get(view, seq);
  if (first === undefined) return { records: 0, bytes: 0, ms: 0 };
  const ms = millisecondsOfId(first.chunk.bytes, (first.starts[0] as number) + headerAt.id);
  // The clock may have been set back since.
  return { records, bytes, ms: Number.isNaN(ms) ? undefined : Math.max(0, clock.now() - ms) };
}
