/**
 * Runs the steps of a simulation one at a time, in an order that a seed decides.
 *
 * Invariants:
 * - Between two steps everything that JavaScript itself has ready (`process.nextTick`, promises)
 *   has run. A turn of the real clock is used for that alone: it depends on no time.
 * - Each step is drawn from all that are ready, so that any order of them can happen, and a step
 *   that waits is reached in the end.
 * - A run is a function of the seed as long as the code under test waits for nothing but this.
 */
import { nodeMachine } from "../storage/node-machine.ts";
import type { SeededRandom } from "./seeded-random.ts";

/** One queue of steps, shared by everything that belongs to one simulation. */
export class Scheduler {
  readonly #random: SeededRandom;
  readonly #ready: (() => void)[] = [];
  #awake = false;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** How many steps wait. */
  get waiting(): number {
    return this.#ready.length;
  }

  /** Runs `step` some time later, before or after any other that waits. */
  add(step: () => void): void {
    this.#ready.push(step);
    this.#wake();
  }

  /** Resolves when no step waits and nothing that JavaScript had ready is left. */
  async idle(): Promise<void> {
    do {
      await nodeMachine.clock.turn();
    } while (this.#ready.length > 0);
  }

  #wake(): void {
    if (this.#awake) return;
    this.#awake = true;
    void this.#turn();
  }

  async #turn(): Promise<void> {
    await nodeMachine.clock.turn();
    this.#awake = false;
    const ready = this.#ready;
    const chosen = this.#random.int(ready.length);
    const step = ready[chosen];
    const last = ready.pop();
    if (step === undefined || last === undefined) return;
    if (last !== step) ready[chosen] = last;
    // Before the step: one that throws must not stop the others.
    if (ready.length > 0) this.#wake();
    step();
  }
}
