/** `seqlog serve`: the Durable Streams protocol over the logs and streams of a directory. */
import { type Command, InvalidArgumentError } from "commander";
import type { Log } from "../index.ts";
import { type RunningServer, serve, tokensOf } from "../server/index.ts";
import { nodeStorage } from "../storage/node-storage.ts";
import type { CliContext } from "./cli-context.ts";
import { isStreamLocation, openStream } from "./log-argument.ts";
import { onInterruption } from "./interruption.ts";
import { printableLine } from "./printable.ts";
import { readSmallFile } from "./read-small-file.ts";
import { UsageError } from "./usage-error.ts";

interface ServeFlags {
  readonly host: string;
  readonly port: number;
  readonly basePath: string;
  readonly tokenFile?: string;
  readonly allowHost?: readonly string[];
  readonly allowOrigin?: readonly string[];
  readonly longPoll: number;
  readonly maxOpenLogs?: number;
  readonly json?: boolean;
}

const help = `
Streams are made, appended to and read at http://HOST:PORT/v1/stream/NAME by the Durable Streams
protocol; an append is answered when it is on the disk. Logs that programs write under DIR can be read
and followed at the same URLs, beside their writers. /v1/logs lists both. docs/server.md says more.

On an address that other machines can reach --token-file is needed: a file with one token a line,
sent as Authorization: Bearer TOKEN. There is no TLS: put a proxy in front.

Examples:
  seqlog serve ./data
  curl -X PUT  -H 'content-type: application/json' http://127.0.0.1:7700/v1/stream/orders
  curl -X POST -H 'content-type: application/json' -d '{"item":"tea"}' http://127.0.0.1:7700/v1/stream/orders
  curl 'http://127.0.0.1:7700/v1/stream/orders?offset=-1&live=sse'
  openssl rand -hex 32 > tokens && seqlog serve ./data --host 0.0.0.0 --token-file tokens --allow-host logs.example.com`;

/** Defines `serve`. */
export function defineServe(command: Command, context: CliContext): void {
  command
    .description("Serve the streams and logs under DIR over HTTP, until interrupted.")
    .argument(
      "<DIR>",
      "a directory with logs and streams in it; made when it is not there. Or nats://host:port/name, to read",
    )
    .option("--host <address>", "the address to listen on", "127.0.0.1")
    .option("--port <number>", "the port; 0 takes any that is free", parsePort, 7700)
    .option("--base-path <path>", "in front of every path, as /logs", "")
    .option("--token-file <file>", "let in only who sends one of the tokens in this file")
    .option("--allow-host <name>", "a name that the server is reached by; may be repeated", gather)
    .option("--allow-origin <origin>", "an origin whose pages may use the server; may be repeated", gather)
    .option("--long-poll <seconds>", "how long a long poll waits", parseSeconds, 20)
    .option("--max-open-logs <number>", "logs of DIR kept open, those in use apart (default: 256)", parseCount)
    .option("--json", 'print {"url"} and errors as JSON')
    .addHelpText("after", help)
    .action((directory: string, flags: ServeFlags) => run(directory, flags, context));
}

async function run(directory: string, flags: ServeFlags, context: CliContext): Promise<void> {
  if (!isStreamLocation(directory)) {
    refuseLog(directory);
    return serveUntilInterrupted({ dir: directory }, directory, flags, context);
  }
  if (flags.maxOpenLogs !== undefined) {
    throw new UsageError("--max-open-logs is for the logs of a directory; leave it out with nats://");
  }
  const log = await openStream(directory, { readOnly: true });
  try {
    await serveUntilInterrupted({ logs: { [nameOf(directory)]: log } }, log.location, flags, context);
  } finally {
    await log.close();
  }
}

async function serveUntilInterrupted(
  served: { readonly dir: string } | { readonly logs: Readonly<Record<string, Log>> },
  name: string,
  flags: ServeFlags,
  context: CliContext,
): Promise<void> {
  const { stdout, stderr } = context;
  const server = await serve({
    ...served,
    host: flags.host,
    port: flags.port,
    basePath: flags.basePath,
    hosts: flags.allowHost ?? [],
    origins: flags.allowOrigin ?? [],
    limits: { longPollTimeoutMs: flags.longPoll * 1000 },
    ...(flags.maxOpenLogs === undefined ? {} : { maxOpenLogs: flags.maxOpenLogs }),
    ...(flags.tokenFile === undefined ? {} : { tokens: tokensIn(flags.tokenFile) }),
    onError: (error, request) => {
      const message = error instanceof Error ? error.message : String(error);
      const place = request === undefined ? "" : `${request.method} ${request.path}: `;
      const line =
        flags.json === true ? JSON.stringify({ error: { message, ...request } }) : `seqlog: ${place}${message}`;
      stderr.line(printableLine(line));
      void stderr.flush();
    },
  });
  stdout.line(flags.json === true ? JSON.stringify({ url: server.url }) : `seqlog: serving ${name} at ${server.url}`);
  await stdout.flush();
  await untilInterrupted(server, context);
}

/** A stream is served under its own name. */
function nameOf(location: string): string {
  return location.slice(location.lastIndexOf("/") + 1);
}

async function untilInterrupted(server: RunningServer, context: CliContext): Promise<void> {
  let interrupt!: () => void;
  const interrupted = new Promise<void>((resolve) => (interrupt = resolve));
  const interruption = onInterruption(interrupt);
  await interrupted;
  await server.close();
  // It was asked to end, and has: nothing is left undone.
  context.exitCode = interruption.exitCode ?? context.exitCode;
}

/** A log is served by the directory that it is in. */
function refuseLog(directory: string): void {
  if (nodeStorage.statSync(directory)?.kind === "file") {
    throw new UsageError(`${directory} is a file; name a directory with logs and streams in it`);
  }
  const stat = nodeStorage.statSync(`${directory}/MANIFEST`);
  if (stat === undefined) return;
  throw new UsageError(`${directory} is a log; serve the directory that it is in`);
}

function tokensIn(path: string): string[] {
  if (nodeStorage.statSync(path)?.kind === "directory")
    throw new UsageError(`${path} is a directory; --token-file takes a file`);
  const tokens = tokensOf(readSmallFile(path));
  if (tokens.length === 0) throw new UsageError(`${path} holds no token; write one a line`);
  return tokens;
}

function gather(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (!(port <= 65_535)) throw new InvalidArgumentError("It must be from 0 to 65535.");
  return port;
}

function parseCount(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new InvalidArgumentError("It must be a whole number from 1 to 9999999.");
  return Number(text);
}

function parseSeconds(text: string): number {
  const seconds = /^\d{1,4}(?:\.\d{1,3})?$/.test(text) ? Number(text) : NaN;
  if (!(seconds > 0 && seconds <= 3600)) throw new InvalidArgumentError("It must be more than 0 and at most 3600.");
  return seconds;
}
