/**
 * The directory with the directories of all streams, and its lock: whoever holds it makes and removes
 * streams, and nobody else.
 */
import { dirname, join } from "node:path";
import { SeqlogError } from "../../errors.ts";
import { lockPath } from "../../log/directory-writer.ts";
import { damaged } from "../../segment/damaged.ts";
import type { Machine } from "../../storage/storage.ts";
import { type WriterLock, acquireWriterLock, mayBeHeld } from "../../storage/writer-lock.ts";
import { removeTree } from "./remove-directory.ts";
import { type StreamMeta, loadMeta } from "./stream-meta.ts";
import { reservedSegment } from "./stream-path.ts";

const draftEnding = ".new";
const goneEnding = ".gone";
const streamName = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What one look found. */
export interface Seen {
  /** The ids of all streams, those that cannot be read among them. */
  readonly ids: ReadonlySet<string>;
  /** Of all but those whose names were enough. */
  readonly metas: readonly StreamMeta[];
  /** Why one of them could not be read: it may have any name. */
  readonly unreadable: SeqlogError | undefined;
  /** Whether what STREAM says of time may not be durable: a process was killed before. */
  readonly isUnsynced: boolean;
}

export class StreamDirectory {
  readonly #machine: Machine;
  readonly #parent: string;
  readonly #root: string;
  readonly #report: (error: Error) => void;
  #lock: WriterLock | undefined;
  /** Whether names may be on the disk that are not durable. */
  #isUnsynced = true;
  /** The names that were seen last. */
  #known: ReadonlySet<string> = new Set();
  /** Whether what a crash left was removed: what is in the making from then on is this process's. */
  #isTidy = false;

  /** @param report is told of streams that cannot be read */
  constructor(machine: Machine, directory: string, report: (error: Error) => void) {
    this.#machine = machine;
    this.#parent = join(directory, reservedSegment);
    this.#root = join(this.#parent, "streams");
    this.#report = report;
  }

  /** Whether this process is the one that makes and removes streams. */
  get isOwned(): boolean {
    return this.#lock !== undefined;
  }

  get exists(): boolean {
    return this.#machine.storage.statSync(this.#root) !== undefined;
  }

  /** Where a stream is, and where it is while it is made. */
  placeOf(id: string): { readonly parent: string; readonly draft: string; readonly directory: string } {
    const directory = join(this.#root, id);
    return { parent: this.#root, draft: directory + draftEnding, directory };
  }

  /** Takes the lock. @throws SEQLOG_LOCKED when another process has it */
  own(): void {
    if (this.#lock !== undefined) return;
    const { storage } = this.#machine;
    storage.makeDirectorySync(this.#root);
    const isUnclean = mayBeHeld(storage, lockPath(this.#parent));
    this.#lock = acquireWriterLock(this.#machine, lockPath(this.#parent), "kernel");
    this.#isUnsynced = isUnclean;
    try {
      // They may have been made by a process that was killed before it synced them.
      for (const above of [this.#parent, dirname(this.#parent), dirname(dirname(this.#parent))]) {
        storage.fsyncDirectorySync(above);
      }
    } catch (error) {
      this.release();
      throw error;
    }
  }

  /** Takes the lock if nobody has it. */
  tryToOwn(): void {
    try {
      this.own();
    } catch (error) {
      if (!SeqlogError.is(error, "SEQLOG_LOCKED")) throw error;
    }
  }

  /**
   * Reads which streams there are. The owner removes what a crash left of others.
   * @param isKnown of which streams the name is enough
   */
  look(isKnown: (id: string) => boolean): Seen {
    const { storage } = this.#machine;
    const ids = new Set<string>();
    const metas: StreamMeta[] = [];
    let unreadable: SeqlogError | undefined;
    const isSyncing = this.isOwned && this.#isUnsynced;
    if (isSyncing) storage.fsyncDirectorySync(this.#root);
    for (const name of storage.listSync(this.#root)) {
      const isLeft = name.endsWith(draftEnding) || name.endsWith(goneEnding);
      if (isLeft && this.isOwned && !this.#isTidy) this.#removeLeftover(join(this.#root, name));
      if (!streamName.test(name)) continue;
      if (isKnown(name)) {
        ids.add(name);
        continue;
      }
      const meta = this.#metaAt(name, isSyncing);
      if (meta === "removed") continue;
      ids.add(name);
      if (meta instanceof SeqlogError) unreadable = meta;
      else metas.push(meta);
    }
    // What another process made may have failed to become durable: whoever shows it sees to that.
    const isNew = [...ids].some((id) => !this.#known.has(id));
    if (!this.isOwned && isNew) storage.fsyncDirectorySync(this.#root);
    this.#known = ids;
    this.#isTidy = this.isOwned;
    if (isSyncing && unreadable === undefined) this.#isUnsynced = false;
    return { ids, metas, unreadable, isUnsynced: isSyncing };
  }

  /** Reads what one stream is. What cannot be read is told of. */
  lookAt(id: string): StreamMeta | "removed" | SeqlogError {
    return this.#metaAt(id, false);
  }

  #removeLeftover(directory: string): void {
    try {
      removeTree(this.#machine.storage, directory);
    } catch (error) {
      if (!(error instanceof SeqlogError)) throw error;
      this.#report(error);
    }
  }

  /**
   * What cannot be read is told of, and the others are served.
   * @param isSyncing a process that was killed may have marked a stream as deleted and not synced that:
   * before anything is built on it, it is made durable. (One fsync for each stream would take too long.)
   */
  #metaAt(id: string, isSyncing: boolean): StreamMeta | "removed" | SeqlogError {
    const directory = join(this.#root, id);
    try {
      const meta = loadMeta(this.#machine.storage, directory);
      if (isSyncing && meta.isDeleted) this.#machine.storage.fsyncDirectorySync(directory);
      if (meta.id === id) return meta;
      throw damaged(directory, 0, `it is of the stream ${meta.id}: a copy belongs into a directory of its own`);
    } catch (error) {
      if (!(error instanceof SeqlogError)) throw error;
      if (SeqlogError.is(error, "SEQLOG_NOT_FOUND") && !this.isOwned) return "removed";
      this.#report(error);
      return error;
    }
  }

  /** Takes a stream's name away, durably; returns where its files are until they are removed. */
  setAside(directory: string): string {
    const { storage } = this.#machine;
    const aside = directory + goneEnding;
    this.changing(() => {
      storage.renameSync(directory, aside);
      storage.fsyncDirectorySync(this.#root);
    });
    return aside;
  }

  /** Makes a change of names; after one that failed the next owner makes sure of what is there. */
  changing(change: () => void): void {
    const isUnsynced = this.#isUnsynced;
    this.#isUnsynced = true;
    change();
    this.#isUnsynced = isUnsynced;
  }

  /** Names may have changed without being durable. */
  distrust(): void {
    this.#isUnsynced = true;
  }

  release(): void {
    this.#lock?.release(!this.#isUnsynced);
    this.#lock = undefined;
  }
}
