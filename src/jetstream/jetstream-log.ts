/** `JetStreamLog`: a stream of NATS JetStream as a `Log`. What it does is in the files it delegates to. */
import { setMaxListeners } from "node:events";
import { StorageType, type StreamInfo } from "@nats-io/jetstream";
import { SeqlogError } from "../errors.ts";
import { type Codec, decoderOf } from "../log/codec.ts";
import type {
  Consumer,
  ConsumerInfo,
  ConsumerOptions,
  ConsumerSeek,
  ForceOptions,
  SeekOptions,
} from "../log/consumer-contract.ts";
import type {
  AppendBatchOptions,
  AppendOptions,
  Appended,
  AppendedRange,
  DataOut,
  Log,
  LogCapabilities,
  LogStats,
  TrimOptions,
  TrimResult,
} from "../log/log.ts";
import { type Seq, type SeqLike, asSeq, checkSeq } from "../numbers.ts";
import { type Decode, LogRecord, RecordBatch, type Run } from "../segment/log-record.ts";
import { type Position, type ReadOptions, checkReadOptions } from "../segment/positions.ts";
import { ReadIterator } from "../segment/read-iterator.ts";
import { closedError } from "../segment/read-range.ts";
import { readWithin, timeOf } from "../segment/time-bounds.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { AppendLane } from "./append-lane.ts";
import { durabilityOf } from "./durability.ts";
import { JetStreamAppends } from "./jetstream-appends.ts";
import { parseJetStreamLocation } from "./jetstream-location.ts";
import { type NatsOpenOptions, type StreamLogSettings, checkedNatsOptions } from "./nats-open-options.ts";
import { StreamConnection } from "./stream-connection.ts";
import { StreamConsumers } from "./stream-consumers.ts";
import { readStreamBackward, readStreamForward } from "./stream-reader.ts";
import { type NewStream, resetStream, streamForWriting } from "./stream-reset.ts";
import { defaultKeyWindowMs, streamSettings } from "./stream-settings.ts";
import { StreamState } from "./stream-state.ts";
import { StreamTrims, withoutTimes } from "./stream-trims.ts";
import { untilAborted } from "./until-aborted.ts";
import { StreamView, infoOf, notFound } from "./stream-view.ts";

/** Read at once, unless a caller of `readBatches` says otherwise or one record is larger. */
const defaultMaxBytes = 1024 * 1024;

/** Of the duplicate window: an append is sent again for no longer than a little less than half of it, twice. */
const patiencePart = 0.45;

/** What of `T` a log may be opened with. */
type AnyCodec = Codec<never, unknown>;

