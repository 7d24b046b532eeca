/**
 * Opens a directory log for writing: creates it, or brings what is there into order. Holds the
 * writer's lock. The order of the steps is the order of DESIGN.md's recovery table; a step that
 * finds damage changes nothing, and a crash after any step leaves a directory that the same steps
 * bring into order again.
 */
import { basename, dirname } from "node:path";
import { SeqlogError } from "../errors.ts";
import { entryLength } from "../format/index-entry.ts";
import { headerAt, headerLength } from "../format/record.ts";
import { millisecondsOfId } from "../format/uuid.ts";
import { asOffset } from "../numbers.ts";
import { IndexDraft } from "../segment/index-draft.ts";
import { IndexFile } from "../segment/index-file.ts";
import { type Known, recordOfEntry } from "../segment/inspect.ts";
import { damaged } from "../segment/damaged.ts";
import { type SegmentRecovery, checkAgainstIndex, checkSegment, recoverSegment } from "../segment/recover-segment.ts";
import { tailPath } from "../segment/redo.ts";
import { type ChainRun, walkChain } from "../segment/walk-chain.ts";
import { describeProblem } from "../format/record.ts";
import { type Plan, readAt } from "../storage/plan.ts";
import type { Machine, OpenMode, Storage, StorageFile } from "../storage/storage.ts";
import { type Manifest, loadManifest, manifestPath, newManifest, storeManifest } from "./manifest.ts";
import { type Listing, type SegmentName, indexPath, listDirectory, logPath, seedOf } from "./segment-files.ts";

/** A segment that is no longer written. */
export interface SealedSegment {
  readonly base: number;
  readonly nextSeq: number;
  readonly bytes: number;
}

/** A directory in order. */
export interface Recovered {
  readonly manifest: Manifest;
  readonly sealed: SealedSegment[];
  readonly active: SegmentRecovery & { readonly base: number };
  /** Milliseconds in the last id; 0 when there is none. */
  readonly lastIdMs: number;
  /** The segments before the active one whose record indexes were made anew, by base. */
  readonly rebuilt: readonly number[];
}

/** What a new log is made as; a log that is there keeps what it is. */
export interface Creation {
  readonly create: boolean;
  readonly idVersion: 4 | 7;
}

/**
 * Looks whether there is a log, or what is left of one. Changes nothing.
 * @throws SEQLOG_NOT_FOUND
 */
export function ensureLog(storage: Storage, directory: string): void {
  const isThere =
    storage.statSync(directory) !== undefined &&
    (storage.statSync(manifestPath(directory)) !== undefined || listDirectory(storage, directory).logs.length > 0);
  if (!isThere) throw new SeqlogError("SEQLOG_NOT_FOUND", `${directory}: there is no log here`, { path: directory });
}

/** All of it. The directory exists. */
export function* recoverDirectory(machine: Machine, directory: string, creation: Creation): Plan<Recovered> {
  const { storage } = machine;
  const manifest =
    (yield* loadManifest(storage, directory)) ??
    create(machine, directory, creation, listDirectory(storage, directory));
  // What is seen here may be names that a killed process made, replaced or took away, and never
  // synced. Before anything is built on them they are made durable.
  storage.fsyncDirectorySync(directory);
  const names = currentSegments(storage, directory, manifest);
  const active = names.at(-1) as SegmentName;

  // First everything is looked at; only when no damage was found is anything changed.
  const sealed: SealedSegment[] = [];
  const drafts = new Map<number, IndexDraft>();
  try {
    for (const [i, name] of names.slice(0, -1).entries()) {
      const draft = new IndexDraft(storage, indexPath(directory, name), name.base, seedOf(manifest, name.base));
      drafts.set(name.base, draft);
      const next = names[i + 1] as SegmentName;
      const { segment, isIndexRight } = yield* checkSealed(storage, directory, manifest, name, next.base, draft);
      sealed.push(segment);
      if (isIndexRight) drafts.delete(name.base);
      else draft.finish();
    }
    const draft = new IndexDraft(storage, indexPath(directory, active), active.base, seedOf(manifest, active.base));
    drafts.set(active.base, draft);
    if (yield* checkActive(storage, directory, manifest, active, draft)) draft.finish();
    else drafts.delete(active.base);
    for (const draft of drafts.values()) draft.keep();
  } finally {
    for (const draft of drafts.values()) draft.discard();
  }
  if (drafts.size > 0) storage.fsyncDirectorySync(directory);

  removeLeftovers(storage, directory, manifest);
  const recovery = yield* recoverActive(storage, directory, manifest, active);
  const lastOf = recovery.nextSeq > active.base ? active : names.at(-2);
  const lastIdMs = yield* readLastIdMs(storage, directory, manifest, lastOf, recovery);
  return {
    manifest,
    sealed,
    active: { ...recovery, base: active.base, indexRebuilt: recovery.indexRebuilt || drafts.has(active.base) },
    lastIdMs,
    rebuilt: [...drafts.keys()].filter((base) => base !== active.base),
  };
}

