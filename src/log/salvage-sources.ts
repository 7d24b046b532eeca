/** Which files a salvage reads, in which order, and what is known of each before it is read. */
import { basename, dirname, join } from "node:path";
import { SeqlogError } from "../errors.ts";
import { noSeed } from "../format/index-entry.ts";
import { checkData, checkHeader, headerAt, headerLength } from "../format/record.ts";
import { millisecondsOfId } from "../format/uuid.ts";
import { findSeed } from "../segment/find-seed.ts";
import { IndexFile } from "../segment/index-file.ts";
import { indexPathOf } from "../segment/log-reader.ts";
import { singleFileWindow } from "../segment/inspect.ts";
import { tailPath } from "../segment/redo.ts";
import { chunkOf, verifyChunk } from "../segment/verify-chunk.ts";
import { readAt, run } from "../storage/plan.ts";
import type { Storage } from "../storage/storage.ts";
import type { LogPlace } from "./log-place.ts";
import { type Manifest, loadManifest, manifestPath } from "./manifest.ts";
import { type SegmentName, indexPath, listDirectory, logPath, seedOf } from "./segment-files.ts";

/** A file with records. */
export interface SalvageSource {
  readonly path: string;
  /** The redo copy of an interrupted recovery, where there is one. */
  readonly tail: string | undefined;
  /** Where its record index would be. */
  readonly indexPath: string | undefined;
  /** The seed of its entries; undefined where only MANIFEST knew. */
  readonly seed: number | undefined;
  /** The seq of its first record; undefined for a file whose name does not tell. */
  readonly base: number | undefined;
  /** What close() wrote down, when it closed this file. */
  readonly closed: { readonly nextSeq: number; readonly bytes: number } | undefined;
  /** Whether it is the one that was written last: then zeros at its end are nothing, and a torn tail no loss. */
  readonly isLast: boolean;
  /** The longest torn tail. */
  readonly window: number;
  readonly isOurs: boolean;
}

/** A file, and what is to be said of it. */
export interface Note {
  readonly file: string;
  readonly reason: string;
}

/** What there is to salvage. */
export interface SalvageSources {
  readonly sources: readonly SalvageSource[];
  readonly manifest: Manifest | undefined;
  /** Why there is no MANIFEST, when there should be one. */
  readonly manifestProblem: (Note & { readonly size: number }) | undefined;
  /** Files that were passed over. */
  readonly notes: readonly Note[];
  /** Record indexes whose segments are gone. */
  readonly orphans: readonly { readonly base: number; readonly path: string; readonly records: number }[];
}

const segmentFile = /^(\d{20})(?:\.g([1-9]\d*))?\.log$/;

/** The segment that a file's name makes it; undefined also where no file of its size can begin with that seq. */
function segmentNameOf(storage: Storage, path: string): SegmentName | undefined {
  const found = segmentFile.exec(basename(path));
  if (found === null) return undefined;
  const name = { base: Number(found[1]), generation: Number(found[2] ?? 0) };
  const highest = name.base + Math.floor((storage.statSync(path)?.size ?? 0) / headerLength);
  return Number.isSafeInteger(highest) && Number.isSafeInteger(name.generation) ? name : undefined;
}

/** Files of a log's directory that hold no records, or none that was ever acknowledged. */
const otherFile = /^(?:LOCK|MANIFEST.*|.*\.(?:idx|tail|torn|tmp|lock|ndjson))$/;

/** Looks at the input. */
export async function findSources(storage: Storage, place: LogPlace): Promise<SalvageSources> {
  return place.kind === "file" ? await fileSources(storage, place.path) : await directorySources(storage, place.path);
}

async function fileSources(storage: Storage, path: string): Promise<SalvageSources> {
  const name = segmentNameOf(storage, path);
  const directory = dirname(path);
  // One segment out of a log: MANIFEST beside it says with which seed its record index was written.
  const { manifest } = name === undefined ? { manifest: undefined } : await readManifest(storage, directory);
  const base = name?.base ?? 0;
  const isOfLog = manifest !== undefined && manifest.generation === name?.generation;
  const source = {
    path,
    tail: existing(storage, tailPath(path)),
    indexPath: indexPathOf(path),
    seed: name === undefined ? noSeed : isOfLog ? seedOf(manifest, base) : undefined,
    base,
    closed: undefined,
    isLast: true,
    window: singleFileWindow,
    isOurs: false,
  };
  return { sources: [source], manifest, manifestProblem: undefined, notes: [], orphans: [] };
}

