/** What of a log is to be verified: its segments and how far each goes, also where MANIFEST or a segment is gone. */
import { SeqlogError } from "../errors.ts";
import { noSeed } from "../format/index-entry.ts";
import { asOffset } from "../numbers.ts";
import { damaged } from "../segment/damaged.ts";
import { findRecord } from "../segment/find-record.ts";
import { findSeed } from "../segment/find-seed.ts";
import { type Entry, IndexFile } from "../segment/index-file.ts";
import { type Known, inspect, singleFileWindow } from "../segment/inspect.ts";
import { indexPathOf } from "../segment/log-reader.ts";
import { type Evidence, type Mend, decide } from "../segment/recovery-table.ts";
import { run } from "../storage/plan.ts";
import type { Machine, Storage, StorageFile } from "../storage/storage.ts";
import { lockPathOf, mayBeHeld } from "../storage/writer-lock.ts";
import { Follower } from "./follower.ts";
import type { LogPlace } from "./log-place.ts";
import { type Manifest, loadManifest, manifestPath } from "./manifest.ts";
import { knownOf } from "./recover-directory.ts";
import { type SegmentName, indexPath, listDirectory, logPath, seedOf } from "./segment-files.ts";
import type { Damage } from "./verify.ts";

/** A segment, or as much of it as is to be read. */
export interface VerifyPart {
  readonly path: string;
  readonly base: number;
  /** The seq after its last record; undefined where nothing but its bytes would tell. */
  readonly nextSeq: number | undefined;
  readonly end: number;
  readonly isOurs: boolean;
  /** Whether nobody writes it any more, so that its record index must be complete. */
  readonly isSealed: boolean;
  /** Whether whoever wrote it last ended in order, so that no entry of its record index is half written. */
  readonly isQuiet: boolean;
  /**
   * Opens its files: there may be more segments than a process may have files open.
   * @returns undefined when the log has trimmed it, or was reset, meanwhile
   * @throws SEQLOG_DAMAGED when it is no file, or is gone
   */
  open(): Promise<OpenPart | undefined>;
}

/** The files of a part. */
export interface OpenPart {
  readonly file: StorageFile;
  readonly index: IndexFile | undefined;
  /** What the record index proved before the end was looked at. */
  readonly proven: Entry | undefined;
  closeSync(): void;
}

/** All of a log. */
export interface VerifyParts {
  readonly parts: VerifyPart[];
  /** Damage that is known before anything is read through. */
  readonly claims: Damage[];
  tornBytes: number;
}

type Opened = { closeSync(): void }[];

/** Looks at all of it. @param opened is given what the caller must close: the files of the segment that may be written */
export async function openParts(machine: Machine, place: LogPlace, opened: Opened): Promise<VerifyParts> {
  const found: VerifyParts = { parts: [], claims: [], tornBytes: 0 };
  try {
    if (place.kind === "file") await openFile(machine, place.path, found, opened);
    else await openDirectory(machine, place.path, found, opened);
  } catch (error) {
    if (!SeqlogError.is(error, "SEQLOG_DAMAGED")) throw error;
    claim(machine.storage, found, error.facts);
    if (place.kind === "directory") await openWhatIsThere(machine, place.path, found, opened);
  }
  return found;
}

/** Where nothing says how far the damage goes, it is the place alone; of a MANIFEST it is all. */
function claim(storage: Storage, { claims }: VerifyParts, { file, offset, ...rest }: Damage): void {
  const end = file.endsWith("MANIFEST") ? asOffset(storage.statSync(file)?.size ?? 0) : offset;
  claims.push({ file, offset, end, ...rest });
}

/** A log that readers can open, as they see it. */
async function openDirectory(machine: Machine, directory: string, found: VerifyParts, opened: Opened): Promise<void> {
  const view = await Follower.open(machine, directory);
  opened.push({ closeSync: () => view.close() });
  const { manifest, segments } = view;
  const isOpen = manifest.state === "open";
  for (const [i, { base, nextSeq, bytes }] of segments.entries()) {
    const name = { base, generation: manifest.generation };
    const isSealed = i < segments.length - 1 || !isOpen;
    const isOurs = manifest.idVersion === 7;
    const path = logPath(directory, name);
    const part = { path, base, nextSeq, end: bytes, isOurs, isSealed, isQuiet: isSealed };
    if (isSealed) {
      found.parts.push({ ...part, open: () => openSealed(machine.storage, directory, name, nextSeq, manifest) });
      continue;
    }
    await orClaim(machine.storage, found, async () => {
      const file = openLogFile(machine.storage, path, opened);
      const index = openIndex(machine.storage, indexPath(directory, name), base, seedOf(manifest, base), opened);
      await addActive(machine, { ...part, file, index }, knownOf(manifest, name), found);
    });
  }
}

