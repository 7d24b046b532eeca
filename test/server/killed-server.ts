/** A server that is killed with SIGKILL, whatever is under way, and started again on its directory. */
import { ServerProcess } from "./server-process.ts";

export class KilledServer {
  kills = 0;
  readonly #directory: string;
  #process: Promise<ServerProcess>;

  constructor(directory: string) {
    this.#directory = directory;
    this.#process = ServerProcess.start(directory);
  }

  /** Where it is now; waits until it listens. */
  async url(): Promise<string> {
    return (await this.#process).url;
  }

  async killAndStart(): Promise<void> {
    const process = await this.#process;
    this.kills++;
    this.#process = process.kill().then(() => ServerProcess.start(this.#directory));
    await this.#process;
  }

  async kill(): Promise<void> {
    await (await this.#process).kill();
  }

  /**
   * As `fetch`, with a URL whose host and port do not matter: it goes to where the server is, and again
   * for as long as the server dies over it.
   */
  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const { pathname, search } = new URL(input instanceof Request ? input.url : input);
    for (;;) {
      const base = await this.url();
      try {
        const response = await fetch(base + pathname + search, init);
        const body = await response.arrayBuffer();
        if (response.status < 500) return new Response(isEmpty(response) ? null : body, response);
      } catch (error) {
        if (init?.signal?.aborted === true) throw error;
      }
    }
  };
}

function isEmpty({ status }: Response): boolean {
  return status === 204 || status === 304;
}
