/**
 * Opens a directory for `FileLog`: the lock first, then recovery, then a writer; or a follower, which
 * takes no lock and changes nothing. Whatever fails, what was taken is let go of.
 */
import { recoveryChannel } from "../diagnostics.ts";
import { SeqlogError } from "../errors.ts";
import { type RecoveryReport, checkLimit, reportOf } from "../segment/log-writer.ts";
import { run, runSync } from "../storage/plan.ts";
import type { Machine } from "../storage/storage.ts";
import { type WriterLock, acquireWriterLock } from "../storage/writer-lock.ts";
import { DirectoryWriter, type WriterSettings, lockPath } from "./directory-writer.ts";
import { type AnyOpenOptions, type FileOpenOptions, creationOf } from "./file-open-options.ts";
import { Follower } from "./follower.ts";
import type { Manifest } from "./manifest.ts";
import { type Recovered, ensureLog, recoverDirectory } from "./recover-directory.ts";
import { checkHasTimes } from "./retention.ts";

/** What opening a directory found and set right. */
export interface DirectoryRecovery extends RecoveryReport {
  /**
   * The clock less the time of the last id, when they are more than a day apart. Positive: nothing was
   * appended for that long, or the clock jumped ahead. Negative: the clock went back; new ids keep
   * the time of the last one until it catches up.
   */
  readonly clockSkewMs?: number;
}

/** A directory that is open. */
export interface OpenedDirectory<View = DirectoryWriter | Follower> {
  readonly view: View;
  readonly recovery: DirectoryRecovery;
}

const dayMs = 24 * 60 * 60 * 1000;
const lockPollMs = 20;

/** Beside a writer in any process. */
export async function openToRead(
  machine: Machine,
  directory: string,
  settings: WriterSettings,
): Promise<OpenedDirectory<Follower>> {
  const view = await Follower.open(machine, directory);
  try {
    checkCodec(view.manifest, settings.codec, directory);
  } catch (error) {
    view.close();
    throw error;
  }
  const records = view.nextSeq - view.firstSeq;
  return { view, recovery: { records, tornBytes: 0, redone: 0, indexRebuilt: false } };
}

/** As the one writer. */
export async function openToWrite(
  machine: Machine,
  directory: string,
  settings: WriterSettings,
  options: AnyOpenOptions,
): Promise<OpenedDirectory<DirectoryWriter>> {
  prepareDirectory(machine, directory, options);
  const lock = await waitForLock(machine, directory, options);
  try {
    const recovered = await run(recoverDirectory(machine, directory, creationOf(options)));
    return finishOpen(machine, directory, lock, recovered, settings);
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** As `openToWrite`, blocking, and without a wait for the lock. */
export function openToWriteSync(
  machine: Machine,
  directory: string,
  settings: WriterSettings,
  options: AnyOpenOptions,
): OpenedDirectory<DirectoryWriter> {
  prepareDirectory(machine, directory, options);
  const lock = acquireWriterLock(machine, lockPath(directory), options.lock ?? "kernel");
  try {
    const recovered = runSync(recoverDirectory(machine, directory, creationOf(options)));
    return finishOpen(machine, directory, lock, recovered, settings);
  } catch (error) {
    lock.release();
    throw error;
  }
}

function checkCodec(manifest: Manifest, codec: string | undefined, directory: string): void {
  if (codec === undefined || manifest.codec === null || manifest.codec === codec) return;
  throw new TypeError(
    `${directory}: this log was written with the codec ${JSON.stringify(manifest.codec)}, not ${JSON.stringify(codec)}. Open it with that one, or with none for plain bytes`,
  );
}

function prepareDirectory(machine: Machine, directory: string, options: FileOpenOptions): void {
  creationOf(options);
  const { storage } = machine;
  if (options.create !== false) return storage.makeDirectorySync(directory);
  // Before the lock is taken: its file is a change too.
  ensureLog(storage, directory);
}

async function waitForLock(machine: Machine, directory: string, options: FileOpenOptions): Promise<WriterLock> {
  const timeoutMs = checkLimit(options.lockTimeoutMs, 0, "lockTimeoutMs", 0, 2 ** 31 - 1);
  const deadline = machine.clock.now() + timeoutMs;
  for (;;) {
    try {
      return acquireWriterLock(machine, lockPath(directory), options.lock ?? "kernel");
    } catch (error) {
      if (!SeqlogError.is(error, "SEQLOG_LOCKED") || machine.clock.now() >= deadline) throw error;
    }
    await new Promise<void>((resolve) => machine.clock.after(lockPollMs, resolve, { keepAlive: true }));
    options.signal?.throwIfAborted();
  }
}

function finishOpen(
  machine: Machine,
  directory: string,
  lock: WriterLock,
  recovered: Recovered,
  settings: WriterSettings,
): OpenedDirectory<DirectoryWriter> {
  checkCodec(recovered.manifest, settings.codec, directory);
  checkHasTimes(settings.retention, recovered.manifest, directory);
  const { active, lastIdMs, rebuilt } = recovered;
  const records = active.nextSeq - recovered.manifest.firstSeq;
  const skew = lastIdMs === 0 ? 0 : machine.clock.now() - lastIdMs;
  const recovery: DirectoryRecovery = {
    ...reportOf(active, records),
    indexRebuilt: active.indexRebuilt || rebuilt.length > 0,
    ...(Math.abs(skew) > dayMs ? { clockSkewMs: skew } : {}),
  };
  const view = new DirectoryWriter(machine, directory, lock, recovered, settings);
  if (recoveryChannel.hasSubscribers) recoveryChannel.publish({ path: directory, ...recovery });
  return { view, recovery };
}
