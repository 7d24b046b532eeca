/** A directory for the demonstration alone, gone afterwards. */
import { spawn } from "node:child_process";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { nodeMachine } from "../storage/node-machine.ts";

/** Makes a new directory with an unpredictable name inside `parent`, or where the system keeps such things. */
export function makeScratchDirectory(prefix: string, parent: string = tmpdir()): string {
  const name = new Uint8Array(6);
  nodeMachine.random.fill(name);
  const directory = path.join(parent, `${prefix}${Buffer.from(name).toString("hex")}`);
  nodeMachine.storage.makeDirectorySync(directory);
  return directory;
}

/**
 * Removes it with all that is in it. In a process of its own, because the log never removes a directory
 * and so its storage cannot; `node:fs` is for the storage alone.
 */
export async function removeScratchDirectory(directory: string): Promise<void> {
  const script = "require('node:fs').rmSync(process.argv[1], { recursive: true, force: true })";
  const child = spawn(process.execPath, ["-e", script, directory], { stdio: "ignore" });
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => resolve());
  });
}
