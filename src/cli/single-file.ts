/** Whether a file that a person named can be a single log at all: a mistyped name must not cost an ordinary file anything. */
import { headerAt, headerLength, readUint64 } from "../format/record.ts";
import { indexPathOf } from "../segment/log-reader.ts";
import { nodeStorage } from "../storage/node-storage.ts";
import { UsageError } from "./usage-error.ts";

/**
 * Refuses a file that is there, has no record index beside it, and does not begin with a record: its
 * first one says that it is at offset 0. One whose name ends in `.log` may be too short to tell: what a
 * write left that was interrupted.
 * @throws {UsageError}
 */
export function refuseOtherFile(location: string): void {
  const size = nodeStorage.statSync(location)?.size;
  if (size === undefined || nodeStorage.statSync(indexPathOf(location)) !== undefined) return;
  const isNamedLog = location.endsWith(".log");
  if (size < headerLength ? isNamedLog : beginsWithRecord(location)) return;
  const advice = isNamedLog
    ? "Name a directory, or another file; `seqlog verify` and `seqlog salvage` look into this one all the same"
    : "Name a directory, or a file that ends in .log";
  throw new UsageError(`${location} is a file, but not one of a log: it does not begin with a record. ${advice}`);
}

function beginsWithRecord(location: string): boolean {
  const file = nodeStorage.openSync(location, "read");
  try {
    const header = new Uint8Array(headerLength);
    file.readSync(header, 0);
    return readUint64(new DataView(header.buffer), headerAt.offset) === 0;
  } finally {
    file.closeSync();
  }
}
