/**
 * The file system as one simulated process sees it: paths, names and watches over the disk's tree.
 *
 * Model: `listSync` gives the names in a random order; `makeDirectorySync` makes durable the names
 * of the directories it makes, and no other name beside them; a watch may miss changes, and several
 * changes may come as one call. A rename into another directory fails with EXDEV.
 */
import { ioError } from "../storage/io-error.ts";
import type { FileStat, OpenMode, Storage, StorageFile, Watch } from "../storage/storage.ts";
import { SimulatedDirectory, directoryAt, locate, makeDirectories, nodeAt } from "./simulated-directory.ts";
import type { DirectoryObserver } from "./simulated-directory.ts";
import { SimulatedFile, statOf } from "./simulated-file.ts";
import { SimulatedInode } from "./simulated-inode.ts";
import type { Held, SimulatedProcess } from "./simulated-process.ts";

/** The {@link Storage} of one simulated process. */
export class SimulatedStorage implements Storage {
  readonly #process: SimulatedProcess;
  readonly #root: SimulatedDirectory;

  constructor(process: SimulatedProcess) {
    this.#process = process;
    this.#root = process.host.root;
  }

  get hasDsync(): boolean {
    return this.#process.host.hasDsync;
  }

  prefersZeroAheadSync(directory: string): boolean {
    this.#process.gate.ensureRunning();
    directoryAt(this.#root, directory, "statfs");
    return this.#process.host.prefersZeroAhead;
  }

  openSync(path: string, mode: OpenMode, options?: { readonly dsync?: boolean }): StorageFile {
    return this.#process.gate.perform("open", path, 0, 0, () => {
      const { directory, name } = locate(this.#root, path, "open");
      const node = directory.get(name);
      if (node instanceof SimulatedDirectory) throw ioError("EISDIR", "open", path);
      if (node !== undefined && mode === "create-new") throw ioError("EEXIST", "open", path);
      if (node === undefined && (mode === "read" || mode === "write")) throw ioError("ENOENT", "open", path);
      const inode = node ?? this.#create(directory, name);
      const dsync = options?.dsync === true && this.hasDsync;
      return new SimulatedFile(this.#process, path, directory, inode, { writable: mode !== "read", dsync });
    });
  }

  statSync(path: string): FileStat | undefined {
    return this.#process.gate.perform("stat", path, 0, 0, () => {
      const node = nodeAt(this.#root, path);
      if (node instanceof SimulatedInode) return statOf(node);
      return node && { kind: "directory", size: 0, inode: node.number, modifiedMs: 0 };
    });
  }

  listSync(directory: string): string[] {
    return this.#process.gate.perform("list", directory, 0, 0, () =>
      this.#process.host.random.shuffle(directoryAt(this.#root, directory, "readdir").names()),
    );
  }

  makeDirectorySync(directory: string): void {
    this.#process.gate.perform("makeDirectory", directory, 0, 0, () => {
      makeDirectories(this.#root, directory, this.#process.host.newDirectory);
    });
  }

  renameSync(from: string, to: string): void {
    this.#process.gate.perform("rename", from, 0, 0, () => {
      const source = locate(this.#root, from, "rename");
      const target = locate(this.#root, to, "rename");
      const node = source.directory.get(source.name);
      if (node === undefined) throw ioError("ENOENT", "rename", from);
      if (source.directory !== target.directory) throw ioError("EXDEV", "rename", from);
      const replaced = target.directory.get(target.name);
      if (node instanceof SimulatedInode && replaced instanceof SimulatedDirectory) {
        throw ioError("EISDIR", "rename", from);
      }
      if (node instanceof SimulatedDirectory && replaced !== undefined) {
        if (replaced instanceof SimulatedInode) throw ioError("ENOTDIR", "rename", from);
        if (replaced !== node && replaced.names().length > 0) throw ioError("ENOTEMPTY", "rename", from);
      }
      source.directory.rename(source.name, target.name);
    });
  }

  unlinkSync(path: string): void {
    this.#process.gate.perform("unlink", path, 0, 0, () => {
      const { directory, name } = locate(this.#root, path, "unlink");
      if (directory.get(name) instanceof SimulatedDirectory) throw ioError("EISDIR", "unlink", path);
      directory.unlink(name);
    });
  }

  removeDirectorySync(path: string): void {
    this.#process.gate.perform("removeDirectory", path, 0, 0, () => {
      const { directory, name } = locate(this.#root, path, "rmdir");
      const node = directory.get(name);
      if (node === undefined) return;
      if (node instanceof SimulatedInode) throw ioError("ENOTDIR", "rmdir", path);
      if (node.names().length > 0) throw ioError("ENOTEMPTY", "rmdir", path);
      directory.unlink(name);
    });
  }

  fsyncDirectorySync(directory: string): void {
    this.#process.gate.perform("fsyncDirectory", directory, 0, 0, () =>
      directoryAt(this.#root, directory, "fsync").sync(),
    );
  }

  watch(directory: string, changed: () => void, options: { readonly keepAlive: boolean }): Watch {
    this.#process.gate.ensureRunning();
    try {
      return new SimulatedWatch(this.#process, directoryAt(this.#root, directory, "watch"), changed, options.keepAlive);
    } catch {
      // As on a machine that has no watches left: the caller's slow poll does the work.
      return { close: () => {} };
    }
  }

  #create(directory: SimulatedDirectory, name: string): SimulatedInode {
    const inode = this.#process.host.newInode();
    directory.link(name, inode);
    return inode;
  }
}

class SimulatedWatch implements Watch, DirectoryObserver, Held {
  readonly #process: SimulatedProcess;
  readonly #directory: SimulatedDirectory;
  readonly #changed: () => void;
  readonly #keepAlive: boolean;
  #pending = false;
  #open = true;

  constructor(process: SimulatedProcess, directory: SimulatedDirectory, changed: () => void, keepAlive: boolean) {
    this.#process = process;
    this.#directory = directory;
    this.#changed = changed;
    this.#keepAlive = keepAlive;
    directory.observers.add(this);
    process.held.add(this);
    if (keepAlive) process.holding++;
  }

  notice(): void {
    const { random, watchMissChance } = this.#process.host;
    if (this.#pending || (watchMissChance > 0 && random.chance(watchMissChance))) return;
    this.#pending = true;
    this.#process.later(() => {
      this.#pending = false;
      if (this.#open) this.#changed();
    });
  }

  close(): void {
    this.release();
  }

  release(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#directory.observers.delete(this);
    this.#process.held.delete(this);
    if (this.#keepAlive) this.#process.holding--;
  }
}
