/**
 * A log on NATS JetStream, for when one machine is not enough. Needs the packages
 * `@nats-io/transport-node` and `@nats-io/jetstream`.
 *
 * @module
 */
export type { NatsLogin } from "./nats-open-options.ts";
export { mirror, type MirrorOptions } from "./mirror.ts";
export { promote, type PromoteOptions, type PromoteProgress, type PromoteReport } from "./promote.ts";
