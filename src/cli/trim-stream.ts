/** `seqlog trim` of a log on servers: record by record, since it has no segments here. */
import { type HeldBack, type Log, type Position, type Protector } from "../index.ts";
import { asSeq } from "../numbers.ts";
import { openStream } from "./log-argument.ts";
import type { Trimmed } from "./trim.ts";

/** What would go, and what consumers would hold back of it, is read to count it. */
export async function trimmableStream(location: string, position: Position, force: boolean): Promise<Trimmed> {
  const log = await openStream(location, { readOnly: true });
  try {
    const before = await log.stats();
    const by = force ? undefined : await furthestBehind(log);
    const needed = by?.nextSeq ?? Infinity;
    const removed = { records: 0, bytes: 0, firstSeq: Number(before.firstSeq) };
    const held = { records: 0, bytes: 0 };
    for await (const batch of log.readBatches({ to: position })) {
      for (const { seq, bytes } of batch) {
        const into = seq < needed ? removed : held;
        into.records++;
        into.bytes += bytes.length;
        if (seq < needed) removed.firstSeq = seq + 1;
      }
    }
    const after = {
      ...before,
      firstSeq: asSeq(removed.firstSeq),
      records: before.records - removed.records,
      bytes: before.bytes - removed.bytes,
    };
    if (by === undefined || held.records === 0) return { before, after };
    return { before, after, heldBack: { ...held, by } satisfies HeldBack };
  } finally {
    await log.close();
  }
}

/** One whose checkpoint is of another log, or of before a reset, needs nothing of this one. */
async function furthestBehind(log: Log): Promise<Protector | undefined> {
  let lowest: Protector | undefined;
  for (const { name: consumer, nextSeq } of await log.consumers()) {
    if (nextSeq !== undefined && nextSeq < (lowest?.nextSeq ?? Infinity)) lowest = { consumer, nextSeq };
  }
  return lowest;
}

export async function removeFromStream(location: string, position: Position, force: boolean): Promise<Trimmed> {
  const log = await openStream(location, { create: false, retention: { protect: "consumers" } });
  try {
    const before = await log.stats();
    const { heldBack } = await log.trim({ before: position, force });
    return { before, after: await log.stats(), ...(heldBack === undefined ? {} : { heldBack }) };
  } finally {
    await log.close();
  }
}
