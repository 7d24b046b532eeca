/** The ways in which one operation can fail. */
import {
  type Fault,
  crashAfter,
  crashBefore,
  crashDuring,
  failWith,
  shortWrite,
} from "../../src/testing/fault-plan.ts";
import type { Operation, OperationKind } from "../../src/testing/operation-log.ts";

/** Operations that change the disk, and so may need room on it. */
export const changing: ReadonlySet<OperationKind> = new Set<OperationKind>([
  "open",
  "write",
  "truncate",
  "fsync",
  "makeDirectory",
  "rename",
  "unlink",
  "removeDirectory",
  "fsyncDirectory",
]);

/** What can happen to the operation, by name. */
export function faultsOf({ kind, length }: Operation): Map<string, Fault> {
  const faults = new Map<string, Fault>([
    ["crash-before", crashBefore],
    ["crash-after", crashAfter],
    ["eio", failWith("EIO")],
  ]);
  if (changing.has(kind)) faults.set("enospc", failWith("ENOSPC"));
  if (kind === "fsync") faults.set("eio-part", failWith("EIO", 1));
  if (kind === "write") {
    const half = Math.ceil(length / 2);
    faults.set("eio-part", failWith("EIO", half));
    faults.set("enospc-part", failWith("ENOSPC", half));
    faults.set("short", shortWrite(half));
    faults.set("crash-during", crashDuring(half));
  }
  return faults;
}
