/**
 * All streams of a directory: which there are, what they are forks of, when they end. STREAMS.md has
 * what lies on the disk.
 *
 * One process at a time changes what streams there are: it holds the lock of the directory. Another one
 * that serves the same directory reads, looks again now and then, and appends to the streams that the
 * first has not open.
 */
import { SeqlogError } from "../../errors.ts";
import { createIdSourceV4, formatId, idLength } from "../../format/uuid.ts";
import { lockPath } from "../../log/directory-writer.ts";
import { damaged } from "../../segment/damaged.ts";
import type { Machine, Storage } from "../../storage/storage.ts";
import { acquireWriterLock } from "../../storage/writer-lock.ts";
import type { Frame } from "../frame/frame.ts";
import { mediaTypeOf } from "./content-type.ts";
import {
  type CreateRequest,
  type ForkRequest,
  cutFrame,
  defaultContentType,
  firstFrames,
  isSame,
  makeStreamDirectory,
} from "./create-stream.ts";
import { LookAgain } from "./look-again.ts";
import { OpenLogs } from "./open-logs.ts";
import { wasClosed } from "./open-stream.ts";
import { Refusal, notFound } from "./refusal.ts";
import { removeTree } from "./remove-directory.ts";
import { Renewals } from "./renewals.ts";
import { StreamDirectory } from "./stream-directory.ts";
import { type HeldStream, StreamEntry } from "./stream-entry.ts";
import { type ForkPoint, type StreamMeta, newMeta, storeMeta } from "./stream-meta.ts";
import { StreamSource } from "./stream-source.ts";
import { Unfinished } from "./unfinished.ts";

/** How the store is to work. */
export interface StoreOptions {
  /** Logs that may be open at once, those in use apart. */
  readonly maxOpenLogs: number;
  /** Bytes of the largest frame. */
  readonly maxRecordBytes: number;
  /** Told of streams that cannot be served, or kept alive. */
  readonly report?: (error: Error) => void;
}

/** How often streams whose time is over are looked for. */
const sweepMs = 10_000;

/** A read of a fork goes through the streams that it was forked from, so they are not more than this. */
const maxForkDepth = 64;

/** With a TTL, so much of it, within these bounds, is written ahead, so that not every read is a write. */
const leaseShare = 8;
const minLeaseMs = 1_000;
const maxLeaseMs = 60_000;

/** Of a stream that is followed the last part of what was written ahead is not used up. */
const leaseReserve = 1 / 4;

/** What is read again where another process changes the streams: which there are, or also what each is. */
type Extent = "names" | "all";

export class StreamStore {
  readonly #machine: Machine;
  readonly #storage: Storage;
  readonly #directory: StreamDirectory;
  readonly #logs: OpenLogs;
  readonly #byId = new Map<string, StreamEntry>();
  readonly #byPath = new Map<string, StreamEntry>();
  /** Changes of one name come one after the other. */
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #unfinished = new Unfinished();
  readonly #renewals: Renewals;
  readonly #report: (error: Error) => void;
  readonly #lookAgainFor: Readonly<Record<Extent, LookAgain>>;
  /** What is known may be wrong, and is made up for before anything is built on it. */
  #mustLook = false;
  /** Why there may be streams that are not known. */
  #unreadable: SeqlogError | undefined;
  #stopSweep: (() => void) | undefined;

  private constructor(machine: Machine, directory: string, options: StoreOptions) {
    this.#machine = machine;
    this.#storage = machine.storage;
    this.#report = options.report ?? (() => undefined);
    this.#directory = new StreamDirectory(machine, directory, this.#report);
    this.#logs = new OpenLogs(machine, options.maxOpenLogs, options, this.#unfinished);
    this.#renewals = new Renewals(machine.clock, (entry) => this.#renew(entry));
    this.#lookAgainFor = { names: new LookAgain(machine.clock), all: new LookAgain(machine.clock) };
  }

  /** Finds the streams under a directory; opens none of their logs. */
  static open(machine: Machine, directory: string, options: StoreOptions): StreamStore {
    const store = new StreamStore(machine, directory, options);
    if (store.#directory.exists) {
      try {
        store.#directory.tryToOwn();
        store.#look("all");
      } catch (error) {
        store.#directory.release();
        throw error;
      }
    }
    store.#sweepLater();
    return store;
  }

