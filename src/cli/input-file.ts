/** A file that a person named as input. */
import type { Readable } from "node:stream";
import { nodeStorage, openInput } from "../storage/node-storage.ts";
import { UsageError } from "./usage-error.ts";

/** Waits until the file is open, so that its absence is known before anything else happens. */
export async function openInputFile(path: string, name: string): Promise<Readable> {
  if (nodeStorage.statSync(path)?.kind === "directory")
    throw new UsageError(`${path} is a directory; ${name} takes a file`);
  const input = openInput(path);
  await new Promise<void>((resolve, reject) => {
    input.once("open", () => resolve());
    input.once("error", reject);
  });
  return input;
}

/** Bytes of a regular file; 0 when there is none, or when it is something else, whose end nobody knows. */
export function inputBytes(path: string | undefined): number {
  const stat = path === undefined ? undefined : nodeStorage.statSync(path);
  return stat?.kind === "file" ? stat.size : 0;
}
