/** Puts a mutant's edits into a copy of the source. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Edit } from "./mutant.ts";

/**
 * The source with the edit in it.
 * @throws {Error} when the piece to replace is not there exactly once: then the source has moved on
 */
export function edited(source: string, { file, find, replace }: Edit): string {
  const parts = source.split(find);
  if (parts.length !== 2) throw new Error(`src/${file} holds this ${parts.length - 1} times, expected once:\n${find}`);
  return parts.join(replace);
}

/** Edits the files under a source directory. */
export function applyEdits(sourceDirectory: string, edits: readonly Edit[]): void {
  for (const edit of edits) {
    const path = join(sourceDirectory, edit.file);
    writeFileSync(path, edited(readFileSync(path, "utf8"), edit));
  }
}