  /** The stream of a name, also one that is deleted and has forks. Streams whose time is over are not there. */
  find(path: string): StreamEntry | undefined {
    this.#lookAgain("names");
    const entry = this.#seen(this.#byPath.get(path));
    if (entry === undefined || !this.#isOver(entry)) return entry;
    this.#expire(entry);
    return entry.meta.isDeleted && !entry.isGone ? entry : undefined;
  }

  /**
   * As `find`; before it says that a name is nobody's it makes sure that no stream could have it.
   * @throws why one cannot be read
   */
  findSurely(path: string): StreamEntry | undefined {
    const entry = this.find(path);
    if (entry !== undefined || this.#unreadable === undefined) return entry;
    this.#lookForUnreadable();
    if (this.#unreadable !== undefined) throw this.#unreadable;
    return this.find(path);
  }

  /** What could not be read may be readable now. (Who is not the owner looks whenever a stream is asked for.) */
  #lookForUnreadable(): void {
    if (this.#unreadable === undefined || !this.#directory.isOwned) return;
    if (this.#lookAgainFor.all.isDue) this.#look("all");
  }

  /** A stream as it is now, though another process may change it; undefined when that has removed it. */
  #seen(entry: StreamEntry | undefined): StreamEntry | undefined {
    if (entry === undefined || this.#directory.isOwned) return entry;
    const meta = this.#directory.lookAt(entry.meta.id);
    if (meta === "removed") {
      this.#look("names");
      return this.#byPath.get(entry.meta.path);
    }
    // One that cannot be read now is what it was.
    if (!(meta instanceof SeqlogError)) this.#note(meta, false);
    return entry;
  }

  /** All that are there, in no particular order. */
  *entries(): Generator<StreamEntry> {
    this.#lookAgain("all");
    for (const entry of this.#byPath.values()) {
      if (!entry.meta.isDeleted && !this.#isOver(entry)) yield entry;
    }
  }

  /** Opens a stream's log, if it is not open, and keeps it open until it is released. */
  hold(entry: StreamEntry): Promise<HeldStream> {
    return this.#logs.hold(entry);
  }

  /** A stream to read, with what it has from the stream that it was forked from. */
  async source(entry: StreamEntry): Promise<StreamSource> {
    const chain: { entry: StreamEntry; held: HeldStream }[] = [];
    try {
      for (let at: StreamEntry | undefined = entry; at !== undefined; at = at.source) {
        chain.push({ entry: at, held: await this.hold(at) });
        if (at.meta.fork !== null && at.source === undefined) throw missingSource(at);
      }
      return new StreamSource(chain, this.#renewals);
    } catch (error) {
      for (const { held } of chain) held.release();
      throw error;
    }
  }

  /**
   * Notes that a stream is read or appended to; with a TTL it lives on, durably, before this returns. Only
   * the owner of the directory can see to that: elsewhere a read does not prolong its life, and an append,
   * which might be lost with it, is refused.
   *
   * @throws SEQLOG_LOCKED for an append, when another process makes and removes streams here
   */
  touch(entry: StreamEntry, use: "read" | "append"): void {
    if (entry.meta.ttlSeconds === null) return;
    if (use === "append") this.#own();
    this.#prolong(entry, 0);
  }

  /** From now on it lives for its TTL, and `reserve` of what is written ahead is not used up. */
  #prolong(entry: StreamEntry, reserve: number): void {
    const { ttlSeconds, aliveUntil } = entry.meta;
    if (ttlSeconds === null || entry.isGone) return;
    const now = this.#machine.clock.now();
    entry.lastAccessMs = now;
    if (!this.#directory.isOwned) return;
    if (entry.isLeaseUnsynced) {
      this.#storage.fsyncDirectorySync(entry.directory);
      entry.isLeaseUnsynced = false;
    }
    const lease = leaseMsOf(ttlSeconds);
    const end = now + ttlSeconds * 1000;
    if (end + lease * reserve <= (aliveUntil ?? 0)) return;
    this.#storeMeta(entry, { ...entry.meta, aliveUntil: Math.ceil(end + lease) });
  }

  /**
   * Of a stream that is followed: whoever follows it reads it all the time, and a crash in the next moment
   * must leave it all its time. Returns for how long it does.
   */
  #renew(entry: StreamEntry): number {
    try {
      this.#prolong(entry, leaseReserve);
    } catch (error) {
      // The next time may be better; whoever reads or appends is told.
      if (!(error instanceof SeqlogError)) throw error;
      this.#report(error);
    }
    const { ttlSeconds, aliveUntil } = entry.meta;
    const lease = leaseMsOf(ttlSeconds ?? 0);
    const left = (aliveUntil ?? 0) - entry.lastAccessMs - (ttlSeconds ?? 0) * 1000;
    const enough = left - lease * leaseReserve;
    // Where it failed, or is another process's to do, it is tried again before long.
    return enough >= 0 ? Math.min(Math.max(enough, 1), lease) : lease * leaseReserve;
  }

  /** Makes the stream, or finds that it is there already as it is asked for. @throws {Refusal} */
  async create(request: CreateRequest): Promise<{ readonly entry: StreamEntry; readonly isNew: boolean }> {
    return await this.#inTurn(request.path, async () => {
      this.#own();
      const existing = this.findSurely(request.path);
      if (existing !== undefined) return { entry: await this.#same(existing, request), isNew: false };
      return { entry: await this.#make(request), isNew: true };
    });
  }

  async #same(entry: StreamEntry, request: CreateRequest): Promise<StreamEntry> {
    if (entry.meta.isDeleted) {
      throw new Refusal(
        "conflict",
        "DELETED_WITH_FORKS",
        `${request.path} was deleted and still has forks; the name is free when they are gone`,
      );
    }
    const { stream, release } = await this.hold(entry);
    try {
      if (isSame(entry.meta, stream.isClosed, request)) return entry;
    } finally {
      release();
    }
    throw new Refusal("conflict", "EXISTS", `${request.path} is there already, and is not what was asked for`);
  }

  async #make(request: CreateRequest): Promise<StreamEntry> {
    const { fork } = request;
    if (fork === undefined) {
      const contentType = request.contentType ?? defaultContentType;
      return await this.#place(request, contentType, undefined, undefined, 0);
    }
    const source = this.#sourceOf(fork, request);
    const { contentType } = source.meta;
    // From here on the source is not removed.
    const placeholder = new StreamEntry(source.meta, "", 0);
    source.forks.add(placeholder);
    try {
      const { point, cut } = await this.#forkPoint(source, fork);
      return await this.#place(request, contentType, { source, point }, cut, point.seq);
    } finally {
      source.forks.delete(placeholder);
      this.#collect(source);
    }
  }

  #sourceOf(fork: ForkRequest, request: CreateRequest): StreamEntry {
    const source = this.findSurely(fork.path);
    if (source === undefined) throw notFound(fork.path);
    if (source.meta.isDeleted) {
      throw new Refusal("conflict", "SOURCE_DELETED", `${fork.path} was deleted; it lives on for its forks alone`);
    }
    if (depthOf(source) >= maxForkDepth) {
      const what = `${fork.path} is a fork of a fork, ${maxForkDepth} times over`;
      throw new Refusal("conflict", "FORK_DEPTH", `${what}; fork one that is nearer to the first stream`);
    }
    const { contentType } = request;
    if (contentType !== undefined && mediaTypeOf(contentType) !== mediaTypeOf(source.meta.contentType)) {
      throw new Refusal(
        "conflict",
        "CONTENT_TYPE",
        `${fork.path} is of ${source.meta.contentType}, not ${contentType}`,
      );
    }
    return source;
  }

  /** Where the fork leaves its source, and what it begins with of the record there. */
  async #forkPoint(source: StreamEntry, fork: ForkRequest): Promise<{ point: ForkPoint; cut: Frame | undefined }> {
    const from = await this.source(source);
    try {
      const seq = fork.seq ?? from.tail;
      if (seq === "beyond" || seq > from.tail || seq < from.first) {
        throw new Refusal("bad-request", "FORK_OFFSET", `${fork.path} has no such offset`);
      }
      const { subOffset } = fork;
      const cut =
        subOffset === 0
          ? undefined
          : cutFrame(seq < from.tail ? await from.frame(seq) : undefined, source.meta.contentType, subOffset);
      return { point: { source: source.meta.id, path: fork.path, seq, subOffset }, cut };
    } finally {
      from.release();
    }
  }

  async #place(
    request: CreateRequest,
    contentType: string,
    fork: { readonly source: StreamEntry; readonly point: ForkPoint } | undefined,
    cut: Frame | undefined,
    firstSeq: number,
  ): Promise<StreamEntry> {
    const frames = firstFrames(request, contentType, cut);
    const now = this.#machine.clock.now();
    const asksForNoExpiry = request.ttlSeconds === undefined && request.expiresAt === undefined;
    const inherited = asksForNoExpiry ? fork?.source.meta : undefined;
    const ttlSeconds = inherited?.ttlSeconds ?? request.ttlSeconds ?? null;
    const meta = newMeta({
      id: this.#newId(),
      path: request.path,
      contentType,
      createdAt: now,
      ttlSeconds,
      expiresAt: inherited?.expiresAt ?? request.expiresAt ?? null,
      isExpiryInherited: inherited !== undefined,
      aliveUntil: ttlSeconds === null ? null : now + ttlSeconds * 1000,
      fork: fork?.point ?? null,
    });
    const places = this.#directory.placeOf(meta.id);
    try {
      await makeStreamDirectory(this.#machine, places, meta, { firstSeq, frames });
    } catch (error) {
      this.#removeLater(places.draft);
      // It may have got its name after all: whoever looks for one looks again.
      this.#directory.distrust();
      this.#distrust(error);
      throw error;
    }
    // A look may have found it already.
    const known = this.#byId.get(meta.id);
    if (known !== undefined) return known;
    const entry = new StreamEntry(meta, places.directory, now);
    this.#add(entry);
    return entry;
  }

  #newId(): string {
    const id = new Uint8Array(idLength);
    createIdSourceV4(this.#machine.random).write(id, 0);
    return formatId(id, 0);
  }

  #add(entry: StreamEntry): void {
    const { id, path } = entry.meta;
    this.#byId.set(id, entry);
    // An older one of the same name is there only when it could not be removed when its time was over.
    const other = this.#byPath.get(path);
    if (other === undefined || other.meta.createdAt <= entry.meta.createdAt) this.#byPath.set(path, entry);
    this.#connect(entry);
  }

