/** Looks after files that another process writes: a watch for speed, and a slow poll behind it because watches miss things. */
import type { Machine, Watch } from "../storage/storage.ts";

const pollMs = 250;

/** Calls `look` whenever something may have changed, as long as it is on. */
export class Follow {
  readonly #machine: Machine;
  readonly #directory: string;
  readonly #look: () => void;
  #watch: Watch | undefined;
  #cancelPoll: (() => void) | undefined;

  constructor(machine: Machine, directory: string, look: () => void) {
    this.#machine = machine;
    this.#directory = directory;
    this.#look = look;
  }

  /** While it is on, the process is held: somebody waits. */
  set(isOn: boolean): void {
    if (isOn === (this.#watch !== undefined)) return;
    if (isOn) {
      this.#watch = this.#machine.storage.watch(this.#directory, this.#look, { keepAlive: true });
      this.#poll();
      // What came between the last look and the watch would wake nobody.
      this.#look();
    } else {
      this.#watch?.close();
      this.#watch = undefined;
      this.#cancelPoll?.();
      this.#cancelPoll = undefined;
    }
  }

  #poll(): void {
    this.#cancelPoll = this.#machine.clock.after(
      pollMs,
      () => {
        this.#look();
        if (this.#watch !== undefined) this.#poll();
      },
      { keepAlive: true },
    );
  }
}
