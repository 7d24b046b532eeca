/** Directories for tests: made empty, or as a crash would leave a log, and removed when the test ends. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** An empty directory, removed when the test ends. */
export function scratchDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "seqlog-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A path in a scratch directory at which there is nothing yet. */
export function newPath(name = "log"): string {
  return join(scratchDirectory(), name);
}

/**
 * A copy of a log's directory as it is now. Of a log that is open it is what the end of the process
 * at this moment would leave, with the lock free.
 */
export function crashCopy(directory: string): string {
  const copy = newPath("crashed");
  cpSync(directory, copy, { recursive: true });
  writeFileSync(join(copy, "LOCK"), "");
  return copy;
}
