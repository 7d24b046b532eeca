/** Brings a log into order on request: the recovery of an open, told step by step, and a new MANIFEST where that is gone. */
import { SeqlogError } from "../errors.ts";
import { isRecordId } from "../format/uuid.ts";
import { describeProblem, headerAt, headerLength } from "../format/record.ts";
import { asOffset } from "../numbers.ts";
import { IndexFile } from "../segment/index-file.ts";
import { type Known, singleFileWindow } from "../segment/inspect.ts";
import { indexPathOf } from "../segment/log-reader.ts";
import { LogWriter } from "../segment/log-writer.ts";
import { RecordIndex } from "../segment/record-index.ts";
import { damaged } from "../segment/damaged.ts";
import { type CheckedSegment, checkAgainstIndex, checkSegment } from "../segment/recover-segment.ts";
import { indexAnew, tailPath } from "../segment/redo.ts";
import { walkChain } from "../segment/walk-chain.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { readAt, run } from "../storage/plan.ts";
import type { Machine, Storage } from "../storage/storage.ts";
import { type LockKind, acquireWriterLock, lockPathOf, mayBeHeld } from "../storage/writer-lock.ts";
import { checkWithoutManifest } from "./check-without-manifest.ts";
import { lockPath } from "./directory-writer.ts";
import { FileLog } from "./file-log.ts";
import { type LogPlace, findLogPlace } from "./log-place.ts";
import { type Manifest, loadManifest, manifestPath, newManifest, storeManifest } from "./manifest.ts";
import { watchLock } from "./watch-lock.ts";
import {
  checkSealed,
  currentSegments,
  findLeftovers,
  knownOf,
  type Recovered,
  ensureLog,
  recoverDirectory,
} from "./recover-directory.ts";
import { openInputFile } from "./salvage-input.ts";
import { readTail } from "./salvage-tail.ts";
import { type SegmentName, indexPath, listDirectory, logPath, seedOf } from "./segment-files.ts";
import type { Damage } from "./verify.ts";

/** One thing that repair does, or would do. */
export interface RepairChange {
  readonly file: string;
  readonly action: string;
  /** How many bytes it is about, where that says something. */
  readonly bytes?: number;
}

/** What repair did, or would do. */
export interface RepairReport {
  readonly changes: readonly RepairChange[];
  /** What it cannot mend; then nothing was changed. */
  readonly damage: readonly Damage[];
  readonly tornBytes: number;
}

/** Options of {@link repair} and {@link rebuildIndex}. */
export interface RepairOptions {
  /** Say what would be done, and do nothing. */
  readonly dryRun?: boolean;
  readonly lock?: LockKind;
  /** The machine to work on; for tests. */
  readonly machine?: Machine;
}

/**
 * Does what opening for writing would do (sets a torn tail aside and cuts it off, makes the records
 * past the mark durable, rebuilds record indexes, removes what interrupted steps left), and makes a
 * new MANIFEST from the segments when there is none or it is damaged (kept as `MANIFEST.damaged`).
 * Never deletes a record, and changes nothing at all when it finds damage that it cannot mend. Without
 * MANIFEST that is also whatever would cut off a record that the record index proves, or a whole one
 * behind damage: `salvage` gets those out.
 *
 * @throws SEQLOG_NOT_FOUND, SEQLOG_LOCKED, SEQLOG_IO, SEQLOG_NO_SPACE
 *
 * @example
 * ```ts
 * import { repair } from "seqlog";
 *
 * const { changes, damage } = await repair("./events", { dryRun: true });
 * for (const { file, action } of changes) console.log(file, action);
 * for (const { file, offset, reason } of damage) console.log(file, offset, reason);
 * ```
 */
export async function repair(location: string | URL, options: RepairOptions = {}): Promise<RepairReport> {
  const machine = options.machine ?? nodeMachine;
  const place = findLogPlace(machine, location);
  const plan = new RepairPlan();
  // What a writer has in flight looks torn.
  const release = takeLock(machine, place, options);
  try {
    if (place.kind === "directory") await repairDirectory(machine, place.path, plan, options);
    else await repairFile(machine, place.path, plan);
  } catch (error) {
    if (!SeqlogError.is(error, "SEQLOG_DAMAGED")) throw error;
    return { changes: [], damage: [error.facts], tornBytes: 0 };
  } finally {
    release();
  }
  if (options.dryRun !== true && plan.changes.length > 0) await openOnce(machine, place, options.lock ?? "kernel");
  return { changes: plan.changes, damage: [], tornBytes: plan.tornBytes };
}

