/** The options of opening a log on JetStream, checked. */
import { maxDataLength } from "../format/record.ts";
import { type OptionNames, refuseUnknownOptions } from "../known-options.ts";
import { checkLimit, defaultMaxPendingBytes } from "../segment/log-writer.ts";
import type { OpenOptions } from "../log/file-open-options.ts";
import { type Retention, checkedRetention } from "../log/retention.ts";
import { defaultKeyWindowMs } from "./stream-settings.ts";

/** Whom to log in as, and how. What the location says (a user with a password, or a token, before the host) counts where these say nothing. */
export interface NatsLogin {
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  /** The content of a `.creds` file. */
  readonly creds?: string | Uint8Array;
  /** The seed of a user's nkey: text that begins with `SU`. */
  readonly nkey?: string;
  /** What the servers' certificates are checked against, when not by what Node.js trusts, and the client's own: PEM text. With it only TLS is spoken, as with `tls://`. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

/** Options of opening a log on NATS JetStream. */
export interface NatsOpenOptions extends OpenOptions, NatsLogin {
  /** Copies of each record in the cluster, of a stream that is made now: 1 to 5. Default 1. */
  readonly replicas?: number;
  /** Refuse a log whose acknowledged records a power cut of one server may take. Default false: then it is a warning of the process. */
  readonly requireDurable?: boolean;
  /**
   * The operator's word that each server has `sync_interval: always` in its configuration, which no
   * client can ask for. A stream of one replica counts as durable only with it.
   */
  readonly syncAlways?: boolean;
  /**
   * How long a key of `append` is known, of a stream that is made now: its duplicate window. Default
   * 2 minutes; the server keeps the message id of each record in memory so long. Of a stream that is
   * there it must not be longer than its own.
   */
  readonly keyWindow?: { readonly ms?: number };
  /**
   * How long to wait for servers that do not do their work (an election, a restart, a cut), until
   * what waits is SEQLOG_IO. Default 60,000, or half of the stream's duplicate window if that is less.
   */
  readonly patienceMs?: number;
  /** Bytes of data in one record, for appends alone. Default and at most: what the server takes in a message (1 MiB, unless configured) less 512. */
  readonly maxRecordBytes?: number;
}

/** How a log on a stream works. */
export interface StreamLogSettings {
  /** Undefined: whatever the stream has; of a new one 1. */
  readonly replicas: number | undefined;
  readonly requireDurable: boolean;
  readonly syncAlways: boolean;
  /** Undefined: whatever the stream has. */
  readonly keyWindowMs: number | undefined;
  readonly patienceMs: number;
  readonly maxPendingBytes: number;
  readonly maxRecordBytes: number;
  readonly retention: Retention | undefined;
  readonly create: boolean;
  readonly readOnly: boolean;
}

const names: OptionNames<NatsOpenOptions & { readonly codec?: unknown }> = {
  create: true,
  readOnly: true,
  signal: true,
  maxPendingBytes: true,
  retention: true,
  user: true,
  pass: true,
  token: true,
  creds: true,
  nkey: true,
  tls: true,
  replicas: true,
  requireDurable: true,
  syncAlways: true,
  keyWindow: true,
  patienceMs: true,
  maxRecordBytes: true,
  codec: true,
};

/** @throws {TypeError}, {RangeError} */
export function checkedNatsOptions(options: NatsOpenOptions & { readonly codec?: unknown }): StreamLogSettings {
  const { keyWindow, requireDurable = false, syncAlways = false, create = true, readOnly = false } = options;
  for (const name of fileOnly) {
    if ((options as Record<string, unknown>)[name] !== undefined) {
      throw new TypeError(`${name} is an option of a directory log; a log on JetStream does not have it`);
    }
  }
  refuseUnknownOptions("opening a log on JetStream", options, names);
  if (keyWindow !== undefined && (typeof keyWindow !== "object" || keyWindow === null)) {
    throw new TypeError(`keyWindow must be { ms }, got ${JSON.stringify(keyWindow)}`);
  }
  if ((keyWindow as { records?: number } | undefined)?.records !== undefined) {
    throw new TypeError("keyWindow.records is of a directory log; a stream knows keys for a time: { ms }");
  }
  return {
    replicas: options.replicas === undefined ? undefined : checkLimit(options.replicas, 1, "replicas", 1, 5),
    requireDurable,
    syncAlways,
    keyWindowMs:
      keyWindow?.ms === undefined
        ? undefined
        : checkLimit(keyWindow.ms, defaultKeyWindowMs, "keyWindow.ms", 1000, 2 ** 31),
    patienceMs: checkLimit(options.patienceMs, 60_000, "patienceMs", 100, 3_600_000),
    maxPendingBytes: checkLimit(
      options.maxPendingBytes,
      defaultMaxPendingBytes,
      "maxPendingBytes",
      1,
      Number.MAX_SAFE_INTEGER,
    ),
    maxRecordBytes: checkLimit(options.maxRecordBytes, maxDataLength, "maxRecordBytes", 0, maxDataLength),
    retention: checkedRetention(options.retention),
    create,
    readOnly,
  };
}

/** What a directory log alone has. */
const fileOnly = ["segmentBytes", "durability", "writes", "lockTimeoutMs", "lock", "ids", "machine"];
