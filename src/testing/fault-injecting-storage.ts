/**
 * Faults in front of any storage, and counters: for tests that work on a real directory and want to
 * know how many writes a record costs, or what happens when the disk is full.
 *
 * Model, where it differs from the simulated disk's:
 * - Operations are numbered, and the plan is asked, when they are called, also those in the background.
 * - A failed fsync is not passed on; it loses nothing by itself. Nothing unsynced is ever lost.
 * - A crash closes every descriptor and watch, as the end of a process would, and then every
 *   operation throws `SimulatedCrash` and no callback comes. Where a background operation is still
 *   in flight the descriptor is closed after it.
 */
import { SeqlogError } from "../errors.ts";
import type { Clock, FileStat, Machine, OpenMode, Storage, StorageFile, Watch } from "../storage/storage.ts";
import { FaultPlan } from "./fault-plan.ts";
import type { ErrorFault } from "./fault-plan.ts";
import { OperationGate, operationError } from "./operation-gate.ts";
import { OperationLog } from "./operation-log.ts";
import type { Operation, OperationKind } from "./operation-log.ts";

/**
 * The machine with its storage behind faults; all else is passed on. Without a plan nothing fails
 * until rules are added to `storage.faults`; operations are counted in any case.
 *
 * Of the writes to a segment those of records made by `append` run in the background; the others lay
 * zeros ahead, and a log does not mind when they fail.
 *
 * @example
 * ```ts
 * import { openLog } from "seqlog";
 * import { failWith, nodeMachine, withFaults } from "seqlog/testing";
 *
 * const { machine, storage } = withFaults(nodeMachine);
 * const log = await openLog("./full", { machine });
 * storage.faults.on({ kind: "write", path: ".log" }, ({ background }) =>
 *   background ? failWith("ENOSPC") : undefined,
 * );
 * const refusal = await log.append("refused").catch((error: unknown) => error);
 * if (!(refusal instanceof Error)) throw new Error("the disk was not full");
 * await log.append("there is room again");
 * await log.close();
 * console.log(storage.operations.count("write", ".log"));
 * ```
 */
export function withFaults(
  machine: Machine,
  faults: FaultPlan = new FaultPlan(),
): { machine: Machine; storage: FaultInjectingStorage } {
  const { clock, random, owner } = machine;
  const storage = new FaultInjectingStorage(machine, faults);
  return { machine: { storage, clock, random, owner, isAlive: (pid) => machine.isAlive(pid) }, storage };
}

/**
 * A {@link Storage} that passes everything on, but for the faults. Made by {@link withFaults}; the
 * constructor is for those who put a machine together themselves.
 *
 * @throws {SimulatedCrash} from every operation at and after a crash of the plan; {SeqlogError} as the errno of an error of the plan stands for
 */
export class FaultInjectingStorage implements Storage {
  /** What was asked of it, in order. */
  readonly operations: OperationLog = new OperationLog();
  readonly #inner: Storage;
  readonly #clock: Clock;
  readonly #gate: OperationGate;
  /** Ends everything that a process would take with it. */
  readonly #held = new Set<() => void>();

  constructor(machine: Machine, faults: FaultPlan = new FaultPlan()) {
    this.#inner = machine.storage;
    this.#clock = machine.clock;
    this.#gate = new OperationGate(machine.owner.pid, faults, this.operations, () => {
      for (const release of this.#held) release();
    });
  }

  /** Rules may be added at any time. */
  get faults(): FaultPlan {
    return this.#gate.faults;
  }

  /** How many operations there were, by kind. */
  get counts(): Readonly<Record<OperationKind, number>> {
    return this.operations.counts;
  }

  get hasDsync(): boolean {
    return this.#inner.hasDsync;
  }

  prefersZeroAheadSync(directory: string): boolean {
    this.#gate.ensureRunning();
    return this.#inner.prefersZeroAheadSync(directory);
  }

  openSync(path: string, mode: OpenMode, options?: { readonly dsync?: boolean }): StorageFile {
    return this.#gate.perform("open", path, 0, 0, () => {
      return new FaultInjectingFile(this.#inner.openSync(path, mode, options), this.#clock, this.#gate, this.#held);
    });
  }

  statSync(path: string): FileStat | undefined {
    return this.#gate.perform("stat", path, 0, 0, () => this.#inner.statSync(path));
  }

  listSync(directory: string): string[] {
    return this.#gate.perform("list", directory, 0, 0, () => this.#inner.listSync(directory));
  }

  makeDirectorySync(directory: string): void {
    this.#gate.perform("makeDirectory", directory, 0, 0, () => this.#inner.makeDirectorySync(directory));
  }

  renameSync(from: string, to: string): void {
    this.#gate.perform("rename", from, 0, 0, () => this.#inner.renameSync(from, to));
  }

  unlinkSync(path: string): void {
    this.#gate.perform("unlink", path, 0, 0, () => this.#inner.unlinkSync(path));
  }

  removeDirectorySync(directory: string): void {
    this.#gate.perform("removeDirectory", directory, 0, 0, () => this.#inner.removeDirectorySync(directory));
  }

  fsyncDirectorySync(directory: string): void {
    this.#gate.perform("fsyncDirectory", directory, 0, 0, () => this.#inner.fsyncDirectorySync(directory));
  }

  watch(directory: string, changed: () => void, options: { readonly keepAlive: boolean }): Watch {
    this.#gate.ensureRunning();
    const watch = this.#inner.watch(directory, changed, options);
    const close = (): void => {
      this.#held.delete(close);
      watch.close();
    };
    this.#held.add(close);
    return { close };
  }
}

