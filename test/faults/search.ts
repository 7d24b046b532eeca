/**
 * The Nth-fault search: a workload is run once without faults to count its operations, then once for
 * each operation, each way in which that can fail, and each end that the processes can come to.
 *
 * Everything is decided by the names in a case's id, `workload#seed:fault:n:end[:fault:m]`, so that
 * one can be run again by it. The second pair is a fault of the recovery after the end.
 */
import type { Fault } from "../../src/testing/fault-plan.ts";
import type { Operation } from "../../src/testing/operation-log.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import type { SimulatedDisk, SimulatedDiskOptions } from "../../src/testing/simulated-disk.ts";
import { checkAftermath, ensureNothingHeld, must } from "./aftermath.ts";
import { changing, faultsOf } from "./fault-kinds.ts";
import { type Image, diskOf, imageOf, keyOf } from "./image.ts";
import { BrokenPromise, Ledger } from "./ledger.ts";
import { Session, isDiskError } from "./session.ts";
import type { Workload } from "./workloads.ts";

/** What a search went through. */
export interface Tally {
  /** Operations at which something was made to fail. */
  operations: number;
  /** Runs with one fault. */
  faults: number;
  /** Recoveries with a fault of their own. */
  recoveryFaults: number;
  /** Times a log was opened after an end and checked; states that were seen before are not opened again. */
  reopenings: number;
}

/** A case in which a promise was broken. */
export interface Failure {
  /** For running it again. */
  readonly id: string;
  /** The operations that failed. */
  readonly operations: readonly string[];
  readonly error: unknown;
}

/** How the processes end: by themselves, by SIGKILL, or by a power cut that loses all it can, or any part. */
const ends = ["close", "kill", "cut", "cut-part"] as const;
type End = (typeof ends)[number];

/** A workload's run that is over. */
interface Ran {
  readonly session: Session;
  readonly operations: readonly Operation[];
}

/** What to search. */
export interface SearchOptions {
  /** The beginning of the ids of the cases; all by default. */
  readonly only?: string;
  /**
   * Whether to end processes also at operations that change nothing. What that leaves is no other
   * than what an end before the next change leaves, with no more acknowledged.
   */
  readonly isFull?: boolean;
}

/** Goes through one workload. */
export async function search(
  workload: Workload,
  seed: number,
  options: SearchOptions = {},
): Promise<{ readonly tally: Tally; readonly failures: readonly Failure[] }> {
  return await new Search(workload, seed, options).run();
}

/** A seed also decides what kind of machine it is, where the workload does not. */
function featuresOf(workload: Workload, seed: number): SimulatedDiskOptions {
  const hasDsync = seed % 2 === 0;
  const prefersZeroAhead = seed % 4 === 0 || seed % 4 === 3;
  return { hasDsync, prefersZeroAhead, ...workload.features };
}

class Search {
  readonly #workload: Workload;
  readonly #seed: number;
  readonly #only: string;
  readonly #isFull: boolean;
  readonly #tally: Tally = { operations: 0, faults: 0, recoveryFaults: 0, reopenings: 0 };
  /** States of disk and ledger that were found in order. */
  readonly #checked = new Set<string>();
  readonly #recovered = new Set<string>();
  readonly #failures: Failure[] = [];
  #image: Image = new Map();
  #ledger = new Ledger();
  #begins = 0;
  #secondFails = false;

  constructor(workload: Workload, seed: number, { only = "", isFull = false }: SearchOptions) {
    this.#workload = workload;
    this.#seed = seed;
    this.#only = only;
    this.#isFull = isFull;
  }

