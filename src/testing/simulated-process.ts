/**
 * The life of one simulated process: its operations, its background steps, all that the machine
 * frees when it ends, and its end.
 *
 * A process runs, then has *stopped* (the fault plan ended it: nothing it does has an effect, but
 * its locks are still held), then is *gone* (the test called `kill` or `crash`). From the stop on
 * every operation throws the same `SimulatedCrash`, and no callback, timer or promise of it runs.
 *
 * Used by SimulatedMachine, SimulatedStorage and SimulatedFile; tests see the first alone.
 */
import { SeqlogError } from "../errors.ts";
import type { FaultPlan } from "./fault-plan.ts";
import { OperationGate } from "./operation-gate.ts";
import type { OperationLog } from "./operation-log.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SeededRandom } from "./seeded-random.ts";
import type { SimulatedClock } from "./simulated-clock.ts";
import { SimulatedCrash } from "./simulated-crash.ts";
import type { SimulatedDirectory } from "./simulated-directory.ts";
import type { SimulatedInode } from "./simulated-inode.ts";

/** What all processes of one disk share. */
export interface SimulatedHost {
  readonly root: SimulatedDirectory;
  readonly clock: SimulatedClock;
  readonly scheduler: Scheduler;
  readonly operations: OperationLog;
  /** Decides what happens while processes run. */
  readonly random: SeededRandom;
  readonly hasDsync: boolean;
  readonly prefersZeroAhead: boolean;
  readonly hasLocks: boolean;
  /** The probability that a watch is not told of a change. */
  readonly watchMissChance: number;
  newInode(): SimulatedInode;
  newDirectory(): SimulatedDirectory;
  isAlive(pid: number): boolean;
}

/** Something that ends with the process. */
export interface Held {
  release(): void;
}

/** A background write that has not taken effect. */
export interface WriteInFlight {
  readonly bytes: Uint8Array;
  /** Puts the first `length` bytes into the page cache, as if the process had been stopped in the write. */
  land(length: number): void;
}

/** One process, from boot to its end. */
export class SimulatedProcess {
  readonly host: SimulatedHost;
  readonly gate: OperationGate;
  /** Resolves when the process has stopped. */
  readonly stopped: Promise<void>;
  /** Open descriptors and watches. They add and remove themselves. */
  readonly held: Set<Held> = new Set();
  /** Background writes that a power cut or a kill may leave done, half done or undone. */
  readonly writesInFlight: Set<WriteInFlight> = new Set();
  /** Timers, watches and background operations that hold the process. */
  holding = 0;
  /** Open descriptors. They count themselves. */
  openFiles = 0;
  readonly #timers = new Set<() => void>();

  constructor(host: SimulatedHost, pid: number, faults: FaultPlan) {
    this.host = host;
    let tellStopped: () => void = () => {};
    this.stopped = new Promise((resolve) => {
      tellStopped = resolve;
    });
    this.gate = new OperationGate(pid, faults, host.operations, () => {
      for (const cancel of this.#timers) cancel();
      tellStopped();
    });
  }

  /**
   * A background operation: `begin` and `operate` run at some later step, `done` at one after that.
   * Where `begin` returns true, other steps may come between it and `operate`.
   */
  background<T>(
    begin: () => boolean,
    operate: () => T,
    done: (error: Error | undefined, result: T | undefined) => void,
  ): void {
    this.gate.ensureRunning();
    this.holding++;
    const complete = (): void => {
      let error: Error | undefined;
      let result: T | undefined;
      try {
        result = operate();
      } catch (thrown) {
        if (!(thrown instanceof SeqlogError)) throw thrown;
        error = thrown;
      }
      this.later(() => {
        this.holding--;
        done(error, result);
      });
    };
    this.later(() => {
      if (begin()) this.later(complete);
      else complete();
    });
  }

  /** Runs a step of this process's own some time later, unless it has stopped by then. */
  later(step: () => void): void {
    this.host.scheduler.add(() => this.#enter(step));
  }

  /** As `Clock.after`, for as long as the process runs. */
  after(ms: number, call: () => void, keepAlive: boolean): () => void {
    if (this.gate.end !== undefined) return () => {};
    if (keepAlive) this.holding++;
    const forget = (): void => {
      if (this.#timers.delete(cancel) && keepAlive) this.holding--;
    };
    const takeBack = this.host.clock.after(ms, () => {
      forget();
      this.#enter(call);
    });
    const cancel = (): void => {
      takeBack();
      forget();
    };
    this.#timers.add(cancel);
    return cancel;
  }

  /** Ends the process and frees what it held. Each write in flight has happened, partly happened, or not. */
  leave(random: SeededRandom): void {
    this.gate.stop();
    for (const write of this.writesInFlight) {
      const length = write.bytes.length;
      const landed = random.pick([0, length, random.int(length + 1)]);
      if (landed > 0) write.land(landed);
    }
    this.writesInFlight.clear();
    for (const held of this.held) held.release();
  }

  #enter(step: () => void): void {
    if (this.gate.end !== undefined) return;
    try {
      step();
    } catch (error) {
      // The process ended inside: nobody is left to tell.
      if (!(error instanceof SimulatedCrash)) throw error;
    }
  }
}
