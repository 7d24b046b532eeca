/** Whether a checkpoint is one of this log: a consumer never goes on in another history. */
import { type CheckpointFacts, SeqlogError } from "../errors.ts";
import { formatId, parseId } from "../format/uuid.ts";
import type { Checkpoint } from "../log/consumer-contract.ts";
import { asSeq } from "../numbers.ts";
import { type ConsumedView, idBefore } from "./consumed-log.ts";

/**
 * Holds a checkpoint against the log: its id, its generation, its end, and the id of the record
 * before. That record may have been trimmed; then its id cannot be checked.
 *
 * @param isStored it is from a store of the consumer's program
 * @returns false when the log, as another process writes it, does not reach the checkpoint yet: a
 * reader sees a log that was not closed only up to its mark, until its writer has brought it into order
 * @throws SEQLOG_CHECKPOINT_MISMATCH, SEQLOG_TRIMMED
 */
export async function checkCheckpoint(
  view: ConsumedView,
  name: string,
  checkpoint: Checkpoint,
  isOwnLog: boolean,
  isStored: boolean,
): Promise<boolean> {
  const { logId, generation, nextSeq, location } = view;
  const seek = isStored
    ? "It is in the consumer's store: change it there, or remove it, and the consumer begins at `from`"
    : `\`log.seekConsumer(${JSON.stringify(name)}, position)\` says where to go on`;
  const mismatch = (what: string, lastId: string | null): SeqlogError => {
    const log = { logId, generation, nextSeq: asSeq(nextSeq), lastId };
    return new SeqlogError(
      "SEQLOG_CHECKPOINT_MISMATCH",
      `${location}: the checkpoint of the consumer ${JSON.stringify(name)} is not of this log: ${what}. ${seek}`,
      { consumer: name, checkpoint: factsOf(checkpoint), log },
    );
  };
  const foreign = foreignness(checkpoint, view);
  if (foreign !== undefined) throw mismatch(foreign, null);
  if (checkpoint.nextSeq > nextSeq) {
    if (!isOwnLog && view.mayReachFurther) return false;
    throw mismatch(`its next record is ${checkpoint.nextSeq}, but the log ends before ${nextSeq}`, null);
  }
  if (checkpoint.nextSeq < view.firstSeq) {
    throw new SeqlogError(
      "SEQLOG_TRIMMED",
      `${location}: record ${checkpoint.nextSeq}, the next one of the consumer ${JSON.stringify(name)}, was removed; the first one available is ${view.firstSeq}. ${seek}`,
      { firstSeq: asSeq(view.firstSeq) },
    );
  }
  if (checkpoint.lastId === null) return true;
  const found = await idBefore(view, checkpoint.nextSeq);
  const id = found === null ? null : formatId(found, 0);
  // Null where it was trimmed, also just now.
  if (id !== null && id !== checkpoint.lastId) {
    throw mismatch(`record ${checkpoint.nextSeq - 1} had the id ${checkpoint.lastId}, and has ${id}`, id);
  }
  return true;
}

/** Why a checkpoint is of another log or generation; undefined when it is of this one. */
export function foreignness(
  checkpoint: Pick<Checkpoint, "logId" | "generation">,
  log: Pick<Checkpoint, "logId" | "generation">,
): string | undefined {
  if (checkpoint.logId !== log.logId) return `it is of the log ${checkpoint.logId}, this is ${log.logId}`;
  if (checkpoint.generation === log.generation) return undefined;
  return `it is of generation ${checkpoint.generation}, this is generation ${log.generation}: the log was reset`;
}

function factsOf({ logId, generation, nextSeq, lastId }: Checkpoint): CheckpointFacts {
  return { logId, generation, nextSeq: asSeq(nextSeq), lastId };
}

/**
 * Checks what a `CheckpointStore` gave.
 * @throws {TypeError}
 */
export function checkedCheckpoint(value: unknown): Checkpoint {
  const { logId, generation, nextSeq, lastId } = (value ?? {}) as Partial<Checkpoint>;
  const isCount = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;
  if (!isCount(generation) || !isCount(nextSeq) || lastId === undefined || logId === undefined) {
    throw new TypeError(`the store's load() gave no { logId, generation, nextSeq, lastId }: ${JSON.stringify(value)}`);
  }
  parseId(logId);
  if (lastId !== null) parseId(lastId);
  return { logId, generation, nextSeq, lastId };
}
