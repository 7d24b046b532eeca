/** What a directory takes, with all that is in it. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** Blocks of the file system, in bytes; the directories' own are left out. */
export function diskUsage(directory) {
  let bytes = 0;
  for (const item of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!item.isFile()) continue;
    const { blocks, size } = statSync(join(item.parentPath, item.name));
    // Windows has no blocks.
    bytes += blocks === undefined || blocks === 0 ? size : blocks * 512;
  }
  return bytes;
}