function existing(storage: Storage, path: string): string | undefined {
  return storage.statSync(path) === undefined ? undefined : path;
}

async function readManifest(
  storage: Storage,
  directory: string,
): Promise<{ manifest: Manifest | undefined; reason?: string }> {
  try {
    const manifest = await run(loadManifest(storage, directory));
    return manifest === undefined ? { manifest, reason: "it is missing" } : { manifest };
  } catch (error) {
    if (SeqlogError.is(error, "SEQLOG_DAMAGED")) return { manifest: undefined, reason: error.facts.reason };
    if (SeqlogError.is(error, "SEQLOG_IO")) return { manifest: undefined, reason: `${error.facts.errno}` };
    throw error;
  }
}

async function directorySources(storage: Storage, directory: string): Promise<SalvageSources> {
  const { manifest, reason } = await readManifest(storage, directory);
  const listing = listDirectory(storage, directory);
  const logs = listing.logs.filter((name) => segmentNameOf(storage, logPath(directory, name)) !== undefined);
  const notes: Note[] = [];
  const generation = generationOf(storage, directory, manifest, logs);
  const names = currentNames(directory, logs, generation, manifest, notes);
  const strays = await findStrays(storage, directory);
  if (
    names.length === 0 &&
    strays.length === 0 &&
    manifest === undefined &&
    storage.statSync(manifestPath(directory)) === undefined
  ) {
    throw new SeqlogError("SEQLOG_NOT_FOUND", `${directory}: there is no log here`, { path: directory });
  }
  const found: SalvageSource[] = names.map((name) => sourceOf(storage, directory, name, manifest));
  const orphans: { base: number; path: string; records: number }[] = [];
  for (const name of listing.indexes) {
    if (name.generation !== generation || logs.some((log) => log.base === name.base && log.generation === generation))
      continue;
    if (manifest !== undefined && name.base < manifest.firstSeq) continue;
    const stray = await strayOf(storage, directory, name, manifest, strays);
    if (stray === undefined) {
      const records = await countProven(storage, directory, name, manifest);
      orphans.push({ base: name.base, path: indexPath(directory, name), records });
      continue;
    }
    strays.splice(strays.indexOf(stray), 1);
    const source = sourceOf(storage, directory, name, manifest);
    found.push({ ...source, path: stray.path, tail: undefined });
    notes.push({ file: stray.path, reason: `its record index shows that it is the segment ${basename(source.path)}` });
  }
  found.sort((a, b) => (a.base ?? 0) - (b.base ?? 0));
  const sources = found.map((source, i) => (i === found.length - 1 ? asLast(source, manifest) : source));
  await placeStrays(storage, sources, strays, notes);
  const path = manifestPath(directory);
  const kept = await withoutCopies(storage, sources, notes);
  return {
    sources: kept,
    manifest,
    manifestProblem:
      manifest === undefined
        ? { file: path, reason: `no valid MANIFEST: ${reason}`, size: storage.statSync(path)?.size ?? 0 }
        : undefined,
    notes,
    orphans,
  };
}

/** The generation that MANIFEST counts as the log; without one the latest that holds anything. */
function generationOf(
  storage: Storage,
  directory: string,
  manifest: Manifest | undefined,
  logs: readonly SegmentName[],
): number {
  if (manifest !== undefined) return manifest.generation;
  const filled = logs.filter((name) => (storage.statSync(logPath(directory, name))?.size ?? 0) > 0);
  return Math.max(0, ...filled.map((name) => name.generation));
}

