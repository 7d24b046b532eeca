/**
 * Opens a consumer: lock, checkpoint, check, a fresh checkpoint file; in this order, so that nothing
 * is looked at that another holder may still change, and nothing is delivered before the position is
 * durable (else a consumer that begins at the end would skip, after a crash, what came meanwhile).
 */
import { SeqlogError } from "../errors.ts";
import type { Checkpoint } from "../log/consumer-contract.ts";
import { closedError } from "../segment/read-range.ts";
import { run } from "../storage/plan.ts";
import { checkCheckpoint, checkedCheckpoint } from "./check-checkpoint.ts";
import { refuseEmptyStore, refuseMirror, refuseOtherStore } from "./checkpoint-elsewhere.ts";
import { CheckpointFile, readCheckpoint } from "./checkpoint-file.ts";
import type { StoredCheckpoint } from "./checkpoint-slot.ts";
import type { ConsumedDirectory } from "./consumed-directory.ts";
import { type ConsumedLog, type Mark, checkpointOf } from "./consumed-log.ts";
import { type ConsumerPaths, lockConsumer } from "./consumer-paths.ts";
import type { ConsumerSettings } from "./consumer-settings.ts";
import { DurableMark } from "./durable-mark.ts";
import { LogConsumer } from "./log-consumer.ts";
import { seekPlace } from "./seek-place.ts";

/** Opens the consumer of this name; `released` is called when it lets go of it. */
export async function openConsumer<Out>(
  log: ConsumedDirectory<Out>,
  paths: ConsumerPaths,
  settings: ConsumerSettings<Out>,
  released: (consumer: LogConsumer<Out>) => void,
): Promise<LogConsumer<Out>> {
  const { machine, view } = log;
  const { name } = paths;
  const lock = lockConsumer(machine, paths, log.lock);
  let file: CheckpointFile | undefined;
  try {
    // One that cannot be written, or was closed, says so here, not at the first record that needs it.
    await settings.deadLetter?.flush();
    const mark = new DurableMark(log);
    await view.refresh();
    const { stored, damage } = await storedIn(log, paths);
    if (damage !== undefined && settings.store === undefined) throw damage;
    const kept = await checkpointThatCounts(view.location, name, settings, stored);
    // Nobody can say any more whether that was a mirror, or a checkpoint that an empty store knows nothing of.
    if (damage !== undefined && kept === undefined) throw damage;
    const checkpoint = kept ?? (await firstCheckpoint(log, settings, mark));
    // A writer whose last write failed does not know how far others see its log: it says that instead.
    if (checkpoint.nextSeq > view.nextSeq) await log.flush?.();
    const isMirror = settings.store !== undefined;
    const isOwnLog = log.flush !== undefined;
    const isChecked = kept === undefined || (await checkCheckpoint(view, name, checkpoint, isOwnLog, isMirror));
    if (kept === undefined) await settings.store?.save?.(checkpoint);
    if (view.isClosed) throw closedError(view.location);
    const counter = (stored?.counter ?? 0) + 1;
    file = CheckpointFile.begin(machine.storage, paths, { counter, checkpoint, isMirror });
    const consumer: LogConsumer<Out> = new LogConsumer(log, settings, {
      name,
      lock,
      file,
      checkpoint,
      mustCheck: !isChecked,
      mark,
      released: () => released(consumer),
    });
    return consumer;
  } catch (error) {
    file?.close();
    lock.release();
    throw error;
  }
}

/** What the file says; with a store it may be only a mirror, so that its damage need not matter. */
async function storedIn(
  { machine }: ConsumedDirectory<unknown>,
  paths: ConsumerPaths,
): Promise<{ readonly stored?: StoredCheckpoint | undefined; readonly damage?: SeqlogError }> {
  try {
    return { stored: await run(readCheckpoint(machine.storage, paths)) };
  } catch (error) {
    if (SeqlogError.is(error, "SEQLOG_DAMAGED")) return { damage: error };
    throw error;
  }
}

/**
 * The checkpoint to go by: of the user's store if there is one, else what the log itself holds;
 * undefined where the consumer is new, or its store was emptied for it to begin anew.
 * @throws SEQLOG_CHECKPOINT_ELSEWHERE when the one that counts is where nobody was told to look
 */
export async function checkpointThatCounts(
  location: string,
  name: string,
  { store }: ConsumerSettings<never>,
  stored: { readonly checkpoint: Checkpoint; readonly isMirror?: boolean | undefined } | undefined,
): Promise<Checkpoint | undefined> {
  if (store === undefined) {
    refuseMirror(location, name, stored);
    return stored?.checkpoint;
  }
  const loaded = checkedCheckpoint(await store.load());
  if (loaded === undefined) refuseEmptyStore(location, name, stored);
  else refuseOtherStore(location, name, stored, loaded);
  return loaded;
}

/** Where a consumer begins that has no checkpoint. */
export async function firstCheckpoint(
  log: ConsumedLog<unknown>,
  { from }: ConsumerSettings<never>,
  mark: Mark,
): Promise<Checkpoint> {
  const { seq, beforeId, generation } = await seekPlace(log, from, "from", mark);
  return { ...checkpointOf(log.view, seq, beforeId), generation };
}
