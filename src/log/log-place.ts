/** What lies at a location that a user named: a directory log, a single file, or nothing. */
import { SeqlogError } from "../errors.ts";
import { localPath } from "../storage/local-path.ts";
import type { Machine } from "../storage/storage.ts";

/** A log on this machine. */
export interface LogPlace {
  readonly kind: "directory" | "file";
  readonly path: string;
}

/** Finds out. @throws SEQLOG_NOT_FOUND when nothing is there */
export function findLogPlace(machine: Machine, location: string | URL): LogPlace {
  const path = localPath(location, "the log");
  const stat = machine.storage.statSync(path);
  if (stat === undefined) throw new SeqlogError("SEQLOG_NOT_FOUND", `${path}: there is no log here`, { path });
  return { kind: stat.kind === "directory" ? "directory" : "file", path };
}
