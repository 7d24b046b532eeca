/**
 * The writer's lock: at most one writer of a log, in any process.
 *
 * The lock file is never unlinked (whoever unlinks it lets a second writer lock a new file of the
 * same name) and holds one line of JSON that names the holder, for the error of the next one.
 * The kernel's lock ends with the process, however it ends.
 */
import { SeqlogError } from "../errors.ts";
import { writeFullySync } from "./write-fully.ts";
import type { Machine, Storage, StorageFile } from "./storage.ts";

/** `"kernel"`: an advisory lock of the kernel. `"pid-file"`: the text alone, for machines without one. */
export type LockKind = "kernel" | "pid-file";

/** Names nobody, so that the next writer gets in, and is not empty, so that readers are careful. */
const uncleanText = Buffer.from('{"unclean":true}\n');

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly kind: LockKind;
}

/** A lock that is held until `release`. */
export interface WriterLock {
  /** @param isClean whether all that was written is durable; else readers go on to take only what is proven */
  release(isClean?: boolean): void;
}

/** The lock file of a single log file. */
export function lockPathOf(logPath: string): string {
  return `${logPath}.lock`;
}

/**
 * Takes the lock of the log that `lockPath` belongs to.
 * @throws SEQLOG_LOCKED naming the holder; SEQLOG_LOCK_UNAVAILABLE where the machine has no locks
 */
export function acquireWriterLock(machine: Machine, lockPath: string, kind: LockKind): WriterLock {
  const file = machine.storage.openSync(lockPath, "create");
  try {
    const free = (kind === "pid-file" || file.tryLockSync()) && isFreeByText(machine, file, kind);
    if (!free) throw lockedError(lockPath, readHolder(file));
    writeHolder(file, { ...machine.owner, since: machine.clock.now(), kind });
  } catch (error) {
    file.closeSync();
    throw error;
  }
  return {
    release(isClean = true) {
      // The text goes first: after the close it may already be the next holder's.
      try {
        file.truncateSync(0);
        if (!isClean) file.writeSync(uncleanText, 0);
      } catch (error) {
        // What counts is the lock itself, which ends with the descriptor.
        if (!(error instanceof SeqlogError)) throw error;
      } finally {
        file.closeSync();
      }
    },
  };
}

/**
 * Whether a writer may be at work, or ended without releasing the lock, as far as its text tells.
 * For readers, which take no lock.
 */
export function mayBeHeld(storage: Storage, lockPath: string): boolean {
  return (storage.statSync(lockPath)?.size ?? 0) > 0;
}

/** Who holds the lock according to its text: undefined when nobody ever did or the text cannot be read. */
export function readHolder(file: StorageFile): Holder | undefined {
  const bytes = new Uint8Array(512);
  const length = file.readSync(bytes, 0);
  try {
    const parsed: unknown = JSON.parse(Buffer.from(bytes.buffer, 0, length).toString("utf8"));
    const { pid, host, since, kind } = parsed as Partial<Holder>;
    if (typeof pid !== "number" || typeof host !== "string" || typeof since !== "number") return undefined;
    return { pid, host, since, kind: kind === "pid-file" ? kind : "kernel" };
  } catch {
    return undefined;
  }
}

function writeHolder(file: StorageFile, holder: Holder): void {
  const text = Buffer.from(`${JSON.stringify(holder)}\n`);
  // In place and then cut, so that a reader never finds the file empty. Under the kernel's lock the
  // text is a courtesy: a disk too full for it must not keep a log from opening and being trimmed.
  try {
    writeFullySync(file, text, 0);
    file.truncateSync(text.length);
  } catch (error) {
    if (holder.kind === "pid-file" || !SeqlogError.is(error, "SEQLOG_NO_SPACE")) throw error;
  }
}

/**
 * Free when the text names nobody, or a process of this host that is gone. A text that was left
 * under the kernel's lock means nothing once we hold that lock: its pid may be anybody's by now.
 * Two takers of the pid-file kind may race; docs/durability.md says so.
 */
function isFreeByText(machine: Machine, file: StorageFile, kind: LockKind): boolean {
  const holder = readHolder(file);
  if (holder === undefined || (kind === "kernel" && holder.kind === "kernel")) return true;
  return holder.host === machine.owner.host && !machine.isAlive(holder.pid);
}

function lockedError(path: string, holder: Holder | undefined): SeqlogError<"SEQLOG_LOCKED"> {
  const facts = {
    path,
    pid: holder?.pid ?? 0,
    host: holder?.host ?? "unknown",
    since: new Date(holder?.since ?? 0),
  };
  const who =
    holder === undefined
      ? "another process"
      : `process ${facts.pid} on ${facts.host}, since ${facts.since.toISOString()}`;
  return new SeqlogError(
    "SEQLOG_LOCKED",
    `${path}: ${who}, is writing this log. Reading it with { readOnly: true } works; to append from several processes let one of them own the log, as in examples/cluster`,
    facts,
  );
}
