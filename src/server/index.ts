/**
 * The Durable Streams protocol over durable logs.
 *
 * @module
 */
export { createHandler, type HandlerOptions, type HandlerSettings, type StreamHandler } from "./handler.ts";
export type { Limits } from "./http/limits.ts";
export { tokensOf } from "./http/tokens.ts";
export { type RunningServer, type ServeOptions, serve } from "./serve.ts";
