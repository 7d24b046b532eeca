/**
 * A directory log as a reader of another process sees it: MANIFEST, the names of the segments, and
 * self-valid record-index entries; never the size of a file that is being written. Changes nothing.
 */
import { SeqlogError } from "../errors.ts";
import { Coalesce } from "../segment/coalesce.ts";
import { extendDurableEnd, findDurableEnd } from "../segment/durable-end.ts";
import { Follow } from "../segment/follow.ts";
import { inspect } from "../segment/inspect.ts";
import type { LogView, OpenSegment } from "../segment/log-view.ts";
import { closedError, trimmedError } from "../segment/read-range.ts";
import { damaged } from "../segment/damaged.ts";
import type { ReadLimit } from "../segment/segment-reader.ts";
import { ViewChanges } from "../segment/view-changes.ts";
import { waitForRecovery } from "../segment/wait-for-recovery.ts";
import { run } from "../storage/plan.ts";
import type { Machine, Storage } from "../storage/storage.ts";
import { findSegment } from "./directory-writer.ts";
import { type Manifest, loadManifest, manifestPath } from "./manifest.ts";
import { type SealedSegment, checkNoneLost } from "./recover-directory.ts";
import { type CachedSegment, SegmentCache } from "./segment-cache.ts";
import { type SegmentName, listDirectory, logPath } from "./segment-files.ts";

/** What one look at the directory found. */
interface Seen {
  readonly manifest: Manifest;
  /** Tells one MANIFEST from the next. */
  readonly stamp: string;
  readonly sealed: readonly SealedSegment[];
  readonly base: number;
  readonly limit: ReadLimit;
}

/** So many looks may find the directory in the middle of a trim or reset. */
const maxLooks = 5;

/** The view of one directory. */
export class Follower implements LogView {
  readonly location: string;
  readonly #machine: Machine;
  readonly #cache: SegmentCache;
  readonly #changes: ViewChanges;
  readonly #follow: Follow;
  readonly #looks = new Coalesce(() => this.#look());
  #seen: Seen;
  #isClosed = false;

  private constructor(machine: Machine, directory: string, cache: SegmentCache, seen: Seen) {
    this.location = directory;
    this.#machine = machine;
    this.#cache = cache;
    this.#seen = seen;
    this.#follow = new Follow(
      machine,
      directory,
      () => void this.refresh().catch((error: Error) => this.#changes.fail(error)),
    );
    this.#changes = new ViewChanges((isFollowed) => this.#follow.set(isFollowed));
  }

  /** Opens the log that is there. @throws SEQLOG_NOT_FOUND when there is none */
  static async open(machine: Machine, directory: string): Promise<Follower> {
    const cache = new SegmentCache(machine.storage, directory);
    try {
      return new Follower(machine, directory, cache, await lookAfresh(machine, directory, cache));
    } catch (error) {
      cache.drop();
      throw error;
    }
  }

  get manifest(): Manifest {
    return this.#seen.manifest;
  }

  get firstSeq(): number {
    return this.#seen.manifest.firstSeq;
  }

  get nextSeq(): number {
    return this.#seen.limit.nextSeq;
  }

  get generation(): number {
    return this.#seen.manifest.generation;
  }

