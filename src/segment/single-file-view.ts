/** A single log file as its readers see it, also beside a writer in another process. Opens for reading only. */
import { dirname } from "node:path";
import { noSeed } from "../format/index-entry.ts";
import { type Plan, run } from "../storage/plan.ts";
import type { Machine, Storage, StorageFile } from "../storage/storage.ts";
import { lockPathOf, mayBeHeld } from "../storage/writer-lock.ts";
import { Coalesce } from "./coalesce.ts";
import { extendDurableEnd, findDurableEnd } from "./durable-end.ts";
import { Follow } from "./follow.ts";
import { IndexFile } from "./index-file.ts";
import { type Known, inspect, singleFileWindow } from "./inspect.ts";
import type { LogView, OpenSegment } from "./log-view.ts";
import { closedError } from "./read-range.ts";
import { type ReadLimit, SegmentReader } from "./segment-reader.ts";
import { decide } from "./recovery-table.ts";
import { ViewChanges } from "./view-changes.ts";
import { waitForRecovery } from "./wait-for-recovery.ts";
import { walkChain } from "./walk-chain.ts";

const known: Known = { base: 0, window: { atLeast: singleFileWindow }, closed: undefined };

interface Files {
  readonly log: StorageFile;
  readonly index: IndexFile | undefined;
  readonly reader: SegmentReader;
  readonly inode: number;
  readonly indexInode: number | undefined;
  /** Reads under way; the descriptors are closed when the last one ends. */
  users: number;
  isOld: boolean;
}

/** The view of one file. */
export class SingleFileView implements LogView {
  readonly location: string;
  readonly firstSeq = 0;
  readonly #machine: Machine;
  readonly #indexPath: string;
  readonly #changes: ViewChanges;
  readonly #follow: Follow;
  #files: Files;
  #limit: ReadLimit;
  #generation = 0;
  #isClosed = false;
  readonly #looks = new Coalesce(() => this.#look());

  private constructor(machine: Machine, location: string, indexPath: string, files: Files, limit: ReadLimit) {
    this.location = location;
    this.#machine = machine;
    this.#indexPath = indexPath;
    this.#files = files;
    this.#limit = limit;
    this.#follow = new Follow(
      machine,
      dirname(location),
      () => void this.refresh().catch((error: Error) => this.#changes.fail(error)),
    );
    this.#changes = new ViewChanges((isFollowed) => this.#follow.set(isFollowed));
  }

  static async open(machine: Machine, location: string, indexPath: string): Promise<SingleFileView> {
    const { files, limit } = await openAsOne(machine, location, indexPath);
    return new SingleFileView(machine, location, indexPath, files, limit);
  }

  get nextSeq(): number {
    return this.#limit.nextSeq;
  }

  /** Bytes that may be read. */
  get end(): number {
    return this.#limit.end;
  }

  get generation(): number {
    return this.#generation;
  }