class FaultInjectingFile implements StorageFile {
  readonly #inner: StorageFile;
  readonly #clock: Clock;
  readonly #gate: OperationGate;
  readonly #held: Set<() => void>;
  #inFlight = 0;
  #open = true;

  constructor(inner: StorageFile, clock: Clock, gate: OperationGate, held: Set<() => void>) {
    this.#inner = inner;
    this.#clock = clock;
    this.#gate = gate;
    this.#held = held;
    held.add(this.#abandon);
  }

  get path(): string {
    return this.#inner.path;
  }

  statSync(): FileStat {
    return this.#gate.perform("stat", this.path, 0, 0, () => this.#inner.statSync());
  }

  readSync(target: Uint8Array, position: number, start = 0, end: number = target.length): number {
    return this.#gate.perform("read", this.path, position, end - start, () =>
      this.#inner.readSync(target, position, start, end),
    );
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#background<number>(
        this.#gate.begin("read", this.path, position, target.length, true),
        (settle) =>
          void this.#inner.read(target, position).then(
            (n) => settle(undefined, n),
            (error: Error) => settle(error, 0),
          ),
        (error, n) => (error === undefined ? resolve(n) : reject(error)),
        0,
      );
    });
  }

  writeSync(bytes: Uint8Array, position: number): number {
    return this.#gate.perform(
      "write",
      this.path,
      position,
      bytes.length,
      (fault) => this.#inner.writeSync(bytes.subarray(0, fault?.written), position),
      (fault) => this.#writePart(bytes, position, fault),
    );
  }

  write(bytes: Uint8Array, position: number, done: (error: Error | undefined, written: number) => void): void {
    const operation = this.#gate.begin("write", this.path, position, bytes.length, true);
    const written = operation.fault?.written;
    this.#background<number>(
      operation,
      (call) => this.#inner.write(bytes.subarray(0, written), position, call),
      done,
      0,
      (fault) => this.#writePart(bytes, position, fault),
    );
  }

  truncateSync(length: number): void {
    this.#gate.perform("truncate", this.path, length, 0, () => this.#inner.truncateSync(length));
  }

  fsyncSync(): void {
    this.#gate.perform("fsync", this.path, 0, 0, () => this.#inner.fsyncSync());
  }

  fsync(done: (error: Error | undefined) => void): void {
    this.#background<void>(
      this.#gate.begin("fsync", this.path, 0, 0, true),
      (call) => this.#inner.fsync((error) => call(error)),
      (error) => done(error),
      undefined,
    );
  }

  tryLockSync(): boolean {
    return this.#gate.perform("lock", this.path, 0, 0, () => this.#inner.tryLockSync());
  }

  closeSync(): void {
    this.#gate.ensureRunning();
    if (!this.#open) return;
    try {
      this.#gate.perform("close", this.path, 0, 0, () => this.#close());
    } catch (error) {
      // A close that fails has closed the descriptor all the same, and by contract says nothing.
      if (!(error instanceof SeqlogError)) throw error;
      this.#close();
    }
  }

  /** Passes an operation on that has begun; `nothing` is what a failed one gives beside its error. */
  #background<T>(
    operation: Operation,
    start: (done: (error: Error | undefined, result: T) => void) => void,
    done: (error: Error | undefined, result: T) => void,
    nothing: T,
    fail?: (fault: ErrorFault) => void,
  ): void {
    const { fault } = operation;
    if (fault?.kind === "error") {
      fail?.(fault);
      void this.#later(() => done(operationError(operation.kind, operation.path, fault.errno), nothing));
      return;
    }
    this.#inFlight++;
    start((error, result) => {
      this.#inFlight--;
      if (fault?.kind === "crash") this.#gate.stop(operation);
      if (this.#gate.end === undefined) done(error, result);
      else this.#abandon();
    });
  }

  async #later(call: () => void): Promise<void> {
    await this.#clock.turn();
    if (this.#gate.end === undefined) call();
  }

  #writePart(bytes: Uint8Array, position: number, fault: ErrorFault): void {
    if (fault.written > 0) this.#inner.writeSync(bytes.subarray(0, fault.written), position);
  }

  #close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#held.delete(this.#abandon);
    this.#inner.closeSync();
  }

  /** The process has ended. A descriptor that is still in use must not be given to another file. */
  readonly #abandon = (): void => {
    if (this.#inFlight === 0) this.#close();
  };
}
