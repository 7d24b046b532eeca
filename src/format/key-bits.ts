/**
 * The end of an id that an idempotency key decides: HMAC-SHA-256(log's secret, key) in the 74 bits of
 * a version 7 id that are random otherwise. So the ids on the disk tell which keys were used, to
 * whoever has the secret and the key, and nothing of the key to anybody else.
 */
import { createHmac } from "node:crypto";
import { idLength, sealId } from "./uuid.ts";

/** Where in an id they start: behind its time. They end with it. */
export const keyBitsAt = 6;

/** The last 10 bytes of the id, version and variant included. */
export function keyBits(secret: Uint8Array, key: Uint8Array | string): Uint8Array {
  const id = new Uint8Array(idLength);
  const mac = createHmac("sha256", secret).update(key).digest();
  id.set(mac.subarray(0, idLength - keyBitsAt), keyBitsAt);
  sealId(id, 0, 7);
  return id.subarray(keyBitsAt);
}
