/** How often something costly is looked at again: most of the time goes to others. */
import type { Clock } from "../../storage/storage.ts";

/** At most so often; and so many times longer than it took is waited in between. */
const leastMs = 250;
const times = 20;

export class LookAgain {
  readonly #clock: Clock;
  #dueUs = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isDue(): boolean {
    return this.#clock.elapsedUs() >= this.#dueUs;
  }

  /** Looks; one that throws puts the next off no further. */
  look<T>(call: () => T): T {
    const begun = this.#clock.elapsedUs();
    const found = call();
    const ended = this.#clock.elapsedUs();
    this.#dueUs = ended + Math.max(leastMs * 1000, (ended - begun) * times);
    return found;
  }
}
