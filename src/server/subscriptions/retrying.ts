/** Tries something again and again, with more and more time in between, until it works or has no point any more. */
import type { Clock, Machine } from "../../storage/storage.ts";
import { backoffMs } from "./backoff.ts";

/** Why it has not worked so far. */
export interface Failure {
  /** How often in a row. */
  readonly attempts: number;
  readonly reason: string;
  /** When it is tried again, in milliseconds since 1970. */
  readonly nextAttemptAt: number;
}

/** How to go on. */
export interface RetryOptions {
  readonly machine: Machine;
  /** Aborts when there is no point in it any more. */
  readonly signal: AbortSignal;
  /** Told of each failure, and at the end of none. */
  readonly note: (failure: Failure | undefined) => void;
}

/** Resolves when `attempt` did, or `signal` aborted. */
export async function retrying(attempt: () => Promise<void>, { machine, signal, note }: RetryOptions): Promise<void> {
  const { clock, random } = machine;
  for (let attempts = 1; !signal.aborted; attempts++) {
    try {
      await attempt();
      if (!signal.aborted) note(undefined);
      return;
    } catch (error) {
      if (signal.aborted) return;
      const waitMs = backoffMs(attempts, random);
      const reason = error instanceof Error ? error.message : String(error);
      note({ attempts, reason, nextAttemptAt: clock.now() + waitMs });
      await pause(clock, waitMs, signal);
    }
  }
}

function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      stopTimer();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const stopTimer = clock.after(ms, end, { keepAlive: false });
    signal.addEventListener("abort", end, { once: true });
  });
}
