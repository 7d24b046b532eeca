/** Processes of a history of consumers, and the consumers that are open in them. */
import { text } from "../../src/log/codec.ts";
import type { FileLog } from "../../src/log/file-log.ts";
import type { SimulatedMachine } from "../../src/testing/simulated-machine.ts";
import type { ConsumerBook, Claim } from "./consumer-book.ts";
import type { ConsumerLedger } from "./consumer-ledger.ts";

/** The log of a history, as its processes have it open. */
export type Text = FileLog<string, string>;

/** Where the log is. */
export const directory = "/log";

export const codec = text();

/** Where its dead letters go; of the other names there are none. */
export const burying = "buries";
/** Keeps its place in a database. */
export const stored = "stored";

/** A process that has the log open. */
export interface Process {
  readonly machine: SimulatedMachine;
  readonly log: Text;
  readonly isWriter: boolean;
  readonly ledgers: Set<ConsumerLedger>;
  /** Programs that use its consumers. */
  readonly users: Promise<void>[];
  /** Logs of dead letters that it has open. */
  readonly dead: Set<Text>;
  isClosing: boolean;
  /** Whether its disk or its database may fail: then what it kept is not known without being told. */
  hasErrors: boolean;
  diedAt: number;
}

/** One consumer that is open in a process. */
export interface Opened {
  readonly process: Process;
  readonly book: ConsumerBook;
  readonly claim: Claim;
  readonly ledger: ConsumerLedger;
  readonly dead: Text | undefined;
  readonly attempts: number;
  readonly commits: boolean;
}

/** What every process begins with. */
export function newProcess(): Pick<Process, "ledgers" | "users" | "dead" | "isClosing" | "hasErrors" | "diedAt"> {
  return { ledgers: new Set(), users: [], dead: new Set(), isClosing: false, hasErrors: false, diedAt: Infinity };
}

/** Waits, on the simulated clock. */
export function pause(machine: SimulatedMachine, ms: number): Promise<void> {
  return new Promise((resolve) => void machine.clock.after(ms, resolve, { keepAlive: true }));
}
