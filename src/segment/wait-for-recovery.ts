/** Waits while another process makes the records of a segment durable again. */
import type { Machine } from "../storage/storage.ts";
import { tailPath } from "./redo.ts";

const pollMs = 20;

/** A redo copy that stays longer was left by a process that is gone. */
const longestMs = 10_000;

/** Resolves when the segment has no redo copy, or has had it for so long that nobody seems to be at it. */
export async function waitForRecovery(machine: Machine, segmentPath: string): Promise<void> {
  for (let waited = 0; waited < longestMs; waited += pollMs) {
    if (machine.storage.statSync(tailPath(segmentPath)) === undefined) return;
    await new Promise<void>((resolve) => machine.clock.after(pollMs, resolve, { keepAlive: true }));
  }
}