/** @param manifest by which the log was looked at; undefined where it is gone */
async function openSealed(
  storage: Storage,
  directory: string,
  name: SegmentName,
  nextSeq: number | undefined,
  manifest: Manifest | undefined,
): Promise<OpenPart | undefined> {
  const opened: Opened = [];
  const closeSync = (): void => {
    for (const file of opened) file.closeSync();
  };
  try {
    const file = openLogFile(storage, logPath(directory, name), opened);
    const index = await openIndexOf(storage, directory, name, manifest, file, opened);
    // A trim that goes on meanwhile may have taken the record index alone as yet.
    if (index !== undefined || !(await isRemoved(storage, directory, name, nextSeq))) {
      const proven = index === undefined ? undefined : await run(index.last("provisional"));
      return { file, index, proven, closeSync };
    }
  } catch (error) {
    closeSync();
    if (!SeqlogError.is(error, "SEQLOG_NOT_FOUND")) throw error;
    if (await isRemoved(storage, directory, name, nextSeq)) return undefined;
    throw damaged(logPath(directory, name), 0, "the segment was there, and is not any more", name.base);
  }
  closeSync();
  return undefined;
}

/** Whether MANIFEST no longer counts a segment as part of the log. */
async function isRemoved(
  storage: Storage,
  directory: string,
  name: SegmentName,
  nextSeq: number | undefined,
): Promise<boolean> {
  const manifest = await manifestIfValid(storage, directory);
  if (manifest === undefined) return false;
  return manifest.generation !== name.generation || (nextSeq !== undefined && nextSeq <= manifest.firstSeq);
}

/** Goes on with the other segments when one is none, but a link or a directory. */
async function orClaim(storage: Storage, found: VerifyParts, open: () => Promise<void>): Promise<void> {
  try {
    await open();
  } catch (error) {
    if (!SeqlogError.is(error, "SEQLOG_DAMAGED")) throw error;
    claim(storage, found, error.facts);
  }
}

/** A log that readers cannot open: all segments that are there, each by itself. */
async function openWhatIsThere(machine: Machine, directory: string, found: VerifyParts, opened: Opened): Promise<void> {
  const { storage } = machine;
  const manifest = await manifestIfValid(storage, directory);
  const { logs } = listDirectory(storage, directory);
  const generation = manifest?.generation ?? logs.at(-1)?.generation ?? 0;
  const current = logs.filter((name) => name.generation === generation);
  const first = current.findLastIndex((name) => name.base <= (manifest?.firstSeq ?? 0));
  const names = current.slice(Math.max(0, first));
  const closed = manifest === undefined || manifest.state === "open" ? undefined : manifest.state;
  for (const [i, name] of names.entries()) {
    const { base } = name;
    const path = logPath(directory, name);
    const nextSeq = names[i + 1]?.base ?? closed?.nextSeq;
    const end = storage.statSync(path)?.size ?? 0;
    const part = { path, base, nextSeq, end, isOurs: manifest?.idVersion === 7 };
    if (nextSeq !== undefined) {
      const open = (): Promise<OpenPart | undefined> => openSealed(storage, directory, name, nextSeq, manifest);
      found.parts.push({ ...part, isSealed: true, isQuiet: true, open });
      continue;
    }
    const known: Known =
      manifest === undefined
        ? { base, window: { atLeast: singleFileWindow }, closed: undefined }
        : knownOf(manifest, name);
    await orClaim(storage, found, async () => {
      const file = openLogFile(storage, path, opened);
      const index = await openIndexOf(storage, directory, name, manifest, file, opened);
      const active = { ...part, isSealed: false, isQuiet: false, file, index };
      await addActive(machine, active, known, found, manifest === undefined);
    });
  }
}

async function manifestIfValid(storage: Storage, directory: string): Promise<Manifest | undefined> {
  try {
    return await run(loadManifest(storage, directory));
  } catch (error) {
    if (SeqlogError.is(error, "SEQLOG_DAMAGED") && error.facts.file === manifestPath(directory)) return undefined;
    throw error;
  }
}

/** Where MANIFEST is gone the record index itself tells the seed of its entries. */
async function openIndexOf(
  storage: Storage,
  directory: string,
  name: SegmentName,
  manifest: Manifest | undefined,
  file: StorageFile,
  opened: Opened,
): Promise<IndexFile | undefined> {
  const path = indexPath(directory, name);
  if (manifest !== undefined) return openIndex(storage, path, name.base, seedOf(manifest, name.base), opened);
  if (storage.statSync(path) === undefined) return undefined;
  return openIndex(storage, path, name.base, await seedWithin(storage, path, name.base, file), opened);
}

