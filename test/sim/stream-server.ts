/**
 * A server of streams in a simulated process: requests go through the routes as those of a socket do,
 * and end without an answer when the process does.
 */
import { type HttpAnswer, type HttpRequest } from "../../src/server/http/exchange.ts";
import { Guard } from "../../src/server/http/guard.ts";
import { limitsOf } from "../../src/server/http/limits.ts";
import { type Context, answer } from "../../src/server/http/routes.ts";
import { Catalog } from "../../src/server/streams/catalog.ts";
import type { SimulatedMachine } from "../../src/testing/simulated-machine.ts";

/** What is served. */
export const servedDirectory = "/data";

/** How long a long poll waits. */
export const longPollMs = 3_000;

/** An answer, as far as a client goes by it. */
export interface Reply {
  readonly status: number;
  /** The stable code of a problem; empty where it is none. */
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
  /** What went wrong inside, where the server calls it its own. */
  readonly error: unknown;
}

/** What a request is, beside its method and its name. */
export interface Sent {
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export class StreamServer {
  readonly machine: SimulatedMachine;
  /** Whether operations of its disk were made to fail. */
  hasErrors = false;
  readonly #context: Context;
  readonly #closing = new AbortController();
  readonly #errors = new Map<HttpRequest, unknown>();

  /** @throws what the start of a server meets */
  constructor(machine: SimulatedMachine) {
    this.machine = machine;
    machine.storage.makeDirectorySync(servedDirectory);
    this.#context = {
      machine,
      // So few that logs are closed, with their state, and opened again all the time.
      catalog: Catalog.ofDirectory(machine, servedDirectory, { maxOpenLogs: 2, maxRecordBytes: 64 * 1024 }),
      limits: limitsOf({ maxChunkBytes: 64, longPollTimeoutMs: longPollMs }),
      guard: new Guard({ hosts: [], allowsAddresses: false, origins: [], tokens: undefined }),
      basePath: "",
      closing: this.#closing.signal,
      report: (error, request) => void this.#errors.set(request, error),
    };
  }

  get pid(): number {
    return this.machine.owner.pid;
  }

  /** Undefined: the process ended over it. */
  async send(method: string, name: string, sent: Sent = {}): Promise<Reply | undefined> {
    const target = `/v1/stream/${name}${sent.query ?? ""}`;
    const headers: Readonly<Record<string, string>> = {
      host: "localhost",
      "content-type": "application/json",
      ...sent.headers,
    };
    const request: HttpRequest = {
      method,
      target,
      fullPath: target,
      isEncrypted: false,
      header: (wanted) => headers[wanted],
      body: async () => await Promise.resolve(Buffer.from(sent.body ?? "")),
      charge: () => undefined,
      onAbort: () => undefined,
    };
    const answered = await Promise.race([answer(this.#context, request), this.machine.died]);
    if (!this.machine.running || answered === undefined) return undefined;
    const error = this.#errors.get(request);
    this.#errors.delete(request);
    return replyOf(answered, error);
  }

  /** Ends it in order. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.race([this.#context.catalog.close(), this.machine.died]);
  }
}

function replyOf({ status, headers, body }: HttpAnswer, error: unknown): Reply {
  const text = Buffer.concat(body ?? []).toString();
  const parsed: unknown = text === "" ? undefined : JSON.parse(text);
  const code = status >= 400 ? (parsed as { error: { code: string } }).error.code : "";
  return { status, code, headers, body: parsed, error };
}
