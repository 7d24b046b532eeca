/**
 * A consumer of a log: hands records out, takes acknowledgements, and keeps the place.
 *
 * Invariants (docs/consumers.md says what they mean for programs):
 * - The position is the first record that is not acknowledged; it never goes back but by `seek`, and
 *   what is kept of it never passes the mark. So no record is skipped by any crash.
 * - A record is acknowledged by `ack`, by a filter that leaves it out, or by being durable in the
 *   dead-letter log; by nothing else.
 * - At most `maxInFlight` records lie between the checkpoint on disk (with `"every"`; else the
 *   position) and the last one that was delivered: that bounds memory, and what is delivered twice.
 * - One loop or run at a time. Records that are due again go before new ones, lowest seq first.
 * - Whoever holds this holds the lock of its name.
 */
import { type DeliveryMessage, deliveryChannel } from "../diagnostics.ts";
import { SeqlogError } from "../errors.ts";
import { parseId } from "../format/uuid.ts";
import type {
  Checkpoint,
  Consumer,
  ConsumerInfo,
  Delivery,
  DeliveryHandler,
  RunOptions,
} from "../log/consumer-contract.ts";
import { type Seq, asSeq } from "../numbers.ts";
import { LogRecord, type Run } from "../segment/log-record.ts";
import type { Position } from "../segment/positions.ts";
import { checkCheckpoint } from "./check-checkpoint.ts";
import { type CheckpointPlace, type ConsumedLog, type Mark, checkpointOf } from "./consumed-log.ts";
import type { ConsumerSettings } from "./consumer-settings.ts";
import { type DeadLetter, deadLetterOf } from "./dead-letter.ts";
import { Entry, type Source, alone, entryState, idBeforeIndex } from "./entry.ts";
import { Feed, type Place } from "./feed.ts";
import { filterFailed } from "./filter-failed.ts";
import { HandlerRun } from "./handler-run.ts";
import { InFlight } from "./in-flight.ts";
import { standingAt } from "./lag.ts";
import { type DeliveryOwner, LogDelivery } from "./log-delivery.ts";
import { PositionKeeper } from "./position-keeper.ts";
import { Redelivery } from "./redelivery.ts";
import { rejection } from "./rejection.ts";
import { seekPlace } from "./seek-place.ts";
import { Wake } from "./wake.ts";

/** Holds a consumer's name. */
interface NameLock {
  release(): void;
}

/** What opening a consumer has found and made. */
export interface OpenedConsumer {
  readonly name: string;
  /** What keeps others away from the name. */
  readonly lock: NameLock;
  readonly file: CheckpointPlace;
  readonly checkpoint: Checkpoint;
  /** Whether the id in the checkpoint is still to be held against the log. */
  readonly mustCheck: boolean;
  readonly mark: Mark;
  /** Called once, when the consumer lets go of its name. */
  readonly released: () => void;
}

/** One open consumer. */
export class LogConsumer<Out> implements Consumer<Out>, DeliveryOwner {
  readonly name: string;
  readonly #log: ConsumedLog<Out>;
  readonly #settings: ConsumerSettings<Out>;
  readonly #lock: NameLock;
  readonly #mark: Mark;
  readonly #released: () => void;
  readonly #keeper: PositionKeeper;
  readonly #inFlight: InFlight;
  readonly #redelivery: Redelivery;
  #generation: number;
  #logId: string;
  #feed: Feed;
  /** The checkpoint it was opened with, as long as the log does not reach so far that it could be checked. */
  #unchecked: Checkpoint | undefined;
  #redeliveries = 0;
  /** The loop or run under way: resolves at its end. */
  #using: Promise<void> | undefined;
  #isHandling = false;
  /** What ends the loop or run. */
  #failure: { readonly error: unknown } | undefined;
  /** The checkpoint could not be kept: nothing goes on before the consumer is opened again. */
  #broken: Error | undefined;
  /** Whether somebody listens to the channel of deliveries; asked when more is read. */
  #isTold = deliveryChannel.hasSubscribers;
  readonly #wake = new Wake();
  /** The look-up of the seek before. */
  #looking: Promise<unknown> = Promise.resolve();
  /** The feed that is reading on. */
  #loading: Feed | undefined;
  /** How far the filter is known to have left records out. */
  #filteredTo = 0;
  /** The log was closed: there is nothing to come. */
  #isAtEnd = false;
  /** Nothing is delivered any more. */
  #isClosing = false;
  /** The name is free: nothing counts any more. */
  #isClosed = false;
  #closing: Promise<void> | undefined;
  /** Where it stood when it was closed: what was in flight is forgotten then. */
  #closedAt: number | undefined;

