/** A consumer has one checkpoint that counts: in the log, or in the store that its program gives it. */
import { SeqlogError } from "../errors.ts";
import type { Checkpoint } from "../log/consumer-contract.ts";
import { asSeq } from "../numbers.ts";

/** What the log itself holds of a consumer. */
interface KeptInLog {
  readonly checkpoint: Checkpoint;
  readonly isMirror?: boolean | undefined;
}

/**
 * Refuses to go by, or to move, what the log holds of a consumer when that is a mirror: the store would
 * not follow, and retention would remove what is still to be delivered.
 * @throws SEQLOG_CHECKPOINT_ELSEWHERE
 */
export function refuseMirror(location: string, consumer: string, kept: KeptInLog | undefined): void {
  if (kept?.isMirror !== true) return;
  const name = JSON.stringify(consumer);
  throw elsewhere(
    `${location}: the checkpoint of the consumer ${name} is in the store of its program; what the log holds of it only mirrors that, for retention. ` +
      `Open the consumer with that store: its seek(position) moves both (where the store has no save(), change the checkpoint in the database). ` +
      `log.deleteConsumer(${name}) forgets the mirror, and nothing is kept for the consumer any more`,
    consumer,
    kept.checkpoint,
    "store",
  );
}

/**
 * Refuses to begin a consumer anew because its store is empty, when the log holds a checkpoint of it
 * that counts: what that one knows of would be delivered again, or skipped.
 * @throws SEQLOG_CHECKPOINT_ELSEWHERE
 */
export function refuseEmptyStore(location: string, consumer: string, kept: KeptInLog | undefined): void {
  if (kept === undefined || kept.isMirror === true) return;
  const name = JSON.stringify(consumer);
  throw elsewhere(
    `${location}: the store of the consumer ${name} is empty, but the log itself has its checkpoint, at seq ${kept.checkpoint.nextSeq}. ` +
      `Put that (\`facts.checkpoint\` of this error) into the store, and the consumer goes on where it was; ` +
      `after log.deleteConsumer(${name}) it begins at \`from\``,
    consumer,
    kept.checkpoint,
    "log",
  );
}

/**
 * Refuses to go by a store that says something else than a checkpoint of the log that counts: the row of
 * a store that the consumer had left, as it is still there, would skip records, or go back.
 * @throws SEQLOG_CHECKPOINT_ELSEWHERE
 */
export function refuseOtherStore(
  location: string,
  consumer: string,
  kept: KeptInLog | undefined,
  loaded: Checkpoint,
): void {
  if (kept === undefined || kept.isMirror === true) return;
  const { checkpoint } = kept;
  if (checkpoint.nextSeq === loaded.nextSeq && checkpoint.generation === loaded.generation) return;
  const name = JSON.stringify(consumer);
  throw elsewhere(
    `${location}: the consumer ${name} has two checkpoints: the log itself has one ${placeOf(checkpoint)}, its store one ${placeOf(loaded)}. ` +
      `To go on by the log's, put that (\`facts.checkpoint\` of this error) into the store, or open the consumer without it; ` +
      `after log.deleteConsumer(${name}) the store's is the one that counts`,
    consumer,
    checkpoint,
    "log",
  );
}

function placeOf({ nextSeq, generation }: Checkpoint): string {
  return `at seq ${nextSeq} of generation ${generation}`;
}

function elsewhere(message: string, consumer: string, checkpoint: Checkpoint, keptIn: "store" | "log"): SeqlogError {
  const { logId, generation, nextSeq, lastId } = checkpoint;
  const facts = { consumer, keptIn, checkpoint: { logId, generation, nextSeq: asSeq(nextSeq), lastId } };
  return new SeqlogError("SEQLOG_CHECKPOINT_ELSEWHERE", message, facts);
}