  get version(): number {
    return this.#changes.version;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  acquire(): OpenSegment {
    if (this.#isClosed) throw closedError(this.location);
    const files = this.#files;
    const limit = this.#limit;
    files.users++;
    return {
      base: 0,
      reader: files.reader,
      limit: () => limit,
      release: () => {
        files.users--;
        if (files.isOld && files.users === 0) closeFiles(files);
      },
    };
  }

  changed(version: number, signal: AbortSignal): Promise<void> {
    return this.#changes.after(version, signal);
  }

  follow(): () => void {
    return this.#changes.follow();
  }

  get isStale(): boolean {
    return this.#machine.storage.statSync(this.location)?.inode !== this.#files.inode;
  }

  async waitForRecovery(): Promise<boolean> {
    await waitForRecovery(this.#machine, this.location);
    return true;
  }

  /** Looks what the writer did meanwhile. */
  refresh(): Promise<void> {
    return this.#looks.run();
  }

  async #look(): Promise<void> {
    if (this.#isClosed) return;
    const { storage } = this.#machine;
    const stat = storage.statSync(this.location);
    const indexInode = storage.statSync(this.#indexPath)?.inode;
    // Another file of this name, or an index where there was none: what was read before is another history.
    if (stat !== undefined && (stat.inode !== this.#files.inode || indexInode !== this.#files.indexInode)) {
      const { files, limit } = await openAsOne(this.#machine, this.location, this.#indexPath);
      if (this.#isClosed) return closeFiles(files);
      if (files.inode !== this.#files.inode) this.#generation++;
      this.#retire();
      this.#files = files;
      this.#limit = limit;
      return this.#changes.bump();
    }
    const { index, log } = this.#files;
    if (index === undefined) return;
    const limit = await run(extendDurableEnd(log, index, this.#limit));
    if (this.#isClosed || limit.nextSeq === this.#limit.nextSeq) return;
    this.#limit = limit;
    this.#changes.bump();
  }

  #retire(): void {
    this.#files.isOld = true;
    if (this.#files.users === 0) closeFiles(this.#files);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#follow.set(false);
    this.#retire();
    this.#changes.bump();
  }
}

/** Opens both files and finds their end. A reset in between gives the log of one time and the index of another: then again. */
async function openAsOne(
  machine: Machine,
  location: string,
  indexPath: string,
): Promise<{ files: Files; limit: ReadLimit }> {
  for (;;) {
    const files = openFiles(machine, location, indexPath);
    const isSame = (): boolean => machine.storage.statSync(location)?.inode === files.inode;
    let isFound = false;
    try {
      const limit = await run(limitOf(machine.storage, files));
      isFound = isSame();
      if (isFound) return { files, limit };
    } catch (error) {
      if (isSame()) throw error;
    } finally {
      if (!isFound) closeFiles(files);
    }
    await machine.clock.turn();
  }
}

function openFiles(machine: Machine, location: string, indexPath: string): Files {
  const { storage } = machine;
  const log = storage.openSync(location, "read");
  let index: IndexFile | undefined;
  try {
    const hasIndex = storage.statSync(indexPath) !== undefined;
    index = hasIndex ? IndexFile.openSync(storage, indexPath, "read", 0, noSeed) : undefined;
    return {
      log,
      index,
      reader: new SegmentReader(log, index, 0),
      inode: log.statSync().inode,
      indexInode: index?.inodeSync(),
      users: 0,
      isOld: false,
    };
  } catch (error) {
    log.closeSync();
    index?.closeSync();
    throw error;
  }
}

function closeFiles(files: Files): void {
  files.log.closeSync();
  files.index?.closeSync();
}

/**
 * How far the file may be read. The record index proves records up to its mark. Past it, and where
 * it proves nothing, it depends on whether somebody may be writing: when the last writer released
 * its lock, or there never was one (a file from the seed), the valid chain is served to its end, so
 * that no state of the record index hides a record; else only what lies a whole window before that
 * end, which was durable.
 */
function* limitOf(storage: Storage, files: Files): Plan<ReadLimit> {
  const { log, index } = files;
  const lock = lockPathOf(log.path);
  const isQuiet = !mayBeHeld(storage, lock);
  const proven = index === undefined ? { nextSeq: 0, end: 0 } : yield* findDurableEnd(log, index);
  if (!isQuiet && proven.nextSeq > 0) return proven;
  const size = log.statSync().size;
  const chain = yield* walkChain(log, { seq: proven.nextSeq, offset: proven.end }, size);
  // A writer that came meanwhile may have added what is not durable yet.
  if (isQuiet && !mayBeHeld(storage, lock)) {
    const isDamaged = chain.problem !== 0 && decide(yield* inspect(log, index, known)).damage !== undefined;
    // One more than there is: whoever reads on to the damage is told of it.
    return isDamaged ? { nextSeq: chain.nextSeq + 1, end: size } : { nextSeq: chain.nextSeq, end: chain.end };
  }
  if (proven.nextSeq > 0) return proven;
  const { redoFrom } = yield* inspect(log, index, {
    base: 0,
    window: { atLeast: singleFileWindow },
    closed: undefined,
  });
  return { nextSeq: redoFrom.seq, end: redoFrom.offset };
}
