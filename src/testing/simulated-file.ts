/**
 * An open descriptor on the simulated disk.
 *
 * Model:
 * - A background operation takes effect at one later step and calls back at another, in any order
 *   with all others. A write may show the first part of its bytes before the rest, a read may see
 *   two moments, as threads do.
 * - Where the disk is full a write takes what fits; what takes nothing fails with ENOSPC.
 * - An fsync or dsync write that fails is reported once by every other descriptor of the file that
 *   was open then, at its next fsync or dsync write; a descriptor opened later knows nothing of it.
 * - The lock belongs to the descriptor and needs one that may write.
 */
import { SeqlogError } from "../errors.ts";
import { ioError } from "../storage/io-error.ts";
import type { FileStat, StorageFile } from "../storage/storage.ts";
import type { CrashFault, ErrorFault, ShortFault } from "./fault-plan.ts";
import { operationError } from "./operation-gate.ts";
import type { Operation } from "./operation-log.ts";
import type { SimulatedDirectory } from "./simulated-directory.ts";
import type { SimulatedInode } from "./simulated-inode.ts";
import type { Held, SimulatedProcess, WriteInFlight } from "./simulated-process.ts";

/** How often a background read or write is done in two parts. */
const splitChance = 0.25;

/** What a descriptor was opened for. */
export interface DescriptorMode {
  readonly writable: boolean;
  readonly dsync: boolean;
}

/** A {@link StorageFile} of one simulated process. */
export class SimulatedFile implements StorageFile, Held {
  readonly path: string;
  readonly #process: SimulatedProcess;
  readonly #inode: SimulatedInode;
  /** Where it was opened; its observers are told of changes. */
  readonly #directory: SimulatedDirectory;
  readonly #mode: DescriptorMode;
  /** The failed syncs that this descriptor knows of. */
  #syncErrorsSeen: number;
  #open = true;

  constructor(
    process: SimulatedProcess,
    path: string,
    directory: SimulatedDirectory,
    inode: SimulatedInode,
    mode: DescriptorMode,
  ) {
    this.path = path;
    this.#process = process;
    this.#directory = directory;
    this.#inode = inode;
    this.#mode = mode;
    this.#syncErrorsSeen = inode.syncErrors;
    inode.opens++;
    process.held.add(this);
    process.openFiles++;
  }

