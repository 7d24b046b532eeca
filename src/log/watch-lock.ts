/** The writer's lock, held by one who must not write a byte: also not the holder's name into the lock file. */
import { SeqlogError } from "../errors.ts";
import type { Machine, StorageFile } from "../storage/storage.ts";
import { type LockKind, readHolder } from "../storage/writer-lock.ts";

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
    const error = lockedError(path, readHolder(file));
    file.closeSync();
    throw error;
  }
  return () => file.closeSync();
}

function isHeldByText(machine: Machine, file: StorageFile, kind: LockKind): boolean {
  const holder = readHolder(file);
  if (holder === undefined || (kind === "kernel" && holder.kind === "kernel")) return false;
  return holder.host !== machine.owner.host || machine.isAlive(holder.pid);
}

/** Also where the holder has just left: to take the lock properly is to write to its file. */
function lockedError(path: string, holder: ReturnType<typeof readHolder>): SeqlogError {
  const { pid = 0, host = "unknown", since = 0 } = holder ?? {};
  const facts = { path, pid, host, since: new Date(since) };
  const who =
    holder === undefined ? "another process" : `process ${pid} on ${host}, since ${facts.since.toISOString()}`;
  const message = `${path}: ${who}, is writing this log. Try again when it is closed`;
  return new SeqlogError("SEQLOG_LOCKED", message, facts);
}
