/**
 * The record index of one segment on disk: entry i belongs to record `base + i`.
 *
 * Invariant: a firm entry is written only after its record was durable, so the last firm entry is
 * the mark. Entries are written contiguously and not synced one by one: after a power cut the last
 * ones may be missing or zero, and then they are simply not self-valid.
 *
 * One writer at most; any number of readers in any process, which go by self-valid entries and
 * never by the file's size.
 */
import {
  type EntryKind,
  entryHeaderCrc,
  entryKind,
  entryLength,
  entryOffset,
  writeEntry,
} from "../format/index-entry.ts";
import { type BesideRequest, type Plan, readAt, runSync } from "../storage/plan.ts";
import type { OpenMode, Storage, StorageFile } from "../storage/storage.ts";
import { writeFullySync } from "../storage/write-fully.ts";
import { chunkOf } from "./verify-chunk.ts";

/** An entry as read. */
export interface Entry {
  readonly seq: number;
  readonly offset: number;
  readonly headerCrc: number;
  readonly kind: EntryKind;
}

/** Entries are read in pieces of this many. */
const pieceLength = 4096;

/** An open record index. */
export class IndexFile {
  readonly path: string;
  /** The seq of entry 0. */
  readonly base: number;
  readonly seed: number;
  readonly #file: StorageFile;

  private constructor(file: StorageFile, base: number, seed: number) {
    this.path = file.path;
    this.base = base;
    this.seed = seed;
    this.#file = file;
  }

  static openSync(storage: Storage, path: string, mode: OpenMode, base: number, seed: number): IndexFile {
    return new IndexFile(storage.openSync(path, mode), base, seed);
  }

  /** How many entries the file has room for; says nothing of their worth. */
  capacitySync(): number {
    return Math.floor(this.#file.statSync().size / entryLength);
  }

  /** Tells this file from another one of the same name. */
  inodeSync(): number {
    return this.#file.statSync().inode;
  }

  /** The entry that stands where that of `seq` belongs; undefined past the end of the file. */
  *entry(seq: number): Plan<Entry | undefined> {
    const bytes = yield* readAt(this.#file, (seq - this.base) * entryLength, entryLength);
    return bytes.length < entryLength ? undefined : this.#decode(chunkOf(bytes, 0).view, 0, seq);
  }

  /** The raw entries from `seq` on, at most `count`. */
  *entries(seq: number, count: number): Plan<DataView> {
    const bytes = yield* readAt(this.#file, (seq - this.base) * entryLength, count * entryLength);
    return chunkOf(bytes, 0).view;
  }

  /** The raw entries from `seq` on, at most `count`, blocking. */
  entriesSync(seq: number, count: number): DataView {
    return runSync(this.entries(seq, count));
  }

  /** Reads the raw entries from `seq` on into `target`, as its entries `from` to `to`; returns how many whole ones there were. */
  readSync(seq: number, target: Uint8Array, from: number, to: number): number {
    const read = this.#file.readSync(target, (seq - this.base) * entryLength, from * entryLength, to * entryLength);
    return Math.floor(read / entryLength);
  }

  /** A read of the raw entries from `seq` on, at most `count`, to be made beside another one. */
  readBeside(seq: number, count: number): BesideRequest {
    const target = new Uint8Array(Buffer.allocUnsafeSlow(count * entryLength).buffer);
    return { file: this.#file, target, position: (seq - this.base) * entryLength, read: 0 };
  }

  /** The last self-valid entry of those from `lower` up to, not including, `upper`. */
  *lastBetween(lower: number, upper: number): Plan<Entry | undefined> {
    const view = yield* this.entries(lower, upper - lower);
    for (let i = Math.floor(view.byteLength / entryLength) - 1; i >= 0; i--) {
      const entry = this.#decode(view, i * entryLength, lower + i);
      if (entry.kind !== "invalid") return entry;
    }
    return undefined;
  }

  /** The last entry of this kind or better, searched from the end of the file. */
  *last(kind: "firm" | "provisional"): Plan<Entry | undefined> {
    for (let upper = this.capacitySync(); upper > 0;) {
      const lower = Math.max(0, upper - pieceLength);
      const view = yield* this.entries(this.base + lower, upper - lower);
      for (let i = Math.floor(view.byteLength / entryLength) - 1; i >= 0; i--) {
        const entry = this.#decode(view, i * entryLength, this.base + lower + i);
        if (entry.kind === "firm" || entry.kind === kind) return entry;
      }
      upper = lower;
    }
    return undefined;
  }

  /** The seq after the last of the self-valid entries that follow one another from `seq` on. */
  *endOfRun(seq: number): Plan<number> {
    for (let next = seq; ;) {
      const view = yield* this.entries(next, next === seq ? 64 : pieceLength);
      const count = Math.floor(view.byteLength / entryLength);
      for (let i = 0; i < count; i++) {
        if (entryKind(view, i * entryLength, this.seed, next + i) === "invalid") return next + i;
      }
      if (count === 0) return next;
      next += count;
    }
  }

  #decode(view: DataView, at: number, seq: number): Entry {
    return {
      seq,
      offset: entryOffset(view, at),
      headerCrc: entryHeaderCrc(view, at),
      kind: entryKind(view, at, this.seed, seq),
    };
  }

  /** Writes whole entries from that of `seq` on. */
  writeSync(seq: number, bytes: Uint8Array): void {
    writeFullySync(this.#file, bytes, (seq - this.base) * entryLength);
  }

  /** Makes the entry of `seq` firm: its record, and all before it, are durable now. */
  makeFirmSync(entry: Entry): void {
    const bytes = new Uint8Array(entryLength);
    writeEntry(chunkOf(bytes, 0).view, 0, this.seed, entry.seq, entry.offset, entry.headerCrc, "firm");
    this.writeSync(entry.seq, bytes);
  }

  /** Cuts off what stands from the entry of `seq` on. */
  truncateSync(seq: number): void {
    this.#file.truncateSync((seq - this.base) * entryLength);
  }

  fsyncSync(): void {
    this.#file.fsyncSync();
  }

  fsync(done: (error: Error | undefined) => void): void {
    this.#file.fsync(done);
  }

  closeSync(): void {
    this.#file.closeSync();
  }
}

/** Collects entries and writes them in pieces: for rebuilding and redo. */
export class EntryWriter {
  readonly #index: IndexFile;
  readonly #piece = new Uint8Array(pieceLength * entryLength);
  readonly #view = chunkOf(this.#piece, 0).view;
  #first: number;
  #count = 0;

  constructor(index: IndexFile, seq: number) {
    this.#index = index;
    this.#first = seq;
  }

  add(seq: number, offset: number, headerCrc: number): void {
    writeEntry(this.#view, this.#count * entryLength, this.#index.seed, seq, offset, headerCrc, "firm");
    if (++this.#count === pieceLength) this.flushSync();
  }

  flushSync(): void {
    if (this.#count === 0) return;
    this.#index.writeSync(this.#first, this.#piece.subarray(0, this.#count * entryLength));
    this.#first += this.#count;
    this.#count = 0;
  }
}
