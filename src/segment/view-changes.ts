/** Lets readers wait until a view of a log changed. */

/** A counter that can be waited for, and a count of those who follow it. */
export class ViewChanges {
  #version = 0;
  #followers = 0;
  readonly #waiting = new Set<() => void>();
  #failure: Error | undefined;
  readonly #onFollowed: (isFollowed: boolean) => void;

  /** @param onFollowed called when the first live reader comes and when the last one goes */
  constructor(onFollowed: (isFollowed: boolean) => void) {
    this.#onFollowed = onFollowed;
  }

  get version(): number {
    return this.#version;
  }

  /** A live reader comes; the function returned tells that it goes. */
  follow(): () => void {
    if (this.#followers++ === 0) this.#onFollowed(true);
    return () => {
      if (--this.#followers === 0) this.#onFollowed(false);
    };
  }

  /** Something changed: whoever waits looks again. */
  bump(): void {
    this.#version++;
    if (this.#waiting.size === 0) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const go of waiting) go();
  }

  /** Looking failed: whoever waits, or the next who comes to wait, is told. */
  fail(error: Error): void {
    this.#failure = error;
    this.bump();
  }

  /** Resolves at the next change, or at once when the version is no longer this one. */
  after(version: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const failure = this.#failure;
    if (failure !== undefined) {
      this.#failure = undefined;
      return Promise.reject(failure);
    }
    if (version !== this.#version) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const go = (): void => {
        signal.removeEventListener("abort", abort);
        resolve();
      };
      const abort = (): void => {
        this.#waiting.delete(go);
        reject(signal.reason as Error);
      };
      signal.addEventListener("abort", abort, { once: true });
      this.#waiting.add(go);
    });
  }
}
