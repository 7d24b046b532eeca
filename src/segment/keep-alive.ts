/** Holds the process while a reader waits for something in this very process: nothing else would. */
import type { Clock } from "../storage/storage.ts";

/** The longest time that a Node timer takes. */
const longMs = 2 ** 31 - 1;

/** A switch. */
export class KeepAlive {
  readonly #clock: Clock;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  set(isOn: boolean): void {
    this.#cancel?.();
    this.#cancel = isOn ? this.#clock.after(longMs, () => this.set(true), { keepAlive: true }) : undefined;
  }
}
