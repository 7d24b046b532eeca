/**
 * The writing half of a directory log: segments that roll, MANIFEST, trim, reset, close. Holds the
 * writer's lock from open to close, and is the view of this process's readers.
 *
 * Commit points: MANIFEST is replaced before anything is unlinked (reset, trim), and a segment is
 * sealed before the next one exists. See DESIGN.md, "A directory log".
 */
import { join } from "node:path";
import { SeqlogError } from "../errors.ts";
import { createIdSourceV4, createIdSourceV7 } from "../format/uuid.ts";
import { BackgroundSync } from "../segment/background-sync.ts";
import type { Batch } from "../segment/batch.ts";
import { type CommitHost, CommitQueue, type CommitSettings } from "../segment/commit-queue.ts";
import { IndexFile } from "../segment/index-file.ts";
import { KeepAlive } from "../segment/keep-alive.ts";
import type { LogView, OpenSegment } from "../segment/log-view.ts";
import { closedError, trimmedError } from "../segment/read-range.ts";
import type { ReadLimit } from "../segment/segment-reader.ts";
import { SegmentWriter } from "../segment/segment-writer.ts";
import { ViewChanges } from "../segment/view-changes.ts";
import type { Machine } from "../storage/storage.ts";
import type { WriterLock } from "../storage/writer-lock.ts";
import { KeyedAppends } from "./keyed-appends.ts";
import type { KeyLimits } from "./key-window.ts";
import { type Manifest, firstWindow, isBeforeCommit, storeManifest } from "./manifest.ts";
import { type Recovered, type SealedSegment, createSegment } from "./recover-directory.ts";
import type { TrimResult } from "./log.ts";
import { type Retention, RetentionKeeper } from "./retention.ts";
import { type CachedSegment, SegmentCache } from "./segment-cache.ts";
import { type SegmentName, indexPath, listDirectory, logPath, seedOf } from "./segment-files.ts";
import { WriterDiagnostics } from "./writer-diagnostics.ts";

/** When `append` resolves, and what a power cut can take (a crash of the process takes nothing in any of them). */
export type Durability =
  /** After the record is on the disk. A power cut takes no acknowledged record. */
  | "record"
  /** After the record is with the operating system, which is told to bring it to the disk every so many milliseconds. A power cut takes what was acknowledged since the last fsync that succeeded began: that time and the time of two fsyncs at most. */
  | { readonly intervalMs: number }
  /** After the record is with the operating system, which writes it when it likes, often within 30 seconds. A power cut takes what it had not written since the last roll, `flush` or `close`. */
  | "os";

/** How to write. */
export interface WriterSettings extends CommitSettings {
  readonly segmentBytes: number;
  readonly durability: Durability;
  readonly codec: string | undefined;
  readonly keyWindow: KeyLimits;
  readonly retention: Retention | undefined;
}

/** The writer of one directory. */
export class DirectoryWriter implements LogView, CommitHost {
  readonly location: string;
  readonly path: string;
  readonly segmentBytes: number;
  readonly queue: CommitQueue;
  /** Undefined when the log was opened without. */
  readonly retention: RetentionKeeper | undefined;
  readonly #machine: Machine;
  readonly #lock: WriterLock;
  readonly #settings: WriterSettings;
  readonly #cache: SegmentCache;
  readonly #changes: ViewChanges;
  readonly #background: BackgroundSync;
  readonly #diagnostics: WriterDiagnostics;
  #manifest: Manifest;
  /** Oldest first. */
  #sealed: readonly SealedSegment[];
  #segment: SegmentWriter;
  #base: number;
  #isClosed = false;
  #keys: KeyedAppends | undefined;

  constructor(machine: Machine, directory: string, lock: WriterLock, recovered: Recovered, settings: WriterSettings) {
    this.location = directory;
    this.path = directory;
    this.segmentBytes = settings.segmentBytes;
    this.#machine = machine;
    this.#lock = lock;
    this.#settings = settings;
    this.#cache = new SegmentCache(machine.storage, directory);
    const keepAlive = new KeepAlive(machine.clock);
    this.#changes = new ViewChanges((isFollowed) => keepAlive.set(isFollowed));
    this.#sealed = recovered.sealed;
    this.#base = recovered.active.base;
    this.#manifest = this.#begin(recovered.manifest);
    this.#segment = this.#openSegment(recovered.active);
    this.#diagnostics = new WriterDiagnostics(directory, settings.durability === "record", this);
    this.#background = this.#createBackground();
    const { random, clock } = machine;
    const ids =
      this.#manifest.idVersion === 4
        ? createIdSourceV4(random)
        : createIdSourceV7(random, () => clock.now(), recovered.lastIdMs);
    this.queue = new CommitQueue(this, ids, clock, settings);
    const { retention } = settings;
    this.retention = retention === undefined ? undefined : new RetentionKeeper(machine, this, retention);
  }

