/**
 * The LOG argument: a directory log, or a single `.log` file as the seed writes it, whose record index
 * lies beside it (`events.log`, `events.idx`).
 */
import * as path from "node:path";
import { FileLog, LogReader } from "../index.ts";
import { nodeStorage } from "../storage/node-storage.ts";
import type { Output } from "./output.ts";
import { printableLine } from "./printable.ts";
import { UsageError } from "./usage-error.ts";

/** What reading commands need of either kind. */
export type ReadableLog = Pick<
  FileLog,
  "firstSeq" | "nextSeq" | "read" | "readBatches" | "get" | "find" | "stats" | "close"
>;

/** For the help of every command. */
export const logArgumentHelp = "a directory log, or a single .log file";

/**
 * What LOG names. A file is a single log; where nothing is yet, the ending decides.
 * @throws {UsageError} when it is neither
 */
export function kindOfLog(location: string): "directory" | "file" {
  if (location === "") throw new UsageError("LOG is empty; it must be a directory or a .log file");
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(location)) {
    throw new UsageError(`${location} is a URL; LOG must be a directory or a .log file on this machine`);
  }
  const kind = nodeStorage.statSync(location)?.kind;
  if (kind === "file") {
    refuseSegment(location);
    return "file";
  }
  if (kind === "directory") return "directory";
  if (kind === "link" && isLinkToDirectory(location)) return "directory";
  return location.endsWith(".log") ? "file" : "directory";
}

/**
 * Opens for reading; never creates anything. Bytes of a single file that cannot be read are told of: a
 * directory log knows them to be an unfinished write or damage, a file without a record index cannot.
 */
export async function openForReading(location: string, notes: Output): Promise<ReadableLog> {
  if (kindOfLog(location) === "directory") return FileLog.open(location, { readOnly: true });
  // Before the look at the records: what a writer adds meanwhile is none of them.
  const size = nodeStorage.statSync(location)?.size ?? 0;
  const reader = await LogReader.open(location);
  const { bytes, nextSeq } = await reader.stats();
  if (size > bytes) {
    const where = nextSeq === 0 ? "hold no valid record" : `after record ${nextSeq - 1} are not a valid record`;
    notes.line(
      printableLine(
        `seqlog: note: ${location}: ${size - bytes} bytes ${where}: an unfinished write, or damage (see \`seqlog repair --dry-run\`)`,
      ),
    );
    await notes.flush();
  }
  return reader;
}

/**
 * A segment belongs to its directory log, which alone knows how far it may be read, and whose lock a
 * writer from outside would go round.
 */
function refuseSegment(file: string): void {
  const directory = path.dirname(file);
  if (nodeStorage.statSync(path.join(directory, "MANIFEST")) === undefined) return;
  throw new UsageError(`${file} is a segment of the log ${directory}; name the directory instead`);
}

function isLinkToDirectory(location: string): boolean {
  try {
    return nodeStorage.statSync(`${location}${path.sep}.`)?.kind === "directory";
  } catch {
    // ENOTDIR: a link to a file. Opening it says why a link is refused.
    return false;
  }
}