  constructor(log: ConsumedLog<Out>, settings: ConsumerSettings<Out>, opened: OpenedConsumer) {
    const { checkpoint } = opened;
    this.name = opened.name;
    this.#log = log;
    this.#settings = settings;
    this.#lock = opened.lock;
    this.#mark = opened.mark;
    this.#released = opened.released;
    this.#generation = checkpoint.generation;
    this.#logId = checkpoint.logId;
    const { clock } = log.machine;
    this.#inFlight = new InFlight(clock, settings.ackWaitMs, (entry) => this.#redelivery.expired(entry));
    this.#redelivery = new Redelivery(
      {
        letterOf: (entry) => this.#letterOf(entry),
        buried: (entry) => this.settle(entry, "dead-lettered"),
        failed: (error) => (this.#failure = { error }),
        tell: (entry, outcome) => this.#tell(entry, outcome),
        wake: () => this.wake(),
      },
      this.#inFlight,
      clock,
      settings,
    );
    this.#keeper = new PositionKeeper(
      {
        position: () => this.#checkpoint(),
        written: () => this.wake(),
        failed: (error) => {
          this.#broken = error;
          this.wake();
        },
      },
      log,
      opened.mark,
      opened.file,
      checkpoint,
      settings,
    );
    this.#unchecked = opened.mustCheck ? checkpoint : undefined;
    this.#feed = this.#feedFrom({
      generation: checkpoint.generation,
      seq: checkpoint.nextSeq,
      beforeId: checkpoint.lastId === null ? null : parseId(checkpoint.lastId),
    });
  }

  get logId(): string {
    return this.#logId;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Where the log is. */
  get location(): string {
    return this.#log.view.location;
  }

  get nextSeq(): Seq {
    return asSeq(this.#closedAt ?? this.#inFlight.first?.seq ?? this.#feed.seq);
  }

  get inFlight(): number {
    return this.#inFlight.undone;
  }

  get redeliveries(): number {
    return this.#redeliveries;
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Delivery<Out>> {
    const stop = { isStopped: false };
    const deliveries = this.#deliveries(stop);
    return {
      next: () => deliveries.next(),
      return: async () => {
        stop.isStopped = true;
        this.wake();
        return await deliveries.return(undefined);
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  async *#deliveries(stop: { readonly isStopped: boolean }): AsyncGenerator<Delivery<Out>, undefined> {
    const leave = this.#enter();
    try {
      for (;;) {
        if (stop.isStopped || this.#isClosing) return undefined;
        this.throwIfFailed();
        const delivery = this.take(false);
        if (delivery !== undefined) yield delivery;
        else if (this.hasEnded) return undefined;
        else await this.wait();
      }
    } finally {
      await leave();
    }
  }

  async run(handler: DeliveryHandler<Out>, options: RunOptions = {}): Promise<void> {
    const { store, retry } = this.#settings;
    const run = new HandlerRun<Out>(this, handler, options, retry);
    if (run.concurrency > 1 && store !== undefined && store.save === undefined) {
      throw new TypeError("a store without save() works at concurrency 1 alone: a later checkpoint would skip records");
    }
    const leave = this.#enter();
    this.#isHandling = true;
    try {
      await run.run();
    } finally {
      this.#isHandling = false;
      await leave();
    }
  }

  /** Begins a loop or run; the function returned ends it and gives back what was not acknowledged. */
  #enter(): () => Promise<void> {
    if (this.#isClosing) throw this.#closedError();
    if (this.#using !== undefined) {
      throw new TypeError(`the consumer ${JSON.stringify(this.name)} is in use: one loop or run at a time`);
    }
    let ended!: () => void;
    this.#using = new Promise((resolve) => (ended = resolve));
    this.#failure = undefined;
    this.#isAtEnd = false;
    // From here on the feed follows the log, which holds the process: somebody waits.
    this.#load(this.#feed);
    return async () => {
      const feed = this.#feed;
      this.#feed = this.#feedFrom(feed.place());
      this.#redelivery.giveBack();
      this.#using = undefined;
      await feed.stop();
      ended();
    };
  }

  /** Whether nothing more will come: the log or this consumer was closed. */
  get hasEnded(): boolean {
    return this.#isClosing || this.#isAtEnd;
  }

  /** For the loop and the run: what went wrong beside them. */
  throwIfFailed(): void {
    if (this.#broken !== undefined) throw this.#broken;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Resolves when something may have changed since `take` was called last. For one caller. */
  wait(): Promise<void> {
    return this.#wake.wait();
  }

  /** Something changed. */
  wake(): void {
    this.#wake.call();
  }

  /**
   * The next delivery, if there is one now; else what is needed for it is under way.
   * @param inOrder nothing is delivered past a record that is not done
   */
  take(inOrder: boolean): LogDelivery<Out> | undefined {
    this.#wake.look();
    if (this.hasEnded) return undefined;
    const inFlight = this.#inFlight;
    if (inFlight.size > 0) {
      if (inOrder) {
        const first = inFlight.first as Entry;
        return first.state === entryState.due ? this.#hand(first) : undefined;
      }
      const due = this.#redelivery.next();
      if (due !== undefined) return this.#hand(due);
    }
    const { filter, maxInFlight, maxInFlightBytes } = this.#settings;
    const feed = this.#feed;
    while (feed.left > 0) {
      if (inFlight.size + this.#keeper.unwritten >= maxInFlight || inFlight.bytes >= maxInFlightBytes) return undefined;
      const source = feed.source as Source;
      const { index } = feed;
      if (filter === undefined) {
        feed.take();
        return this.#handNew(new Entry(source, index));
      }
      const isWanted = this.#isWanted(filter, new LogRecord(source.run, index, this.#log.decode));
      feed.take();
      if (isWanted) return this.#handNew(new Entry(alone(source, index), 0));
    }
    // What the filter left out of this run is behind the consumer now.
    if (filter !== undefined && inFlight.size === 0 && feed.seq > this.#filteredTo) {
      this.#filteredTo = feed.seq;
      this.#keeper.advance(1);
    }
    this.#load(feed);
    return undefined;
  }

  #isWanted(filter: (record: LogRecord<Out>) => boolean, record: LogRecord<Out>): boolean {
    try {
      return filter(record);
    } catch (error) {
      throw filterFailed(this.location, this.name, record.seq, error);
    }
  }

  #handNew(entry: Entry): LogDelivery<Out> {
    this.#inFlight.add(entry);
    return this.#hand(entry);
  }

  #hand(entry: Entry): LogDelivery<Out> {
    this.#inFlight.hand(entry);
    if (entry.attempt > 1) this.#redeliveries++;
    this.#tell(entry, "delivered");
    return new LogDelivery(entry, this.#log.decode, this);
  }

  #tell({ seq, attempt }: Entry, outcome: DeliveryMessage["outcome"]): void {
    if (!this.#isTold) return;
    deliveryChannel.publish({ path: this.location, consumer: this.name, seq, attempt, outcome });
  }

  #load(feed: Feed): void {
    if (this.#loading === feed) return;
    this.#loading = feed;
    const loaded = (isMore: boolean): void => {
      if (this.#loading === feed) this.#loading = undefined;
      this.#isTold = deliveryChannel.hasSubscribers;
      if (feed === this.#feed && !isMore) this.#isAtEnd = true;
      this.wake();
    };
    feed.load().then(loaded, (error: unknown) => {
      if (this.#loading === feed) this.#loading = undefined;
      if (feed === this.#feed) this.#failure = { error };
      this.wake();
    });
  }

  ack(entry: Entry): Promise<void> {
    if (this.#broken !== undefined) return rejection(this.#broken);
    if (entry.state === entryState.void || this.#isClosed) return rejection(this.#closedError());
    this.settle(entry);
    const { first } = this.#inFlight;
    // Behind a record that is not done, no checkpoint can hold it.
    const isAhead = first !== undefined && entry.seq > first.seq;
    return isAhead ? Promise.resolve() : this.#keeper.saved();
  }

  /** The record is done. */
  settle(entry: Entry, outcome: "acknowledged" | "dead-lettered" = "acknowledged"): void {
    if (entry.state >= entryState.done) return;
    this.#tell(entry, outcome);
    const moved = this.#inFlight.settle(entry);
    if (moved > 0) this.#keeper.advance(moved);
    this.wake();
  }

  nack(entry: Entry, delayMs: number, error: unknown): void {
    if (entry.state !== entryState.out || this.#isClosed) return;
    // In the hands of a handler it stays there until that one ends: it is never in two.
    if (entry.controller !== undefined) entry.refusal = { delayMs, error };
    else this.retry(entry, error, delayMs);
  }

  extend(entry: Entry, ms: number): void {
    if (entry.state === entryState.out) this.#inFlight.extend(entry, ms);
  }

  /** As `Redelivery.retry`; for the run. */
  retry(entry: Entry, error: unknown, delayMs: number): boolean {
    return this.#redelivery.retry(entry, error, delayMs);
  }

  #letterOf({ source, index, attempt: attempts, failure: error }: Entry): DeadLetter {
    const { seq, id, time, bytes } = new LogRecord(source.run, index, this.#log.decode);
    const at = Number.isNaN(time.getTime()) ? null : time.toISOString();
    const origin = { log: this.#logId, consumer: this.name, seq, id, time: at };
    return deadLetterOf({ origin, attempts, error, bytes }, this.#log.view.codec);
  }

  #feedFrom(place: Place): Feed {
    return new Feed(this.#log.view, place, (run, stop) => this.#admit(run, stop));
  }

  /** Before records of a run are delivered. */
  async #admit(run: Run, stop: AbortSignal): Promise<void> {
    if (this.#unchecked !== undefined) {
      const isStored = this.#settings.store !== undefined;
      await checkCheckpoint(this.#log.view, this.name, this.#unchecked, false, isStored);
      this.#unchecked = undefined;
    }
    const { store } = this.#settings;
    // Their own transaction takes the checkpoint past a record as soon as they have it.
    if (store !== undefined && store.save === undefined) await this.#mark.reach(run.firstSeq + run.starts.length, stop);
  }

  #checkpoint(): Checkpoint {
    const first = this.#inFlight.first;
    const { seq, beforeId } =
      first === undefined ? this.#feed.place() : { seq: first.seq, beforeId: idBeforeIndex(first.source, first.index) };
    return checkpointOf({ logId: this.#logId, generation: this.#generation }, seq, beforeId);
  }

  async seek(position: Position): Promise<void> {
    if (this.#isClosing) throw this.#closedError();
    if (this.#broken !== undefined) throw this.#broken;
    const { store } = this.#settings;
    if (store !== undefined && store.save === undefined) {
      throw new TypeError(
        "seek cannot change a store without save(); change the checkpoint in the database, and open the consumer again",
      );
    }
    const { view } = this.#log;
    const place = await this.#looked(() => seekPlace(this.#log, position, "position", this.#mark));
    if (this.#isClosing) throw this.#closedError();
    const old = this.#feed;
    this.#keeper.leave();
    this.#inFlight.clear();
    this.#redelivery.clear();
    this.#generation = place.generation;
    this.#logId = view.logId;
    this.#unchecked = undefined;
    this.#feed = this.#feedFrom(place);
    this.#filteredTo = place.seq;
    this.#keeper.advance(1);
    this.wake();
    await old.stop();
    await this.#keeper.flush();
  }

  /** One look-up after the other: of several seeks the one that was asked for last says where the consumer stands. */
  #looked(look: () => Promise<Place>): Promise<Place> {
    const found = this.#looking.then(look);
    this.#looking = found.catch(() => undefined);
    return found;
  }

  async info(): Promise<ConsumerInfo> {
    const { nextSeq, name, inFlight, redeliveries, generation } = this;
    const { view } = this.#log;
    await view.refresh();
    const isSame = generation === view.generation;
    const problem = `it is of generation ${generation}, the log is generation ${view.generation}`;
    const standing = isSame ? await standingAt(view, nextSeq) : { lag: undefined, problem };
    const hasStore = this.#settings.store !== undefined;
    return { name, nextSeq, isActive: !this.#isClosing, hasStore, inFlight, redeliveries, ...standing };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#beginClose();
    // A handler that never ends, or that waits for this very close, holds it no longer than its record.
    if (this.#isHandling || this.#redelivery.isBurying) await this.#within(this.#settled(), this.#settings.ackWaitMs);
    try {
      await this.#feed.stop();
      // What could not be kept was told to the loop, and to those who acknowledged.
      if (this.#broken === undefined) await this.#keeper.close();
      else this.#keeper.stop();
    } finally {
      this.#release();
    }
  }

  /** Resolves when no handler runs any more, and no record is on its way into the dead letters. */
  async #settled(): Promise<void> {
    if (this.#isHandling) await this.#using;
    await this.#redelivery.buried();
  }

  /** As `close`, blocking: handlers are not waited for. */
  closeSync(): void {
    if (this.#closing !== undefined) return;
    this.#closing = Promise.resolve();
    this.#beginClose();
    void this.#feed.stop();
    try {
      if (this.#broken === undefined) this.#keeper.closeSync();
      else this.#keeper.stop();
    } finally {
      this.#release();
    }
  }

  #beginClose(): void {
    this.#isClosing = true;
    this.wake();
  }

  #release(): void {
    this.#isClosed = true;
    this.#closedAt = this.nextSeq;
    this.#inFlight.clear();
    this.#lock.release();
    this.#released();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #within(promise: Promise<unknown>, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#log.machine.clock.after(ms, resolve, { keepAlive: true });
      void promise.then(() => {
        cancel();
        resolve();
      });
    });
  }

  #closedError(): SeqlogError<"SEQLOG_CLOSED"> {
    return new SeqlogError(
      "SEQLOG_CLOSED",
      `${this.location}: the consumer ${JSON.stringify(this.name)} was closed, or went elsewhere; the record is delivered again`,
      { path: this.location },
    );
  }
}
