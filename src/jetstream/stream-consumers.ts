/**
 * The consumers of a log on JetStream. They are seqlog's own, the same as those of a directory log;
 * their checkpoints are kept beside the log (`stream-state.ts`), each with who holds it.
 *
 * Not the server's durable consumers: a reset would take those away with the stream, so that nobody
 * could say that a checkpoint is of another generation; they deliver again behind what came later;
 * and any number of processes may share one.
 *
 * Invariant: of two that hold a name the later one is right. Each checkpoint is kept only if nobody
 * else has kept one since, so the earlier holder is told (SEQLOG_LOCKED) at its next checkpoint.
 */
import { checkCheckpoint, foreignness, misplacement } from "../consumer/check-checkpoint.ts";
import { refuseMirror } from "../consumer/checkpoint-elsewhere.ts";
import type { CheckpointPlace, ConsumedLog, Mark } from "../consumer/consumed-log.ts";
import { checkpointOf } from "../consumer/consumed-log.ts";
import { checkConsumerName } from "../consumer/consumer-paths.ts";
import { checkedConsumerOptions } from "../consumer/consumer-settings.ts";
import { LogConsumer } from "../consumer/log-consumer.ts";
import { checkpointThatCounts, firstCheckpoint } from "../consumer/open-consumer.ts";
import { seekPlace } from "../consumer/seek-place.ts";
import { SeqlogError } from "../errors.ts";
import type {
  Checkpoint,
  ConsumerInfo,
  ConsumerOptions,
  ConsumerSeek,
  ForceOptions,
  SeekOptions,
} from "../log/consumer-contract.ts";
import type { Protector } from "../log/retention.ts";
import { asSeq } from "../numbers.ts";
import type { Decode } from "../segment/log-record.ts";
import type { Position } from "../segment/positions.ts";
import { closedError } from "../segment/read-range.ts";
import type { Machine } from "../storage/storage.ts";
import { type KeptState, StateMoved, type StreamState } from "./stream-state.ts";
import type { StreamView } from "./stream-view.ts";

/** Who has a consumer open, or had when it was killed. */
interface Holder {
  readonly pid: number;
  readonly host: string;
  /** ISO 8601. */
  readonly since: string;
}

/** What is kept of a consumer. */
interface KeptConsumer {
  readonly checkpoint: Checkpoint;
  /** Whether what counts is in a store of the consumer's program. */
  readonly isMirror?: boolean;
  readonly holder: Holder | null;
}

/** How often an open is tried anew when others keep taking the name. */
const mostTries = 10;

export class StreamConsumers<Out> {
  readonly #log: ConsumedLog<Out> & { readonly view: StreamView };
  readonly #state: StreamState;
  readonly #holder: Holder;
  readonly #open = new Map<string, LogConsumer<Out>>();
  /** Names that are being opened. */
  readonly #opening = new Map<string, Promise<unknown>>();
  /** Names that are being let go of. */
  readonly #releasing = new Map<string, Promise<void>>();
  #isClosed = false;

  constructor(machine: Machine, view: StreamView, decode: Decode<Out>, state: StreamState) {
    this.#log = { machine, view, decode };
    this.#state = state;
    this.#holder = { ...machine.owner, since: new Date(machine.clock.now()).toISOString() };
  }

