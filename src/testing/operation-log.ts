/**
 * What was asked of a storage, in order: counters and a list, for tests that say how many writes a
 * record costs, and for reading what happened before a failure.
 */
import type { Fault } from "./fault-plan.ts";

/** Every kind of operation that is counted and that a fault may be planned for. */
export const operationKinds = [
  "open",
  "stat",
  "list",
  "read",
  "write",
  "truncate",
  "fsync",
  "lock",
  "close",
  "makeDirectory",
  "rename",
  "unlink",
  "removeDirectory",
  "fsyncDirectory",
] as const;

/** One of {@link operationKinds}. */
export type OperationKind = (typeof operationKinds)[number];

/** One call of a storage. */
export interface Operation {
  /** 0, 1, 2, … in the order in which this machine's operations took effect. */
  readonly number: number;
  /** The process that asked. */
  readonly pid: number;
  readonly kind: OperationKind;
  readonly path: string;
  /** Where in the file; of a truncate the new length; else 0. */
  readonly position: number;
  /** Bytes to read or write; else 0. */
  readonly length: number;
  /** Whether the caller did not wait: it has a callback or a promise. */
  readonly background: boolean;
  /** What the fault plan made of it. Set once, before the operation takes effect. */
  fault: Fault | undefined;
}

/**
 * The operations so far, of one disk or one storage: `disk.operations`, `storage.operations`. The
 * entries take memory without bound; `clear` frees it, `keepLog: false` on a disk keeps none.
 */
export class OperationLog {
  /** By kind, since the start or the last `clear`. */
  readonly counts: Record<OperationKind, number> = noCounts();
  /** The operations themselves, unless the log was made without them. */
  readonly entries: Operation[] = [];
  readonly #keepEntries: boolean;

  constructor(keepEntries = true) {
    this.#keepEntries = keepEntries;
  }

  add(operation: Operation): void {
    this.counts[operation.kind]++;
    if (this.#keepEntries) this.entries.push(operation);
  }

  /** How many of the `entries` are of this kind and on a path that ends so, or matches: 0 in a log without entries. */
  count(kind: OperationKind, path: string | RegExp = ""): number {
    let found = 0;
    for (const entry of this.entries) {
      if (entry.kind === kind && matchesPath(entry.path, path)) found++;
    }
    return found;
  }

  /** Starts from zero. */
  clear(): void {
    Object.assign(this.counts, noCounts());
    this.entries.length = 0;
  }
}

/** Whether `path` ends with the text, or matches the pattern. */
export function matchesPath(path: string, wanted: string | RegExp): boolean {
  return typeof wanted === "string" ? path.endsWith(wanted) : path.search(wanted) !== -1;
}

function noCounts(): Record<OperationKind, number> {
  return Object.fromEntries(operationKinds.map((kind) => [kind, 0])) as Record<OperationKind, number>;
}