/** No MANIFEST: a new log, unless there are records. An empty first segment is a creation that was interrupted. */
function create(machine: Machine, directory: string, creation: Creation, listing: Listing): Manifest {
  const { storage } = machine;
  const name = { base: 0, generation: 0 };
  const isInterrupted =
    listing.logs.length === 1 &&
    listing.logs[0]?.base === 0 &&
    listing.logs[0].generation === 0 &&
    storage.statSync(logPath(directory, name))?.size === 0;
  if (listing.logs.length > 0 && !isInterrupted) {
    const reason = `the directory holds ${listing.logs.length} segments, but no MANIFEST`;
    const file = manifestPath(directory);
    throw new SeqlogError(
      "SEQLOG_DAMAGED",
      `${file}: ${reason}. Nothing was changed. \`seqlog repair\` makes a new one from the segments`,
      { file, offset: asOffset(0), reason },
    );
  }
  if (!creation.create) {
    throw new SeqlogError("SEQLOG_NOT_FOUND", `${directory}: there is no log here`, { path: directory });
  }
  createSegment(storage, directory, name);
  // The directory's own name may have been made by a process that was killed before it synced it.
  storage.fsyncDirectorySync(dirname(directory));
  // The segment's name is durable before MANIFEST's: a MANIFEST without its segment is damage.
  storage.fsyncDirectorySync(directory);
  const manifest = { ...newManifest(machine.random, 0, 0), idVersion: creation.idVersion };
  storeManifest(storage, directory, manifest);
  return manifest;
}

/**
 * Makes the files of a segment; their names are durable after the next fsync of the directory.
 * Files of these names that are there must be empty: they were left by an interrupted creation.
 */
export function createSegment(storage: Storage, directory: string, name: SegmentName): void {
  const log = logPath(directory, name);
  if ((storage.statSync(log)?.size ?? 0) > 0)
    throw damaged(log, 0, "a segment of this name is there already, with bytes in it");
  for (const path of [logPath(directory, name), indexPath(directory, name)]) {
    const file = storage.openSync(path, "create");
    try {
      file.truncateSync(0);
      file.fsyncSync();
    } finally {
      file.closeSync();
    }
  }
}

/**
 * The segments that MANIFEST counts as the log, oldest first; at least one.
 * @throws SEQLOG_DAMAGED when its first is not there, or records of a later generation are
 */
export function currentSegments(storage: Storage, directory: string, manifest: Manifest): SegmentName[] {
  const { generation, firstSeq } = manifest;
  const listing = listDirectory(storage, directory);
  const { logs } = listing;
  checkNoneLost(storage, directory, listing, generation);
  // A reset that was interrupted before its commit leaves one, empty. One with records was committed
  // under another MANIFEST than this.
  const later = logs.find(
    (name) => name.generation > generation && (storage.statSync(logPath(directory, name))?.size ?? 0) > 0,
  );
  if (later !== undefined) {
    const reason = `a segment of generation ${later.generation} holds records, but MANIFEST is of generation ${generation}; one of the two does not belong here`;
    throw damaged(logPath(directory, later), 0, reason);
  }
  const current = logs.filter((name) => name.generation === generation);
  const first = current.findLastIndex((name) => name.base <= firstSeq);
  if (first < 0) {
    const missing = logPath(directory, { base: firstSeq, generation });
    throw damaged(missing, 0, `MANIFEST says that the log begins at record ${firstSeq}, but there is no such segment`);
  }
  return current.slice(first);
}

