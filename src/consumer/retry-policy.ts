/** How long to wait before a record is tried again. */
import { refuseUnknownOptions } from "../known-options.ts";
import type { RetryOptions } from "../log/consumer-contract.ts";
import { checkLimit } from "../segment/log-writer.ts";
import type { Random } from "../storage/storage.ts";

/** The longest wait that a timer takes. */
export const longestMs: number = 2 ** 31 - 1;

/** The options of retries, checked and complete. */
export class RetryPolicy {
  /** Deliveries of a record in all. */
  readonly attempts: number;
  readonly #backoffMs: number;
  readonly #maxBackoffMs: number;
  readonly #jitter: number;
  readonly #random: Random;

  /** @throws {TypeError}, {RangeError} */
  constructor(options: RetryOptions, random: Random) {
    refuseUnknownOptions("retry", options, { attempts: true, backoffMs: true, maxBackoffMs: true, jitter: true });
    this.attempts = checkLimit(options.attempts, 5, "retry.attempts", 1, Number.MAX_SAFE_INTEGER);
    this.#backoffMs = checkLimit(options.backoffMs, 100, "retry.backoffMs", 0, longestMs);
    this.#maxBackoffMs = checkLimit(options.maxBackoffMs, 30_000, "retry.maxBackoffMs", 0, longestMs);
    const { jitter = 0.2 } = options;
    if (!(jitter >= 0 && jitter <= 1)) throw new RangeError(`retry.jitter must be from 0 to 1, got ${String(jitter)}`);
    this.#jitter = jitter;
    this.#random = random;
  }

  /** The wait after the attempt of this number, from 1, failed. */
  delayMs(attempt: number): number {
    const whole = Math.min(this.#maxBackoffMs, this.#backoffMs * 2 ** (attempt - 1));
    return Math.round(whole * (1 - this.#jitter * this.#fraction()));
  }

  #fraction(): number {
    const bytes = new Uint8Array(4);
    this.#random.fill(bytes);
    return new DataView(bytes.buffer).getUint32(0, true) / 2 ** 32;
  }
}
