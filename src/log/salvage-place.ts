/** From where and to where a salvage goes: never into its own input. */
import { dirname } from "node:path";
import { SeqlogError } from "../errors.ts";
import { localPath } from "../storage/local-path.ts";
import type { FileStat, Machine } from "../storage/storage.ts";
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
    const real = directoryAt(storage, input.path);
    for (let at = path; ; at = dirname(at)) {
      if (at === input.path || isSame(directoryAt(storage, at), real)) {
        throw new TypeError(`out must not be the log that is salvaged, nor lie inside it: ${path}`);
      }
      if (at === dirname(at)) break;
    }
  }
  const found = storage.statSync(path);
  const isFree =
    found === undefined || (directoryAt(storage, path) !== undefined && storage.listSync(path).length === 0);
  if (!isFree) {
    throw new SeqlogError(
      "SEQLOG_IO",
      `${path}: the output of a salvage must be an empty directory or not there (EEXIST)`,
      {
        path,
        syscall: "mkdir",
        errno: "EEXIST",
      },
    );
  }
  return path;
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