  statSync(): FileStat {
    return this.#process.gate.perform("stat", this.path, 0, 0, () => {
      this.#ensureOpen("fstat");
      return statOf(this.#inode);
    });
  }

  readSync(target: Uint8Array, position: number, start = 0, end: number = target.length): number {
    const part = target.subarray(start, end);
    return this.#process.gate.perform("read", this.path, position, part.length, () => this.#take(part, position));
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      let operation: Operation;
      let first = 0;
      this.#process.background(
        () => {
          operation = this.#process.gate.begin("read", this.path, position, target.length, true);
          if (operation.fault !== undefined || !this.#split(target.length)) return false;
          first = this.#inode.read(target.subarray(0, this.#process.host.random.int(target.length)), position);
          return true;
        },
        () => this.#process.gate.finish(operation, () => first + this.#take(target.subarray(first), position + first)),
        (error, length) => (error === undefined ? resolve(length ?? 0) : reject(error)),
      );
    });
  }

  writeSync(bytes: Uint8Array, position: number): number {
    return this.#process.gate.perform(
      "write",
      this.path,
      position,
      bytes.length,
      (fault) => this.#put(bytes, position, fault),
      (fault) => this.#failPut(bytes, position, fault),
    );
  }

  write(bytes: Uint8Array, position: number, done: (error: Error | undefined, written: number) => void): void {
    const process = this.#process;
    const flight: WriteInFlight = {
      bytes,
      land: (length) => this.#store(bytes.subarray(0, this.#inode.room(position, length)), position, false),
    };
    let operation: Operation;
    process.background(
      () => {
        process.writesInFlight.delete(flight);
        operation = process.gate.begin("write", this.path, position, bytes.length, true);
        if (operation.fault !== undefined || !this.#split(bytes.length)) return false;
        if (this.#inode.room(position, bytes.length) < bytes.length) return false;
        this.#store(bytes.subarray(0, process.host.random.int(bytes.length)), position, false);
        process.writesInFlight.add(flight);
        return true;
      },
      () => {
        process.writesInFlight.delete(flight);
        return process.gate.finish(
          operation,
          (fault) => this.#put(bytes, position, fault),
          (fault) => this.#failPut(bytes, position, fault),
        );
      },
      (error, written) => done(error, written ?? 0),
    );
    process.writesInFlight.add(flight);
  }

  truncateSync(length: number): void {
    this.#process.gate.perform("truncate", this.path, length, 0, () => {
      this.#ensureWritable("truncate");
      const growth = length - this.#inode.size;
      if (growth > 0 && this.#inode.room(this.#inode.size, growth) < growth) {
        throw ioError("ENOSPC", "truncate", this.path);
      }
      this.#inode.truncate(length);
      this.#changed();
    });
  }

  fsyncSync(): void {
    this.#process.gate.perform(
      "fsync",
      this.path,
      0,
      0,
      () => this.#sync(),
      (fault) => this.#failSync(fault),
    );
  }

  fsync(done: (error: Error | undefined) => void): void {
    let operation: Operation;
    this.#process.background(
      () => {
        operation = this.#process.gate.begin("fsync", this.path, 0, 0, true);
        return false;
      },
      () =>
        this.#process.gate.finish(
          operation,
          () => this.#sync(),
          (fault) => this.#failSync(fault),
        ),
      (error) => done(error),
    );
  }

  tryLockSync(): boolean {
    return this.#process.gate.perform("lock", this.path, 0, 0, () => {
      this.#ensureOpen("lock");
      if (!this.#process.host.hasLocks) throw operationError("lock", this.path, "ENOLCK");
      if (!this.#mode.writable) throw operationError("lock", this.path, "EBADF");
      this.#inode.lockedBy ??= this;
      return this.#inode.lockedBy === this;
    });
  }

  closeSync(): void {
    this.#process.gate.ensureRunning();
    if (!this.#open) return;
    try {
      this.#process.gate.perform("close", this.path, 0, 0, () => this.release());
    } catch (error) {
      // A close that fails has closed the descriptor all the same, and by contract says nothing.
      if (!(error instanceof SeqlogError)) throw error;
      this.release();
    }
  }

  /** Frees the descriptor and its lock, without an operation. */
  release(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#process.held.delete(this);
    this.#process.openFiles--;
    if (this.#inode.lockedBy === this) this.#inode.lockedBy = undefined;
    this.#inode.opens--;
    this.#inode.releaseIfUnreachable();
  }

  #take(target: Uint8Array, position: number): number {
    this.#ensureOpen("read");
    return this.#inode.read(target, position);
  }

  /** Writes as much as the fault and the disk let it; returns the bytes written. */
  #put(bytes: Uint8Array, position: number, fault: ShortFault | CrashFault | undefined): number {
    this.#ensureWritable("write");
    const wanted = Math.min(bytes.length, fault?.written ?? bytes.length);
    const length = this.#inode.room(position, wanted);
    if (length === 0 && wanted > 0) throw ioError("ENOSPC", "write", this.path);
    const interrupted = fault?.kind === "crash" && fault.when === "during";
    this.#store(bytes.subarray(0, length), position, this.#mode.dsync && !interrupted);
    if (this.#mode.dsync) this.#reportSyncErrors("write");
    return length;
  }

  /** What a write leaves that fails by plan: through dsync, bytes that will not reach the medium. */
  #failPut(bytes: Uint8Array, position: number, fault: ErrorFault): void {
    const length = this.#inode.room(position, Math.min(bytes.length, fault.written));
    this.#store(bytes.subarray(0, length), position, false);
    // A disk that is full says so before anything is given up.
    if (!this.#mode.dsync || fault.errno !== "EIO") return;
    this.#inode.failWrite(position, length);
    this.#syncErrorsSeen = this.#inode.syncErrors;
  }

  #store(bytes: Uint8Array, position: number, durable: boolean): void {
    this.#inode.write(bytes, position, durable);
    this.#changed();
  }

  #sync(): void {
    this.#ensureOpen("fsync");
    this.#inode.sync();
    this.#reportSyncErrors("fsync");
  }

  #failSync(fault: ErrorFault): void {
    this.#inode.failSync(fault.written);
    this.#syncErrorsSeen = this.#inode.syncErrors;
  }

  #reportSyncErrors(syscall: string): void {
    if (this.#syncErrorsSeen === this.#inode.syncErrors) return;
    this.#syncErrorsSeen = this.#inode.syncErrors;
    throw ioError("EIO", syscall, this.path);
  }

  #changed(): void {
    this.#inode.modifiedMs = this.#process.host.clock.now();
    this.#directory.notice();
  }

  #split(length: number): boolean {
    return this.#open && length > 1 && this.#process.host.random.chance(splitChance);
  }

  #ensureOpen(syscall: string): void {
    if (!this.#open) throw ioError("EBADF", syscall, this.path);
  }

  #ensureWritable(syscall: string): void {
    if (!this.#open || !this.#mode.writable) throw ioError("EBADF", syscall, this.path);
  }
}

/** What `statSync` says of a file. */
export function statOf(inode: SimulatedInode): FileStat {
  return { kind: "file", size: inode.size, inode: inode.number, modifiedMs: inode.modifiedMs };
}