  #connect(entry: StreamEntry): void {
    const { fork } = entry.meta;
    if (fork === null) return;
    entry.source = this.#byId.get(fork.source);
    entry.source?.forks.add(entry);
  }

  /** Deletes a stream; one that has forks lives on for them. @throws {Refusal}, SEQLOG_LOCKED when another process writes it */
  async delete(path: string): Promise<void> {
    await this.#inTurn(path, async () => {
      this.#own();
      this.#lookForUnreadable();
      const entry = this.findSurely(path);
      if (entry === undefined) throw notFound(path);
      if (entry.meta.isDeleted) throw gone(path);
      await this.#withLogLocked(entry, () => this.#delete(entry));
    });
  }

  /** Nobody appends while `call` runs. */
  async #withLogLocked(entry: StreamEntry, call: () => void): Promise<void> {
    if (entry.stream?.isWriter === true || entry.stream?.isUpgrading === true || entry.opening !== undefined) {
      await this.#logs.close(entry);
    }
    const { stream } = entry;
    this.#lockingLog(entry, call);
    stream?.changes.bump();
  }

  /** @throws SEQLOG_LOCKED when somebody has the log open to write */
  #lockingLog(entry: StreamEntry, call: () => void): void {
    const isClean = wasClosed(this.#machine, entry.directory);
    const lock = acquireWriterLock(this.#machine, lockPath(entry.directory), "kernel");
    try {
      call();
    } finally {
      // It may still need its recovery.
      lock.release(isClean);
    }
  }

  #delete(entry: StreamEntry): void {
    // A stream that cannot be read may be a fork of it.
    if (entry.forks.size > 0 || this.#unreadable !== undefined) {
      this.#storeMeta(entry, { ...entry.meta, isDeleted: true });
      return;
    }
    this.#remove(entry);
    if (entry.source !== undefined) this.#collect(entry.source);
  }

  /** What was deleted and has no forks any more goes, and then perhaps its own source. */
  #collect(entry: StreamEntry): void {
    // A stream that cannot be read may be the last fork of one that was deleted.
    if (this.#unreadable !== undefined) return;
    for (let at: StreamEntry | undefined = entry; at !== undefined; at = at.source) {
      if (!at.meta.isDeleted || at.forks.size > 0 || at.isGone) return;
      this.#remove(at);
    }
  }

  /** The name changes durably; the files go later. A fork goes, durably, before its source may. */
  #remove(entry: StreamEntry): void {
    const aside = this.#setAside(entry);
    this.#forget(entry);
    entry.source?.forks.delete(entry);
    this.#removeLater(aside, this.#logs.close(entry));
  }

  /** A name that may have gone, or not, is looked for before anything is built on it. */
  #setAside(entry: StreamEntry): string {
    try {
      return this.#directory.setAside(entry.directory);
    } catch (error) {
      this.#distrust(error);
      throw error;
    }
  }

  #forget(entry: StreamEntry): void {
    entry.isGone = true;
    this.#byId.delete(entry.meta.id);
    if (this.#byPath.get(entry.meta.path) === entry) this.#byPath.delete(entry.meta.path);
    entry.stream?.changes.bump();
  }

  /** Not in the way of the request at hand. What is left then the next start removes. */
  #removeLater(directory: string, closed: Promise<void> = Promise.resolve()): void {
    const turn = closed.then(() => this.#machine.clock.turn());
    this.#unfinished.add(turn.then(() => removeTree(this.#storage, directory)));
  }

  #isOver(entry: StreamEntry): boolean {
    return !entry.meta.isDeleted && this.#machine.clock.now() >= entry.expiresAtMs && !this.#isFollowed(entry);
  }

  /** Somebody who follows a stream with a TTL is reading it all the time. */
  #isFollowed(entry: StreamEntry): boolean {
    if (entry.meta.ttlSeconds === null || entry.stream?.isFollowed !== true) return false;
    const { expiresAt } = entry.meta;
    return expiresAt === null || this.#machine.clock.now() < Date.parse(expiresAt);
  }

  #expire(entry: StreamEntry): void {
    if (!this.#directory.isOwned) return;
    // It is being opened, or let go of: at the next sweep it is known who writes it.
    if (entry.opening !== undefined || entry.closing !== undefined) return;
    try {
      if (entry.stream?.isWriter === true) this.#delete(entry);
      else this.#lockingLog(entry, () => this.#delete(entry));
    } catch (error) {
      // It stays until it can be removed; it is not there for anybody.
      if (!(error instanceof SeqlogError)) throw error;
    }
  }

  #sweep(): void {
    try {
      this.#lookForUnreadable();
    } catch (error) {
      // Whoever asks for a stream is told.
      if (!(error instanceof SeqlogError)) throw error;
    }
    for (const entry of this.#byId.values()) if (this.#isOver(entry)) this.#expire(entry);
  }

  #sweepLater(): void {
    this.#stopSweep = this.#machine.clock.after(
      sweepMs,
      () => {
        this.#sweep();
        this.#sweepLater();
      },
      { keepAlive: false },
    );
  }

  #storeMeta(entry: StreamEntry, meta: StreamMeta): void {
    this.#directory.changing(() => storeMeta(this.#storage, entry.directory, meta));
    entry.meta = meta;
  }

  async #inTurn<T>(path: string, call: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(path);
    const turn = (async () => {
      await before?.catch(() => undefined);
      return await call();
    })();
    this.#turns.set(path, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(path) === turn) this.#turns.delete(path);
    }
  }

  /** @throws SEQLOG_LOCKED when another process makes and removes streams here */
  #own(): void {
    if (this.#directory.isOwned) return;
    this.#directory.own();
    // What the other process did before it let go.
    this.#look("all");
  }

  /** Where another process changes what there is, looks again now and then. */
  #lookAgain(asked: Extent): void {
    if (this.#mustLook) return this.#look("all");
    if (this.#directory.isOwned) return;
    const extent = this.#lookAgainFor.all.isDue ? asked : "names";
    if (!this.#lookAgainFor[extent].isDue || !this.#directory.exists) return;
    this.#directory.tryToOwn();
    this.#look(extent);
  }

  /** There may be a stream that is not known, or none where one is. */
  #distrust(error: unknown): void {
    if (!(error instanceof SeqlogError)) return;
    this.#unreadable = error;
    this.#mustLook = true;
  }

  /**
   * Brings what is known to what is there: as far as was asked for, or all of it when that is this process's
   * to change. One that fails is made up for before a name is called free.
   */
  #look(asked: Extent): void {
    const extent = this.#directory.isOwned ? "all" : asked;
    try {
      this.#lookAgainFor[extent].look(() => this.#lookOnce(extent));
    } catch (error) {
      this.#distrust(error);
      throw error;
    }
  }

  #lookOnce(extent: Extent): void {
    const { ids, metas, unreadable, isUnsynced } = this.#directory.look(
      (id) => extent === "names" && this.#byId.has(id),
    );
    this.#unreadable = unreadable;
    this.#mustLook = false;
    for (const entry of this.#byId.values()) {
      if (ids.has(entry.meta.id)) continue;
      // Another process has removed it.
      this.#forget(entry);
      this.#unfinished.add(this.#logs.close(entry));
    }
    for (const meta of metas) this.#note(meta, isUnsynced);
    // Sources may have been read after their forks.
    for (const entry of this.#byId.values()) if (entry.source === undefined) this.#connect(entry);
    if (!this.#directory.isOwned) return;
    for (const entry of this.#byId.values()) this.#collect(entry);
  }

  /** What a stream is, as its STREAM says. */
  #note(meta: StreamMeta, isUnsynced: boolean): void {
    let entry = this.#byId.get(meta.id);
    if (entry === undefined) {
      entry = new StreamEntry(meta, this.#directory.placeOf(meta.id).directory, lastAccessOf(meta));
      this.#add(entry);
    }
    entry.meta = meta;
    // Another process may have kept it alive.
    entry.lastAccessMs = Math.max(entry.lastAccessMs, lastAccessOf(meta));
    entry.isLeaseUnsynced ||= isUnsynced;
  }

  /** Waits for what is on its way, and closes every log. */
  async close(): Promise<void> {
    this.#logs.stop();
    this.#renewals.stop();
    this.#stopSweep?.();
    await Promise.allSettled(this.#turns.values());
    await Promise.all([...this.#byId.values()].map((entry) => this.#logs.close(entry)));
    await this.#unfinished.idle();
    this.#directory.release();
  }
}

/** How many streams it was forked from, one from the other. */
function depthOf(entry: StreamEntry): number {
  let depth = 0;
  for (let at = entry.source; at !== undefined; at = at.source) depth++;
  return depth;
}

/** As late as it can have been. */
function lastAccessOf({ aliveUntil, ttlSeconds, createdAt }: StreamMeta): number {
  return aliveUntil === null || ttlSeconds === null ? createdAt : aliveUntil - ttlSeconds * 1000;
}

/** How far ahead the life of a stream is written. */
function leaseMsOf(ttlSeconds: number): number {
  return Math.min(Math.max((ttlSeconds * 1000) / leaseShare, minLeaseMs), maxLeaseMs);
}

function gone(path: string): Refusal {
  return new Refusal("gone", "DELETED_WITH_FORKS", `${path} was deleted; it lives on for its forks alone`);
}

function missingSource({ meta, directory }: StreamEntry): SeqlogError<"SEQLOG_DAMAGED"> {
  return damaged(directory, 0, `it is a fork of the stream ${meta.fork?.source}, which is not there`);
}
