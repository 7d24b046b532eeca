/**
 * The real disk. The only file that imports `node:fs`.
 *
 * Facts relied on, each from the man page named:
 * - open(2): O_DSYNC writes return when the data, and the metadata needed to read it, are on the device.
 * - open(2): O_NOFOLLOW fails with ELOOP on a link; O_NONBLOCK keeps the opening of a FIFO from waiting.
 * - fsync(2): a new name needs an fsync of its directory.
 * - libuv writes on after a short write and hides the error that ended it: the count tells.
 */
import * as fs from "node:fs";
import { createRequire } from "node:module";
import { constants as osConstants, tmpdir } from "node:os";
import * as path from "node:path";
import { SeqlogError } from "../errors.ts";
import { ioError, notRegular } from "./io-error.ts";
import { findMount, type Mount } from "./mount.ts";
import type { FileStat, OpenMode, Storage, StorageFile, Watch } from "./storage.ts";

const c = fs.constants;

/** The lock covers one byte far behind the holder's text, so that the text can be read where locks are mandatory (Windows). */
const lockedByte = 1 << 30;

/** From linux/magic.h and the OpenZFS sources. */
const copyOnWriteFileSystems = new Set([0x9123683e /* btrfs */, 0x2fc12fc1 /* ZFS */, 0xca451a4e /* bcachefs */]);
const memoryFileSystems = new Set([0x01021994 /* tmpfs */, 0x858458f6 /* ramfs */]);

function errnoOf(error: unknown): string {
  const { code, errno } = error as NodeJS.ErrnoException;
  // libuv has no name for it.
  if (errno !== undefined && errno === -osConstants.errno.EDQUOT) return "EDQUOT";
  return code ?? "UNKNOWN";
}

/** Runs one call and names the path when it fails. */
function attempt<T>(syscall: string, at: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw ioError(errnoOf(error), syscall, at, error);
  }
}

function toStat(stats: fs.Stats): FileStat {
  const kind = stats.isFile() ? "file" : stats.isDirectory() ? "directory" : stats.isSymbolicLink() ? "link" : "other";
  return { kind, size: stats.size, inode: stats.ino, modifiedMs: stats.mtimeMs };
}

interface NativeLock {
  tryLock(fd: number, offset: number, length: number): boolean;
}

let nativeLock: NativeLock | undefined;

/** Loaded at the first lock, so that reading works where the native part does not. */
function loadNativeLock(at: string): NativeLock {
  try {
    nativeLock ??= createRequire(import.meta.url)("fs-native-extensions") as NativeLock;
    return nativeLock;
  } catch (error) {
    const reason = `the package fs-native-extensions does not load on this machine (${errnoOf(error)})`;
    throw new SeqlogError(
      "SEQLOG_LOCK_UNAVAILABLE",
      `${at}: ${reason}. Install it, or open with { lock: "pid-file" } and read what that means in docs/durability.md`,
      { path: at, reason },
      { cause: error },
    );
  }
}

class NodeFile implements StorageFile {
  readonly path: string;
  #fd: number;

  constructor(at: string, fd: number) {
    this.path = at;
    this.#fd = fd;
  }

