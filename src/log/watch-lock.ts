/** The writer's lock, held by one who must not write a byte: also not the holder's name into the lock file. */
import { SeqlogError } from "../errors.ts";
import type { Machine, StorageFile } from "../storage/storage.ts";
import { type LockKind, acquireWriterLock, readHolder } from "../storage/writer-lock.ts";

/**
 * Keeps writers out until the returned function is called, where there is a lock file and it can be had.
 * @throws SEQLOG_LOCKED when somebody writes
 */
export function watchLock(machine: Machine, path: string, kind: LockKind): () => void {
  if (machine.storage.statSync(path) === undefined) return () => {};
  let file: StorageFile;
  try {
    file = machine.storage.openSync(path, kind === "kernel" ? "write" : "read");
  } catch (error) {
    // Where this process may not write, it can at least look.
    if (SeqlogError.is(error, "SEQLOG_IO") && ["EACCES", "EPERM", "EROFS"].includes(error.facts.errno)) return () => {};
    throw error;
  }
  if ((kind === "kernel" && !file.tryLockSync()) || isHeldByText(machine, file, kind)) {
    file.closeSync();
    // Fails, and says who holds it.
    const taken = acquireWriterLock(machine, path, kind);
    return () => taken.release();
  }
  return () => file.closeSync();
}

function isHeldByText(machine: Machine, file: StorageFile, kind: LockKind): boolean {
  const holder = readHolder(file);
  if (holder === undefined || (kind === "kernel" && holder.kind === "kernel")) return false;
  return holder.host !== machine.owner.host || machine.isAlive(holder.pid);
}
