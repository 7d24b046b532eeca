/** How long to wait before something is tried again: twice as long each time, and never quite as long as others do. */
import type { Random } from "../../storage/storage.ts";

const firstMs = 1000;
const mostMs = 60_000;

/** A fifth more or less. */
const jitter = 0.2;

/** @param failures how often it failed in a row, from 1 */
export function backoffMs(failures: number, random: Random): number {
  const base = Math.min(firstMs * 2 ** Math.min(failures - 1, 16), mostMs);
  const drawn = new Uint8Array(2);
  random.fill(drawn);
  const part = new DataView(drawn.buffer).getUint16(0) / 0xff_ff;
  return Math.round(base * (1 - jitter + 2 * jitter * part));
}
