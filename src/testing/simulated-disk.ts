/**
 * A disk in memory that loses what a real one may lose, and the processes that use it.
 *
 * Everything that happens is decided by one seed: the order of background operations, which unsynced
 * bytes and names a power cut leaves, the random bytes that the machines hand out. A failure is
 * replayed by its seed.
 *
 * What it believes of disks, in the files that implement it:
 * - simulated-inode.ts: bytes of a file, sector by sector; failed fsyncs
 * - simulated-directory.ts: names
 * - simulated-file.ts: descriptors, background operations, locks, a full disk
 * - simulated-process.ts: the end of a process
 * - fault-plan.ts: errors and crashes at chosen operations
 *
 * Not modelled: a sector torn in itself, sectors damaged that were not written, writes that a flush
 * did not flush; `flipBit` is there for damage.
 */
import { FaultPlan } from "./fault-plan.ts";
import { OperationLog } from "./operation-log.ts";
import type { Operation, OperationKind } from "./operation-log.ts";
import { Scheduler } from "./scheduler.ts";
import { SeededRandom } from "./seeded-random.ts";
import { SimulatedClock } from "./simulated-clock.ts";
import { SimulatedDirectory, directoryAt, locate, makeDirectories, nodeAt } from "./simulated-directory.ts";
import { SimulatedInode } from "./simulated-inode.ts";
import type { Space } from "./simulated-inode.ts";
import { SimulatedMachine } from "./simulated-machine.ts";
import { SimulatedProcess } from "./simulated-process.ts";
import type { SimulatedHost } from "./simulated-process.ts";

/** How to make a disk. */
export interface SimulatedDiskOptions {
  /** Decides everything; 0 by default. */
  readonly seed?: number | string;
  /** Bytes that the files together may have; unbounded by default. */
  readonly capacity?: number;
  /** As `Storage.hasDsync`; true by default. Where false, a dsync descriptor is a plain one. */
  readonly hasDsync?: boolean;
  /** What `prefersZeroAheadSync` says; true by default. */
  readonly prefersZeroAhead?: boolean;
  /** Whether there are file locks; true by default. */
  readonly hasLocks?: boolean;
  /** The probability that a watch is not told of a change; 0 by default. */
  readonly watchMissChance?: number;
  /** What the clock says at first, in milliseconds since 1970; the start of 2026 by default. */
  readonly startMs?: number;
  /** Whether `log` lists every operation; true by default. Counters there are in any case. */
  readonly keepLog?: boolean;
}

/** How to start a process. */
export interface BootOptions {
  /** Another number for each boot by default. */
  readonly pid?: number;
  /** The name of the computer; `"simulated"` by default. */
  readonly host?: string;
  /** None by default; more can be planned on the machine. */
  readonly faults?: FaultPlan;
}

/** How much a power cut leaves. */
export interface CrashOptions {
  /**
   * The probability that each unsynced sector or name is kept: 0 loses all that may be lost, 1 keeps
   * all that may be kept. By default drawn for each file and directory, often 0 or 1.
   */
  readonly keep?: number;
  /** Decides what is kept; a stream of the disk's own by default. */
  readonly random?: SeededRandom;
}

/**
 * A simulated disk.
 *
 * @example
 * ```ts
 * import { SimulatedDisk } from "seqlog/testing";
 *
 * const disk = new SimulatedDisk({ seed: 7 });
 * const machine = disk.boot();
 * const file = machine.storage.openSync("/data", "create");
 * file.writeSync(new TextEncoder().encode("hello"), 0);
 * disk.crash({ keep: 0 });
 * console.log(disk.boot().storage.listSync("/")); // [] : the name was never synced
 * ```
 */
export class SimulatedDisk {
  /** Shared by the machines; the test moves it. */
  readonly clock: SimulatedClock;
  /** Everything that was asked of the disk, by all machines. */
  readonly operations: OperationLog;
  readonly #space: Space;
  readonly #host: SimulatedHost;
  readonly #root: SimulatedDirectory;
  readonly #seeds: SeededRandom;
  readonly #crashes: SeededRandom;
  readonly #processes = new Map<SimulatedMachine, SimulatedProcess>();
  #boots = 0;
  #numbers = 0;

