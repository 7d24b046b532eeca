/** `createHandler`: the server as a handler, for programs that have an HTTP server of their own. */
import { setMaxListeners } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type OptionNames, refuseUnknownOptions } from "../known-options.ts";
import type { Log } from "../log/log.ts";
import { localPath } from "../storage/local-path.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import type { Machine } from "../storage/storage.ts";
import { BodyBudget } from "./http/body-reader.ts";
import type { HttpAnswer } from "./http/exchange.ts";
import { FetchRequest, responseOf } from "./http/fetch-exchange.ts";
import { Guard } from "./http/guard.ts";
import { type Limits, limitsOf, maxFrameBytes } from "./http/limits.ts";
import { NodeRequest, sendAnswer } from "./http/node-exchange.ts";
import { type Context, answer, answerOfError, isOurs } from "./http/routes.ts";
import { SendBudget } from "./http/send-budget.ts";
import { Tokens } from "./http/tokens.ts";
import { Catalog } from "./streams/catalog.ts";

/** Any log that is open in this process, whatever it is kept on. */
// oxlint-disable-next-line typescript/no-explicit-any
type AnyLog = Log<any, any>;

/** Options of a handler beside what it serves. */
export interface HandlerSettings {
  /** In front of every path. Default none: streams are at `/v1/stream/<name>`. */
  readonly basePath?: string;
  /** Names, without ports, that the server is reached by, beside those of this machine (`localhost`, `127.0.0.1`, `[::1]`). Requests for others are refused. */
  readonly hosts?: readonly string[];
  /** Whether any address of numbers is such a name too. Default false. */
  readonly allowAddresses?: boolean;
  /** Origins of pages in browsers that may use it, as `https://app.example.com`. Default none but its own. */
  readonly origins?: readonly string[];
  /** Bearer tokens, one of which every request must have. Default none is needed. */
  readonly tokens?: readonly string[];
  /** Logs that may be open at once, those in use apart. Default 256. */
  readonly maxOpenLogs?: number;
  /** What one client may take. */
  readonly limits?: Partial<Limits>;
  /** Told of errors that are the server's own, with the request that met them, if there was one. Default: they are dropped; the client is told that something went wrong. */
  readonly onError?: (error: unknown, request: { readonly method: string; readonly path: string } | undefined) => void;
  /** The machine to work on; for tests. */
  readonly machine?: Machine;
}

/** Options of {@link createHandler}: a directory, or logs that the program has open. */
export type HandlerOptions = HandlerSettings &
  (
    | { readonly dir: string | URL; readonly logs?: undefined }
    | { readonly logs: Readonly<Record<string, AnyLog>>; readonly dir?: undefined }
  );

const names: OptionNames<HandlerSettings & { readonly dir?: unknown; readonly logs?: unknown }> = {
  dir: true,
  logs: true,
  basePath: true,
  hosts: true,
  allowAddresses: true,
  origins: true,
  tokens: true,
  maxOpenLogs: true,
  limits: true,
  onError: true,
  machine: true,
};

/** What serves. */
export interface StreamHandler {
  /** Web-standard: for Hono, Next, Bun, Deno, service workers. */
  fetch(request: Request): Promise<Response>;
  /** For `node:http`, Express and Fastify. Calls `next`, where there is one, for paths that are not its own. */
  node(request: IncomingMessage, response: ServerResponse, next?: () => void): void;
  /** Ends live reads, waits for appends that are on their way, and closes the logs that it opened. */
  close(): Promise<void>;
}

/**
 * Serves the streams and logs of a directory, or logs that the program has open, by the Durable Streams
 * protocol. With `logs` they are only read: appending is the program's.
 *
 * @example
 * ```ts
 * import { createServer } from "node:http";
 * import { createHandler } from "seqlog/server";
 *
 * const handler = createHandler({ dir: "./data" });
 * const server = createServer(handler.node).listen(0, "127.0.0.1");
 * const response = await handler.fetch(new Request("http://localhost/v1/stream/hello", { method: "PUT" }));
 * console.log(response.status, response.headers.get("stream-next-offset"));
 * server.close();
 * await handler.close();
 * ```
 *
 * @throws {TypeError} for wrong options; SEQLOG_DAMAGED, SEQLOG_IO when the streams of a directory cannot be listed
 */
export function createHandler(options: HandlerOptions): StreamHandler {
  refuseUnknownOptions("createHandler", options, names);
  const machine = options.machine ?? nodeMachine;
  const limits = limitsOf(options.limits);
  const closing = new AbortController();
  // Every live read listens; the warning is meant for leaks.
  setMaxListeners(0, closing.signal);
  const budget = new BodyBudget(limits.maxBodiesBytes);
  const unsent = new SendBudget(limits.maxUnsentBytes);
  const basePath = checkedBasePath(options.basePath ?? "");
  const { tokens } = options;
  const guard = new Guard({
    hosts: options.hosts ?? [],
    allowsAddresses: options.allowAddresses === true,
    origins: options.origins ?? [],
    tokens: tokens === undefined ? undefined : new Tokens(tokens),
  });
  const context: Context = {
    machine,
    catalog: catalogOf(machine, options, limits),
    limits,
    guard,
    basePath,
    closing: closing.signal,
    report: (error, { method, target }) => options.onError?.(error, { method, path: target }),
  };
  return {
    async fetch(request) {
      const wrapped = new FetchRequest(request, budget);
      try {
        const answered = await answer(context, wrapped);
        return responseOf(answered, request.method, (error) => answerOfError(context, wrapped, error));
      } finally {
        wrapped.done();
      }
    },
    node(request, response, next) {
      const wrapped = new NodeRequest(request, response, budget);
      if (next !== undefined && !isOurs(basePath, wrapped.target)) return next();
      const insteadOf = (error: unknown): HttpAnswer => answerOfError(context, wrapped, error);
      void answer(context, wrapped).then((answered) => sendAnswer(answered, { request, response }, unsent, insteadOf));
    },
    async close() {
      closing.abort();
      await context.catalog.close();
    },
  };
}

function catalogOf(machine: Machine, options: HandlerOptions, limits: Limits): Catalog {
  if (options.logs !== undefined) return Catalog.ofLogs(machine, options.logs);
  const { maxOpenLogs = 256 } = options;
  if (!Number.isInteger(maxOpenLogs) || maxOpenLogs < 1) {
    throw new RangeError(`maxOpenLogs must be a whole number from 1, got ${maxOpenLogs}`);
  }
  const report = (error: Error): void => options.onError?.(error, undefined);
  const settings = { maxOpenLogs, maxRecordBytes: maxFrameBytes(limits), report };
  return Catalog.ofDirectory(machine, localPath(options.dir, "dir"), settings);
}

function checkedBasePath(basePath: string): string {
  const path = basePath.replace(/\/+$/, "");
  if (path !== "" && !/^(?:\/[\w.~-]+)+$/.test(path)) {
    throw new TypeError(`basePath must be of the form /a/b, got ${JSON.stringify(basePath)}`);
  }
  return path;
}
