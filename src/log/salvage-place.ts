/** From where and to where a salvage goes: never into its own input. */
import { dirname } from "node:path";
import { SeqlogError } from "../errors.ts";
import { localPath } from "../storage/local-path.ts";
import type { FileStat, Machine, Storage } from "../storage/storage.ts";
import { type LogPlace, directoryAt } from "./log-place.ts";

/**
 * The path of the output, which is not there or empty.
 * @throws {TypeError} when it is the input or lies inside it
 * @throws SEQLOG_IO (EEXIST) when something is there
 */
export function checkOutput(machine: Machine, input: LogPlace, out: string | URL): string {
  const { storage } = machine;
  const path = localPath(out, "out");
  if (input.kind === "directory") {
    if (isInside(storage, path, input.path)) {
      throw new TypeError(`out must not be the log that is salvaged, nor lie inside it: ${path}`);
    }
  }
  const found = storage.statSync(path);
  const isFree =
    found === undefined || (directoryAt(storage, path) !== undefined && storage.listSync(path).length === 0);
  if (!isFree) {
    throw new SeqlogError(
      "SEQLOG_IO",
      `${path}: the output of a salvage must be an empty directory or not there (EEXIST); found ${found.kind === "directory" ? "a directory with files in it" : `a ${found.kind}`}. Name another one`,
      {
        path,
        syscall: "mkdir",
        errno: "EEXIST",
      },
    );
  }
  return path;
}

/** Whether `path` is the directory or lies somewhere below it, by its names and by where its links lead. */
function isInside(storage: Storage, path: string, directory: string): boolean {
  const real = directoryAt(storage, directory);
  let nearest: string | undefined;
  for (let at = path; ; at = dirname(at)) {
    const stat = directoryAt(storage, at);
    if (at === directory || isSame(stat, real)) return true;
    if (stat !== undefined) nearest ??= at;
    if (at === dirname(at)) break;
  }
  // Not `join`, which would take a link and the ".." behind it away together: the system follows the link first.
  let below: FileStat | undefined;
  for (let up = `${nearest}/..`; ; up += "/..") {
    const stat = statBehindLinks(storage, up);
    if (stat === undefined || isSame(stat, below)) return false;
    if (isSame(stat, real)) return true;
    below = stat;
  }
}

function statBehindLinks(storage: Storage, path: string): FileStat | undefined {
  try {
    return storage.statSync(`${path}/.`);
  } catch {
    // EACCES, ENAMETOOLONG: nothing that could be compared.
    return undefined;
  }
}

/** Inodes alone may be the same on two devices. */
function isSame(one: FileStat | undefined, other: FileStat | undefined): boolean {
  return (
    one !== undefined &&
    other !== undefined &&
    one.inode === other.inode &&
    one.modifiedMs === other.modifiedMs &&
    one.size === other.size
  );
}