  /** Appends with a key. */
  get keys(): KeyedAppends {
    this.#keys ??= new KeyedAppends(this, this.#machine.clock, this.#settings.keyWindow);
    return this.#keys;
  }

  /** From here on the log is open, and says so on disk before anything is written. */
  #begin(found: Manifest): Manifest {
    const isWeak = this.#settings.durability !== "record";
    const wasClosed = found.state !== "open";
    const window = isWeak ? null : wasClosed ? firstWindow : found.window;
    const codec = found.codec ?? this.#settings.codec ?? null;
    const manifest: Manifest = { ...found, window, codec, state: "open" };
    if (wasClosed || window !== found.window || codec !== found.codec) {
      storeManifest(this.#machine.storage, this.location, manifest);
    }
    return manifest;
  }

  #openSegment(at: { readonly end: number; readonly nextSeq: number }): SegmentWriter {
    const { storage } = this.#machine;
    const name = { base: this.#base, generation: this.#manifest.generation };
    const index = IndexFile.openSync(
      storage,
      indexPath(this.location, name),
      "write",
      name.base,
      seedOf(this.#manifest, name.base),
    );
    try {
      return SegmentWriter.openSync(storage, logPath(this.location, name), index, at, {
        ackPoint: this.#settings.durability === "record" ? "durable" : "written",
        zeroAhead: storage.prefersZeroAheadSync(this.location),
      });
    } catch (error) {
      index.closeSync();
      throw error;
    }
  }

  #createBackground(): BackgroundSync {
    const { durability } = this.#settings;
    const isInterval = typeof durability === "object";
    return new BackgroundSync(this.#machine.clock, {
      intervalMs: isInterval ? durability.intervalMs : 1000,
      // The loss window holds even when the program has nothing else to do.
      keepAlive: isInterval,
      sync: (done) => {
        const segment = this.#segment;
        if (!isInterval) return segment.syncIndex(this.#diagnostics.syncs("record-index", "background", done));
        const synced = this.#diagnostics.syncs("records", "background", done);
        segment.sync((error) => (error === undefined ? segment.syncIndex(synced) : synced(error)));
      },
      failed: (error) => this.queue.poison(error),
    });
  }

  /** @see WriterSettings */
  get maxPendingBytes(): number {
    return this.#settings.maxPendingBytes;
  }

  /** The segment being written. */
  current(): SegmentWriter {
    return this.#segment;
  }

  /** The name of the segment being written. */
  get segmentName(): string {
    return this.#segment.name;
  }

  get manifest(): Manifest {
    return this.#manifest;
  }

  get firstSeq(): number {
    return this.#manifest.firstSeq;
  }

  get nextSeq(): number {
    return this.#segment.nextSeq;
  }

  get generation(): number {
    return this.#manifest.generation;
  }

