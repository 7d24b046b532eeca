/**
 * A consumer's checkpoint on disk: `consumers/<name>.ckpt`, two slots written in turn.
 *
 * Invariants:
 * - The newest checkpoint whose write succeeded is durable in one slot, and nothing is written to
 *   that slot before the other one holds a newer one. So a write that is torn, or fails, loses nothing.
 * - The file that is written in place was made anew by this holder of the consumer's lock (written
 *   aside, synced, renamed, directory synced): what an earlier process's failed fsync left in the
 *   page cache alone is never built upon.
 * - After a write that failed nothing more is written.
 * Only the holder of the lock writes; anybody may read.
 */
import { SeqlogError } from "../errors.ts";
import type { Checkpoint } from "../log/consumer-contract.ts";
import { asOffset } from "../numbers.ts";
import { type Plan, readAt } from "../storage/plan.ts";
import type { Storage, StorageFile } from "../storage/storage.ts";
import { shortWriteError, writeFullySync } from "../storage/write-fully.ts";
import {
  type StoredCheckpoint,
  checkpointFileLength,
  encodeSlot,
  slotPositions,
  validSlots,
} from "./checkpoint-slot.ts";
import type { ConsumerPaths } from "./consumer-paths.ts";
import { replaceFileSync } from "../storage/replace-file.ts";

/**
 * Reads a checkpoint file; undefined when there is none.
 * @throws SEQLOG_DAMAGED when neither slot is valid
 */
export function* readCheckpoint(storage: Storage, paths: ConsumerPaths): Plan<StoredCheckpoint | undefined> {
  return (yield* readSlots(storage, paths))[0];
}

/**
 * The valid slots, the newest first: that one may have been seen before it is durable, the one
 * before it is. None where there is no file.
 * @throws SEQLOG_DAMAGED when neither slot is valid
 */
export function* readSlots(
  storage: Storage,
  { name, checkpoint: path }: ConsumerPaths,
): Plan<readonly StoredCheckpoint[]> {
  let file: StorageFile;
  try {
    file = storage.openSync(path, "read");
  } catch (error) {
    if (SeqlogError.is(error, "SEQLOG_NOT_FOUND")) return [];
    throw error;
  }
  try {
    const bytes = yield* readAt(file, 0, checkpointFileLength);
    const slots = validSlots(bytes);
    if (slots.length > 0) return slots;
    const reason = "neither of its two slots holds a valid checkpoint";
    throw new SeqlogError(
      "SEQLOG_DAMAGED",
      `${path}: ${reason}. Nothing was changed. Say where the consumer is to go on: ` +
        `log.seekConsumer(${JSON.stringify(name)}, position), or log.deleteConsumer to begin anew`,
      { file: path, offset: asOffset(0), reason },
    );
  } finally {
    file.closeSync();
  }
}

/** Writes a new checkpoint file in the place of any that is there, durably and as a whole. */
export function replaceCheckpoint(storage: Storage, paths: ConsumerPaths, stored: StoredCheckpoint): void {
  const bytes = new Uint8Array(checkpointFileLength);
  bytes.set(encodeSlot(stored), slotPositions[0]);
  replaceFileSync(storage, paths.checkpoint, bytes);
}

/** The checkpoint file of the holder of the lock, open for writing. */
export class CheckpointFile {
  readonly #file: StorageFile;
  readonly #isDsync: boolean;
  readonly #isMirror: boolean;
  /** The slot for the next write. */
  #slot = 1;
  #counter: number;
  #failure: Error | undefined;
  #isWriting = false;
  #isClosed = false;

  private constructor(file: StorageFile, isDsync: boolean, { counter, isMirror }: StoredCheckpoint) {
    this.#file = file;
    this.#isDsync = isDsync;
    this.#isMirror = isMirror;
    this.#counter = counter;
  }

  /**
   * Begins a file with this checkpoint, durably; all that it gets to hold are mirrors, or none is.
   * @param first its counter is above that of the newest checkpoint there was
   */
  static begin(storage: Storage, paths: ConsumerPaths, first: StoredCheckpoint): CheckpointFile {
    replaceCheckpoint(storage, paths, first);
    const dsync = storage.hasDsync;
    return new CheckpointFile(storage.openSync(paths.checkpoint, "write", { dsync }), dsync, first);
  }

  /** Writes a checkpoint; resolves when it is durable. One at a time. */
  write(checkpoint: Checkpoint): Promise<void> {
    return new Promise((resolve, reject) => {
      const { bytes, position } = this.#next(checkpoint);
      this.#isWriting = true;
      const done = (error: Error | undefined): void => {
        this.#isWriting = false;
        if (this.#isClosed) this.#file.closeSync();
        if (error === undefined) {
          this.#wrote();
          return resolve();
        }
        this.#failure = error;
        reject(error);
      };
      this.#file.write(bytes, position, (error, written) => {
        const short = written === bytes.length ? undefined : shortWriteError(this.#file.path, written, bytes.length);
        const failure = error ?? short;
        if (failure !== undefined || this.#isDsync) return done(failure);
        this.#file.fsync(done);
      });
    });
  }

  /** As `write`, blocking. With a write in flight it does nothing: that one ends by itself. */
  writeSync(checkpoint: Checkpoint): void {
    if (this.#isWriting) return;
    const { bytes, position } = this.#next(checkpoint);
    try {
      writeFullySync(this.#file, bytes, position);
      if (!this.#isDsync) this.#file.fsyncSync();
    } catch (error) {
      this.#failure = error as Error;
      throw error;
    }
    this.#wrote();
  }

  #next(checkpoint: Checkpoint): { bytes: Uint8Array; position: number } {
    if (this.#failure !== undefined) throw this.#failure;
    const bytes = encodeSlot({ counter: this.#counter + 1, checkpoint, isMirror: this.#isMirror });
    return { bytes, position: slotPositions[this.#slot] as number };
  }

  #wrote(): void {
    this.#counter++;
    this.#slot = 1 - this.#slot;
  }

  /** Gives the descriptor back, after the write in flight. */
  close(): void {
    this.#isClosed = true;
    if (!this.#isWriting) this.#file.closeSync();
  }
}
