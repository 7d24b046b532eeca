/**
 * The names of one directory: what is listed (the page cache) against what a power cut leaves.
 *
 * Fault model: a power cut keeps or loses each creation, removal and rename that no fsync of the
 * directory followed, by itself and in any combination, as a file system without a journal may.
 * A rename is one change: it is never half there, and two renames of one file are kept in order.
 * So a removed file may come back, a new one may be gone with all its synced bytes, and a later
 * change may be there without an earlier one. A failed fsync leaves every change as it was. A directory
 * is durable when it is made (as `makeDirectorySync` promises); its renames and its removal are changes
 * like those of files.
 *
 * Not modelled: links.
 */
import { ioError } from "../storage/io-error.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { SimulatedInode } from "./simulated-inode.ts";

/** What a name stands for. */
export type SimulatedNode = SimulatedInode | SimulatedDirectory;

/** A change of names that is not durable. */
interface NameChange {
  /** Where the file or directory was before; undefined of a creation or a removal. */
  readonly from: string | undefined;
  /** The name that is placed or removed. */
  readonly name: string;
  /** What is placed there; undefined of a removal. */
  readonly inode: SimulatedNode | undefined;
}

/** Somebody who wants to know of changes. */
export interface DirectoryObserver {
  notice(): void;
}

/** One directory. */
export class SimulatedDirectory {
  readonly number: number;
  /** Told of every change of a name or of a file's bytes. Written by watches. */
  readonly observers: Set<DirectoryObserver> = new Set();
  #entries = new Map<string, SimulatedNode>();
  readonly #durable = new Map<string, SimulatedNode>();
  #changes: NameChange[] = [];

  constructor(number: number) {
    this.number = number;
  }

  /** What the name stands for in the page cache, or on the medium. */
  get(name: string, from: "cache" | "medium" = "cache"): SimulatedNode | undefined {
    return (from === "cache" ? this.#entries : this.#durable).get(name);
  }

  names(): string[] {
    return [...this.#entries.keys()];
  }

  nodes(): Iterable<SimulatedNode> {
    return this.#entries.values();
  }

  /** Places a directory, durably. */
  addDirectory(name: string, directory: SimulatedDirectory): void {
    this.#entries.set(name, directory);
    this.#durable.set(name, directory);
    this.notice();
  }

  /** Places a new file. */
  link(name: string, inode: SimulatedInode): void {
    this.#entries.set(name, inode);
    inode.links++;
    this.#changes.push({ from: undefined, name, inode });
    this.notice();
  }

  /** Removes a name, if there is one. */
  unlink(name: string): void {
    if (!this.#entries.has(name)) return;
    this.#drop(name);
    this.#changes.push({ from: undefined, name, inode: undefined });
    this.notice();
  }

  /** Moves what has a name to another name of this directory, in the place of what was there. */
  rename(from: string, name: string): void {
    const inode = this.#entries.get(from);
    if (inode === undefined || from === name) return;
    this.#drop(name);
    this.#entries.delete(from);
    this.#entries.set(name, inode);
    this.#changes.push({ from, name, inode });
    this.notice();
  }

  /** Makes every change durable. */
  sync(): void {
    for (const change of this.#changes) this.#commit(change);
    this.#changes = [];
  }

  /** A power cut: keeps each change with the probability `keep`, and what a kept one rests on. */
  crash(random: SeededRandom, keep: number): void {
    const changes = this.#changes;
    const kept = new Set<NameChange>();
    for (let i = changes.length - 1; i >= 0; i--) {
      const change = changes[i] as NameChange;
      const drawn = random.chance(keep);
      if (!kept.has(change) && !drawn) continue;
      kept.add(change);
      for (const earlier of changes.slice(0, i)) {
        if (restsOn(change, earlier)) kept.add(earlier);
      }
    }
    for (const change of changes) {
      if (kept.has(change)) this.#commit(change);
    }
    this.#changes = [];
    this.#entries = new Map(this.#durable);
    this.observers.clear();
  }

  /** Tells the observers. */
  notice(): void {
    for (const observer of this.observers) observer.notice();
  }

  #commit(change: NameChange): void {
    const { from, name, inode } = change;
    if (inode === undefined) {
      this.#durable.delete(name);
      return;
    }
    if (from !== undefined && this.#durable.get(from) === inode) this.#durable.delete(from);
    this.#durable.set(name, inode);
  }

  #drop(name: string): void {
    const inode = this.#entries.get(name);
    this.#entries.delete(name);
    if (!(inode instanceof SimulatedInode)) return;
    inode.links--;
    inode.releaseIfUnreachable();
  }
}

/** Whether `change` uses a name that the earlier rename freed, or moves on what it had placed. */
function restsOn(change: NameChange, earlier: NameChange): boolean {
  if (earlier.from === undefined || change.inode === undefined) return false;
  return earlier.from === change.name || (change.from !== undefined && earlier.name === change.from);
}

/** The parts of a path from the root; a relative path starts there too. Takes both separators. */
function partsOf(path: string): string[] {
  const parts: string[] = [];
  for (const part of path.split(/[\\/]/)) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts;
}

/**
 * The directory that a path leads into, and the last name of it.
 * @throws SEQLOG_NOT_FOUND, or SEQLOG_IO with ENOTDIR, when a part on the way is not a directory
 */
export function locate(
  root: SimulatedDirectory,
  path: string,
  syscall: string,
): { directory: SimulatedDirectory; name: string } {
  const parts = partsOf(path);
  const name = parts.pop();
  if (name === undefined) throw ioError("EISDIR", syscall, path);
  let directory = root;
  for (const part of parts) directory = asDirectory(directory.get(part), path, syscall);
  return { directory, name };
}

/**
 * The directory at a path.
 * @throws as {@link locate}
 */
export function directoryAt(root: SimulatedDirectory, path: string, syscall: string): SimulatedDirectory {
  let directory = root;
  for (const part of partsOf(path)) directory = asDirectory(directory.get(part), path, syscall);
  return directory;
}

/** What is at a path, in the page cache or on the medium; undefined when there is nothing. */
export function nodeAt(
  root: SimulatedDirectory,
  path: string,
  from: "cache" | "medium" = "cache",
): SimulatedNode | undefined {
  let node: SimulatedNode | undefined = root;
  for (const part of partsOf(path)) node = node instanceof SimulatedDirectory ? node.get(part, from) : undefined;
  return node;
}

/**
 * Makes the directory at a path and those above it, durably.
 * @throws SEQLOG_IO with EEXIST or ENOTDIR when there is a file in its place or on the way
 */
export function makeDirectories(root: SimulatedDirectory, path: string, make: () => SimulatedDirectory): void {
  let directory = root;
  const parts = partsOf(path);
  for (const [i, part] of parts.entries()) {
    let node = directory.get(part);
    if (node instanceof SimulatedInode) throw ioError(i === parts.length - 1 ? "EEXIST" : "ENOTDIR", "mkdir", path);
    if (node === undefined) {
      node = make();
      directory.addDirectory(part, node);
    }
    directory = node;
  }
}

function asDirectory(node: SimulatedNode | undefined, path: string, syscall: string): SimulatedDirectory {
  if (node instanceof SimulatedDirectory) return node;
  throw ioError(node === undefined ? "ENOENT" : "ENOTDIR", syscall, path);
}