async function seedWithin(storage: Storage, path: string, base: number, file: StorageFile): Promise<number> {
  const unseeded = IndexFile.openSync(storage, path, "read", base, noSeed);
  try {
    return (await findSeed(file, unseeded)) ?? noSeed;
  } finally {
    unseeded.closeSync();
  }
}

async function openFile(machine: Machine, path: string, found: VerifyParts, opened: Opened): Promise<void> {
  const file = openLogFile(machine.storage, path, opened);
  const index = openIndex(machine.storage, indexPathOf(path), 0, noSeed, opened);
  const known = { base: 0, window: { atLeast: singleFileWindow }, closed: undefined };
  const isQuiet = !mayBeHeld(machine.storage, lockPathOf(path));
  const part = { path, base: 0, nextSeq: undefined, end: 0, isOurs: false, isSealed: false, isQuiet };
  await addActive(machine, { ...part, file, index }, known, found);
}

/**
 * The segment that was written last, or is being written: its torn tail is counted, and what is damage
 * behind what readers see is read too.
 */
async function addActive(
  machine: Machine,
  { file, index, ...part }: Active,
  known: Known,
  found: VerifyParts,
  isManifestGone = false,
): Promise<void> {
  let proven: Entry | undefined;
  const look = async (): Promise<Evidence> => {
    // First: what comes while this looks lies behind it.
    proven = index === undefined ? undefined : await run(index.last("firm"));
    return await run(inspect(file, index, known));
  };
  const add = (end: number, nextSeq: number | undefined, before?: Entry): void => {
    const open: OpenPart = { file, index, proven: before, closeSync: () => {} };
    found.parts.push({ ...part, nextSeq, end, open: () => Promise.resolve(open) });
  };
  const evidence = await lookTwice(machine, look);
  const action = evidence === undefined ? undefined : decide(evidence);
  if (evidence === undefined || action === undefined) {
    // Somebody writes: what readers may see, or what has come so far.
    const { chain } = await look();
    if (part.nextSeq === undefined) add(chain.end, chain.nextSeq);
    else add(part.end, part.nextSeq);
  } else if (action.damage === undefined && !(isManifestGone && (await goesOn(file, action)))) {
    if (action.setAside !== undefined) found.tornBytes += action.setAside.end - action.setAside.start;
    // Of a directory only what readers see: what is past the mark is made durable first.
    if (part.nextSeq === undefined) add(action.end, action.nextSeq);
    else add(part.end, part.nextSeq);
  } else if (action.damage !== undefined && action.row === "foreign") {
    const { offset, reason } = action.damage;
    claim(machine.storage, found, { file: file.path, offset: asOffset(offset), reason });
  } else {
    add(evidence.size, undefined, proven);
  }
}

/** What is looked at before it is read through, and stays open. */
type Active = Omit<VerifyPart, "open"> & Pick<OpenPart, "file" | "index">;

/** Whether whole records follow what may be torn: with MANIFEST gone nothing says that it was not all acknowledged. */
async function goesOn(file: StorageFile, { setAside }: Mend): Promise<boolean> {
  if (setAside === undefined) return false;
  const next = await findRecord(
    file,
    setAside.start + 1,
    setAside.end,
    () => true,
    () => {},
  );
  return next >= 0;
}

/**
 * What a writer has in flight looks like a torn tail, or worse while it goes on writing: only what
 * stands still is believed. Undefined when something moved.
 */
async function lookTwice(machine: Machine, look: () => Promise<Evidence>): Promise<Evidence | undefined> {
  const first = await look();
  if (first.nonZeroEnd === first.chain.end && first.markProblem === undefined) return first;
  await new Promise<void>((resolve) => machine.clock.after(settleMs, resolve, { keepAlive: true }));
  const second = await look();
  const isStill =
    first.size === second.size &&
    first.chain.end === second.chain.end &&
    first.nonZeroEnd === second.nonZeroEnd &&
    first.mark?.end === second.mark?.end;
  return isStill ? second : undefined;
}

/** No write takes so long that it would seem to stand still. */
const settleMs = 250;

function openLogFile(storage: Storage, path: string, opened: Opened): StorageFile {
  const file = storage.openSync(path, "read");
  opened.push(file);
  return file;
}

function openIndex(storage: Storage, path: string, base: number, seed: number, opened: Opened): IndexFile | undefined {
  if (storage.statSync(path) === undefined) return undefined;
  const index = IndexFile.openSync(storage, path, "read", base, seed);
  opened.push(index);
  return index;
}