/**
 * A record index that proves records behind all segments that are there belonged to one that is not.
 * (One that a roll has only begun with is empty.)
 * @throws SEQLOG_DAMAGED
 */
export function checkNoneLost(storage: Storage, directory: string, listing: Listing, generation: number): void {
  const last = listing.logs.findLast((name) => name.generation === generation);
  const orphan = listing.indexes.find(
    (name) =>
      name.generation === generation &&
      name.base > (last?.base ?? -1) &&
      (storage.statSync(indexPath(directory, name))?.size ?? 0) >= entryLength,
  );
  if (orphan === undefined) return;
  const reason = `the segment is not there, but its record index ${basename(indexPath(directory, orphan))} holds entries; \`seqlog salvage\` gets the records of the others`;
  throw damaged(logPath(directory, orphan), 0, reason, orphan.base);
}

/** What MANIFEST no longer, or not yet, counts as part of the log, and what interrupted steps left. */
export function findLeftovers(storage: Storage, directory: string, manifest: Manifest): string[] {
  const listing = listDirectory(storage, directory);
  const current = listing.logs.filter((name) => name.generation === manifest.generation);
  // The last segment that begins at or before firstSeq holds it; those before it were trimmed.
  const firstBase = Math.max(...current.map((name) => name.base).filter((base) => base <= manifest.firstSeq));
  const isLeft = (name: SegmentName): boolean => name.generation !== manifest.generation || name.base < firstBase;
  const hasLog = (name: SegmentName): boolean => current.some((log) => log.base === name.base);
  return [
    ...listing.temporaries,
    ...listing.logs.filter(isLeft).map((name) => logPath(directory, name)),
    ...listing.indexes.filter((name) => isLeft(name) || !hasLog(name)).map((name) => indexPath(directory, name)),
    ...listing.tails.filter(isLeft).map((name) => tailPath(logPath(directory, name))),
  ];
}

function removeLeftovers(storage: Storage, directory: string, manifest: Manifest): void {
  const paths = findLeftovers(storage, directory, manifest);
  if (paths.length === 0) return;
  for (const path of paths) storage.unlinkSync(path);
  storage.fsyncDirectorySync(directory);
}

/**
 * A sealed segment ends where the next begins, and its record index says so; else it is read
 * through. Changes nothing.
 * @param draft takes the entries of what is read through
 */
export function* checkSealed(
  storage: Storage,
  directory: string,
  manifest: Manifest,
  name: SegmentName,
  nextBase: number,
  draft?: IndexDraft,
): Plan<{ segment: SealedSegment; isIndexRight: boolean }> {
  const path = logPath(directory, name);
  if (storage.statSync(tailPath(path)) !== undefined) {
    throw damaged(tailPath(path), 0, "a redo copy of a segment that others follow");
  }
  const file = storage.openSync(path, "read");
  let index: IndexFile | undefined;
  try {
    index = openIndex(storage, directory, manifest, name, "read");
    const bytes = file.statSync().size;
    const segment = { base: name.base, nextSeq: nextBase, bytes };
    if (index !== undefined && (yield* endsRight(file, index, nextBase, bytes))) return { segment, isIndexRight: true };
    const options = draft === undefined ? {} : { visit: (run: ChainRun) => draft.add(run), seed: draft.seed };
    const chain = yield* walkChain(file, { seq: name.base, offset: 0 }, bytes, options);
    if (chain.problem !== 0) throw damaged(path, chain.end, describeProblem(chain.problem), chain.nextSeq);
    if (chain.nextSeq !== nextBase) {
      const what = chain.nextSeq < nextBase ? "a gap" : "an overlap";
      throw damaged(
        path,
        bytes,
        `${what}: its records end before ${chain.nextSeq}, but the next segment begins with ${nextBase}`,
      );
    }
    if (index !== undefined) yield* checkAgainstIndex(file, index, { nextSeq: nextBase, end: bytes });
    return { segment, isIndexRight: false };
  } finally {
    file.closeSync();
    index?.closeSync();
  }
}

