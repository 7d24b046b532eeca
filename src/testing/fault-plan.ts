/**
 * Says which operations of a storage fail, and how. Both the simulated disk and the wrapper around
 * a real storage ask the plan once for each operation, at the moment it takes effect.
 *
 * What the faults mean:
 * - `error`: the operation throws, or calls back with, the error that this errno stands for. Of a
 *   write, the first `written` bytes are in the file all the same; of an fsync, that many dirty
 *   sectors reached the medium before it failed, the others never will (see simulated-inode.ts).
 * - `short`: a write takes only `written` bytes and says so, without an error.
 * - `crash`: the process ends `before`, `during` or `after` the operation. Only a write has a
 *   `during`: the first `written` bytes are in the page cache, none is durable even with `dsync`;
 *   for all else it means `before`.
 */
import { matchesPath } from "./operation-log.ts";
import type { Operation, OperationKind } from "./operation-log.ts";
import { SeededRandom } from "./seeded-random.ts";

/** An operation that fails with an errno. */
export interface ErrorFault {
  readonly kind: "error";
  readonly errno: string;
  readonly written: number;
}

/** A write that takes less than it was given. */
export interface ShortFault {
  readonly kind: "short";
  readonly written: number;
}

/** The end of the process at this operation. */
export interface CrashFault {
  readonly kind: "crash";
  readonly when: "before" | "during" | "after";
  readonly written: number;
}

/** What is to happen to an operation: {@link failWith}, {@link shortWrite}, {@link crashBefore}, {@link crashAfter}, {@link crashDuring}. */
export type Fault = ErrorFault | ShortFault | CrashFault;

/** Which operations a rule is about: all conditions that are given must hold. */
export interface FaultMatch {
  readonly kind?: OperationKind | readonly OperationKind[];
  /** The end of the path, or a pattern. Of a rename the path is the old name. */
  readonly path?: string | RegExp;
  /** How many matching operations pass before the first fault; 0 by default. */
  readonly skip?: number;
  /** How many faults there are; 1 by default. */
  readonly times?: number;
  /** The probability of a fault at each match; 1 by default. */
  readonly chance?: number;
}

/** A fault, or how to make one for the operation at hand. */
export type FaultChoice = Fault | ((operation: Operation, random: SeededRandom) => Fault | undefined);

interface Rule {
  readonly match: FaultMatch;
  readonly choice: FaultChoice;
  toSkip: number;
  left: number;
}

/**
 * Fails with `errno`, such as `"EIO"` or `"ENOSPC"`. Of a write the first `written` bytes are in the
 * file all the same; of an fsync on a simulated disk that many dirty sectors reached the medium. The
 * log's answer depends on the errno: SEQLOG_NO_SPACE for a full disk (ENOSPC, EDQUOT, EFBIG), else SEQLOG_IO or SEQLOG_POISONED.
 */
export function failWith(errno: string, written = 0): ErrorFault {
  return { kind: "error", errno, written };
}

/** Writes only the first `written` bytes, without an error. On what is no write it changes nothing. */
export function shortWrite(written: number): ShortFault {
  return { kind: "short", written };
}

/** Ends the process before the operation took effect. */
export const crashBefore: CrashFault = { kind: "crash", when: "before", written: 0 };

/** Ends the process when the operation took effect, before it returned. */
export const crashAfter: CrashFault = { kind: "crash", when: "after", written: Number.POSITIVE_INFINITY };

/** Ends the process in the middle of a write, with `written` bytes in the page cache; all by default. */
export function crashDuring(written: number = Number.POSITIVE_INFINITY): CrashFault {
  return { kind: "crash", when: "during", written };
}

/**
 * A list of rules, which may grow while the plan is in use.
 *
 * @example
 * ```ts
 * import { FaultPlan, crashAfter, failWith } from "seqlog/testing";
 *
 * const plan = new FaultPlan()
 *   .at(37, crashAfter)
 *   .on({ kind: "fsync", path: ".idx", skip: 2 }, failWith("EIO"));
 * ```
 */
export class FaultPlan {
  readonly #random: SeededRandom;
  readonly #byNumber = new Map<number, Fault>();
  readonly #rules: Rule[] = [];

  /** `random` decides rules with a `chance` and is handed to those that make their faults. */
  constructor(random: SeededRandom = new SeededRandom("faults")) {
    this.#random = random;
  }

  /** A fault at the operation with this number: 0 is the machine's first, `machine.operations` its next. */
  at(number: number, fault: Fault): this {
    this.#byNumber.set(number, fault);
    return this;
  }

  /** Faults at the operations that match. Of several rules that apply, the first decides. */
  on(match: FaultMatch, choice: FaultChoice): this {
    this.#rules.push({ match, choice, toSkip: match.skip ?? 0, left: match.times ?? 1 });
    return this;
  }

  /** Forgets every rule: the disk is well again. */
  clear(): void {
    this.#byNumber.clear();
    this.#rules.length = 0;
  }

  /** The fault for this operation. To be asked once for each, since rules count. */
  next(operation: Operation): Fault | undefined {
    let fault = this.#byNumber.get(operation.number);
    for (const rule of this.#rules) {
      if (rule.left === 0 || !matches(operation, rule.match)) continue;
      if (rule.toSkip > 0) {
        rule.toSkip--;
        continue;
      }
      if (fault !== undefined) continue;
      if (rule.match.chance !== undefined && !this.#random.chance(rule.match.chance)) continue;
      fault = typeof rule.choice === "function" ? rule.choice(operation, this.#random) : rule.choice;
      if (fault !== undefined) rule.left--;
    }
    return fault;
  }
}

function matches(operation: Operation, match: FaultMatch): boolean {
  const { kind, path } = match;
  if (typeof kind === "string" ? kind !== operation.kind : kind?.includes(operation.kind) === false) return false;
  return path === undefined || matchesPath(operation.path, path);
}
