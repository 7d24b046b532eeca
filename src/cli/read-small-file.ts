/** A small text file that an option or an environment variable names. */
import { nodeStorage } from "../storage/node-storage.ts";

/** Far more than any list of tokens or chain of certificates has. */
const mostBytes = 1024 * 1024;

/** @throws SEQLOG_NOT_FOUND, SEQLOG_IO */
export function readSmallFile(path: string): string {
  const file = nodeStorage.openSync(path, "read");
  try {
    const bytes = new Uint8Array(Math.min(file.statSync().size, mostBytes));
    return Buffer.from(bytes.subarray(0, file.readSync(bytes, 0))).toString("utf8");
  } finally {
    file.closeSync();
  }
}
