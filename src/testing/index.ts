/**
 * For testing programs that use seqlog: a disk in memory that loses what a real one may lose, with a
 * clock and randomness that a seed decides, and a wrapper that makes a real disk fail at chosen
 * operations. Give the machine to `openLog` as `{ machine }`. And the contract of a log as a suite,
 * for those who write a `Log` of their own. With examples: docs/testing.md.
 *
 * @module
 */
export type { ConformanceOpenOptions, ConformanceTarget } from "./conformance/conformance-target.ts";
export { type ConformanceCase, type ConformanceOptions, logConformance } from "./conformance/log-conformance.ts";
export { FaultInjectingStorage, withFaults } from "./fault-injecting-storage.ts";
export {
  crashAfter,
  crashBefore,
  crashDuring,
  type CrashFault,
  type ErrorFault,
  type Fault,
  type FaultChoice,
  type FaultMatch,
  FaultPlan,
  failWith,
  type ShortFault,
  shortWrite,
} from "./fault-plan.ts";
export { type Operation, type OperationKind, OperationLog } from "./operation-log.ts";
export { SeededRandom } from "./seeded-random.ts";
export { SimulatedClock } from "./simulated-clock.ts";
export { SimulatedCrash } from "./simulated-crash.ts";
export { type BootOptions, type CrashOptions, SimulatedDisk, type SimulatedDiskOptions } from "./simulated-disk.ts";
export { type Outcome, SimulatedMachine } from "./simulated-machine.ts";
export { nodeMachine } from "../storage/node-machine.ts";