  /** @throws as `Log.consumer` */
  async open(name: string, options: ConsumerOptions<Out> = {}): Promise<LogConsumer<Out>> {
    this.#checkFree(name);
    const opening = this.#openOne(name, options);
    this.#opening.set(name, opening);
    try {
      const consumer = await opening;
      this.#open.set(name, consumer);
      if (this.#isClosed) {
        await consumer.close();
        throw closedError(this.#log.view.location);
      }
      return consumer;
    } finally {
      this.#opening.delete(name);
    }
  }

  async #openOne(name: string, options: ConsumerOptions<Out>): Promise<LogConsumer<Out>> {
    const { view } = this.#log;
    const settings = checkedConsumerOptions(options, this.#log);
    await settings.deadLetter?.flush();
    await this.#releasing.get(name);
    for (let tries = 1; ; tries++) {
      await view.refresh();
      const { value, revision } = await this.#read(name);
      const mark = markOf(view);
      const kept = await checkpointThatCounts(view.location, name, settings, value);
      const checkpoint = kept ?? (await firstCheckpoint(this.#log, settings, mark));
      const isMirror = settings.store !== undefined;
      if (kept !== undefined) await checkCheckpoint(view, name, checkpoint, true, isMirror);
      else await settings.store?.save?.(checkpoint);
      try {
        const held = await this.#state.put(stateOf(name), { checkpoint, isMirror, holder: this.#holder }, revision);
        return this.#hold(name, settings, checkpoint, mark, held);
      } catch (error) {
        if (!(error instanceof StateMoved)) throw error;
        if (tries === mostTries) throw await this.#taken(name);
      }
    }
  }

  #hold(
    name: string,
    settings: ReturnType<typeof checkedConsumerOptions<Out>>,
    checkpoint: Checkpoint,
    mark: Mark,
    revision: number,
  ): LogConsumer<Out> {
    const file = new HeldCheckpoint(
      (value, since) => this.#state.put(stateOf(name), value, since),
      () => this.#taken(name),
      { checkpoint, isMirror: settings.store !== undefined, holder: this.#holder },
      revision,
    );
    return new LogConsumer(this.#log, settings, {
      name,
      lock: {
        release: () => {
          const released = file.release().finally(() => this.#releasing.delete(name));
          this.#releasing.set(name, released);
        },
      },
      file,
      checkpoint,
      mustCheck: false,
      mark,
      released: () => this.#open.delete(name),
    });
  }

  /** All that have a checkpoint, by name. */
  async list(): Promise<ConsumerInfo[]> {
    const { view } = this.#log;
    await Promise.all(this.#releasing.values());
    await view.refresh();
    const found: ConsumerInfo[] = [];
    for (const name of await this.#state.names(prefix)) {
      const here = this.#open.get(name);
      if (here !== undefined) {
        found.push(await here.info());
        continue;
      }
      const { value } = await this.#read(name);
      if (value !== undefined) found.push(await this.#describe(name, value));
    }
    return found;
  }

  async #describe(
    name: string,
    { checkpoint, isMirror: hasStore = false, holder }: KeptConsumer,
  ): Promise<ConsumerInfo> {
    const { view } = this.#log;
    const rest = { name, isActive: holder !== null, hasStore, inFlight: undefined, redeliveries: undefined };
    const foreign = foreignness(checkpoint, view);
    if (foreign !== undefined) return { ...rest, nextSeq: undefined, lag: undefined, problem: foreign };
    const problem = await misplacement(view, checkpoint.nextSeq);
    const lag = problem === undefined ? await view.lag(checkpoint.nextSeq) : undefined;
    return { ...rest, nextSeq: asSeq(checkpoint.nextSeq), lag, problem };
  }

  /** The one that is furthest behind in this log; undefined when none needs anything of it. One that cannot be read needs all. */
  async furthestBehind(): Promise<Protector | undefined> {
    let lowest: Protector | undefined;
    for (const name of await this.#state.names(prefix)) {
      const found = await this.#neededBy(name);
      if (found !== undefined && found.nextSeq < (lowest?.nextSeq ?? Infinity)) lowest = found;
    }
    return lowest;
  }

  async #neededBy(consumer: string): Promise<Protector | undefined> {
    let kept: KeptConsumer | undefined;
    try {
      ({ value: kept } = await this.#read(consumer));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      return { consumer, nextSeq: 0, problem: "what is kept of it is no JSON" };
    }
    if (kept === undefined || foreignness(kept.checkpoint, this.#log.view) !== undefined) return undefined;
    return { consumer, nextSeq: kept.checkpoint.nextSeq };
  }

  /** @throws as `Log.seekConsumer` */
  async seek(name: string, position: Position, options: SeekOptions = {}): Promise<ConsumerSeek> {
    this.#checkFree(name);
    const { view } = this.#log;
    await this.#releasing.get(name);
    const { seq, beforeId, generation } = await seekPlace(this.#log, position, "position", markOf(view));
    const after = checkpointOf({ logId: view.logId, generation }, seq, beforeId);
    for (;;) {
      const { value, revision } = await this.#read(name);
      refuseMirror(view.location, name, value);
      const result = { before: value?.checkpoint, after };
      if (options.dryRun === true) return result;
      this.#checkUnheld(name, value, options);
      if (await this.#kept(name, { checkpoint: after, holder: null }, revision)) return result;
    }
  }

  /** @throws as `Log.deleteConsumer` */
  async delete(name: string, options: ForceOptions = {}): Promise<boolean> {
    this.#checkFree(name);
    await this.#releasing.get(name);
    for (;;) {
      const { value, revision } = await this.#read(name);
      if (value === undefined) return false;
      this.#checkUnheld(name, value, options);
      if (await this.#kept(name, undefined, revision)) return true;
    }
  }

  /** Closes all that are open. The first that fails is told of; the others are closed all the same. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#opening.values());
    const closed = await Promise.allSettled([...this.#open.values()].map((consumer) => consumer.close()));
    await Promise.all(this.#releasing.values());
    for (const result of closed) if (result.status === "rejected") throw result.reason;
  }

  async #kept(name: string, value: KeptConsumer | undefined, revision: number): Promise<boolean> {
    try {
      await this.#state.put(stateOf(name), value, revision);
      return true;
    } catch (error) {
      if (error instanceof StateMoved) return false;
      throw error;
    }
  }

  #read(name: string): Promise<KeptState<KeptConsumer>> {
    return this.#state.get<KeptConsumer>(stateOf(name));
  }

  #checkFree(name: string): void {
    checkConsumerName(name);
    if (this.#isClosed) throw closedError(this.#log.view.location);
    if (this.#open.has(name) || this.#opening.has(name)) throw this.#lockedBy(name, this.#holder);
  }

  #checkUnheld(name: string, value: KeptConsumer | undefined, { force = false }: ForceOptions): void {
    if (force || value === undefined || value.holder === null) return;
    throw this.#lockedBy(name, value.holder, ". If it was killed, force does it (--force at a shell)");
  }

  /** Somebody else has the name now, or had it for a moment. */
  async #taken(name: string): Promise<SeqlogError<"SEQLOG_LOCKED">> {
    const { value } = await this.#read(name);
    if (value !== undefined && value.holder !== null) return this.#lockedBy(name, value.holder);
    const done = "was moved or deleted by another program while it was open here";
    return this.#locked(name, this.#holder, `${done}. Open it again to go on from where it is now`);
  }

  #lockedBy(name: string, holder: Holder, more = ""): SeqlogError<"SEQLOG_LOCKED"> {
    const { pid, host, since } = holder;
    const where = `is open in process ${pid} on ${host}, since ${since}. Close it there, or use another name`;
    return this.#locked(name, holder, `${where}${more}`);
  }

  #locked(name: string, { pid, host, since }: Holder, found: string): SeqlogError<"SEQLOG_LOCKED"> {
    const { location } = this.#log.view;
    const facts = { path: location, pid, host, since: new Date(since), consumer: name };
    return new SeqlogError("SEQLOG_LOCKED", `${location}: the consumer ${JSON.stringify(name)} ${found}`, facts);
  }
}

const prefix = "consumer";

function stateOf(name: string): string {
  return `${prefix}/${name}`;
}

/** What can be read of a stream is as durable as it gets. */
function markOf(view: StreamView): Mark {
  return { isReached: true, reach: async () => {}, end: async () => view.nextSeq, stop: () => {} };
}

/** The checkpoint of a consumer that is open here. */
class HeldCheckpoint implements CheckpointPlace {
  readonly #put: (value: KeptConsumer, revision: number) => Promise<number>;
  readonly #taken: () => Promise<Error>;
  #kept: KeptConsumer;
  #revision: number;
  #writing: Promise<unknown> = Promise.resolve();
  #isLost = false;

  constructor(
    put: (value: KeptConsumer, revision: number) => Promise<number>,
    taken: () => Promise<Error>,
    kept: KeptConsumer,
    revision: number,
  ) {
    this.#put = put;
    this.#taken = taken;
    this.#kept = kept;
    this.#revision = revision;
  }

  write(checkpoint: Checkpoint): Promise<void> {
    const written = this.#write(checkpoint);
    this.#writing = written.catch(() => undefined);
    return written;
  }

  async #write(checkpoint: Checkpoint): Promise<void> {
    try {
      const kept = { ...this.#kept, checkpoint };
      this.#revision = await this.#put(kept, this.#revision);
      this.#kept = kept;
    } catch (error) {
      this.#isLost = true;
      throw error instanceof StateMoved ? await this.#taken() : error;
    }
  }

  close(): void {}

  /** Says that nobody holds it any more; what cannot be said is no loss, since the next one takes it anyway. */
  async release(): Promise<void> {
    await this.#writing;
    if (this.#isLost) return;
    await this.#put({ ...this.#kept, holder: null }, this.#revision).catch(() => undefined);
  }
}
