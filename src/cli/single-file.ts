/** Whether a file that a person named can be a single log at all: a mistyped name must not cost an ordinary file anything. */
import { headerLength } from "../format/record.ts";
import { mayBeginRecord } from "../segment/inspect.ts";
import { indexPathOf } from "../segment/log-reader.ts";
import { nodeStorage } from "../storage/node-storage.ts";
import { runSync } from "../storage/plan.ts";
import { UsageError } from "./usage-error.ts";

/**
 * Refuses a file that is there, has no record index beside it, and cannot begin with a record, as recovery
 * would find. One whose name does not end in `.log` has to hold the header of one at least.
 * @throws {UsageError}
 */
export function refuseOtherFile(location: string): void {
  const size = nodeStorage.statSync(location)?.size;
  if (size === undefined || nodeStorage.statSync(indexPathOf(location)) !== undefined) return;
  const isNamedLog = location.endsWith(".log");
  if ((isNamedLog || size >= headerLength) && beginsAsLog(location, size)) return;
  const advice = isNamedLog
    ? "Name a directory, or another file; `seqlog verify` and `seqlog salvage` look into this one all the same"
    : "Name a directory, or a file that ends in .log";
  throw new UsageError(`${location} is a file, but not one of a log: it does not begin with a record. ${advice}`);
}

function beginsAsLog(location: string, size: number): boolean {
  const file = nodeStorage.openSync(location, "read");
  try {
    return runSync(mayBeginRecord(file, size));
  } finally {
    file.closeSync();
  }
}
