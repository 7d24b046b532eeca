/**
 * What the log needs from the machine. Everything that the log does to a disk goes through these
 * contracts, so that a test can put a disk of its own behind them; `node-storage.ts` is the one
 * that talks to the real one.
 *
 * Rules for every implementation:
 * - All failures are thrown, or passed to the callback, as `SeqlogError` (see `io-error.ts`).
 * - A path is opened only when it names a regular file: never a link, a FIFO or a device.
 * - Nothing is durable before a successful `fsync` begun after it, or a successful write on a
 *   descriptor opened with `dsync`; a new, renamed or removed name is durable after `fsyncDirectory`.
 */

/** What lies at a path. */
export interface FileStat {
  readonly kind: "file" | "directory" | "link" | "other";
  /** Bytes; of a regular file. */
  readonly size: number;
  /** Tells two files that had the same name apart. */
  readonly inode: number;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
}

/**
 * How to open: `read` and `write` want an existing file, `create` takes an existing one or makes
 * an empty one, `create-new` fails (EEXIST) where there is one. All but `read` also read.
 */
export type OpenMode = "read" | "write" | "create" | "create-new";

/** A watched directory. */
export interface Watch {
  close(): void;
}

/** An open regular file. */
export interface StorageFile {
  readonly path: string;
  statSync(): FileStat;
  /**
   * Reads at `position` until `target`, or the part of it from `start` to `end`, is full or the file
   * ends; returns the bytes read. A part is named, and not made with `subarray` by the caller: that
   * takes a twentieth of the time of reading a small record.
   */
  readSync(target: Uint8Array, position: number, start?: number, end?: number): number;
  /** As `readSync`, without blocking. */
  read(target: Uint8Array, position: number): Promise<number>;
  /**
   * Writes at `position`. May write less than it was given, without an error: the caller compares.
   * One that fails may have written some of it all the same.
   * On a descriptor opened with `dsync` the bytes returned are durable.
   */
  writeSync(bytes: Uint8Array, position: number): number;
  /** As `writeSync`, in the background; `bytes` belong to the write until `done` was called. */
  write(bytes: Uint8Array, position: number, done: (error: Error | undefined, written: number) => void): void;
  truncateSync(length: number): void;
  fsyncSync(): void;
  fsync(done: (error: Error | undefined) => void): void;
  /**
   * Takes an exclusive lock that ends with this descriptor or the process, whichever is first. The
   * file must have been opened for writing.
   * @returns false when somebody else holds it
   * @throws SEQLOG_LOCK_UNAVAILABLE where the machine has no such lock
   */
  tryLockSync(): boolean;
  /**
   * Gives the descriptor back; closing twice is fine. Never fails: what had to be durable was synced
   * before, and what the system says beyond that nobody could act on. No background operation of
   * this descriptor may be under way.
   */
  closeSync(): void;
}

/** A file system. */
export interface Storage {
  /** Whether `dsync` descriptors make each write durable by themselves. */
  readonly hasDsync: boolean;
  /** Whether overwriting zeros laid ahead is faster than growing the file: not on copy-on-write file systems. */
  prefersZeroAheadSync(directory: string): boolean;
  /** With `dsync`, where `hasDsync`, each write is durable when it returns; elsewhere `dsync` changes nothing. */
  openSync(path: string, mode: OpenMode, options?: { readonly dsync?: boolean }): StorageFile;
  /** Undefined when there is nothing. Does not follow a link at the end of the path. */
  statSync(path: string): FileStat | undefined;
  /** Names, in no particular order. */
  listSync(directory: string): string[];
  /** Makes the directory and those above it, each durable in its parent. Fine when it is there. */
  makeDirectorySync(directory: string): void;
  /**
   * Gives a file, or a directory with all that is in it, another name, in the same directory. A file
   * takes the place of one that is there; a directory only that of an empty one.
   */
  renameSync(from: string, to: string): void;
  /** Fine when the file is not there. */
  unlinkSync(path: string): void;
  /** Removes an empty directory. Fine when it is not there. */
  removeDirectorySync(directory: string): void;
  fsyncDirectorySync(directory: string): void;
  /** Calls `changed` some time after anything in the directory changed; may miss changes and call for nothing. */
  watch(directory: string, changed: () => void, options: { readonly keepAlive: boolean }): Watch;
}

/** Time, as the log sees it. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Microseconds on a clock that never goes back. For measuring: what is stored never depends on it. */
  elapsedUs(): number;
  /** Calls once after `ms`; returns how to take it back. Without `keepAlive` it does not hold the process. */
  after(ms: number, call: () => void, options: { readonly keepAlive: boolean }): () => void;
  /** Resolves after everything else that is ready to run had a turn. */
  turn(): Promise<void>;
}

/** Unpredictable bytes. */
export interface Random {
  fill(target: Uint8Array): void;
}

/** All of it. */
export interface Machine {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly random: Random;
  /** Who a lock is held by: written into the lock file for the others to read. */
  readonly owner: { readonly pid: number; readonly host: string };
  /** Whether the process `pid` of this host is alive; for the pid-file fallback of the lock alone. */
  isAlive(pid: number): boolean;
}