/** A segment's record index; undefined where there is none and none is to be created. */
function openIndex(
  storage: Storage,
  directory: string,
  manifest: Manifest,
  name: SegmentName,
  mode: OpenMode,
): IndexFile | undefined {
  const at = indexPath(directory, name);
  if (mode !== "create" && storage.statSync(at) === undefined) return undefined;
  return IndexFile.openSync(storage, at, mode, name.base, seedOf(manifest, name.base));
}

/** Whether the record index of a sealed segment is as long as it must be and agrees with the segment's end. */
function* endsRight(file: StorageFile, index: IndexFile, nextBase: number, bytes: number): Plan<boolean> {
  if (index.capacitySync() !== nextBase - index.base) return false;
  const last = yield* index.entry(nextBase - 1);
  if (last === undefined || last.kind !== "firm") return false;
  const record = yield* recordOfEntry(file, last, bytes);
  return record.problem === undefined && record.end === bytes;
}

/** What MANIFEST knows of the segment that is written last. */
export function knownOf(manifest: Manifest, name: SegmentName): Known {
  const { state, window } = manifest;
  return {
    base: name.base,
    window: window ?? Infinity,
    closed: state === "open" ? undefined : { nextSeq: state.nextSeq, bytes: state.activeBytes },
    isOurs: manifest.idVersion === 7,
  };
}

/**
 * Finds the damage that recovery would find, and changes nothing. A redo that was begun must be finished first.
 * @returns whether `draft` was given the entries of all its records, since there is no record index
 */
function* checkActive(
  storage: Storage,
  directory: string,
  manifest: Manifest,
  name: SegmentName,
  draft: IndexDraft,
): Plan<boolean> {
  const path = logPath(directory, name);
  if (storage.statSync(tailPath(path)) !== undefined) return false;
  const file = storage.openSync(path, "read");
  let index: IndexFile | undefined;
  try {
    index = openIndex(storage, directory, manifest, name, "read");
    const known = knownOf(manifest, name);
    if (index !== undefined || known.closed === undefined) {
      yield* checkSegment(file, index, known);
      return false;
    }
    // Closed, so that all of it is durable and as it shall stay: no need to read it again.
    const { evidence } = yield* checkSegment(file, index, known, draft);
    return evidence.chain.nextSeq > known.base;
  } finally {
    file.closeSync();
    index?.closeSync();
  }
}

function* recoverActive(
  storage: Storage,
  directory: string,
  manifest: Manifest,
  name: SegmentName,
): Plan<SegmentRecovery> {
  const file = storage.openSync(logPath(directory, name), "write");
  let index: IndexFile | undefined;
  try {
    index = openIndex(storage, directory, manifest, name, "write");
    const createIndex = (): IndexFile => {
      index = openIndex(storage, directory, manifest, name, "create") as IndexFile;
      storage.fsyncDirectorySync(directory);
      return index;
    };
    return yield* recoverSegment(storage, file, index, createIndex, knownOf(manifest, name));
  } finally {
    file.closeSync();
    index?.closeSync();
  }
}

function* readLastIdMs(
  storage: Storage,
  directory: string,
  manifest: Manifest,
  name: SegmentName | undefined,
  recovery: SegmentRecovery,
): Plan<number> {
  if (name === undefined) return 0;
  const index = IndexFile.openSync(storage, indexPath(directory, name), "read", name.base, seedOf(manifest, name.base));
  let file: StorageFile | undefined;
  try {
    file = storage.openSync(logPath(directory, name), "read");
    const lastSeq = recovery.nextSeq - 1;
    const entry = yield* index.entry(lastSeq);
    if (entry === undefined) return 0;
    const header = yield* readAt(file, entry.offset, headerLength);
    const ms = header.length < headerLength ? NaN : millisecondsOfId(header, headerAt.id);
    return Number.isNaN(ms) ? 0 : ms;
  } finally {
    index.closeSync();
    file?.closeSync();
  }
}
