/** `openLog`: picks the kind of log by its location. */
import { SeqlogError } from "./errors.ts";
import { withoutLogin } from "./jetstream/jetstream-location.ts";
import type { openJetStreamLog } from "./jetstream/jetstream-log.ts";
import type { NatsOpenOptions } from "./jetstream/nats-open-options.ts";
import type { Codec } from "./log/codec.ts";
import { FileLog } from "./log/file-log.ts";
import type { FileOpenOptions, OpenOptions } from "./log/file-open-options.ts";
import type { DataOut, Log } from "./log/log.ts";

/** Where a log on NATS JetStream is. */
type NatsLocation = `nats://${string}` | `tls://${string}`;

/** Options for the one kind of log or the other, beside those that every log has. */
interface EitherOptions {
  /** For a directory log. */
  readonly file?: FileOpenOptions;
  /** For a log on NATS JetStream. */
  readonly nats?: NatsOpenOptions;
}

/** The options of opening what is at a location: all of its kind where the kind is known when the program is compiled. */
export type OpenOptionsAt<L extends string | URL> = EitherOptions &
  (L extends NatsLocation ? NatsOpenOptions : string extends L ? OpenOptions : FileOpenOptions);

/** The log at a location: a {@link FileLog} at a path that is known when the program is compiled, else any {@link Log}. */
export type LogAt<L extends string | URL, In = Uint8Array | string, Out = DataOut<In>> = L extends NatsLocation
  ? Log<In, Out>
  : string extends L
    ? Log<In, Out>
    : FileLog<In, Out>;

/**
 * Opens the log at a location: a directory path, a `file:` URL object, or `nats://host:4222/name`, with
 * one host of a NATS JetStream cluster or several, separated by commas (`tls://` for TLS). Makes one
 * where there is none (not with `readOnly` or `create: false`).
 *
 * A program that is written for {@link Log} goes from one to the other by its location alone; what
 * only one of them knows goes into `file` or `nats`. A log on JetStream needs the packages
 * `@nats-io/transport-node` and `@nats-io/jetstream`; see docs/jetstream.md for what it promises.
 *
 * @throws {TypeError} for another `scheme://`
 * @throws as {@link FileLog.open}; SEQLOG_IO where no server answers; SEQLOG_UNSUPPORTED without the packages
 *
 * @example
 * ```ts
 * import { json, openLog } from "seqlog";
 *
 * const log = await openLog("./events", { codec: json<{ hello: string }>() });
 * const { seq, id, time } = await log.append({ hello: "world" });
 * console.log(seq, id, time);
 * for await (const record of log.read({ from: seq })) console.log(record.data.hello);
 * await log.close();
 * ```
 */
export function openLog<const L extends string | URL, I, O>(
  location: L,
  options: OpenOptionsAt<L> & { readonly codec: Codec<I, O> },
): Promise<LogAt<L, I, O>>;
export function openLog<const L extends string | URL>(
  location: L,
  options?: OpenOptionsAt<L> & { readonly codec?: undefined },
): Promise<LogAt<L>>;
export async function openLog(
  location: string | URL,
  options: OpenOptions & EitherOptions & { readonly codec?: Codec<unknown> | undefined } = {},
): Promise<Log<unknown, unknown>> {
  if (typeof options !== "object" || options === null) throw new TypeError("openLog: options must be an object");
  const { file, nats, ...rest } = options;
  if (typeof location === "string" && /^(nats|tls):\/\//i.test(location)) {
    return openRemote(location, { ...rest, ...nats });
  }
  for (const name of natsOnly) {
    if ((rest as Record<string, unknown>)[name] === undefined) continue;
    throw new TypeError(
      `${name} is an option of a log on NATS JetStream, and ${location} is a path: put it into \`nats\``,
    );
  }
  return FileLog.open(location, { ...rest, ...file } as FileOpenOptions & { readonly codec: Codec<unknown> });
}

/** What a program that goes from one kind to the other has to put into `nats`. */
const natsOnly = [
  "user",
  "pass",
  "token",
  "creds",
  "nkey",
  "tls",
  "replicas",
  "requireDurable",
  "syncAlways",
  "patienceMs",
];

/** Loads the packages of NATS only now. */
async function openRemote(
  location: string,
  options: NatsOpenOptions & { readonly codec?: Codec<unknown> | undefined },
): Promise<Log<unknown, unknown>> {
  let open: typeof openJetStreamLog;
  try {
    ({ openJetStreamLog: open } = await import("./jetstream/jetstream-log.ts"));
  } catch (error) {
    if ((error as { code?: unknown }).code !== "ERR_MODULE_NOT_FOUND") throw error;
    const reason = "a log on NATS JetStream needs two packages that are not installed with seqlog";
    throw new SeqlogError(
      "SEQLOG_UNSUPPORTED",
      `${reason}: npm install @nats-io/transport-node @nats-io/jetstream`,
      { path: withoutLogin(location), reason },
      { cause: error },
    );
  }
  return await open(location, options);
}