/** Keeps writers out while repair looks; returns how to let them in again. A dry run leaves no trace of it. */
function takeLock(machine: Machine, place: LogPlace, { dryRun, lock: kind = "kernel" }: RepairOptions): () => void {
  const path = place.kind === "directory" ? lockPath(place.path) : lockPathOf(place.path);
  if (dryRun === true) return watchLock(machine, path, kind);
  // To a reader the text of a writer that was killed says that nothing past the mark may be served.
  const wasClean = !mayBeHeld(machine.storage, path);
  const lock = acquireWriterLock(machine, path, kind);
  return () => lock.release(wasClean);
}

/** Opening for writing carries the plan out; a crash in between leaves it to the next open. */
async function openOnce(machine: Machine, place: LogPlace, lock: LockKind): Promise<void> {
  if (place.kind === "directory") {
    const log = await FileLog.open(place.path, { create: false, machine, lock });
    return await log.close();
  }
  const recordIndex = await RecordIndex.open(indexPathOf(place.path), { machine });
  try {
    const writer = await LogWriter.open(place.path, recordIndex, { machine, lock });
    await writer.close();
  } finally {
    await recordIndex.close();
  }
}

const singleFile: Known = { base: 0, window: { atLeast: singleFileWindow }, closed: undefined };

class RepairPlan {
  readonly changes: RepairChange[] = [];
  tornBytes = 0;

  add(file: string, action: string, bytes?: number): void {
    this.changes.push(bytes === undefined ? { file, action } : { file, action, bytes });
  }

  /** @param entries how many the record index has room for; undefined where there is none */
  addMend(
    file: string,
    checked: CheckedSegment,
    base: number,
    index: { readonly path: string; readonly entries: number | undefined },
  ): void {
    const { action, isRebuilt } = checked;
    if (action.setAside !== undefined) {
      this.tornBytes = action.setAside.end - action.setAside.start;
      this.add(`${file}.${action.setAside.start}.torn`, "set the torn tail aside", this.tornBytes);
      this.add(file, `cut at offset ${action.end}`);
    }
    const redone = action.nextSeq - action.redoFrom.seq;
    if (redone > 0)
      this.add(file, `make ${redone} records past the mark durable again`, action.end - action.redoFrom.offset);
    const count = action.nextSeq - base;
    if (isRebuilt) this.add(index.path, `rebuild the record index (${count} records)`);
    else if (index.entries === undefined) this.add(index.path, `make the record index (${count} records)`);
    else if (index.entries > count) this.add(index.path, `cut the record index after its ${count} entries`);
  }
}

async function repairFile(machine: Machine, path: string, plan: RepairPlan): Promise<void> {
  const { storage } = machine;
  const at = indexPathOf(path);
  const file = storage.openSync(path, "read");
  const index = storage.statSync(at) === undefined ? undefined : IndexFile.openSync(storage, at, "read", 0, 0);
  try {
    if (storage.statSync(tailPath(path)) !== undefined) await planRedo(storage, path, plan);
    else {
      const entries = index?.capacitySync();
      plan.addMend(path, await run(checkSegment(file, index, singleFile)), 0, { path: at, entries });
    }
  } finally {
    file.closeSync();
    index?.closeSync();
  }
}

async function repairDirectory(
  machine: Machine,
  directory: string,
  plan: RepairPlan,
  options: RepairOptions,
): Promise<void> {
  const { storage } = machine;
  const isDry = options.dryRun === true;
  const damagedPath = freeName(storage, `${manifestPath(directory)}.damaged`);
  let manifest: Manifest | undefined;
  try {
    manifest = await run(loadManifest(storage, directory));
  } catch (error) {
    if (!SeqlogError.is(error, "SEQLOG_DAMAGED")) throw error;
    plan.add(damagedPath, "keep the damaged MANIFEST under this name");
  }
  const isLost = manifest === undefined;
  if (manifest === undefined) {
    manifest = await manifestFromSegments(machine, directory);
    plan.add(
      manifestPath(directory),
      `make a new MANIFEST: generation ${manifest.generation}, first record ${manifest.firstSeq}`,
    );
  }
  await planDirectory(machine, directory, manifest, isLost, plan);
  if (isDry || !isLost) return;
  if (storage.statSync(manifestPath(directory)) !== undefined) storage.renameSync(manifestPath(directory), damagedPath);
  storeManifest(storage, directory, manifest);
}

/** What was kept before is not written over. */
function freeName(storage: Storage, path: string): string {
  for (let n = 1; ; n++) {
    const candidate = n === 1 ? path : `${path}-${n}`;
    if (storage.statSync(candidate) === undefined) return candidate;
  }
}

