/**
 * The LOG argument: a directory log, a single `.log` file as the seed writes it, whose record index
 * lies beside it (`events.log`, `events.idx`), or a log on NATS JetStream, `nats://host:port/name`.
 */
import * as path from "node:path";
import { FileLog, type Log, LogReader, type OpenOptions, openLog } from "../index.ts";
import { nodeStorage } from "../storage/node-storage.ts";
import { natsLogin } from "./nats-login.ts";
import type { Output } from "./output.ts";
import { printableLine } from "./printable.ts";
import { refuseOtherFile } from "./single-file.ts";
import { UsageError } from "./usage-error.ts";

/** What reading commands need of any kind. */
export type ReadableLog = Pick<
  Log,
  "firstSeq" | "nextSeq" | "read" | "readBatches" | "get" | "find" | "stats" | "close"
>;

/** For the help of every command. */
export const logArgumentHelp = "a directory log, a single .log file, or nats://host:port/name";

/** For the help of commands that take no single file. */
export const noFileArgumentHelp = "a directory log, or nats://host:port/name";

/** For the help of commands about the files of a log. */
export const filesArgumentHelp = "a directory log, or a single .log file";

/**
 * What LOG names. A file is a single log; where nothing is yet, the ending decides.
 * @throws {UsageError} when it is none of these
 */
export function kindOfLog(location: string): "directory" | "file" | "stream" {
  if (location === "")
    throw new UsageError("LOG is empty; it must be a directory, a .log file or nats://host:port/name");
  if (isStreamLocation(location)) return "stream";
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(location)) {
    throw new UsageError(
      `${location} is a URL; LOG must be a directory or a .log file on this machine, or nats://host:port/name`,
    );
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
  const kind = kindOfLog(location);
  if (kind === "stream") return openStream(location, { readOnly: true });
  if (kind === "directory") return FileLog.open(location, { readOnly: true });
  refuseOtherFile(location);
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

/** Whether LOG is on servers rather than on this machine. */
export function isStreamLocation(location: string): boolean {
  return /^(?:nats|tls):\/\//i.test(location);
}

/** Opens a log on servers. */
export async function openStream(
  location: string,
  { replicas, ...options }: Pick<OpenOptions, "readOnly" | "create" | "retention"> & { readonly replicas?: number },
): Promise<Log> {
  const nats = { ...natsLogin(location), ...(replicas === undefined ? {} : { replicas }) };
  return openLog(location, { ...options, nats });
}

/**
 * For commands about the files of a log.
 * @throws {UsageError} for a log that has none here
 */
export function requireFiles(location: string, why: string): "directory" | "file" {
  const kind = kindOfLog(location);
  if (kind !== "stream") return kind;
  throw new UsageError(`${location} is a log on servers, which look after their files themselves: ${why}`);
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
