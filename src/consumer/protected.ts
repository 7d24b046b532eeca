/** What consumers protect from retention: everything from the lowest of their checkpoints on. */
import { SeqlogError } from "../errors.ts";
import type { Checkpoint } from "../log/consumer-contract.ts";
import type { Protector } from "../log/retention.ts";
import { runSync } from "../storage/plan.ts";
import type { Storage } from "../storage/storage.ts";
import { foreignness } from "./check-checkpoint.ts";
import { readSlots } from "./checkpoint-file.ts";
import { type ConsumerPaths, listConsumers } from "./consumer-paths.ts";

/**
 * The lowest of the durable checkpoints of a log; undefined when there is none. One that is damaged
 * may need everything; one of another log or generation needs nothing of this one.
 *
 * Blocking: 8 KiB are read for each consumer.
 */
export function lowestCheckpoint(
  storage: Storage,
  directory: string,
  log: Pick<Checkpoint, "logId" | "generation">,
): Protector | undefined {
  let lowest: Protector | undefined;
  for (const paths of listConsumers(storage, directory)) {
    const found = protectorOf(storage, paths, log);
    if (found !== undefined && found.nextSeq < (lowest?.nextSeq ?? Infinity)) lowest = found;
  }
  return lowest;
}

function protectorOf(
  storage: Storage,
  paths: ConsumerPaths,
  log: Pick<Checkpoint, "logId" | "generation">,
): Protector | undefined {
  const consumer = paths.name;
  try {
    // Of two slots the newer one may not be durable yet; after a power cut the older one counts.
    const needed = runSync(readSlots(storage, paths))
      .filter(({ checkpoint }) => foreignness(checkpoint, log) === undefined)
      .map(({ checkpoint }) => checkpoint.nextSeq);
    return needed.length === 0 ? undefined : { consumer, nextSeq: Math.min(...needed) };
  } catch (error) {
    if (!SeqlogError.is(error, "SEQLOG_DAMAGED")) throw error;
    return { consumer, nextSeq: 0, problem: error.facts.reason };
  }
}
