/** Work that goes on beside the requests, and that nobody waits for but who closes. */
export class Unfinished {
  readonly #works = new Set<Promise<void>>();

  /** Its failure is nobody's: what is left undone the next start does. */
  add(work: Promise<void>): void {
    const settled: Promise<void> = work.catch(() => undefined).finally(() => this.#works.delete(settled));
    this.#works.add(settled);
  }

  /** Resolves when all of it has ended. */
  async idle(): Promise<void> {
    while (this.#works.size > 0) await Promise.all(this.#works);
  }
}
