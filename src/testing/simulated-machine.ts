/**
 * One process on a simulated disk, as the library gets it and as a test drives it.
 * Made by `SimulatedDisk.boot`.
 */
import type { Clock, Machine, Random, Storage } from "../storage/storage.ts";
import type { FaultPlan } from "./fault-plan.ts";
import type { SimulatedCrash } from "./simulated-crash.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import { SimulatedStorage } from "./simulated-storage.ts";

/** How work on a machine ended: with a value, with an error of its own, or with the machine. */
export type Outcome<T> =
  | { readonly kind: "done"; readonly value: T }
  | { readonly kind: "failed"; readonly error: unknown }
  | { readonly kind: "died"; readonly crash: SimulatedCrash };

/**
 * A {@link Machine} that can end. Made by `SimulatedDisk.boot`; goes to `openLog` as `{ machine }`.
 *
 * @example
 * ```ts
 * import { openLog } from "seqlog";
 * import { SimulatedDisk, crashAfter } from "seqlog/testing";
 *
 * const machine = new SimulatedDisk().boot();
 * machine.faults.on({ kind: "write", path: ".log" }, crashAfter);
 * const outcome = await machine.run(async () => {
 *   const log = await openLog("/events", { machine });
 *   await log.append("the process ends in here");
 * });
 * console.log(outcome.kind, machine.running); // died false
 * ```
 */
export class SimulatedMachine implements Machine {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly random: Random;
  readonly owner: { readonly pid: number; readonly host: string };
  readonly #process: SimulatedProcess;

  constructor(process: SimulatedProcess, random: Random, hostName: string) {
    const { clock } = process.host;
    this.#process = process;
    this.storage = new SimulatedStorage(process);
    this.random = random;
    this.owner = { pid: process.gate.pid, host: hostName };
    this.clock = {
      now: () => clock.now(),
      elapsedUs: () => clock.elapsedUs(),
      after: (ms, call, options) => process.after(ms, call, options.keepAlive),
      turn: () => new Promise((resolve) => process.later(resolve)),
    };
  }

  isAlive(pid: number): boolean {
    return this.#process.host.isAlive(pid);
  }

  /** The faults of this machine; rules may be added at any time. */
  get faults(): FaultPlan {
    return this.#process.gate.faults;
  }

  /** How many operations there were; the number of the next one. */
  get operations(): number {
    return this.#process.gate.operations;
  }

  /** Descriptors that are open: 0 once everything was closed, or the machine has gone. */
  get openFiles(): number {
    return this.#process.openFiles;
  }

  /** Whether operations still have an effect: false from the fault, `kill` or `crash` that ended it. */
  get running(): boolean {
    return this.#process.gate.end === undefined;
  }

  /** Whether a real process would go on for the sake of a timer, a watch or an operation of this one. */
  get keepsAlive(): boolean {
    return this.running && this.#process.holding > 0;
  }

  /** Resolves when the machine has ended. */
  get died(): Promise<void> {
    return this.#process.stopped;
  }

  /**
   * Drives the simulation until the work is done, has failed, or the machine has ended.
   * @throws {Error} when the work waits for something that never comes
   */
  async run<T>(work: () => T | Promise<T>): Promise<Outcome<T>> {
    const result = (async (): Promise<Outcome<T>> => {
      try {
        return { kind: "done", value: await work() };
      } catch (error) {
        return { kind: "failed", error };
      }
    })();
    const outcome = await this.#process.host.clock.runUntil(Promise.race([result, this.died]));
    const crash = this.#process.gate.end;
    // What code says after its process ended does not count.
    if (crash !== undefined) return { kind: "died", crash };
    return outcome ?? result;
  }
}