  get version(): number {
    return this.#changes.version;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** All segments as they may be read now, oldest first. */
  get segments(): readonly SealedSegment[] {
    const { sealed, base, limit } = this.#seen;
    return [...sealed, { base, nextSeq: limit.nextSeq, bytes: limit.end }];
  }

  acquire(seq: number): OpenSegment {
    if (this.#isClosed) throw closedError(this.location);
    const { manifest, sealed, base: activeBase, limit } = this.#seen;
    if (seq < manifest.firstSeq) throw trimmedError(this.location, seq, manifest.firstSeq);
    const found = seq >= activeBase ? undefined : sealed[findSegment(sealed, seq)];
    const base = found?.base ?? activeBase;
    const { segment, release } = this.#cache.acquire(manifest, base);
    const readLimit = found === undefined ? limit : { nextSeq: found.nextSeq, end: found.bytes };
    return { base, reader: segment.reader, limit: () => readLimit, release };
  }

  changed(version: number, signal: AbortSignal): Promise<void> {
    return this.#changes.after(version, signal);
  }

  follow(): () => void {
    return this.#changes.follow();
  }

  /** Whether another MANIFEST is in force than the one that was looked at last. */
  get isStale(): boolean {
    return stampOf(this.#machine, this.location) !== this.#seen.stamp;
  }

  async waitForRecovery(): Promise<boolean> {
    const { base, manifest } = this.#seen;
    await waitForRecovery(this.#machine, logPath(this.location, { base, generation: manifest.generation }));
    return true;
  }

  /** Looks what the writer did meanwhile. */
  refresh(): Promise<void> {
    return this.#looks.run();
  }

  async #look(): Promise<void> {
    if (this.#isClosed) return;
    const before = this.#seen;
    const stamp = stampOf(this.#machine, this.location);
    try {
      const seen = stamp === before.stamp ? await this.#lookAheadOrAgain(before) : await this.#lookAgain(before);
      if (this.#isClosed || seen === before) return;
      this.#seen = seen;
      this.#changes.bump();
    } finally {
      // What was opened for a look that outlasted the log.
      if (this.#isClosed) this.#cache.drop();
    }
  }

  /** Under another MANIFEST everything may be different. What the new one keeps must not seem shorter than before. */
  async #lookAgain(before: Seen): Promise<Seen> {
    this.#cache.drop();
    const seen = await lookAfresh(this.#machine, this.location, this.#cache);
    const isOlder =
      seen.manifest.generation === before.manifest.generation && seen.limit.nextSeq < before.limit.nextSeq;
    return isOlder ? before : seen;
  }

  /** A roll that ran out of space takes its new segment away again, from under whoever has moved on to it. */
  async #lookAheadOrAgain(before: Seen): Promise<Seen> {
    try {
      return await this.#lookAhead(before);
    } catch (error) {
      if (!SeqlogError.is(error, "SEQLOG_NOT_FOUND")) throw error;
      return await this.#lookAgain(before);
    }
  }

  /** Under the same MANIFEST the active segment grows, or is sealed and followed by the next. */
  async #lookAhead(before: Seen): Promise<Seen> {
    const { storage } = this.#machine;
    let { sealed, base, limit } = before;
    for (;;) {
      const name = { base, generation: before.manifest.generation };
      // A record index that was replaced is another file now, and one that was not there may have come.
      this.#cache.drop(base);
      const held = this.#cache.acquire(before.manifest, base);
      let next: ReadLimit;
      try {
        const { file, index } = held.segment;
        next = index === undefined ? limit : await run(extendDurableEnd(file, index, limit));
      } finally {
        held.release();
      }
      const follows = { base: next.nextSeq, generation: name.generation };
      const isSealed = next.nextSeq > base && storage.statSync(logPath(this.location, follows)) !== undefined;
      if (!isSealed) {
        const isSame = next.nextSeq === before.limit.nextSeq && base === before.base;
        return isSame ? before : { ...before, sealed, base, limit: next };
      }
      sealed = [...sealed, { base, nextSeq: next.nextSeq, bytes: next.end }];
      base = next.nextSeq;
      limit = { nextSeq: base, end: 0 };
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#follow.set(false);
    this.#cache.drop();
    this.#changes.bump();
  }
}

/** Tells one MANIFEST from the next: its bytes, since times are coarse and inodes are used again. */
function stampOf(machine: Machine, directory: string): string {
  const path = manifestPath(directory);
  try {
    const file = machine.storage.openSync(path, "read");
    try {
      const bytes = Buffer.alloc(file.statSync().size);
      return bytes.toString("latin1", 0, file.readSync(bytes, 0));
    } finally {
      file.closeSync();
    }
  } catch (error) {
    if (SeqlogError.is(error, "SEQLOG_NOT_FOUND")) return "none";
    throw error;
  }
}

/**
 * Looks at everything. A gap or a missing file is believed only when it is found twice under the
 * same MANIFEST: between two looks a writer may have trimmed, rolled or reset.
 */
async function lookAfresh(machine: Machine, directory: string, cache: SegmentCache): Promise<Seen> {
  for (let attempt = 1; ; attempt++) {
    const stamp = stampOf(machine, directory);
    try {
      const seen = await look(machine, directory, cache, stamp);
      if (stampOf(machine, directory) === stamp) return seen;
    } catch (error) {
      const isSettled = attempt > 1 && stampOf(machine, directory) === stamp;
      if (isSettled || attempt >= maxLooks) throw error;
    }
    cache.drop();
    if (attempt >= 100) throw new Error(`${directory}: MANIFEST changes faster than it can be read`);
    await machine.clock.turn();
  }
}

/** Without a MANIFEST an empty first segment is a log that is just being made. */
function hasRecords(storage: Storage, directory: string, logs: readonly SegmentName[]): boolean {
  return (
    logs.length > 1 || logs.some((name) => name.base > 0 || (storage.statSync(logPath(directory, name))?.size ?? 0) > 0)
  );
}

async function look(machine: Machine, directory: string, cache: SegmentCache, stamp: string): Promise<Seen> {
  const { storage } = machine;
  const stat = storage.statSync(directory);
  const manifest = stat === undefined ? undefined : await run(loadManifest(storage, directory));
  const listing = stat === undefined ? undefined : listDirectory(storage, directory);
  if (manifest === undefined) {
    if (listing !== undefined && hasRecords(storage, directory, listing.logs)) {
      throw damaged(
        manifestPath(directory),
        0,
        `the directory holds ${listing.logs.length} segments, but no MANIFEST; \`seqlog repair\` makes a new one`,
      );
    }
    throw new SeqlogError("SEQLOG_NOT_FOUND", `${directory}: there is no log here`, { path: directory });
  }
  if (listing !== undefined) checkNoneLost(storage, directory, listing, manifest.generation);
  const names = (listing?.logs ?? []).filter((name) => name.generation === manifest.generation);
  const bases = names.map((name) => name.base);
  const first = bases.findLastIndex((base) => base <= manifest.firstSeq);
  const active = bases.at(-1);
  if (first < 0 || active === undefined) {
    const missing = logPath(directory, { base: manifest.firstSeq, generation: manifest.generation });
    throw damaged(
      missing,
      0,
      `MANIFEST says that the log begins at record ${manifest.firstSeq}, but there is no such segment`,
    );
  }
  const kept = bases.slice(first);
  const sealed = kept.slice(0, -1).map((base, i) => {
    const size = storage.statSync(logPath(directory, { base, generation: manifest.generation }))?.size ?? 0;
    return { base, nextSeq: kept[i + 1] as number, bytes: size };
  });
  const held = cache.acquire(manifest, active);
  try {
    const limit = await limitOf(held.segment, manifest, active);
    return { manifest, stamp, sealed, base: active, limit };
  } finally {
    held.release();
  }
}

/** How far the active segment may be read. */
async function limitOf({ file, index }: CachedSegment, manifest: Manifest, base: number): Promise<ReadLimit> {
  const { state } = manifest;
  if (state !== "open") {
    const size = file.statSync().size;
    if (size === state.activeBytes) return { nextSeq: state.nextSeq, end: size };
    throw damaged(
      file.path,
      Math.min(size, state.activeBytes),
      `close() left ${state.activeBytes} bytes, found ${size}`,
    );
  }
  if (index !== undefined) {
    const limit = await run(findDurableEnd(file, index));
    if (limit.nextSeq > base) return limit;
  }
  // No mark at all: what lies a whole window before the end of the chain was durable.
  const { redoFrom } = await run(
    inspect(file, index, {
      base,
      window: manifest.window ?? Infinity,
      closed: undefined,
      isOurs: manifest.idVersion === 7,
    }),
  );
  return { nextSeq: redoFrom.seq, end: redoFrom.offset };
}
