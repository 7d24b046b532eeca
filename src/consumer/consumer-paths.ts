/** The names of consumers, and of their files in a log's directory. */
import { join } from "node:path";
import { SeqlogError } from "../errors.ts";
import type { Machine, Storage } from "../storage/storage.ts";
import { type LockKind, type WriterLock, acquireWriterLock, readHolder } from "../storage/writer-lock.ts";

const namePattern = /^(?!\.)[A-Za-z0-9._-]{1,128}$/;

const checkpointName = /^(?!\.)([A-Za-z0-9._-]{1,128})\.ckpt$/;

/** Where one consumer's files are. */
export interface ConsumerPaths {
  readonly name: string;
  /** The log's directory. */
  readonly directory: string;
  readonly checkpoint: string;
  readonly lock: string;
}

/** The directory with the checkpoints of a log. */
export function consumersDirectory(directory: string): string {
  return join(directory, "consumers");
}

/**
 * The files of a consumer.
 * @throws {TypeError} when the name cannot be one
 */
export function consumerPaths(directory: string, name: string): ConsumerPaths {
  checkConsumerName(name);
  const stem = join(consumersDirectory(directory), name);
  return { name, directory, checkpoint: `${stem}.ckpt`, lock: `${stem}.lock` };
}

/** @throws {TypeError} when the name cannot be one */
export function checkConsumerName(name: string): void {
  if (typeof name === "string" && namePattern.test(name)) return;
  throw new TypeError(
    `a consumer's name is 1 to 128 of the characters A-Z a-z 0-9 . _ - and does not begin with a dot, got ${JSON.stringify(name)}`,
  );
}

/** All consumers that have a checkpoint, sorted by name. */
export function listConsumers(storage: Storage, directory: string): ConsumerPaths[] {
  let names: string[];
  try {
    names = storage.listSync(consumersDirectory(directory));
  } catch (error) {
    if (SeqlogError.is(error, "SEQLOG_NOT_FOUND")) return [];
    throw error;
  }
  const found = names.flatMap((name) => checkpointName.exec(name)?.[1] ?? []);
  return found.sort().map((name) => consumerPaths(directory, name));
}

/**
 * Takes a consumer's lock: one process at a time works under a name, and in it one `Consumer`.
 * @throws SEQLOG_LOCKED naming the holder; SEQLOG_LOCK_UNAVAILABLE
 */
export function lockConsumer(machine: Machine, paths: ConsumerPaths, kind: LockKind): WriterLock {
  machine.storage.makeDirectorySync(consumersDirectory(paths.directory));
  // A process that was killed may have made it without making its name durable.
  machine.storage.fsyncDirectorySync(paths.directory);
  try {
    return acquireWriterLock(machine, paths.lock, kind);
  } catch (error) {
    if (!SeqlogError.is(error, "SEQLOG_LOCKED")) throw error;
    const { pid, host, since } = error.facts;
    const who = pid === 0 ? "another process" : `process ${pid} on ${host}, since ${since.toISOString()},`;
    throw new SeqlogError(
      "SEQLOG_LOCKED",
      `${paths.lock}: ${who} has the consumer ${JSON.stringify(paths.name)} open. Close it there; a consumer of another name works beside it`,
      { ...error.facts, consumer: paths.name },
    );
  }
}

/** Whether somebody has the consumer open, as the text of its lock tells. Takes no lock, so it is in nobody's way. */
export function isHeld(machine: Machine, { lock }: ConsumerPaths): boolean {
  if ((machine.storage.statSync(lock)?.size ?? 0) === 0) return false;
  const file = machine.storage.openSync(lock, "read");
  try {
    const holder = readHolder(file);
    if (holder === undefined) return false;
    // Of another computer nobody here can say.
    return holder.host !== machine.owner.host || machine.isAlive(holder.pid);
  } finally {
    file.closeSync();
  }
}
