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

/** Why a consumer cannot go on at a seq of this log and generation; undefined when it can. */
export async function misplacement(view: ConsumedView, nextSeq: number): Promise<string | undefined> {
  // The consumer may have gone on since the view was brought up to date.
  if (nextSeq > view.nextSeq) await view.refresh();
  if (nextSeq > view.nextSeq) {
    return `its next record is ${nextSeq}, but the log ends before ${view.nextSeq}: it was put back from an older copy, or its writer crashed and has not opened it again`;
  }
  return nextSeq < view.firstSeq ? `the records before ${view.firstSeq} were removed` : undefined;
}

function factsOf({ logId, generation, nextSeq, lastId }: Checkpoint): CheckpointFacts {
  return { logId, generation, nextSeq: asSeq(nextSeq), lastId };
}

/**
 * Checks what a `CheckpointStore` gave; undefined where that was nothing, as null is from many databases.
 * @throws {TypeError}
 */
export function checkedCheckpoint(value: unknown): Checkpoint | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "object") {
    throw new TypeError(
      `the store's load() must give { logId, generation, nextSeq, lastId }, or undefined where there is none; it gave a ${typeof value}`,
    );
  }
  const { logId, generation, nextSeq, lastId } = value as Partial<Checkpoint>;
  return {
    logId: idIn("logId", logId),
    generation: countIn("generation", generation),
    nextSeq: countIn("nextSeq", nextSeq),
    lastId: lastId === null ? null : idIn("lastId", lastId),
  };
}

function countIn(field: string, value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw wrongField(field, "a number, a whole one from 0 on", value);
}

function idIn(field: string, value: unknown): string {
  try {
    parseId(value as string);
    return value as string;
  } catch {
    throw wrongField(field, field === "lastId" ? "a UUID as a string, or null" : "a UUID as a string", value);
  }
}

/** A database may give back another type than it was given. */
function wrongField(field: string, wanted: string, value: unknown): TypeError {
  const isPlain = typeof value === "number" || typeof value === "bigint" || typeof value === "string";
  const found = isPlain ? `the ${typeof value} ${value}` : value === null ? "null" : typeof value;
  return new TypeError(`the store's load() must give a checkpoint whose ${field} is ${wanted}; it is ${found}`);
}
