/** URLs that clients are told. */

/** @param base what is in front of `/v1/stream/` */
export function subscriptionUrlOf(base: string, id: string): string {
  return `${base}/v1/stream/__ds/subscriptions/${encodeURIComponent(id)}`;
}

/** Where the public key is. @param base what is in front of `/v1/stream/` */
export function keysUrlOf(base: string): string {
  return `${base}/v1/stream/__ds/jwks.json`;
}