  async run(): Promise<{ tally: Tally; failures: Failure[] }> {
    await this.#prepare();
    const { session, operations } = await this.#work();
    if (session.errors.length > 0) throw session.errors[0];
    this.#begins = session.begins;
    this.#secondFails = session.failing === session.second;
    for (const end of ends) await this.#inCase(`none:0:${end}`, [], async () => this.#end(await this.#work(), end));
    for (const [n, operation] of operations.slice(session.begins).entries()) {
      this.#tally.operations++;
      for (const [name, fault] of faultsOf(operation)) await this.#fail(n, operation, name, fault);
    }
    return { tally: this.#tally, failures: this.#failures };
  }

  /** Every end that a fault of operation `n` may come to. */
  async #fail(n: number, operation: Operation, name: string, fault: Fault): Promise<void> {
    if (!this.#isFull && fault.kind === "crash" && !changing.has(operation.kind)) return;
    for (const end of ends) {
      if (fault.kind === "crash" && end === "close" && !this.#secondFails) continue;
      // Where nothing was changed, the end that takes all it can is enough.
      if ((end === "cut-part" || end === "kill") && !changing.has(operation.kind)) continue;
      const id = `${name}:${n}:${end}`;
      if (!this.#isWanted(id)) continue;
      this.#tally.faults++;
      await this.#inCase(id, [operation], async () => {
        const ran = await this.#work({ n, fault });
        const { session } = ran;
        if (session.failing.running === (fault.kind === "crash")) throw new Error("the fault did not happen");
        await this.#end(ran, end, fault, id, operation);
      });
    }
  }

  async #end(ran: Ran, end: End, fault?: Fault, id?: string, operation?: Operation): Promise<void> {
    const { session } = ran;
    const { disk, ledger, isWeak } = session;
    if (end === "close") await this.#close(session, fault);
    else if (end === "kill") for (const machine of [session.machine, session.second]) disk.kill(machine);
    else if (end === "cut") disk.crash({ keep: 0 });
    else disk.crash({ random: new SeededRandom(`${this.#seed}/${id}`) });
    const isCut = end.startsWith("cut");
    const mayLose = isCut && isWeak;
    const state = `${keyOf(disk)} ${mayLose} ${ledger.key}`;
    const image = isCut ? imageOf(disk) : undefined;
    const before = ledger.clone();
    if (!this.#checked.has(state)) {
      await this.#check(disk, ledger, mayLose);
      this.#checked.add(state);
    }
    if (this.#workload.isSmall !== true || image === undefined || fault?.kind !== "crash") return;
    if (this.#recovered.has(state)) return;
    this.#recovered.add(state);
    await this.#failRecovery(image, before, mayLose, id as string, operation as Operation);
  }

  async #check(disk: SimulatedDisk, ledger: Ledger, mayLose: boolean): Promise<void> {
    await checkAftermath(disk, this.#workload, ledger, mayLose, this.#tally);
  }

  /** The process itself must have come to terms with the fault: it goes on or refuses, and lets go of everything. */
  async #close(session: Session, fault: Fault | undefined): Promise<void> {
    const { ledger } = session;
    await must(session.machine, async () => {
      const { open } = session;
      if (open !== undefined) {
        const acknowledgedAlone = open.log !== undefined;
        ledger.checkLive(await open.readAll(), acknowledgedAlone);
        const before = session.errors.length;
        await session.append();
        if (session.errors.length > before && !session.isPoisoned)
          throw new BrokenPromise(`the disk is well again, and appending fails: ${String(session.errors.at(-1))}`);
        ledger.checkLive(await open.readAll(), acknowledgedAlone);
        await session.close();
      }
      ensureNothingHeld(session.machine, session.descriptors);
    });
    // A look that was under way when its reader was closed ends first.
    await session.disk.clock.advance(1);
    if (session.second.running) ensureNothingHeld(session.second, session.secondDescriptors);
    if (fault?.kind === "error" && fault.errno === "EIO") {
      const wrong = session.errors.find((error) => isDiskError(error) && String(error).includes("ENOSPC"));
      if (wrong !== undefined) throw new BrokenPromise(`EIO became ${String(wrong)}`);
    }
  }

  /** The recovery after the end fails as well, at each of its operations. */
  async #failRecovery(image: Image, ledger: Ledger, mayLose: boolean, id: string, before: Operation): Promise<void> {
    const open = async (m: number, fault: Fault | undefined): Promise<Session> => {
      const disk = diskOf(image, { seed: `${this.#seed}/recovery`, ...featuresOf(this.#workload, this.#seed) });
      const session = new Session(disk, this.#workload.place, ledger.clone());
      if (fault !== undefined) session.machine.faults.at(m, fault);
      const outcome = await session.machine.run(() => session.attempt(() => session.openLog()));
      if (outcome.kind === "failed") throw outcome.error;
      return session;
    };
    const clean = await open(0, undefined);
    if (clean.errors.length > 0) throw clean.errors[0];
    for (const [m, operation] of operationsOf(clean).entries()) {
      // A crash before something that changes nothing leaves what a crash before the next change leaves.
      if (!changing.has(operation.kind)) continue;
      for (const [name, fault] of faultsOf(operation)) {
        // The others are the workloads that open a log: here it is about what a second crash leaves.
        if (name !== "crash-before" && name !== "crash-during") continue;
        const inner = `${id}:${name}:${m}`;
        if (!this.#isWanted(inner)) continue;
        this.#tally.recoveryFaults++;
        await this.#inCase(inner, [before, operation], async () => {
          const session = await open(m, fault);
          const { disk } = session;
          if (session.machine.running && session.open === undefined)
            ensureNothingHeld(session.machine, session.descriptors);
          disk.crash({ random: new SeededRandom(`${this.#seed}/${inner}`) });
          const state = `${keyOf(disk)} ${mayLose} ${session.ledger.key}`;
          if (this.#checked.has(state)) return;
          await this.#check(disk, session.ledger, mayLose);
          this.#checked.add(state);
        });
      }
    }
  }

  /** Brings the log into the state in which the workload begins. */
  async #prepare(): Promise<void> {
    for (const [i, step] of (this.#workload.prepare ?? []).entries()) {
      const disk = diskOf(this.#image, {
        seed: `${this.#seed}/prepare ${i}`,
        ...featuresOf(this.#workload, this.#seed),
      });
      const session = new Session(disk, this.#workload.place, this.#ledger);
      const files = new Map(this.#image);
      if (typeof step === "function") {
        const outcome = await session.machine.run(() => step(session));
        if (outcome.kind === "failed") throw outcome.error;
        disk.crash({ keep: 1 });
        this.#image = imageOf(disk);
      } else {
        step.alter(files, session);
        this.#image = files;
      }
    }
  }

  /** The workload itself, on a fresh disk. */
  async #work(at?: { readonly n: number; readonly fault: Fault }): Promise<Ran> {
    const disk = diskOf(this.#image, { seed: `${this.#seed}/run`, ...featuresOf(this.#workload, this.#seed) });
    const session = new Session(disk, this.#workload.place, this.#ledger.clone());
    if (at !== undefined) {
      const machine = this.#secondFails ? session.second : session.machine;
      machine.faults.at(this.#begins + at.n, at.fault);
    }
    const outcome = await session.machine.run(() => this.#workload.run(session));
    if (outcome.kind === "failed") throw outcome.error;
    return { session, operations: operationsOf(session) };
  }

  #isWanted(id: string): boolean {
    const whole = `${this.#workload.name}#${this.#seed}:${id}`;
    return whole.startsWith(this.#only) || this.#only.startsWith(`${whole}:`);
  }

  async #inCase(id: string, operations: readonly Operation[], work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#failures.push({
        id: `${this.#workload.name}#${this.#seed}:${id}`,
        operations: operations.map(({ kind, path, position }) => `${kind} of ${path} at ${position}`),
        error,
      });
    }
  }
}

function operationsOf({ disk, failing }: Session): Operation[] {
  return disk.log.filter(({ pid }) => pid === failing.owner.pid);
}
