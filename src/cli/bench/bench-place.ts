/** Where `seqlog bench` may measure: an existing directory on a disk. */
import * as path from "node:path";
import { SeqlogError } from "../../errors.ts";
import type { Mount } from "../../storage/mount.ts";
import { fileSystemOf, nodeStorage } from "../../storage/node-storage.ts";
import { UsageError } from "../usage-error.ts";

/**
 * Looks at what the directory lies on; undefined where the system does not tell.
 * @throws {UsageError} when it is not a directory, or in memory
 * @throws SEQLOG_NOT_FOUND when there is nothing
 */
export function checkBenchPlace(directory: string): Mount | undefined {
  if (directory === "") throw new UsageError("DIR is empty; it must be a directory on the disk to measure");
  if (nodeStorage.statSync(directory) === undefined) {
    throw new SeqlogError(
      "SEQLOG_NOT_FOUND",
      `${directory}: there is no such directory; name one that lies on the disk to measure`,
      { path: directory },
    );
  }
  if (!isDirectory(directory)) {
    throw new UsageError(`${directory} is not a directory; name one that lies on the disk to measure`);
  }
  const { isMemory, mount } = fileSystemOf(directory);
  if (isMemory) {
    const where = mount === undefined ? "a file system in memory" : `${mount.type} (mounted at ${mount.point})`;
    throw new UsageError(
      `${directory} is on ${where}, which is memory: an fsync costs nothing there, and figures say nothing of a disk. Name a directory on a disk`,
    );
  }
  return mount;
}

/** Or a link to one. */
function isDirectory(at: string): boolean {
  try {
    return nodeStorage.statSync(`${at}${path.sep}.`)?.kind === "directory";
  } catch (error) {
    if (SeqlogError.is(error, "SEQLOG_IO") && error.facts.errno === "ENOTDIR") return false;
    throw error;
  }
}
