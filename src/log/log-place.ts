/** What lies at a location that a user named: a directory log, a single file, or nothing. */
import { join, sep } from "node:path";
import { SeqlogError } from "../errors.ts";
import { localPath } from "../storage/local-path.ts";
import type { FileStat, Machine, Storage } from "../storage/storage.ts";

/** A log on this machine. */
export interface LogPlace {
  readonly kind: "directory" | "file";
  readonly path: string;
}

/** Finds out; a link to a directory is followed. @throws SEQLOG_NOT_FOUND when nothing is there */
export function findLogPlace(machine: Machine, location: string | URL): LogPlace {
  const path = localPath(location, "the log");
  const stat = machine.storage.statSync(path);
  if (stat === undefined) throw new SeqlogError("SEQLOG_NOT_FOUND", `${path}: there is no log here`, { path });
  const isDirectory = stat.kind === "directory" || (stat.kind === "link" && directoryAt(machine.storage, path));
  return { kind: isDirectory ? "directory" : "file", path };
}

/** The directory at a path, links followed. */
export function directoryAt(storage: Storage, path: string): FileStat | undefined {
  try {
    const stat = storage.statSync(join(path, sep) + ".") ?? storage.statSync(path);
    return stat?.kind === "directory" ? stat : undefined;
  } catch {
    // ENOTDIR, EACCES: nothing that could be compared.
    return undefined;
  }
}
