/**
 * Webhooks that are under way: so many at once, and so many to one host, so that one that does not
 * answer holds up nobody else's. Those that wait go in the order in which they came.
 */

interface Waiting {
  readonly host: string;
  readonly begin: () => void;
}

export class DeliverySlots {
  readonly #most: number;
  readonly #mostOfHost: number;
  #used = 0;
  readonly #usedOfHost = new Map<string, number>();
  readonly #waiting = new Set<Waiting>();

  constructor(most: number, mostOfHost: number) {
    this.#most = most;
    this.#mostOfHost = mostOfHost;
  }

  /** Calls when it is its turn. @throws when `signal` aborts before that */
  async run<T>(host: string, signal: AbortSignal, call: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    if (!this.#isFree(host)) await this.#wait(host, signal);
    else this.#take(host);
    try {
      return await call();
    } finally {
      this.#give(host);
    }
  }

  #wait(host: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#waiting.delete(waiting);
        reject(new Error("it was called off"));
      };
      const begin = (): void => {
        signal.removeEventListener("abort", abort);
        resolve();
      };
      const waiting = { host, begin };
      signal.addEventListener("abort", abort, { once: true });
      this.#waiting.add(waiting);
    });
  }

  #isFree(host: string): boolean {
    return this.#used < this.#most && (this.#usedOfHost.get(host) ?? 0) < this.#mostOfHost;
  }

  #take(host: string): void {
    this.#used++;
    this.#usedOfHost.set(host, (this.#usedOfHost.get(host) ?? 0) + 1);
  }

  #give(host: string): void {
    this.#used--;
    const left = (this.#usedOfHost.get(host) ?? 0) - 1;
    if (left > 0) this.#usedOfHost.set(host, left);
    else this.#usedOfHost.delete(host);
    for (const waiting of this.#waiting) {
      if (this.#used >= this.#most) return;
      if (!this.#isFree(waiting.host)) continue;
      this.#waiting.delete(waiting);
      this.#take(waiting.host);
      waiting.begin();
    }
  }
}
