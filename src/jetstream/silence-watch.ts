/** Notices that nothing is heard of what was sent. */
import type { Clock } from "../storage/storage.ts";

/** How long it may be silent. */
export const silenceMs = 5000;

export class SilenceWatch {
  readonly #clock: Clock;
  readonly #isWaiting: () => boolean;
  readonly #onSilence: () => void;
  /** On a clock that never goes back. */
  #heardUs = 0;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, isWaiting: () => boolean, onSilence: () => void) {
    this.#clock = clock;
    this.#isWaiting = isWaiting;
    this.#onSilence = onSilence;
  }

  heard(): void {
    this.#heardUs = this.#clock.elapsedUs();
  }

  /** Something was sent. */
  begin(): void {
    if (this.#cancel !== undefined || !this.#isWaiting()) return;
    this.heard();
    this.#wait();
  }

  end(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #wait(): void {
    // Somebody waits for the append: that holds the process.
    this.#cancel = this.#clock.after(silenceMs, () => this.#look(), { keepAlive: true });
  }

  #look(): void {
    this.#cancel = undefined;
    if (!this.#isWaiting()) return;
    if (this.#clock.elapsedUs() - this.#heardUs >= silenceMs * 1000) this.#onSilence();
    else this.#wait();
  }
}
