/** Removes directories with all that is in them. */
import { join } from "node:path";
import type { Storage } from "../../storage/storage.ts";

/** Fine when it is not there. A crash leaves some of it: call again. */
export function removeTree(storage: Storage, directory: string): void {
  if (storage.statSync(directory) === undefined) return;
  for (const name of storage.listSync(directory)) {
    const at = join(directory, name);
    if (storage.statSync(at)?.kind === "directory") removeTree(storage, at);
    else storage.unlinkSync(at);
  }
  storage.removeDirectorySync(directory);
}