/** Goes through the steps of recovery without taking them. */
async function planDirectory(
  machine: Machine,
  directory: string,
  manifest: Manifest,
  isLost: boolean,
  plan: RepairPlan,
): Promise<void> {
  const { storage } = machine;
  for (const path of findLeftovers(storage, directory, manifest))
    plan.add(path, "remove what an interrupted step left");
  const names = currentSegments(storage, directory, manifest);
  for (const [i, name] of names.entries()) {
    const next = names[i + 1];
    if (next === undefined) {
      await planActive(machine, directory, manifest, name, isLost, plan);
      continue;
    }
    const { segment, isIndexRight } = await run(checkSealed(storage, directory, manifest, name, next.base));
    if (isLost) {
      const chain = { nextSeq: segment.nextSeq, end: segment.bytes, problem: 0 };
      await checkWithoutManifest(storage, directory, name, { chain, setAside: undefined, redoneEnd: chain.end });
    }
    if (isIndexRight) continue;
    plan.add(indexPath(directory, name), `rebuild the record index (${segment.nextSeq - segment.base} records)`);
  }
}

async function planActive(
  machine: Machine,
  directory: string,
  manifest: Manifest,
  name: SegmentName,
  isLost: boolean,
  plan: RepairPlan,
): Promise<void> {
  const { storage } = machine;
  const path = logPath(directory, name);
  if (storage.statSync(tailPath(path)) !== undefined) {
    const redo = await planRedo(storage, path, plan);
    if (isLost) await checkBeforeRedo(storage, directory, name, manifest, redo);
    return;
  }
  const at = indexPath(directory, name);
  const file = storage.openSync(path, "read");
  let index: IndexFile | undefined;
  try {
    if (storage.statSync(at) !== undefined) {
      index = IndexFile.openSync(storage, at, "read", name.base, seedOf(manifest, name.base));
    }
    const checked = await run(checkSegment(file, index, knownOf(manifest, name)));
    if (isLost) {
      const { chain } = checked.evidence;
      const { setAside } = checked.action;
      await checkWithoutManifest(storage, directory, name, { chain, setAside, redoneEnd: chain.end });
    }
    plan.addMend(path, checked, name.base, { path: at, entries: index?.capacitySync() });
  } finally {
    file.closeSync();
    index?.closeSync();
  }
}

/** Finishing a redo under a new MANIFEST must find all records before it whole: it knows of no mark among them. */
async function checkBeforeRedo(
  storage: Storage,
  directory: string,
  name: SegmentName,
  manifest: Manifest,
  redo: Redo,
): Promise<void> {
  const file = storage.openSync(logPath(directory, name), "read");
  try {
    const from = { seq: name.base, offset: 0 };
    const chain = await run(walkChain(file, from, redo.start, { isOurs: manifest.idVersion === 7 }));
    if (chain.end !== redo.start) throw damaged(file.path, chain.end, describeProblem(chain.problem), chain.nextSeq);
    await checkWithoutManifest(storage, directory, name, { chain, setAside: undefined, redoneEnd: redo.end });
  } finally {
    file.closeSync();
  }
}

interface Redo {
  readonly start: number;
  readonly end: number;
}

/** A redo copy that is not whole, or does not fit its segment, is damage: opening would refuse it too. */
async function planRedo(storage: Storage, segment: string, plan: RepairPlan): Promise<Redo> {
  const path = tailPath(segment);
  const tail = openInputFile(storage, path);
  try {
    const found = await readTail(tail);
    if (found?.leads !== true) throw damaged(path, 0, "the redo copy is not whole");
    const size = storage.statSync(segment)?.size ?? 0;
    const end = found.start + found.length;
    if (size < found.start) throw damaged(segment, size, "the segment ends before its redo copy starts");
    if (size > end) throw damaged(segment, end, "the segment goes on behind what its redo copy holds");
    plan.add(path, "finish the interrupted recovery", found.length);
    return { start: found.start, end };
  } finally {
    tail.closeSync();
  }
}

