/** A write that must be whole. */
import { SeqlogError } from "../errors.ts";
import type { StorageFile } from "./storage.ts";

/** The error for a write that stopped early without a word, as libuv's do. */
export function shortWriteError(path: string, written: number, wanted: number): SeqlogError<"SEQLOG_NO_SPACE"> {
  return new SeqlogError(
    "SEQLOG_NO_SPACE",
    `${path}: only ${written} of ${wanted} bytes could be written; the disk, a quota or the file-size limit is full. ` +
      "Nothing acknowledged is lost. Free space, then try again",
    { path, errno: "short write" },
  );
}

/**
 * Writes all of `bytes` at `position`.
 * @throws SEQLOG_NO_SPACE when the write came back short
 */
export function writeFullySync(file: StorageFile, bytes: Uint8Array, position: number): void {
  const written = file.writeSync(bytes, position);
  if (written !== bytes.length) throw shortWriteError(file.path, written, bytes.length);
}
