/**
 * Stream-Cursor: a number that changes every 20 seconds and that never goes back for a client, so that
 * caches between share one answer among many clients and never serve the same empty one for ever.
 */
import type { Machine } from "../../storage/storage.ts";

const intervalMs = 20_000;

/** From the protocol: October 9, 2024. */
const epochMs = Date.UTC(2024, 9, 9);

/** From the protocol: between a second and an hour ahead. */
const maxJitterIntervals = 3_600_000 / intervalMs;

/** The cursor of an answer to a client that sent `sent`. */
export function nextCursor({ clock, random }: Machine, sent: string | undefined): string {
  const now = Math.floor((clock.now() - epochMs) / intervalMs);
  if (sent === undefined || !/^\d{1,15}$/.test(sent) || Number(sent) < now) return String(now);
  const draw = new Uint8Array(2);
  random.fill(draw);
  const jitter = 1 + (((draw[0] as number) * 256 + (draw[1] as number)) % maxJitterIntervals);
  return String(Number(sent) + jitter);
}
