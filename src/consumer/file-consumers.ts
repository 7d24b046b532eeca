/**
 * The consumers of one open directory log: what `FileLog` delegates to. Knows which of them are open
 * here; all others it knows by their files.
 */
import { SeqlogError } from "../errors.ts";
import type { Checkpoint, ConsumerInfo, ConsumerOptions, ConsumerSeek, SeekOptions } from "../log/consumer-contract.ts";
import { asSeq } from "../numbers.ts";
import type { Position } from "../segment/positions.ts";
import { closedError } from "../segment/read-range.ts";
import { run } from "../storage/plan.ts";
import { readCheckpoint, replaceCheckpoint } from "./checkpoint-file.ts";
import { refuseMirror } from "./checkpoint-elsewhere.ts";
import { foreignness } from "./check-checkpoint.ts";
import type { StoredCheckpoint } from "./checkpoint-slot.ts";
import { type ConsumedDirectory, DirectoryConsumedView } from "./consumed-directory.ts";
import { checkpointOf } from "./consumed-log.ts";
import {
  type ConsumerPaths,
  consumerPaths,
  consumersDirectory,
  isHeld,
  listConsumers,
  lockConsumer,
} from "./consumer-paths.ts";
import { checkedConsumerOptions } from "./consumer-settings.ts";
import { DurableMark } from "./durable-mark.ts";
import type { LogConsumer } from "./log-consumer.ts";
import { standingAt } from "./lag.ts";
import { openConsumer } from "./open-consumer.ts";
import { seekPlace } from "./seek-place.ts";

/** Opens, lists and moves consumers. */
export class FileConsumers<Out> {
  readonly #log: ConsumedDirectory<Out>;
  readonly #open = new Map<string, LogConsumer<Out>>();
  /** Those that are being opened. */
  readonly #opening = new Set<Promise<unknown>>();
  #isClosed = false;

  constructor(log: Omit<ConsumedDirectory<Out>, "view">) {
    this.#log = { ...log, view: new DirectoryConsumedView(log.machine, log.directory) };
  }

  /** @throws as `Log.consumer` */
  async open(name: string, options: ConsumerOptions<Out> = {}): Promise<LogConsumer<Out>> {
    const opening = this.#openOne(name, options);
    this.#opening.add(opening);
    try {
      return await opening;
    } finally {
      this.#opening.delete(opening);
    }
  }

  async #openOne(name: string, options: ConsumerOptions<Out>): Promise<LogConsumer<Out>> {
    this.#checkOpen();
    const paths = consumerPaths(this.#log.view.location, name);
    const settings = checkedConsumerOptions(options, this.#log);
    const consumer = await openConsumer(this.#log, paths, settings, () => this.#open.delete(name));
    this.#open.set(name, consumer);
    if (this.#isClosed) {
      await consumer.close();
      this.#checkOpen();
    }
    return consumer;
  }

  /** All that have a checkpoint, by name. */
  async list(): Promise<ConsumerInfo[]> {
    this.#checkOpen();
    const { machine, view } = this.#log;
    await view.refresh();
    const found: ConsumerInfo[] = [];
    for (const paths of listConsumers(machine.storage, view.location)) {
      const here = this.#open.get(paths.name);
      found.push(here === undefined ? await this.#describe(paths) : await here.info());
    }
    return found;
  }

  async #describe(paths: ConsumerPaths): Promise<ConsumerInfo> {
    const { machine, view } = this.#log;
    const { name } = paths;
    const isActive = isHeld(machine, paths);
    const rest = { name, isActive, inFlight: undefined, redeliveries: undefined };
    let checkpoint: Checkpoint | undefined;
    let hasStore = false;
    let problem: string | undefined;
    try {
      const stored = await run(readCheckpoint(machine.storage, paths));
      checkpoint = stored?.checkpoint;
      hasStore = stored?.isMirror ?? false;
    } catch (error) {
      if (!SeqlogError.is(error, "SEQLOG_DAMAGED")) throw error;
      problem = error.facts.reason;
    }
    if (checkpoint !== undefined) problem = foreignness(checkpoint, view);
    if (checkpoint === undefined || problem !== undefined)
      return { ...rest, hasStore, nextSeq: undefined, lag: undefined, problem };
    const { nextSeq } = checkpoint;
    const standing = (await this.#isEndKnown(nextSeq))
      ? await standingAt(view, nextSeq)
      : { lag: await view.lag(nextSeq), problem };
    return { ...rest, hasStore, nextSeq: asSeq(nextSeq), ...standing };
  }

  /** Others may see a record that this writer has not heard of yet; after a write that failed it does not learn of it. */
  async #isEndKnown(nextSeq: number): Promise<boolean> {
    const { view, flush } = this.#log;
    if (nextSeq <= view.nextSeq || flush === undefined) return true;
    try {
      await flush();
      return true;
    } catch {
      return false;
    }
  }

  /** @throws as `Log.seekConsumer` */
  async seek(name: string, position: Position, options: SeekOptions = {}): Promise<ConsumerSeek> {
    this.#checkOpen();
    const { machine, view } = this.#log;
    const paths = consumerPaths(view.location, name);
    const lock = options.dryRun === true ? undefined : lockConsumer(machine, paths, this.#log.lock);
    try {
      const before = await readOrNothing(this.#log, paths);
      refuseMirror(view.location, name, before);
      const { seq, beforeId, generation } = await seekPlace(
        this.#log,
        position,
        "position",
        new DurableMark(this.#log),
      );
      const after = { ...checkpointOf(view, seq, beforeId), generation };
      if (options.dryRun !== true) {
        replaceCheckpoint(machine.storage, paths, {
          counter: (before?.counter ?? 0) + 1,
          checkpoint: after,
          isMirror: false,
        });
      }
      return { before: before?.checkpoint, after };
    } finally {
      lock?.release();
    }
  }

  /** @throws as `Log.deleteConsumer` */
  async delete(name: string): Promise<boolean> {
    this.#checkOpen();
    const { machine, view } = this.#log;
    const { storage } = machine;
    const paths = consumerPaths(view.location, name);
    if (storage.statSync(paths.checkpoint) === undefined) return false;
    const lock = lockConsumer(machine, paths, this.#log.lock);
    try {
      storage.unlinkSync(paths.checkpoint);
      storage.fsyncDirectorySync(consumersDirectory(paths.directory));
      return true;
    } finally {
      lock.release();
    }
  }

  /**
   * Closes all that are open, and those that are being opened. The first that fails is told of; the
   * others are closed all the same.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    // They see that they come too late, and let go of their names.
    await Promise.allSettled(this.#opening);
    const closed = await Promise.allSettled([...this.#open.values()].map((consumer) => consumer.close()));
    for (const result of closed) if (result.status === "rejected") throw result.reason;
  }

  /** As `close`, blocking: handlers are not waited for, and a write under way is left to itself. */
  closeSync(): void {
    this.#isClosed = true;
    for (const consumer of this.#open.values()) consumer.closeSync();
  }

  #checkOpen(): void {
    if (this.#isClosed || this.#log.view.isClosed) throw closedError(this.#log.view.location);
  }
}

/** What the file says; undefined when there is none, or it is damaged: a seek is how that is mended. */
async function readOrNothing(
  { machine }: ConsumedDirectory<unknown>,
  paths: ConsumerPaths,
): Promise<StoredCheckpoint | undefined> {
  try {
    return await run(readCheckpoint(machine.storage, paths));
  } catch (error) {
    if (SeqlogError.is(error, "SEQLOG_DAMAGED")) return undefined;
    throw error;
  }
}