/** A log on a stream. */
export class JetStreamLog<In = Uint8Array | string, Out = DataOut<In>> implements Log<In, Out> {
  readonly location: string;
  readonly codec: string | undefined;
  readonly #connection: StreamConnection;
  readonly #view: StreamView;
  readonly #state: StreamState;
  readonly #decode: Decode<Out>;
  readonly #lane: AppendLane | undefined;
  readonly #appends: JetStreamAppends<In> | undefined;
  readonly #consumers: StreamConsumers<Out>;
  readonly #trims: StreamTrims;
  readonly #config: NewStream;
  readonly #durability: LogCapabilities["durability"];
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(opened: OpenedStream, codec: Codec<In, Out> | undefined) {
    const { connection, view, state, settings, config, lastMs, durability } = opened;
    this.location = view.location;
    this.codec = codec?.name;
    this.#durability = durability;
    this.#connection = connection;
    this.#view = view;
    this.#state = state;
    this.#config = config;
    this.#decode = decoderOf(codec);
    this.#consumers = new StreamConsumers(nodeMachine, view, this.#decode, state);
    this.#trims = new StreamTrims(view, settings.retention, () => this.#consumers.furthestBehind());
    if (settings.readOnly) return;
    this.#lane = new AppendLane(view, settings.patienceMs, config.replicas);
    this.#appends = new JetStreamAppends(view, this.#lane, codec, settings, nodeMachine, lastMs, (bytes) =>
      this.#trims.appended(bytes),
    );
  }

  /** `dense` as of the last look at the stream: somebody may delete a record between others at any time. */
  get supports(): LogCapabilities {
    const dense = !this.#view.hasHoles;
    return { sync: false, findById: true, keys: true, dense, durability: this.#durability };
  }

  get firstSeq(): Seq {
    return asSeq(this.#view.firstSeq);
  }

  get nextSeq(): Seq {
    return asSeq(this.#view.nextSeq);
  }

  get generation(): number {
    return this.#view.generation;
  }

  /** Bytes of data accepted and not yet acknowledged. */
  get pendingBytes(): number {
    return this.#lane?.pendingBytes ?? 0;
  }

  /**
   * Appends one record; resolves when the stream's server has acknowledged it (see `supports.durability`).
   * What is not acknowledged is sent again, over elections and lost connections, in order and without
   * a duplicate, until `patienceMs` has passed without any progress. Then all that waits is rejected;
   * each of those records may be in the stream all the same. With a `key` it can be appended again.
   * While another program appends to a stream with replicas, only who awaits each append is sure of their order.
   *
   * @throws SEQLOG_IO when the servers do not answer, or whether it is stored cannot be known; SEQLOG_RESET
   * when another program reset the log meanwhile; SEQLOG_NO_SPACE; and as {@link Log.append}
   */
  async append(data: In, options?: AppendOptions): Promise<Appended> {
    return await this.#writer().append(data, options);
  }

  /**
   * Appends many records, pipelined. They lie one behind the other unless another program appends to
   * the stream at the same time. Not a transaction: when it fails, the first of them may be there.
   */
  async appendBatch(data: readonly In[], options?: AppendBatchOptions): Promise<AppendedRange> {
    return await this.#writer().appendBatch(data, options);
  }

  async ready(signal?: AbortSignal): Promise<void> {
    await this.#writer().room(signal);
  }

  async flush(): Promise<void> {
    this.#writer();
    await this.#lane?.barrier(async () => {});
  }

  async get(seq: SeqLike): Promise<LogRecord<Out> | undefined> {
    this.#checkOpen();
    const run = await this.#view.get(checkSeq(seq, "seq"));
    return run === undefined ? undefined : new LogRecord(run, 0, this.#decode);
  }

  async find(id: string): Promise<LogRecord<Out> | undefined> {
    this.#checkOpen();
    const found = await this.#view.find(id);
    return found === undefined ? undefined : new LogRecord(found.run, found.index, this.#decode);
  }

  async seqAt(time: Date): Promise<Seq> {
    this.#checkOpen();
    return asSeq(await this.#view.seqAt(time));
  }

  read(options: ReadOptions = {}): AsyncIterableIterator<LogRecord<Out>> {
    const isReverse = options.reverse === true;
    return new ReadIterator({
      open: this.#opener(options, defaultMaxBytes),
      count: (run) => run.starts.length,
      item: (run, index) => new LogRecord(run, isReverse ? run.starts.length - 1 - index : index, this.#decode),
      checkGoesOn: () => this.#checkGoesOn(options),
    });
  }

  readBatches(options: ReadOptions & { readonly maxBytes?: number } = {}): AsyncIterableIterator<RecordBatch<Out>> {
    const { maxBytes = defaultMaxBytes } = options;
    if (!Number.isInteger(maxBytes) || maxBytes < 1 || maxBytes > 1024 * 1024 * 1024) {
      throw new RangeError(`maxBytes must be a whole number from 1 to 1 GiB, got ${String(maxBytes)}`);
    }
    return new ReadIterator({
      open: this.#opener(options, maxBytes),
      count: () => 1,
      item: (run) => new RecordBatch(run, this.#decode, options.reverse === true),
      checkGoesOn: () => this.#checkGoesOn(options),
    });
  }

  async consumer(name: string, options?: ConsumerOptions<Out>): Promise<Consumer<Out>> {
    this.#checkOpen();
    return await this.#consumers.open(name, options);
  }

  async consumers(): Promise<ConsumerInfo[]> {
    this.#checkOpen();
    return await this.#consumers.list();
  }

  async seekConsumer(name: string, position: Position, options?: SeekOptions): Promise<ConsumerSeek> {
    this.#checkOpen();
    return await this.#consumers.seek(name, position, options);
  }

  async deleteConsumer(name: string, options?: ForceOptions): Promise<boolean> {
    this.#checkOpen();
    return await this.#consumers.delete(name, options);
  }

  async stats(): Promise<LogStats> {
    this.#checkOpen();
    await this.#view.refresh();
    const { records, bytes } = this.#view;
    const stats = { firstSeq: this.firstSeq, nextSeq: this.nextSeq, records, bytes, segments: 1 };
    const retention = this.#appends === undefined ? undefined : await this.#trims.stats();
    return retention === undefined ? stats : { ...stats, retention };
  }

  /**
   * Removes exactly the records before the position, or those beyond the limits of `retention`. What
   * a protected consumer has not acknowledged stays, unless with `force`.
   */
  async trim(options?: TrimOptions): Promise<TrimResult> {
    this.#writer();
    return await this.#trims.trim(options);
  }

  /**
   * Removes all records: the stream is deleted and made anew. What generation comes is kept beside it
   * first, so that a reset which a crash interrupts is completed by the next open for writing.
   */
  reset(): Promise<void> {
    try {
      // In the same turn: what is appended from here on belongs to the new generation.
      this.#writer().beginGeneration();
    } catch (error) {
      return Promise.reject(error as Error);
    }
    // No trim that was thought of for the old stream may reach the new one.
    const replace = (): Promise<void> =>
      this.#trims.alone(async () => {
        const info = await resetStream(this.#connection, this.#state, this.#config, this.#view.generation);
        this.#view.learn(info);
        this.#lane?.begunAnew();
      });
    return (this.#lane as AppendLane).barrier(replace);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await this.#consumers.close();
    } finally {
      await this.#lane?.drained();
      this.#trims.close();
      this.#view.close();
      this.#lane?.close();
      await this.#connection.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #opener(options: ReadOptions, maxBytes: number): (signal: AbortSignal) => Promise<AsyncGenerator<Run>> {
    checkReadOptions(options);
    return async (stop) => {
      this.#checkOpen();
      const signal = options.signal === undefined ? stop : AbortSignal.any([options.signal, stop]);
      signal.throwIfAborted();
      await untilAborted(this.#view.refresh(), signal);
      const range = await untilAborted(this.#view.range(options, maxBytes), signal);
      signal.throwIfAborted();
      const runs =
        options.reverse === true
          ? readStreamBackward(this.#view, range, signal)
          : options.live === true
            ? readWithin(range, (part) => readStreamForward(this.#view, part, true, signal))
            : readStreamForward(this.#view, range, false, signal);
      return endedBy(signal, runs);
    };
  }

  /** Between two records that were read at once. */
  #checkGoesOn(options: ReadOptions): void {
    options.signal?.throwIfAborted();
    if (this.#view.isClosed && options.live !== true) throw closedError(this.location);
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw closedError(this.location);
  }

  #writer(): JetStreamAppends<In> {
    this.#checkOpen();
    if (this.#appends !== undefined) return this.#appends;
    throw new SeqlogError(
      "SEQLOG_READ_ONLY",
      `${this.location}: the log was opened with readOnly, so it cannot be changed`,
      { path: this.location },
    );
  }
}

/** What waits for servers that do not answer ends with the signal as well. */
async function* endedBy(signal: AbortSignal, runs: AsyncGenerator<Run>): AsyncGenerator<Run> {
  try {
    for (;;) {
      const { value, done } = await untilAborted(runs.next(), signal);
      if (done === true) return;
      yield value;
    }
  } finally {
    const ended = runs.return(undefined).catch(() => undefined);
    if (!signal.aborted) await ended;
  }
}

/** What opening found and made. */
interface OpenedStream {
  readonly connection: StreamConnection;
  readonly view: StreamView;
  readonly state: StreamState;
  readonly settings: StreamLogSettings;
  readonly config: NewStream;
  /** The time of the last record's id. */
  readonly lastMs: number;
  readonly durability: LogCapabilities["durability"];
}

/**
 * Opens the log on a stream, or makes one.
 *
 * @throws {TypeError}, {RangeError} for a wrong location or option
 * @throws SEQLOG_IO when no server can be reached; SEQLOG_NOT_FOUND (with `readOnly`, or `create: false`)
 * @throws SEQLOG_UNSUPPORTED for a stream that is no log of seqlog, or does not promise what is asked for
 */
export async function openJetStreamLog<In, Out>(
  location: string,
  options: NatsOpenOptions & { readonly codec?: Codec<In, Out> | undefined } = {},
): Promise<JetStreamLog<In, Out>> {
  const at = parseJetStreamLocation(location);
  const settings = checkedNatsOptions(options);
  const { signal } = options;
  signal?.throwIfAborted();
  // Of the opening alone: what comes later has signals of its own.
  const opening = new AbortController();
  // Each question to the servers listens to it, and there may be any number at a time.
  setMaxListeners(0, opening.signal);
  const abort = (): void => opening.abort(signal?.reason);
  signal?.addEventListener("abort", abort);
  try {
    const connection = await StreamConnection.open(at, settings.patienceMs, options, opening.signal);
    try {
      return new JetStreamLog<In, Out>(await open(connection, settings, options.codec), options.codec);
    } catch (error) {
      await connection.close();
      throw error;
    }
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

async function open(
  connection: StreamConnection,
  settings: StreamLogSettings,
  codec: AnyCodec | undefined,
): Promise<OpenedStream> {
  const state = new StreamState(connection, settings.replicas ?? 1);
  const info = await findOrMake(connection, state, settings, codec?.name ?? null);
  const view = new StreamView(connection, info);
  checkCodec(view, codec);
  const windowMs = info.config.duplicate_window / 1e6;
  const durability = checkPromises(view.location, connection, settings, info);
  if (!settings.readOnly && view.codec === null && codec !== undefined)
    await keepCodec(connection, view, info, codec.name);
  const lastMs = settings.readOnly ? 0 : await lastTimeIn(view, info);
  if (settings.retention?.maxAgeMs !== undefined && Number.isNaN(lastMs)) {
    throw withoutTimes(view.location, view.nextSeq - 1);
  }
  return {
    connection,
    view,
    state,
    settings: { ...settings, patienceMs: Math.min(settings.patienceMs, windowMs * patiencePart) },
    config: { replicas: info.config.num_replicas, keyWindowMs: windowMs, logId: view.logId, codec: view.codec },
    lastMs: lastMs || 0,
    durability,
  };
}

/** The time in the last record's id, NaN in one of version 4; 0 in an empty stream. */
async function lastTimeIn(view: StreamView, { state }: StreamInfo): Promise<number> {
  if (view.nextSeq === view.firstSeq) return 0;
  // When the server got the last message: what somebody else published or deleted there keeps nobody from writing.
  const receivedMs = Date.parse(state.last_ts);
  try {
    const last = await view.get(view.nextSeq - 1);
    return last === undefined ? receivedMs : timeOf(last, 0);
  } catch (error) {
    if (SeqlogError.is(error, "SEQLOG_DAMAGED") || SeqlogError.is(error, "SEQLOG_TRIMMED")) return receivedMs;
    throw error;
  }
}

async function findOrMake(
  connection: StreamConnection,
  state: StreamState,
  settings: StreamLogSettings,
  codec: string | null,
): Promise<StreamInfo> {
  const { replicas = 1, keyWindowMs = defaultKeyWindowMs } = settings;
  const found = settings.readOnly
    ? await connection.ask("look at the stream", () => infoOf(connection))
    : await streamForWriting(connection, state, settings.create ? { replicas, keyWindowMs, codec } : undefined);
  if (found === undefined) throw notFound(connection.location.shown);
  return found;
}

/** A log that has no codec yet gets that of the first writer that has one. */
async function keepCodec(
  connection: StreamConnection,
  view: StreamView,
  { config, created }: StreamInfo,
  codec: string,
): Promise<void> {
  const { logId, generation } = view;
  const { description = "" } = streamSettings(config.name, config.num_replicas, { logId, generation, codec });
  const info = await connection.ask("keep the codec", async () => {
    // One that was made anew meanwhile is of a later generation, and must go on saying so.
    const found = await infoOf(connection);
    if (found?.created !== created) return found;
    return await connection.manager.streams.update(config.name, { ...found.config, description });
  });
  if (info !== undefined) view.learn(info);
}

function checkCodec({ location, codec: kept }: StreamView, codec: AnyCodec | undefined): void {
  if (codec === undefined || kept === null || kept === codec.name) return;
  throw new TypeError(
    `${location}: this log was written with the codec ${JSON.stringify(kept)}, not ${JSON.stringify(codec.name)}. Open it with that one, or with none for plain bytes`,
  );
}

/** Where the process was warned already. */
const warned = new Set<string>();

/** What the stream promises, or an error when that is less than what is asked for. */
function checkPromises(
  location: string,
  { version }: StreamConnection,
  settings: StreamLogSettings,
  { config }: StreamInfo,
): LogCapabilities["durability"] {
  const unsupported = (reason: string): SeqlogError =>
    new SeqlogError("SEQLOG_UNSUPPORTED", `${location}: ${reason}`, { path: location, reason });
  const { replicas, keyWindowMs } = settings;
  if (replicas !== undefined && config.num_replicas < replicas) {
    throw unsupported(
      `the stream has ${config.num_replicas} replicas, not ${replicas}; replicas are of a stream that is made`,
    );
  }
  const windowMs = config.duplicate_window / 1e6;
  if (keyWindowMs !== undefined && keyWindowMs > windowMs) {
    throw unsupported(`keyWindow is ${keyWindowMs} ms, and the stream's duplicate window is ${windowMs} ms`);
  }
  const { durability, warning } = durabilityOf({
    replicas: config.num_replicas,
    storage: config.storage === StorageType.Memory ? "memory" : "file",
    syncAlways: settings.syncAlways,
    serverVersion: version.join("."),
  });
  if (warning === undefined || settings.readOnly) return durability;
  if (settings.requireDurable) throw unsupported(`requireDurable, but ${warning}`);
  if (warned.has(location)) return durability;
  warned.add(location);
  process.emitWarning(`${location}: ${warning}`, { type: "SeqlogWarning", code: "SEQLOG_NOT_DURABLE" });
  return durability;
}