  get version(): number {
    return this.#changes.version;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** All segments as they may be read now, oldest first. */
  get segments(): readonly SealedSegment[] {
    return [...this.#sealed, { base: this.#base, nextSeq: this.#segment.nextSeq, bytes: this.#segment.end }];
  }

  changed(version: number, signal: AbortSignal): Promise<void> {
    return this.#changes.after(version, signal);
  }

  follow(): () => void {
    return this.#changes.follow();
  }

  readonly isStale = false;

  waitForRecovery(): Promise<boolean> {
    return Promise.resolve(false);
  }

  refresh(): Promise<void> {
    return Promise.resolve();
  }

  acquire(seq: number): OpenSegment {
    if (this.#isClosed) throw closedError(this.location);
    if (seq < this.#manifest.firstSeq) throw trimmedError(this.location, seq, this.#manifest.firstSeq);
    const sealed = seq >= this.#base ? undefined : this.#sealed[findSegment(this.#sealed, seq)];
    const base = sealed?.base ?? this.#base;
    const { segment, release } = this.#cache.acquire(this.#manifest, base);
    const active = this.#segment;
    const limit = (): ReadLimit =>
      sealed === undefined
        ? { nextSeq: active.nextSeq, end: active.end }
        : { nextSeq: sealed.nextSeq, end: sealed.bytes };
    return { base, reader: segment.reader, limit, release };
  }

  /** Calls with a segment's files, which are held open meanwhile. */
  withSegment<T>(base: number, use: (segment: CachedSegment) => T): T {
    const { segment, release } = this.#cache.acquire(this.#manifest, base);
    try {
      return use(segment);
    } finally {
      release();
    }
  }

  /** Called by the queue. */
  committed(bytes: number): void {
    this.#background.wrote(bytes);
    this.#changes.bump();
    this.#diagnostics.committed(bytes, this);
  }

  /** Called by the queue. */
  poisoned(): void {
    this.#background.stop();
  }

  /** Called by the queue: no write past what is durable is larger than MANIFEST says. */
  beforeWrite(length: number): void {
    this.#diagnostics.writes();
    const { window } = this.#manifest;
    if (window === null || length <= window) return;
    let raised = window;
    while (raised < length) raised *= 4;
    this.#store({ ...this.#manifest, window: raised });
  }

  /** Called by the queue: seals the segment, then begins the next. */
  roll(): void {
    const { storage } = this.#machine;
    const old = this.#segment;
    const name = { base: old.nextSeq, generation: this.#manifest.generation };
    try {
      old.seal();
    } catch (error) {
      // Even for want of space: an fsync that failed is never tried again.
      this.queue.poison(error as Error);
      throw error;
    }
    let next: SegmentWriter;
    const oldBase = this.#base;
    try {
      createSegment(storage, this.location, name);
      storage.fsyncDirectorySync(this.location);
      this.#base = name.base;
      next = this.#openSegment({ end: 0, nextSeq: name.base });
    } catch (error) {
      // The old segment goes on growing, so no segment may begin in the middle of it.
      this.#base = oldBase;
      storage.unlinkSync(indexPath(this.location, name));
      storage.unlinkSync(logPath(this.location, name));
      storage.fsyncDirectorySync(this.location);
      throw error;
    }
    this.#sealed = [...this.#sealed, { base: oldBase, nextSeq: old.nextSeq, bytes: old.end }];
    this.#segment = next;
    this.#diagnostics.rolled(old, next.name, this);
    old.close(() => old.index.closeSync());
    this.#retain();
  }

  /**
   * After a roll. That what might go could not be found out, or there was no room for a MANIFEST,
   * fails no append: it is tried again at the next roll.
   */
  #retain(): void {
    const { retention } = this;
    if (retention?.hasLimits !== true) return;
    try {
      this.trim(retention.dueSeq());
      retention.failure = undefined;
    } catch (error) {
      retention.failure = error as Error;
      this.queue.throwIfPoisoned();
    }
  }

  /** Makes all acknowledged records durable, whatever the mode. */
  async flush(): Promise<void> {
    await this.queue.settled();
    this.queue.throwIfPoisoned();
    if (this.#settings.durability === "record") return;
    await new Promise<void>((resolve, reject) => {
      const synced = this.#diagnostics.syncs("records", "flush", (error) => {
        if (error === undefined) return resolve();
        this.queue.poison(error);
        reject(error);
      });
      this.#segment.sync(synced);
    });
  }

  /**
   * Removes whole sealed segments with no record at or after `seq`, and where consumers are protected
   * none that one of them needs, unless by `force`.
   */
  trim(seq: number, force = false): TrimResult {
    const held = force ? undefined : this.retention?.heldBack(seq);
    const removed = this.#remove(held?.seq ?? seq);
    return held === undefined || held.heldBack.records === 0 ? { removed } : { removed, heldBack: held.heldBack };
  }

  #remove(seq: number): number {
    const first = this.#sealed.findIndex((segment) => segment.nextSeq > seq);
    const kept = first < 0 ? [] : this.#sealed.slice(first);
    const firstSeq = this.#sealed[first]?.base ?? this.#base;
    const removed = firstSeq - this.#manifest.firstSeq;
    if (removed <= 0) return 0;
    const gone = this.#sealed.filter((segment) => segment.base < firstSeq);
    try {
      this.#storeOnFullDisk({ ...this.#manifest, firstSeq }, gone);
    } catch (error) {
      // Which MANIFEST is on the disk is not known now, unless the new one was not even complete.
      if (!isBeforeCommit(error)) this.queue.poison(error as Error);
      throw error;
    }
    this.#sealed = kept;
    for (const { base } of gone) this.#cache.drop(base);
    this.#changes.bump();
    this.#unlink((name) => name.generation === this.#manifest.generation && name.base < firstSeq);
    return removed;
  }

  /** Removes all records: a new generation begins, with record 0. Atomic under a crash. */
  async reset(barrier: Batch | undefined): Promise<void> {
    this.queue.throwIfPoisoned();
    await this.queue.pause(barrier);
    try {
      this.queue.throwIfPoisoned();
      this.#beginGeneration();
    } finally {
      this.queue.resume();
    }
  }

  #beginGeneration(): void {
    const { storage } = this.#machine;
    const old = this.#segment;
    const before = { manifest: this.#manifest, base: this.#base };
    const name = { base: 0, generation: before.manifest.generation + 1 };
    try {
      createSegment(storage, this.location, name);
      storage.fsyncDirectorySync(this.location);
    } catch (error) {
      if (!SeqlogError.is(error, "SEQLOG_NO_SPACE")) this.queue.poison(error as Error);
      throw error;
    }
    try {
      this.#store({ ...before.manifest, generation: name.generation, firstSeq: 0 });
      this.#base = 0;
      this.#segment = this.#openSegment({ end: 0, nextSeq: 0 });
    } catch (error) {
      // Which MANIFEST is on the disk is not known now; the next open will see.
      this.#manifest = before.manifest;
      this.#base = before.base;
      this.queue.poison(error as Error);
      throw error;
    }
    this.#sealed = [];
    this.#cache.drop();
    this.#changes.bump();
    old.close(() => old.index.closeSync());
    this.#unlink((segment) => segment.generation !== name.generation);
  }

  /**
   * Unlinks segments that MANIFEST does not count any more. What was asked for has happened with
   * MANIFEST: a disk that fails now only leaves files behind, and the next open removes them.
   */
  #unlink(isGone: (name: SegmentName) => boolean): void {
    const { storage } = this.#machine;
    try {
      const listing = listDirectory(storage, this.location);
      for (const name of listing.logs.filter(isGone)) storage.unlinkSync(logPath(this.location, name));
      for (const name of listing.indexes.filter(isGone)) storage.unlinkSync(indexPath(this.location, name));
      storage.fsyncDirectorySync(this.location);
    } catch (error) {
      if (!(error instanceof SeqlogError)) throw error;
    }
  }

  /**
   * Trimming is how a full disk is emptied, and MANIFEST needs a little room itself. The record index
   * of a segment that is about to go gives it: should the segment stay after all, it is made anew.
   */
  #storeOnFullDisk(manifest: Manifest, gone: readonly SealedSegment[]): void {
    try {
      return this.#store(manifest);
    } catch (error) {
      if (!SeqlogError.is(error, "SEQLOG_NO_SPACE")) throw error;
    }
    for (const { base } of gone) {
      const at = indexPath(this.location, { base, generation: manifest.generation });
      const index = IndexFile.openSync(this.#machine.storage, at, "write", base, seedOf(manifest, base));
      try {
        index.truncateSync(base);
        index.fsyncSync();
      } finally {
        index.closeSync();
      }
    }
    this.#store(manifest);
  }

  #store(manifest: Manifest): void {
    storeManifest(this.#machine.storage, this.location, manifest);
    this.#manifest = manifest;
  }

  /** Ends live reads and gives up files and lock. What was appended is acknowledged before. */
  async close(): Promise<void> {
    await this.queue.idle();
    // A sync that fails while the segment is sealed may be the only one that is told of it.
    this.#background.stop();
    await this.#background.idle();
    await new Promise<void>((resolve, reject) => this.#finish(resolve, reject));
  }

  /** As `close`, blocking; descriptors that a callback still needs are closed when it comes. */
  closeSync(): void {
    this.queue.drainSync();
    let failure: Error | undefined;
    this.#finish(
      () => undefined,
      (error) => (failure = error),
    );
    if (failure !== undefined) throw failure;
  }

  #finish(closed: () => void, failed: (error: Error) => void): void {
    this.#background.stop();
    let failure: Error | undefined;
    let isDurable = this.#settings.durability === "record";
    try {
      // Under the weaker modes some of what was acknowledged may never come to the disk now.
      if (!isDurable) this.queue.throwIfPoisoned();
      // With a write still out nobody can say how the segment will end, so it is not called closed:
      // the next open looks for itself.
      if (!this.queue.isPoisoned && !this.queue.hasWriteInFlight) {
        const { end, nextSeq } = this.#segment;
        this.#segment.seal();
        isDurable = true;
        this.#store({ ...this.#manifest, state: { nextSeq, activeBytes: end } });
      }
    } catch (error) {
      // Without room for a MANIFEST that says "closed" the next open looks for itself; nothing is lost.
      if (!isDurable || !SeqlogError.is(error, "SEQLOG_NO_SPACE")) failure = error as Error;
    }
    this.#isClosed = true;
    this.#cache.drop();
    this.#changes.bump();
    const segment = this.#segment;
    segment.close(() => {
      segment.index.closeSync();
      this.#lock.release();
      if (failure === undefined) closed();
      else failed(failure);
    });
    if (failure !== undefined) failed(failure);
  }
}

/** The path of a log's writer's lock. */
export function lockPath(directory: string): string {
  return join(directory, "LOCK");
}

/** The place of the segment that holds `seq`. */
export function findSegment(segments: readonly SealedSegment[], seq: number): number {
  let lower = 0;
  let upper = segments.length - 1;
  while (lower < upper) {
    const middle = Math.ceil((lower + upper) / 2);
    if ((segments[middle] as SealedSegment).base <= seq) lower = middle;
    else upper = middle - 1;
  }
  return lower;
}
