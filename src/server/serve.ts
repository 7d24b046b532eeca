/** `serve`: a server of its own around the handler, with limits on connections and time. */
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { nodeMachine } from "../storage/node-machine.ts";
import type { Clock } from "../storage/storage.ts";
import { type HandlerOptions, type HandlerSettings, type StreamHandler, createHandler } from "./handler.ts";

/** Where to listen. */
interface ServeSettings extends HandlerSettings {
  /** Default 127.0.0.1. Others than those of this machine alone need `tokens`. */
  readonly host?: string;
  /** Default 7700; 0 is any that is free. */
  readonly port?: number;
  /** Connections at once. Default 10,000. */
  readonly maxConnections?: number;
}

/** Options of {@link serve}: as {@link HandlerOptions}, and where to listen. */
export type ServeOptions = ServeSettings & HandlerOptions;

/** A server that runs. */
export interface RunningServer {
  /** Where it is, as `http://127.0.0.1:7700`. */
  readonly url: string;
  /** Takes no more connections, ends live reads, finishes what is under way, and closes the logs. */
  close(): Promise<void>;
}

const defaultPort = 7700;

/** A request's head must be here by then, and a whole request. */
const headersTimeoutMs = 10_000;
const requestTimeoutMs = 60_000;
const maxHeaderBytes = 16 * 1024;
/** A connection on which nothing moves for so long is closed; live reads send something more often. */
const idleTimeoutMs = 120_000;
/** Longer than the usual proxy's, so that it is not the server that closes a connection in use. */
const keepAliveTimeoutMs = 65_000;
/** What has not ended by then when the server closes is cut off. */
const closeTimeoutMs = 10_000;

/** Whether only this machine can reach an address. */
function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/**
 * Starts a server; resolves when it listens.
 *
 * @throws {TypeError} for wrong options, or an address that others can reach without tokens; what `listen` fails with
 */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const { host = "127.0.0.1", port = defaultPort, maxConnections = 10_000, ...settings } = options;
  const isLocal = isLoopback(host);
  if (!isLocal && (options.tokens?.length ?? 0) === 0) {
    throw new TypeError(
      `other machines can reach ${host}: serving there needs tokens (--token-file). Without, serve on 127.0.0.1`,
    );
  }
  const handler = createHandler({
    ...settings,
    // The zone of an address (`%eth0`) is this machine's alone: no client sends it.
    hosts: [...(settings.hosts ?? []), host.replace(/%.*$/, "")],
    allowAddresses: settings.allowAddresses ?? !isLocal,
  });
  const server = createServer(
    {
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: keepAliveTimeoutMs,
      connectionsCheckingInterval: 5000,
      noDelay: true,
    },
    handler.node,
  );
  server.maxConnections = maxConnections;
  server.timeout = idleTimeoutMs + (options.limits?.longPollTimeoutMs ?? 0);
  try {
    await listen(server, port, host);
  } catch (error) {
    await handler.close();
    throw error;
  }
  const { address, port: bound, family } = server.address() as AddressInfo;
  return {
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${bound}`,
    close: () => close(server, handler, (options.machine ?? nodeMachine).clock),
  };
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function close(server: Server, handler: StreamHandler, clock: Clock): Promise<void> {
  const closed = new Promise<true>((resolve) => server.close(() => resolve(true)));
  await handler.close();
  const deadline = clock.now() + closeTimeoutMs;
  for (;;) {
    // Those that had an answer under way become idle one by one.
    if (clock.now() < deadline) server.closeIdleConnections();
    else server.closeAllConnections();
    const soon = new Promise<false>((resolve) => void clock.after(20, () => resolve(false), { keepAlive: true }));
    if (await Promise.race([closed, soon])) return;
  }
}
