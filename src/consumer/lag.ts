/** How far a consumer is behind its log: two look-ups, whatever the distance. */
import { headerAt } from "../format/record.ts";
import { millisecondsOfId } from "../format/uuid.ts";
import type { ConsumerLag } from "../log/consumer-contract.ts";
import { get } from "../segment/positions.ts";
import { run } from "../storage/plan.ts";
import type { Clock } from "../storage/storage.ts";
import type { DirectoryView } from "./consumed-directory.ts";

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
