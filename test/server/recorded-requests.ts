/** What the tests of this process ask a server for: which streams they make, and what each producer sent last. */

/** A request that can be sent again. */
export interface SentAgain {
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
}

/** Stands in front of `fetch` until `stop`. */
export class RecordedRequests {
  /** Of every stream that was asked to be made. */
  readonly paths: Set<string> = new Set();
  /** By path and producer the last append that was taken. */
  readonly #appends = new Map<string, SentAgain>();
  readonly #real = globalThis.fetch;

  constructor() {
    globalThis.fetch = async (input, init) => {
      const request = new Request(input, init);
      const again = await this.#asSent(request);
      const response = await this.#real(request);
      if (again !== undefined && (response.status === 200 || response.status === 204)) {
        this.#appends.set(`${again.path} ${request.headers.get("producer-id")}`, again);
      }
      return response;
    };
  }

  get appends(): Iterable<SentAgain> {
    return this.#appends.values();
  }

  async #asSent(request: Request): Promise<SentAgain | undefined> {
    const path = new URL(request.url).pathname;
    if (request.method === "PUT") this.paths.add(path);
    if (request.method !== "POST" || !request.headers.has("producer-id")) return undefined;
    const body = new Uint8Array(await request.clone().arrayBuffer());
    return { path, headers: [...request.headers], body };
  }

  stop(): void {
    globalThis.fetch = this.#real;
  }
}
