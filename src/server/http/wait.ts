/** Waiting for more at the end of a source, as long as there is a point in it. */
import type { Clock } from "../../storage/storage.ts";
import type { Source } from "../streams/source.ts";

/** What ends a wait beside the source. */
export interface WaitEnds {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Aborts when the client went away, or the server is closing. */
  readonly signal: AbortSignal;
}

/** Resolves at the next change, at the timeout (false), or when the wait has no point any more (false). */
export function nextChange(source: Source, { clock, timeoutMs, signal }: WaitEnds): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const end = (isChanged: boolean): void => {
      forget();
      stopTimer();
      signal.removeEventListener("abort", aborted);
      resolve(isChanged);
    };
    const aborted = (): void => end(false);
    const forget = source.changes.next(() => end(true));
    const stopTimer = clock.after(timeoutMs, aborted, { keepAlive: true });
    signal.addEventListener("abort", aborted, { once: true });
  });
}