/** The segments of the log, oldest first; those that are none of it any more are noted. */
function currentNames(
  directory: string,
  logs: readonly SegmentName[],
  generation: number,
  manifest: Manifest | undefined,
  notes: Note[],
): SegmentName[] {
  const current = logs.filter((name) => name.generation === generation);
  const firstSeq = manifest?.firstSeq ?? 0;
  const first = Math.max(
    0,
    current.findLastIndex((name) => name.base <= firstSeq),
  );
  const kept = current.slice(first);
  for (const name of logs) {
    if (kept.includes(name)) continue;
    const why =
      name.generation === generation
        ? "its records were trimmed"
        : `of generation ${name.generation}, not ${generation}`;
    notes.push({ file: logPath(directory, name), reason: `passed over: ${why}; salvage the file by itself to get it` });
  }
  return kept;
}

function sourceOf(
  storage: Storage,
  directory: string,
  name: SegmentName,
  manifest: Manifest | undefined,
): SalvageSource {
  const path = logPath(directory, name);
  return {
    path,
    tail: existing(storage, tailPath(path)),
    indexPath: indexPath(directory, name),
    seed: manifest === undefined ? undefined : seedOf(manifest, name.base),
    base: name.base,
    closed: undefined,
    isLast: false,
    window: manifest === undefined ? singleFileWindow : (manifest.window ?? Infinity),
    isOurs: manifest?.idVersion === 7,
  };
}

function asLast(source: SalvageSource, manifest: Manifest | undefined): SalvageSource {
  const state = manifest?.state ?? "open";
  const closed = state === "open" ? undefined : { nextSeq: state.nextSeq, bytes: state.activeBytes };
  return { ...source, closed, isLast: true };
}

interface Stray {
  readonly path: string;
  /** Milliseconds in the id of its first record; NaN where there are none. */
  readonly firstMs: number;
}

/** Files whose names are none of a log's, but which begin with a record or are called `.log`. */
async function findStrays(storage: Storage, directory: string): Promise<Stray[]> {
  const strays: Stray[] = [];
  for (const name of storage.listSync(directory).sort()) {
    const path = join(directory, name);
    if (otherFile.test(name) || segmentNameOf(storage, path) !== undefined) continue;
    if (storage.statSync(path)?.kind !== "file") continue;
    const first = await firstHeader(storage, path);
    if (first === undefined && !name.endsWith(".log")) continue;
    strays.push({ path, firstMs: first === undefined ? NaN : millisecondsOfId(first, headerAt.id) });
  }
  return strays;
}

/** The header of the record at the very start, if one stands there; of its data only the beginning is looked at. */
async function firstHeader(storage: Storage, path: string): Promise<Uint8Array | undefined> {
  try {
    const file = storage.openSync(path, "read");
    try {
      const bytes = await run(readAt(file, 0, 64 * 1024));
      const { starts, needed } = verifyChunk(chunkOf(bytes, 0), file.statSync().size, 1);
      const isRecord = starts.length > 0 || needed > headerLength;
      return isRecord ? bytes.slice(0, headerLength) : undefined;
    } finally {
      file.closeSync();
    }
  } catch (error) {
    if (error instanceof SeqlogError) return undefined;
    throw error;
  }
}

/** The stray that a record index without a segment belongs to: it holds the headers that the entries name. */
async function strayOf(
  storage: Storage,
  directory: string,
  name: SegmentName,
  manifest: Manifest | undefined,
  strays: readonly Stray[],
): Promise<Stray | undefined> {
  for (const stray of strays) {
    const seed = await withIndex(storage, indexPath(directory, name), name.base, async (index) => {
      const file = storage.openSync(stray.path, "read");
      try {
        return await findSeed(file, index);
      } finally {
        file.closeSync();
      }
    });
    if (seed !== undefined && (manifest === undefined || seed === seedOf(manifest, name.base))) return stray;
  }
  return undefined;
}

/** How many records an orphaned record index proves; 0 where its seed is not known. */
async function countProven(
  storage: Storage,
  directory: string,
  name: SegmentName,
  manifest: Manifest | undefined,
): Promise<number> {
  if (manifest === undefined) return 0;
  const count = async (index: IndexFile): Promise<number> =>
    ((await run(index.last("provisional")))?.seq ?? name.base - 1) + 1 - name.base;
  return (await withIndex(storage, indexPath(directory, name), name.base, count, seedOf(manifest, name.base))) ?? 0;
}

