/**
 * A record index on its way: written beside its place while the segment is being checked, and put
 * there only when all of that was found whole. So a segment is read once for both.
 */
import { SeqlogError } from "../errors.ts";
import { entryLength } from "../format/index-entry.ts";
import type { Storage, StorageFile } from "../storage/storage.ts";
import { writeFullySync } from "../storage/write-fully.ts";
import type { ChainRun } from "./walk-chain.ts";

/** What an interrupted one is called; it counts for nothing. */
function draftPath(indexPath: string): string {
  return `${indexPath}.tmp`;
}

/** One record index. Nothing is on the disk before the first record. */
export class IndexDraft {
  readonly seed: number;
  readonly #storage: Storage;
  readonly #path: string;
  readonly #base: number;
  #file: StorageFile | undefined;
  #isFinished = false;

  /** @param path where it is to stand */
  constructor(storage: Storage, path: string, base: number, seed: number) {
    this.seed = seed;
    this.#storage = storage;
    this.#path = path;
    this.#base = base;
  }

  /** Takes the entries of records that follow those before. */
  add({ seq, entries }: ChainRun): void {
    if (this.#file === undefined) {
      this.#storage.unlinkSync(draftPath(this.#path));
      this.#file = this.#storage.openSync(draftPath(this.#path), "create-new");
    }
    writeFullySync(this.#file, entries, (seq - this.#base) * entryLength);
  }

  /** All entries are there: makes them durable and gives the descriptor back, since there may be many drafts. */
  finish(): void {
    if (this.#file === undefined) return;
    this.#file.fsyncSync();
    this.#close();
    this.#isFinished = true;
  }

  /** Puts it in its place, durable but for the name: that takes a sync of the directory. */
  keep(): void {
    if (!this.#isFinished) return;
    this.#storage.renameSync(draftPath(this.#path), this.#path);
    this.#isFinished = false;
  }

  /** Leaves no trace of one that was not kept. */
  discard(): void {
    if (this.#file === undefined && !this.#isFinished) return;
    this.#close();
    try {
      this.#storage.unlinkSync(draftPath(this.#path));
    } catch (error) {
      // The next open removes it; why it was not kept matters more.
      if (!(error instanceof SeqlogError)) throw error;
    }
  }

  #close(): void {
    this.#file?.closeSync();
    this.#file = undefined;
  }
}
