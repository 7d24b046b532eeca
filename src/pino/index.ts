/**
 * pino writes to a log: a transport (the default export, for `pino.transport`), and a destination in
 * the same process. What a crash can take in each: docs/pino.md.
 *
 * @module
 */
export {
  destination,
  type DestinationMode,
  type DestinationOptions,
  type LineLog,
  LogDestination,
} from "./destination.ts";
export type { DestinationLogOptions, TransportOptions } from "./open-options.ts";
export { default } from "./transport.ts";
