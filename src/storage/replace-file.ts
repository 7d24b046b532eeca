/** Replaces a small file as a whole: whoever looks, also after a crash, finds the old one or the new one. */
import { dirname } from "node:path";
import type { Storage } from "./storage.ts";
import { writeFullySync } from "./write-fully.ts";

/**
 * Writes a temporary file beside it, makes it durable, renames it into place and makes the name
 * durable. A failure before the rename leaves nothing behind but, at worst, the temporary file.
 */
export function replaceFileSync(storage: Storage, path: string, bytes: Uint8Array): void {
  const temporary = `${path}.tmp`;
  storage.unlinkSync(temporary);
  const file = storage.openSync(temporary, "create-new");
  try {
    writeFullySync(file, bytes, 0);
    file.fsyncSync();
  } catch (error) {
    file.closeSync();
    storage.unlinkSync(temporary);
    throw error;
  }
  file.closeSync();
  storage.renameSync(temporary, path);
  storage.fsyncDirectorySync(dirname(path));
}
