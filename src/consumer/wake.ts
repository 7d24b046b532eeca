/** Lets the one loop of a consumer wait until something may have changed since it looked last. */
export class Wake {
  #go: (() => void) | undefined;
  /** Called while nobody waited; nobody has looked since. */
  #isCalled = false;

  /** The loop looks now: what was called before is seen. */
  look(): void {
    this.#isCalled = false;
  }

  /** Resolves when it was called after the last `look` or `wait`. For one caller at a time. */
  wait(): Promise<void> {
    if (!this.#isCalled) return new Promise((resolve) => (this.#go = resolve));
    this.#isCalled = false;
    return Promise.resolve();
  }

  /** Something changed. */
  call(): void {
    const go = this.#go;
    this.#go = undefined;
    if (go === undefined) this.#isCalled = true;
    else go();
  }
}
