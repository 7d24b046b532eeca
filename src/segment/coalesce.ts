/** Runs a job one at a time: who asks while it runs gets one more run after it, however many ask. */
export class Coalesce {
  readonly #job: () => Promise<void>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(job: () => Promise<void>) {
    this.#job = job;
  }

  /** Resolves after a whole run that began after this call. */
  run(): Promise<void> {
    if (this.#running === undefined) {
      this.#running = this.#job().finally(() => (this.#running = undefined));
      return this.#running;
    }
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.run();
      });
    return this.#next;
  }
}