async function withIndex<T>(
  storage: Storage,
  path: string,
  base: number,
  use: (index: IndexFile) => Promise<T>,
  seed = noSeed,
): Promise<T | undefined> {
  try {
    const index = IndexFile.openSync(storage, path, "read", base, seed);
    try {
      return await use(index);
    } finally {
      index.closeSync();
    }
  } catch (error) {
    if (error instanceof SeqlogError) return undefined;
    throw error;
  }
}

/** Puts the strays that nothing names where the times in their ids belong; behind all others where they have none. */
async function placeStrays(
  storage: Storage,
  sources: SalvageSource[],
  strays: readonly Stray[],
  notes: Note[],
): Promise<void> {
  for (const { path, firstMs } of strays) {
    let at = sources.length;
    for (const [i, source] of sources.entries()) {
      const header = await firstHeader(storage, source.path);
      const ms = header === undefined ? NaN : millisecondsOfId(header, headerAt.id);
      if (ms > firstMs) {
        at = i;
        break;
      }
    }
    notes.push({ file: path, reason: "its name is not that of a segment; which seqs it held is not known" });
    const stray = { path, tail: undefined, indexPath: undefined, seed: undefined, base: undefined, closed: undefined };
    sources.splice(at, 0, { ...stray, isLast: false, window: 0, isOurs: false });
  }
}

/** So much of a file, and so many of its headers, are held against those of other files. */
const sampleBytes = 1024 * 1024;
const sampleHeaders = 256;

/** Of files that hold the same records in the same places only one is read: that with a record index, or the first. */
async function withoutCopies(
  storage: Storage,
  sources: readonly SalvageSource[],
  notes: Note[],
): Promise<SalvageSource[]> {
  const byHeader = new Map<string, SalvageSource>();
  const headersOf = new Map<SalvageSource, readonly string[]>();
  const copies = new Set<SalvageSource>();
  const hasIndex = ({ indexPath: at }: SalvageSource): boolean =>
    at !== undefined && existing(storage, at) !== undefined;
  for (const source of sources) {
    const headers = await sampleOf(storage, source.path);
    const shared = new Map<SalvageSource, number>();
    for (const header of headers) {
      const other = byHeader.get(header);
      if (other !== undefined) shared.set(other, (shared.get(other) ?? 0) + 1);
    }
    // Half of what could be shared: data may hold the header of a record that stands elsewhere.
    const other = [...shared].find(
      ([one, count]) => 2 * count >= Math.min(headers.length, headersOf.get(one)?.length ?? 0),
    )?.[0];
    const isBetter = other === undefined || (hasIndex(source) && !hasIndex(other));
    if (isBetter) {
      headersOf.set(source, headers);
      for (const header of headers) byHeader.set(header, source);
    }
    if (other === undefined) continue;
    const copy = isBetter ? other : source;
    copies.add(copy);
    const kept = basename((isBetter ? source : other).path);
    notes.push({
      file: copy.path,
      reason: `passed over: it begins with the records of ${kept}; salvage the file by itself to get it`,
    });
  }
  return sources.filter((source) => !copies.has(source));
}

/** The first headers of a file, also of records whose data is damaged: two records never have the same one. */
async function sampleOf(storage: Storage, path: string): Promise<string[]> {
  const headers: string[] = [];
  try {
    const file = storage.openSync(path, "read");
    try {
      const { bytes, view } = chunkOf(await run(readAt(file, 0, sampleBytes)), 0);
      const { size } = file.statSync();
      for (let at = 0; at + headerLength <= bytes.length && headers.length < sampleHeaders;) {
        const length = checkHeader(bytes, view, at, at, size - at);
        if (length >= 0) headers.push(Buffer.from(bytes.subarray(at, at + headerLength)).toString("latin1"));
        // A length that is wrong must not lead past the records behind it.
        const isCut = at + headerLength + length > bytes.length;
        const isWhole = length >= 0 && (isCut || checkData(bytes, view, at, length));
        at += isWhole ? headerLength + length : length >= 0 ? headerLength : 1;
      }
    } finally {
      file.closeSync();
    }
  } catch (error) {
    if (!(error instanceof SeqlogError)) throw error;
  }
  return headers;
}
