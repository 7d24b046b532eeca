/** Where a destination or a transport finds its log. */
import type { FileOpenOptions } from "../log/file-open-options.ts";

/** What a destination and a transport decide for themselves: lines are text, and are written. */
type Decided = "create" | "machine" | "readOnly" | "signal";

/** Options of the log that a transport opens; all can be passed to its thread. */
export interface TransportOptions extends Omit<FileOpenOptions, Decided> {
  /** The log's directory; made where there is none. */
  readonly path: string;
}

/** Options of the log that a destination opens, which does not wait for a lock. */
export interface DestinationLogOptions extends Omit<FileOpenOptions, Decided | "lockTimeoutMs"> {
  /** The log's directory; made where there is none. */
  readonly path: string | URL;
}

/** What pino adds for the transport's thread, and what is not the log's. */
const notTheLogs = new Set(["$context", "pinoWillSendConfig", "path", "log", "mode", "maxBufferedBytes", "codec"]);

/** The options for `FileLog.open`. */
export function openOptionsOf(options: object): FileOpenOptions {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !notTheLogs.has(name)));
}
