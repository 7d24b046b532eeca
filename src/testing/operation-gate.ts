/**
 * The gate that every operation of one process passes: it is numbered, written to the log, and the
 * fault plan is asked. The gate shuts when the process ends; then every operation throws the same
 * `SimulatedCrash`.
 *
 * Used by the simulated disk and by the wrapper around a real storage.
 */
import { SeqlogError } from "../errors.ts";
import { ioError } from "../storage/io-error.ts";
import type { CrashFault, ErrorFault, FaultPlan, ShortFault } from "./fault-plan.ts";
import type { Operation, OperationKind, OperationLog } from "./operation-log.ts";
import { SimulatedCrash } from "./simulated-crash.ts";

/** Does an operation. The faults that it must heed itself are a short write and a crash during one. */
export type Act<T> = (fault: ShortFault | CrashFault | undefined) => T;

/** Leaves what an operation leaves that fails by plan. */
export type Fail = (fault: ErrorFault) => void;

const syscalls: Record<OperationKind, string> = {
  open: "open",
  stat: "stat",
  list: "readdir",
  read: "read",
  write: "write",
  truncate: "truncate",
  fsync: "fsync",
  lock: "lock",
  close: "close",
  makeDirectory: "mkdir",
  rename: "rename",
  unlink: "unlink",
  removeDirectory: "rmdir",
  fsyncDirectory: "fsync",
};

/** The error that the contract wants for a failed operation. */
export function operationError(kind: OperationKind, path: string, errno: string): SeqlogError {
  if (kind !== "lock") return ioError(errno, syscalls[kind], path);
  const reason = `this file system has no locks (${errno})`;
  return new SeqlogError("SEQLOG_LOCK_UNAVAILABLE", `${path}: ${reason}. Put the log on a local disk`, {
    path,
    reason,
  });
}

/** One process's way to its storage. */
export class OperationGate {
  readonly pid: number;
  readonly faults: FaultPlan;
  readonly #log: OperationLog;
  readonly #stopped: () => void;
  #next = 0;
  #end: SimulatedCrash | undefined;

  /** `stopped` is called once, when the gate shuts. */
  constructor(pid: number, faults: FaultPlan, log: OperationLog, stopped: () => void) {
    this.pid = pid;
    this.faults = faults;
    this.#log = log;
    this.#stopped = stopped;
  }

  /** How many operations there were; the number of the next one. */
  get operations(): number {
    return this.#next;
  }

  /** What operations throw; undefined while the process runs. */
  get end(): SimulatedCrash | undefined {
    return this.#end;
  }

  /** A whole operation. */
  perform<T>(kind: OperationKind, path: string, position: number, length: number, act: Act<T>, fail?: Fail): T {
    return this.finish(this.begin(kind, path, position, length, false), act, fail);
  }

  /**
   * Numbers an operation and asks the plan.
   * @throws SimulatedCrash when the process has ended, or ends before the operation
   */
  begin(kind: OperationKind, path: string, position: number, length: number, background: boolean): Operation {
    this.ensureRunning();
    const number = this.#next++;
    const operation: Operation = { number, pid: this.pid, kind, path, position, length, background, fault: undefined };
    const fault = this.faults.next(operation);
    operation.fault = fault;
    this.#log.add(operation);
    if (fault?.kind === "crash" && fault.when !== "after" && (fault.when === "before" || kind !== "write")) {
      throw this.stop(operation);
    }
    return operation;
  }

  /** Carries out an operation that has begun, as the plan wants it. */
  finish<T>(operation: Operation, act: Act<T>, fail?: Fail): T {
    const fault = operation.fault;
    if (fault === undefined || fault.kind === "short") return act(fault);
    if (fault.kind === "error") {
      fail?.(fault);
      throw operationError(operation.kind, operation.path, fault.errno);
    }
    try {
      act(fault);
    } catch (error) {
      if (!(error instanceof SeqlogError)) throw error;
    }
    throw this.stop(operation);
  }

  /** @throws SimulatedCrash when the process has ended */
  ensureRunning(): void {
    if (this.#end !== undefined) throw this.#end;
  }

  /** Shuts the gate, at an operation or because the test says so; returns what operations throw. */
  stop(operation?: Operation): SimulatedCrash {
    if (this.#end !== undefined) return this.#end;
    this.#end = new SimulatedCrash(operation);
    this.#stopped();
    return this.#end;
  }
}
