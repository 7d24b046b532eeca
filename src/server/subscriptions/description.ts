/** A subscription as a GET tells of it. */
import type { Failure } from "./retrying.ts";
import type { StreamInfo } from "./subscribed-streams.ts";
import type { SubscriptionState } from "./subscription-state.ts";
import { keysUrlOf } from "./subscription-urls.ts";
import type { Surroundings } from "./surroundings.ts";
import { toldOf } from "./told-streams.ts";

/** @param failure why the last wake was not heard of so far */
export function descriptionOf(
  { config, createdAt, generation, baseUrl }: SubscriptionState,
  listed: readonly StreamInfo[],
  failure: Failure | undefined,
  { keys, publicUrl }: Surroundings,
): Record<string, unknown> {
  const signing = { alg: "ed25519", kid: keys.jwk.kid, jwks_url: keysUrlOf(publicUrl ?? baseUrl) };
  return {
    id: config.id,
    subscription_id: config.id,
    type: config.type,
    pattern: config.pattern ?? undefined,
    streams: listed.map((info) => {
      const { path, link_type, acked_offset } = toldOf(info);
      return { path, link_type, acked_offset };
    }),
    webhook: config.webhookUrl === null ? undefined : { url: config.webhookUrl, signing },
    wake_stream: config.wakeStream ?? undefined,
    lease_ttl_ms: config.leaseMs,
    description: config.description ?? undefined,
    created_at: new Date(createdAt).toISOString(),
    generation,
    status: failure === undefined ? "active" : "failed",
    failure: failure === undefined ? undefined : toldFailure(failure),
  };
}

function toldFailure({ attempts, reason, nextAttemptAt }: Failure): Record<string, unknown> {
  return { attempts, reason, next_attempt_at: new Date(nextAttemptAt).toISOString() };
}
