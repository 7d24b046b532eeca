/** Read descriptors of segments, shared by the readers of one log and kept for a while. */
import { IndexFile } from "../segment/index-file.ts";
import { SegmentReader } from "../segment/segment-reader.ts";
import type { Storage, StorageFile } from "../storage/storage.ts";
import type { Manifest } from "./manifest.ts";
import { indexPath, logPath, seedOf } from "./segment-files.ts";

/** So many segments stay open while nobody reads them. */
const maxIdle = 4;

/** An open segment. */
export interface CachedSegment {
  readonly file: StorageFile;
  readonly index: IndexFile | undefined;
  readonly reader: SegmentReader;
}

interface Slot extends CachedSegment {
  readonly generation: number;
  users: number;
  /** The count of uses when it was used last. */
  usedAt: number;
  /** No longer to be given out; closed when the last user is done. */
  isDropped: boolean;
}

/** The cache of one log. */
export class SegmentCache {
  readonly #storage: Storage;
  readonly #directory: string;
  /** By base. */
  readonly #slots = new Map<number, Slot>();
  #uses = 0;

  constructor(storage: Storage, directory: string) {
    this.#storage = storage;
    this.#directory = directory;
  }

  /** The segment that begins with `base`; each call is followed by one of the function returned. */
  acquire(manifest: Manifest, base: number): { readonly segment: CachedSegment; readonly release: () => void } {
    let slot = this.#slots.get(base);
    // While a follower looks at a new generation, its readers still ask for the old one.
    if (slot !== undefined && slot.generation !== manifest.generation) {
      this.drop(base);
      slot = undefined;
    }
    if (slot === undefined) {
      slot = this.#open(manifest, base);
      this.#slots.set(base, slot);
    }
    const held = slot;
    held.users++;
    held.usedAt = ++this.#uses;
    if (this.#slots.size > maxIdle) this.#evict();
    return { segment: held, release: () => this.#release(held) };
  }

  /** Forgets one segment, or all: its files were replaced or removed. */
  drop(base?: number): void {
    for (const [at, slot] of this.#slots) {
      if (base !== undefined && at !== base) continue;
      this.#slots.delete(at);
      slot.isDropped = true;
      if (slot.users === 0) close(slot);
    }
  }

  #open(manifest: Manifest, base: number): Slot {
    const name = { base, generation: manifest.generation };
    const file = this.#storage.openSync(logPath(this.#directory, name), "read");
    try {
      const at = indexPath(this.#directory, name);
      const hasIndex = this.#storage.statSync(at) !== undefined;
      const index = hasIndex ? IndexFile.openSync(this.#storage, at, "read", base, seedOf(manifest, base)) : undefined;
      return {
        generation: name.generation,
        file,
        index,
        reader: new SegmentReader(file, index, base),
        users: 0,
        usedAt: 0,
        isDropped: false,
      };
    } catch (error) {
      file.closeSync();
      throw error;
    }
  }

  #release(slot: Slot): void {
    slot.users--;
    if (slot.isDropped && slot.users === 0) close(slot);
  }

  /** Closes those that were not used for the longest time. */
  #evict(): void {
    const idle = [...this.#slots].filter(([, { users }]) => users === 0).sort(([, a], [, b]) => a.usedAt - b.usedAt);
    for (const [base] of idle.slice(0, this.#slots.size - maxIdle)) this.drop(base);
  }
}

function close(slot: Slot): void {
  slot.reader.clear();
  slot.file.closeSync();
  slot.index?.closeSync();
}
