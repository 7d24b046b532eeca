/** The webhook of a wake, and what its answer says. */
import type { Webhook } from "./post-webhook.ts";
import type { StreamInfo } from "./subscribed-streams.ts";
import type { SubscriptionState } from "./subscription-state.ts";
import { subscriptionUrlOf } from "./subscription-urls.ts";
import type { Surroundings } from "./surroundings.ts";
import { toldOf } from "./told-streams.ts";

/** The wake that it is about. */
export interface ToldWake {
  readonly generation: number;
  readonly wakeId: string;
  readonly listed: readonly StreamInfo[];
}

/** What is sent, signed. */
export function webhookOf(
  { uid, config, baseUrl }: SubscriptionState,
  { generation, wakeId, listed }: ToldWake,
  { keys, machine, publicUrl }: Surroundings,
): Webhook {
  const body = JSON.stringify({
    subscription_id: config.id,
    wake_id: wakeId,
    generation,
    streams: listed.map(toldOf),
    callback_url: `${subscriptionUrlOf(publicUrl ?? baseUrl, config.id)}/callback`,
    callback_token: keys.tokenOf({ uid, generation }),
  });
  const headers = {
    "content-type": "application/json",
    "user-agent": "seqlog",
    "webhook-signature": keys.signatureOf(body, machine.clock.now()),
  };
  return { url: config.webhookUrl as string, headers, body };
}

/** Whether the answer to a webhook says that it is done with. */
export function saysDone(body: string | undefined): boolean {
  try {
    return (JSON.parse(body ?? "") as { readonly done?: unknown } | null)?.done === true;
  } catch {
    return false;
  }
}