  statSync(): FileStat {
    return attempt("fstat", this.path, () => toStat(fs.fstatSync(this.#fd)));
  }

  readSync(target: Uint8Array, position: number, start = 0, end: number = target.length): number {
    let at = start;
    try {
      while (at < end) {
        const n = fs.readSync(this.#fd, target, at, end - at, position + at - start);
        if (n === 0) break;
        at += n;
      }
    } catch (error) {
      throw ioError(errnoOf(error), "read", this.path, error);
    }
    return at - start;
  }

  read(target: Uint8Array, position: number): Promise<number> {
    const { promise, resolve, reject } = withResolvers<number>();
    if (this.#fd < 0) return Promise.reject(ioError("EBADF", "read", this.path));
    let done = 0;
    const step = (): void => {
      fs.read(this.#fd, target, done, target.length - done, position + done, (error, n) => {
        if (error) return reject(ioError(errnoOf(error), "read", this.path, error));
        done += n;
        if (n === 0 || done === target.length) resolve(done);
        else step();
      });
    };
    step();
    return promise;
  }

  writeSync(bytes: Uint8Array, position: number): number {
    try {
      return fs.writeSync(this.#fd, bytes, 0, bytes.length, position);
    } catch (error) {
      throw ioError(errnoOf(error), "write", this.path, error);
    }
  }

  write(bytes: Uint8Array, position: number, done: (error: Error | undefined, written: number) => void): void {
    fs.write(this.#fd, bytes, 0, bytes.length, position, (error, written) => {
      done(error ? ioError(errnoOf(error), "write", this.path, error) : undefined, error ? 0 : written);
    });
  }

  truncateSync(length: number): void {
    attempt("truncate", this.path, () => fs.ftruncateSync(this.#fd, length));
  }

  fsyncSync(): void {
    attempt("fsync", this.path, () => fs.fsyncSync(this.#fd));
  }

  fsync(done: (error: Error | undefined) => void): void {
    fs.fsync(this.#fd, (error) => done(error ? ioError(errnoOf(error), "fsync", this.path, error) : undefined));
  }

  tryLockSync(): boolean {
    const native = loadNativeLock(this.path);
    try {
      return native.tryLock(this.#fd, lockedByte, 1);
    } catch (error) {
      if (errnoOf(error) === "EACCES" || errnoOf(error) === "EBUSY") return false;
      const reason = `this file system has no locks (${errnoOf(error)})`;
      throw new SeqlogError(
        "SEQLOG_LOCK_UNAVAILABLE",
        `${this.path}: ${reason}. Put the log on a local disk; network file systems are not supported`,
        { path: this.path, reason },
        { cause: error },
      );
    }
  }

  closeSync(): void {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    try {
      fs.closeSync(fd);
    } catch {
      // close(2): the descriptor is released whatever it returns; what matters was synced before.
    }
  }
}

const flagsOf: Record<OpenMode, number> = {
  read: c.O_RDONLY,
  write: c.O_RDWR,
  create: c.O_RDWR | c.O_CREAT,
  "create-new": c.O_RDWR | c.O_CREAT | c.O_EXCL,
};

/** The constants are missing on Windows. */
const guards = (c.O_NOFOLLOW ?? 0) | (c.O_NONBLOCK ?? 0);
const hasDsync = process.platform === "linux" && typeof c.O_DSYNC === "number";

/** The real disk, as a {@link Storage}. */
export const nodeStorage: Storage = {
  hasDsync,

  prefersZeroAheadSync(directory) {
    if (process.platform !== "linux") return false;
    return attempt("statfs", directory, () => !copyOnWriteFileSystems.has(fs.statfsSync(directory).type));
  },

  openSync(at, mode, options) {
    const flags = flagsOf[mode] | guards | (options?.dsync === true && hasDsync ? c.O_DSYNC : 0);
    const fd = attempt("open", at, () => fs.openSync(at, flags, 0o644));
    try {
      const stat = fs.fstatSync(fd);
      if (!stat.isFile()) throw ioError(stat.isDirectory() ? "EISDIR" : notRegular, "open", at);
    } catch (error) {
      fs.closeSync(fd);
      throw error instanceof SeqlogError ? error : ioError(errnoOf(error), "fstat", at, error);
    }
    return new NodeFile(at, fd);
  },

  statSync(at) {
    return attempt("lstat", at, () => {
      const stats = fs.lstatSync(at, { throwIfNoEntry: false });
      return stats === undefined ? undefined : toStat(stats);
    });
  },

  listSync(directory) {
    return attempt("readdir", directory, () => fs.readdirSync(directory));
  },

  makeDirectorySync(directory) {
    const first = attempt("mkdir", directory, () => fs.mkdirSync(directory, { recursive: true }));
    if (first === undefined) return;
    // Each new directory is a new name in the one above it.
    let made = path.resolve(directory);
    const top = path.dirname(path.resolve(first));
    while (made !== top) {
      made = path.dirname(made);
      this.fsyncDirectorySync(made);
    }
  },

  renameSync(from, to) {
    attempt("rename", from, () => fs.renameSync(from, to));
  },

  unlinkSync(at) {
    attempt("unlink", at, () => {
      try {
        fs.unlinkSync(at);
      } catch (error) {
        if (errnoOf(error) !== "ENOENT") throw error;
      }
    });
  },

  removeDirectorySync(directory) {
    attempt("rmdir", directory, () => {
      try {
        fs.rmdirSync(directory);
      } catch (error) {
        if (errnoOf(error) !== "ENOENT") throw error;
      }
    });
  },

  fsyncDirectorySync(directory) {
    // Windows cannot open a directory for this; NTFS journals names itself (docs/durability.md).
    if (process.platform === "win32") return;
    attempt("fsync", directory, () => {
      const fd = fs.openSync(directory, c.O_RDONLY | c.O_DIRECTORY);
      try {
        fs.fsyncSync(fd);
      } finally {
        fs.closeSync(fd);
      }
    });
  },

  watch(directory, changed, options): Watch {
    let watcher: fs.FSWatcher | undefined;
    try {
      watcher = fs.watch(directory, { persistent: options.keepAlive }, changed);
      // A watch that ends with an error (the directory went away) leaves the slow poll to notice.
      watcher.on("error", () => watcher?.close());
    } catch {
      // No inotify instances left: the slow poll behind it does the work.
    }
    return { close: () => watcher?.close() };
  },
};

/** A new directory with an unpredictable name inside `parent`; for demonstrations. */
export function makeScratchDirectory(prefix: string, parent: string = tmpdir()): string {
  return attempt("mkdtemp", parent, () => fs.mkdtempSync(path.join(parent, prefix)));
}

/** Removes a directory that {@link makeScratchDirectory} made, with all that is in it. */
export function removeScratchDirectory(directory: string): void {
  attempt("rm", directory, () => fs.rmSync(directory, { recursive: true, force: true }));
}

/** What a directory lies on, as far as Linux tells; other systems do not. For the command line. */
export function fileSystemOf(directory: string): { readonly isMemory: boolean; readonly mount: Mount | undefined } {
  if (process.platform !== "linux") return { isMemory: false, mount: undefined };
  const isMemory = attempt("statfs", directory, () => memoryFileSystems.has(fs.statfsSync(directory).type));
  try {
    return { isMemory, mount: findMount(fs.readFileSync("/proc/self/mountinfo", "utf8"), fs.realpathSync(directory)) };
  } catch {
    // Without /proc it is only a name that is missing.
    return { isMemory, mount: undefined };
  }
}

/** A file that a user named, as a stream of bytes; for the command line. */
export function openInput(at: string): fs.ReadStream {
  return fs.createReadStream(at, { highWaterMark: 256 * 1024 });
}

/** Whether a descriptor that the process was started with is a regular file; for the command line. */
export function isRegularFile(fd: number): boolean {
  try {
    return fs.fstatSync(fd).isFile();
  } catch {
    return false;
  }
}

/**
 * Writes all of the bytes to where a descriptor stands, blocking; for the command line.
 * @param name for messages
 * @throws SEQLOG_NO_SPACE, SEQLOG_IO; a part may be written then
 */
export function writeToDescriptor(fd: number, bytes: Uint8Array, name: string): void {
  attempt("write", name, () => {
    for (let at = 0; at < bytes.length;) {
      const written = fs.writeSync(fd, bytes, at, bytes.length - at, null);
      if (written === 0) throw Object.assign(new Error("nothing was written"), { code: "ENOSPC" });
      at += written;
    }
  });
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((res, rej) => {
    resolve = res;
    reject = rej;
  });
  return { promise, resolve, reject };
}