/** What MANIFEST must have said, as far as the segments tell; the log's id and its keys' secret are new. */
async function manifestFromSegments(machine: Machine, directory: string): Promise<Manifest> {
  const { storage } = machine;
  const { logs } = listDirectory(storage, directory);
  const generations = [...new Set(logs.map((name) => name.generation))];
  const file = manifestPath(directory);
  if (logs.length === 0) {
    throw new SeqlogError("SEQLOG_NOT_FOUND", `${directory}: there is no log here: no MANIFEST and no segment`, {
      path: directory,
    });
  }
  if (generations.length > 1) {
    const reason = `there are segments of the generations ${generations.join(" and ")}, and only MANIFEST knew which one counts`;
    throw new SeqlogError("SEQLOG_DAMAGED", `${file}: ${reason}; move the others away, then repair again`, {
      file,
      offset: asOffset(0),
      reason,
    });
  }
  const first = logs[0] as SegmentName;
  const manifest = newManifest(machine.random, first.generation, first.base);
  const segment = storage.openSync(logPath(directory, first), "read");
  try {
    const header = await run(readAt(segment, 0, headerLength));
    const isV4 =
      header.length === headerLength &&
      isRecordId(header, headerAt.id) &&
      (header[headerAt.id + 6] as number) >>> 4 === 4;
    return { ...manifest, idVersion: isV4 ? 4 : 7, window: singleFileWindow };
  } finally {
    segment.closeSync();
  }
}

/** What {@link rebuildIndex} made. */
export interface RebuildReport {
  readonly records: number;
  /** The record indexes that were made anew. */
  readonly files: readonly string[];
}

/**
 * Makes the record indexes of a log anew from its segments. No record changes. Brings the log into
 * order first, as opening it does.
 *
 * @throws SEQLOG_DAMAGED when a segment is not valid to its end; then its record index stays as it is
 * @throws SEQLOG_NOT_FOUND, SEQLOG_LOCKED, SEQLOG_IO, SEQLOG_NO_SPACE
 *
 * @example
 * ```ts
 * import { rebuildIndex } from "seqlog";
 *
 * const { records, files } = await rebuildIndex("./events");
 * console.log(`${files.length} record indexes for ${records} records`);
 * ```
 */
export async function rebuildIndex(
  location: string | URL,
  options: Omit<RepairOptions, "dryRun"> = {},
): Promise<RebuildReport> {
  const machine = options.machine ?? nodeMachine;
  const place = findLogPlace(machine, location);
  const lock = options.lock ?? "kernel";
  if (place.kind === "file") {
    const at = indexPathOf(place.path);
    const recordIndex = await RecordIndex.open(at, { machine });
    try {
      const writer = await LogWriter.open(place.path, recordIndex, { machine, lock });
      try {
        await rebuildOne(machine, place.path, recordIndex.file, { seq: 0, offset: 0 }, writer.writeOffset);
        return { records: writer.recovery.records, files: [at] };
      } finally {
        await writer.close();
      }
    } finally {
      await recordIndex.close();
    }
  }
  ensureLog(machine.storage, place.path);
  const held = acquireWriterLock(machine, lockPath(place.path), lock);
  try {
    const recovered = await run(recoverDirectory(machine, place.path, { create: false, idVersion: 7 }));
    return await rebuildDirectory(machine, place.path, recovered);
  } finally {
    held.release();
  }
}

/** What recovery has not made anew already. */
async function rebuildDirectory(
  machine: Machine,
  directory: string,
  { manifest, sealed, active, rebuilt }: Recovered,
): Promise<RebuildReport> {
  const { storage } = machine;
  const files: string[] = [];
  const isDone = new Set(active.indexRebuilt ? [...rebuilt, active.base] : rebuilt);
  for (const { base } of [...sealed, active]) {
    const name = { base, generation: manifest.generation };
    const path = logPath(directory, name);
    const at = indexPath(directory, name);
    files.push(at);
    if (isDone.has(base)) continue;
    const index = IndexFile.openSync(storage, at, "write", name.base, seedOf(manifest, name.base));
    try {
      const size = storage.statSync(path)?.size ?? 0;
      await rebuildOne(machine, path, index, { seq: name.base, offset: 0 }, size);
    } finally {
      index.closeSync();
    }
  }
  return { records: active.nextSeq - manifest.firstSeq, files };
}

/** The segment is walked before its record index is touched. */
async function rebuildOne(
  machine: Machine,
  path: string,
  index: IndexFile,
  from: { readonly seq: number; readonly offset: number },
  end: number,
): Promise<number> {
  const file = machine.storage.openSync(path, "read");
  try {
    const chain = await run(walkChain(file, from, end));
    if (chain.end !== end) throw damaged(path, chain.end, describeProblem(chain.problem), chain.nextSeq);
    if (index.capacitySync() > 0) await run(checkAgainstIndex(file, index, chain));
    await run(indexAnew(file, index, from, end));
    return chain.nextSeq;
  } finally {
    file.closeSync();
  }
}