  constructor(options: SimulatedDiskOptions = {}) {
    this.#seeds = new SeededRandom(options.seed ?? 0);
    this.#crashes = this.#seeds.fork("crashes");
    this.#space = { capacity: options.capacity ?? Number.POSITIVE_INFINITY, used: 0 };
    this.operations = new OperationLog(options.keepLog ?? true);
    const scheduler = new Scheduler(this.#seeds.fork("scheduler"));
    this.clock = new SimulatedClock(
      options.startMs === undefined ? { scheduler } : { scheduler, startMs: options.startMs },
    );
    this.#root = new SimulatedDirectory(this.#numbers++);
    this.#host = {
      root: this.#root,
      clock: this.clock,
      scheduler,
      operations: this.operations,
      random: this.#seeds.fork("disk"),
      hasDsync: options.hasDsync ?? true,
      prefersZeroAhead: options.prefersZeroAhead ?? true,
      hasLocks: options.hasLocks ?? true,
      watchMissChance: options.watchMissChance ?? 0,
      newInode: () => new SimulatedInode(this.#numbers++, this.#space),
      newDirectory: () => new SimulatedDirectory(this.#numbers++),
      isAlive: (pid) => [...this.#processes.values()].some((process) => process.gate.pid === pid),
    };
  }

  /** How many operations there were, by kind. */
  get counts(): Readonly<Record<OperationKind, number>> {
    return this.operations.counts;
  }

  /** The operations in the order in which they took effect. */
  get log(): readonly Operation[] {
    return this.operations.entries;
  }

  /** Bytes that the files together may have. May be changed at any time; what is there already stays. */
  get capacity(): number {
    return this.#space.capacity;
  }

  set capacity(bytes: number) {
    this.#space.capacity = bytes;
  }

  /** Bytes that the files together have; a removed one counts until it is closed. */
  get used(): number {
    return this.#space.used;
  }

  /** Starts a process on this disk, beside those that run. */
  boot(options: BootOptions = {}): SimulatedMachine {
    const boot = ++this.#boots;
    const random = this.#seeds.fork(`machine ${boot}`);
    const process = new SimulatedProcess(
      this.#host,
      options.pid ?? 1000 + boot,
      options.faults ?? new FaultPlan(random.fork("faults")),
    );
    const machine = new SimulatedMachine(process, random, options.host ?? "simulated");
    this.#processes.set(machine, process);
    return machine;
  }

  /**
   * Ends a process as `kill -9` does: what it wrote stays in the page cache, its descriptors and
   * locks are freed, its background writes happened wholly, partly or not at all.
   */
  kill(machine: SimulatedMachine, random: SeededRandom = this.#crashes): void {
    this.#processes.get(machine)?.leave(random);
    this.#processes.delete(machine);
  }

  /** Cuts the power: all processes end, and of what was not synced any part may be lost. */
  crash(options: CrashOptions = {}): void {
    const random = options.random ?? this.#crashes;
    for (const machine of this.#processes.keys()) this.kill(machine, random);
    this.#space.used = 0;
    this.#crashTree(this.#root, options.keep, random);
  }

  /** Forgets clean pages, as memory pressure does: what a failed fsync gave up now reads as the medium has it. */
  dropCaches(): void {
    const drop = (directory: SimulatedDirectory): void => {
      for (const node of directory.nodes()) {
        if (node instanceof SimulatedDirectory) drop(node);
        else node.dropCleanPages();
      }
    };
    drop(this.#root);
  }

  /**
   * Drives everything until `promise` is settled; see {@link SimulatedClock.runUntil}.
   * @throws {Error} when nothing is left to run and it is still pending
   */
  runUntil<T>(promise: Promise<T>): Promise<T> {
    return this.clock.runUntil(promise);
  }

  /** The bytes of a file, as reads return them or as a power cut leaves them that loses all it can; undefined where there is no file. */
  readFile(path: string, from: "cache" | "medium" = "cache"): Uint8Array | undefined {
    const node = nodeAt(this.#root, path, from);
    if (!(node instanceof SimulatedInode)) return undefined;
    return from === "cache" ? node.cachedBytes() : node.durableBytes();
  }

  /**
   * Puts a file in place of what is there, durably, with every name of its directory. Makes the directory.
   * @throws {RangeError} when the path is a directory
   */
  writeFile(path: string, bytes: Uint8Array): void {
    if (nodeAt(this.#root, path) instanceof SimulatedDirectory) throw new RangeError(`${path} is a directory`);
    makeDirectories(this.#root, `${path}/..`, this.#host.newDirectory);
    const { directory, name } = locate(this.#root, path, "write");
    const inode = this.#host.newInode();
    inode.modifiedMs = this.clock.now();
    inode.write(bytes, 0, true);
    directory.unlink(name);
    directory.link(name, inode);
    directory.sync();
  }

  /** The names in a directory, sorted. @throws SEQLOG_NOT_FOUND where there is none, SEQLOG_IO where it is a file */
  list(directory: string): string[] {
    return directoryAt(this.#root, directory, "readdir").names().sort();
  }

  /**
   * Bit rot: turns over one bit (0 to 7) of the byte at `offset` of a file, in the page cache and on the medium.
   * @throws {RangeError} when there is no such file or byte
   */
  flipBit(path: string, offset: number, bit: number): void {
    const node = nodeAt(this.#root, path);
    if (!(node instanceof SimulatedInode)) throw new RangeError(`${path} is not a file`);
    node.flipBit(offset, bit);
  }

  #crashTree(directory: SimulatedDirectory, keep: number | undefined, random: SeededRandom): void {
    directory.crash(random, keep ?? drawKeep(random));
    for (const node of directory.nodes()) {
      if (node instanceof SimulatedDirectory) {
        this.#crashTree(node, keep, random);
      } else {
        node.links = 1;
        node.crash(random, keep ?? drawKeep(random));
      }
    }
  }
}

/** Whole files lost and kept are as likely as mixtures: a coin for each sector would hardly ever give them. */
function drawKeep(random: SeededRandom): number {
  return random.pick([0, 1, 0.5, random.next()]);
}
