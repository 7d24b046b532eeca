/** What one client may take. docs/server.md has the table. */
export interface Limits {
  /** Bytes of the body of one request. Default 16 MiB. */
  readonly maxBodyBytes: number;
  /** Bytes of the bodies of all requests that are under way. Default 256 MiB. */
  readonly maxBodiesBytes: number;
  /** Bytes of data in one answer, or one event; a single record may be larger. Default 1 MiB. */
  readonly maxChunkBytes: number;
  /** Bytes that clients were sent and have not taken, of all clients together; past it the slowest are dropped. Default 64 MiB. */
  readonly maxUnsentBytes: number;
  /** How long a long poll waits. Default 20 s. */
  readonly longPollTimeoutMs: number;
  /** How often an idle stream of events says that it is there. Default 15 s. */
  readonly heartbeatMs: number;
  /** When a stream of events is ended, for the client to go on with a new request. Default 60 s. */
  readonly maxEventsMs: number;
  /** How long a client may take to accept what was sent to it, before it is dropped. Default 30 s. */
  readonly slowReaderMs: number;
}

/** The limits, unless others are asked for. */
const defaultLimits: Limits = {
  maxBodyBytes: 16 * 1024 * 1024,
  maxBodiesBytes: 256 * 1024 * 1024,
  maxChunkBytes: 1024 * 1024,
  maxUnsentBytes: 64 * 1024 * 1024,
  longPollTimeoutMs: 20_000,
  heartbeatMs: 15_000,
  maxEventsMs: 60_000,
  slowReaderMs: 30_000,
};

/** The largest body of which every frame is within the largest record that a log takes (1 GiB). */
const mostBodyBytes = 682 * 1024 * 1024;

/**
 * Bytes of the largest frame that a body can become. A JSON body of the shortest messages there are has a
 * length of one byte for each two of its own.
 */
export function maxFrameBytes({ maxBodyBytes }: Limits): number {
  return Math.ceil(maxBodyBytes * 1.5) + 64 * 1024;
}

/** The longest that a timer can be set for. */
const most = 2 ** 31 - 1;

/** The limits with those that were given. @throws {TypeError}, {RangeError} for what is no limit */
export function limitsOf(given: Partial<Limits> = {}): Limits {
  const limits: Record<string, number> = { ...defaultLimits };
  for (const [name, value] of Object.entries(given)) {
    if (!(name in defaultLimits)) throw new TypeError(`limits: there is no limit ${JSON.stringify(name)}`);
    if (value === undefined) continue;
    if (!Number.isFinite(value) || value < 1 || value > most) {
      throw new RangeError(`limits.${name} must be a number from 1 to ${most}, got ${String(value)}`);
    }
    if (name === "maxBodyBytes" && value > mostBodyBytes) {
      const why = "a log's maxRecordBytes is 1 GiB at most, and a body may become half as large again";
      throw new RangeError(`limits.maxBodyBytes must be ${mostBodyBytes} at most, got ${value}: ${why}`);
    }
    limits[name] = value;
  }
  return limits as unknown as Limits;
}
