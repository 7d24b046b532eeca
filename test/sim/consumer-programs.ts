/**
 * Programs that use consumers in a history: they acknowledge, refuse, ask for time, leave their loops,
 * seek, run handlers one after the other and many at once. What they are given is checked by `ConsumerLedger`.
 */
import { SeqlogError } from "../../src/errors.ts";
import type { LogConsumer } from "../../src/consumer/log-consumer.ts";
import type { Delivery } from "../../src/log/consumer-contract.ts";
import type { ConsumerBook } from "./consumer-book.ts";
import { type Process, type Opened, type Text, pause, burying } from "./consumer-process.ts";
import type { ConsumerWorld } from "./consumer-world.ts";
import type { ConsumerOpenings } from "./consumer-openings.ts";

class HandlerFailure extends Error {}

interface Work {
  left: number;
  readonly stop: AbortController;
}

/** Of one history. */
export class ConsumerPrograms {
  readonly #world: ConsumerWorld;
  readonly #openings: ConsumerOpenings;

  constructor(world: ConsumerWorld, openings: ConsumerOpenings) {
    this.#world = world;
    this.#openings = openings;
  }

  startUser(process: Process): void {
    process.users.push(this.#use(process));
  }

  /** Opens a consumer, works with it for a while, and closes it or does not. */
  async #use(process: Process): Promise<void> {
    const { machine } = process;
    const book = this.#world.random.pick(this.#world.books);
    const claim = book.claim(machine);
    let dead: Text | undefined;
    let isOpen = false;
    try {
      dead = book.name === burying ? await this.#openings.openDead(process) : undefined;
      const opened = await this.#openings.openConsumer(process, book, claim, dead);
      if (opened === undefined) return;
      isOpen = true;
      await this.#rounds(opened);
      if (machine.running && this.#world.random.chance(0.7)) {
        await this.#openings.closeConsumer(opened);
        isOpen = false;
      }
    } catch (error) {
      if (machine.running && !this.#world.isExpectedOf(book, error)) this.#world.fail(error);
    } finally {
      if (machine.running && (!isOpen || process.isClosing)) {
        // With its log open, a consumer that nobody uses keeps its name, and with it its dead letters.
        await dead?.close().catch((error: unknown) => this.#world.isExpectedOf(book, error) || this.#world.fail(error));
        // A log that is being closed has it until that is done.
        if (!isOpen) book.claims.delete(claim);
      }
    }
  }

  async #rounds(opened: Opened): Promise<void> {
    const { process, commits } = opened;
    const { machine } = process;
    for (let rounds = this.#world.random.int(5) + 1; rounds > 0 && machine.running && !process.isClosing; rounds--) {
      const kind = this.#world.random.int(8);
      try {
        if (commits) await this.#runHandlers(opened);
        else if (kind < 4) await this.#loop(opened);
        else if (kind < 7) await this.#runHandlers(opened);
        else await this.#seek(opened);
      } catch (error) {
        if (!machine.running) return;
        const isLost = SeqlogError.is(error, "SEQLOG_RESET") || SeqlogError.is(error, "SEQLOG_TRIMMED");
        if (!isLost || commits || this.#world.random.chance(0.5) || !this.#world.isExpectedOf(opened.book, error))
          throw error;
        await this.#seek(opened, "start");
      }
    }
  }

  async #loop(opened: Opened): Promise<void> {
    const { ledger, process } = opened;
    const { machine } = process;
    const random = this.#world.random;
    const held: Delivery<string>[] = [];
    let left = random.int(15) + 1;
    for await (const delivery of ledger.consumer) {
      if (!this.#openings.delivered(opened, delivery, 0)) return;
      const kind = random.int(12);
      if (kind < 4) await this.#ack(opened, delivery);
      else if (kind < 7) void this.#ack(opened, delivery);
      else if (kind === 7) this.#nack(opened, delivery, random.pick([0, 0, 5, 30]));
      else if (kind === 8) {
        const ms = random.int(100);
        ledger.extended(delivery.seq, ms);
        delivery.extend(ms);
        held.push(delivery);
      } else held.push(delivery);
      if (random.chance(0.3)) await machine.clock.turn();
      if (random.chance(0.1)) await pause(machine, random.pick([1, 20, 100]));
      const late = random.chance(0.4) ? held.splice(random.int(held.length), 1)[0] : undefined;
      if (late !== undefined) void this.#ack(opened, late);
      if (!machine.running) return;
      ledger.checkPosition();
      if (--left <= 0) break;
    }
    if (machine.running) ledger.left();
    if (random.chance(0.3)) for (const late of held) void this.#ack(opened, late);
  }

  async #ack({ ledger, process, book }: Opened, delivery: Delivery<string>): Promise<void> {
    const { machine } = process;
    if (!machine.running || ledger.isClosing) return;
    const { era } = ledger;
    const { seq } = delivery;
    ledger.acknowledging(era, seq);
    const acknowledged = delivery.ack();
    // Behind a record that is not done yet it is not kept; nor behind one whose handler has yet to return.
    const isFirst = ledger.consumer.nextSeq > seq;
    try {
      await acknowledged;
      if (!machine.running) return;
      this.#world.tally.acks++;
      if (!isFirst || !ledger.options.isEvery || era !== ledger.era) return;
      era.floor = Math.max(era.floor, seq + 1);
      // No checkpoint passes what a power cut may take.
      if (era.generation === this.#world.model.generation) this.#world.model.flushed(seq + 1);
    } catch (error) {
      if (machine.running && !this.#world.isExpectedOf(book, error)) this.#world.fail(error);
    }
  }

  #nack({ ledger, attempts, dead }: Opened, delivery: Delivery<string>, delayMs: number): void {
    // One that could not be buried comes at once.
    ledger.givenBack(delivery.seq, dead !== undefined && delivery.attempt >= attempts ? 0 : delayMs);
    delivery.nack({ delayMs, error: new Error("refused") });
  }

  async #runHandlers(opened: Opened): Promise<void> {
    const { ledger, process, commits, attempts } = opened;
    const { machine } = process;
    const concurrency = commits ? 1 : this.#world.random.pick([1, 1, 2, 4]);
    const stop = new AbortController();
    const work = { left: this.#world.random.int(20) + 1, stop };
    const isShort = this.#world.random.chance(0.3);
    const handler = isShort
      ? (delivery: Delivery<string>): void => this.#handleShort(opened, delivery, concurrency, work)
      : (delivery: Delivery<string>, signal: AbortSignal): Promise<void> =>
          this.#handle(opened, delivery, concurrency, work, signal);
    try {
      await ledger.consumer.run(handler, { concurrency, signal: stop.signal });
    } catch (error) {
      if (!machine.running) return;
      if (SeqlogError.is(error, "SEQLOG_HANDLER_FAILED")) {
        const { seq } = error.facts;
        if (opened.dead !== undefined || ledger.attemptsOf(seq) < attempts || ledger.era.done.has(seq)) throw error;
      } else if (error !== stop.signal.reason) throw error;
    } finally {
      if (machine.running) ledger.left();
    }
  }

  #handleShort(opened: Opened, delivery: Delivery<string>, concurrency: number, work: Work): void {
    if (!this.#begins(opened, delivery, concurrency, work)) return;
    const { ledger } = opened;
    ledger.ended(delivery.seq);
    if (this.#world.random.chance(0.15)) {
      ledger.givenBack(delivery.seq, 0);
      throw new HandlerFailure("a short handler failed");
    }
    this.#succeeds(opened, delivery);
  }

  async #handle(
    opened: Opened,
    delivery: Delivery<string>,
    concurrency: number,
    work: Work,
    signal: AbortSignal,
  ): Promise<void> {
    if (!this.#begins(opened, delivery, concurrency, work)) return;
    const { ledger, process, commits } = opened;
    const { machine } = process;
    const random = this.#world.random;
    const { seq } = delivery;
    for (let turns = random.int(4); turns > 0; turns--) await machine.clock.turn();
    if (random.chance(0.15)) await pause(machine, random.pick([1, 10, 100]));
    if (!machine.running) return;
    ledger.ended(seq);
    const isGivenUp = commits && signal.aborted;
    if (isGivenUp || random.chance(0.15)) {
      ledger.givenBack(seq, 0);
      throw new HandlerFailure("a handler failed");
    }
    if (!commits && random.chance(0.05)) return this.#nack(opened, delivery, 0);
    if (!commits && random.chance(0.1)) void this.#ack(opened, delivery);
    this.#succeeds(opened, delivery);
  }

  #begins(opened: Opened, delivery: Delivery<string>, concurrency: number, work: Work): boolean {
    try {
      if (!this.#openings.delivered(opened, delivery, concurrency)) return false;
    } catch (error) {
      // What a handler throws is the consumer's business.
      this.#world.fail(error);
      return false;
    }
    if (--work.left === 0) {
      if (this.#world.random.chance(0.5)) work.stop.abort();
      else void this.#openings.closeConsumer(opened).catch((error: unknown) => this.#isLate(opened, error));
    }
    return true;
  }

  #isLate({ book, process }: Opened, error: unknown): void {
    if (process.machine.running && !this.#world.isExpectedOf(book, error)) this.#world.fail(error);
  }

  /** The handler returns now; in a database of one's own it commits first. */
  #succeeds({ ledger, process, commits }: Opened, delivery: Delivery<string>): void {
    const { seq } = delivery;
    if (!process.machine.running) return;
    this.#world.tally.handled++;
    if (!commits) return ledger.acknowledging(ledger.era, seq);
    try {
      this.#world.store.commit(seq, delivery.checkpoint);
    } catch (error) {
      this.#world.fail(error);
    }
    this.#world.tally.committed++;
    ledger.acknowledging(ledger.era, seq);
    // What a transaction holds is what counts, also when the consumer is closing.
    ledger.era.done.add(seq);
  }

  async #seek(opened: Opened, position?: "start"): Promise<void> {
    const { ledger, process, book } = opened;
    const { machine, log } = process;
    const random = this.#world.random;
    const to = position ?? random.pick<"start" | "end" | number>(["start", "end", random.int(log.nextSeq + 1)]);
    this.#world.going(book);
    const consumer = ledger.consumer as LogConsumer<string>;
    ledger.isClosing = true;
    try {
      await consumer.seek(to);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return await this.#openings.closeConsumer(opened);
    }
    if (!machine.running) return;
    this.#world.tally.seeks++;
    const { nextSeq, generation } = consumer;
    if (typeof to === "number" && (nextSeq > to || (nextSeq < to && !this.#world.isWeak)))
      throw new Error(`sought ${to}, and stands at ${nextSeq}`);
    const era = this.#world.stands(book, generation, nextSeq);
    if (ledger.options.isEvery) era.maxInFlight = ledger.options.maxInFlight;
    ledger.moved(era);
    ledger.isClosing = false;
  }

  async drain(process: Process, book: ConsumerBook): Promise<void> {
    const { log, machine } = process;
    for (let tries = 0; tries < 100; tries++) {
      const claim = book.claim(machine);
      const dead = book.name === burying ? await this.#openings.openDead(process) : undefined;
      const opened = await this.#openings.openConsumer(process, book, claim, dead);
      if (opened === undefined) {
        await dead?.close();
        book.claims.delete(claim);
        this.#world.throwFailure();
        continue;
      }
      const { consumer, era } = opened.ledger;
      if (consumer.nextSeq === log.nextSeq) return await this.#openings.closeConsumer(opened);
      let last = era.base;
      // Filtered records at the end come with the next one.
      const stop = machine.clock.after(50, () => void this.#openings.closeConsumer(opened), { keepAlive: true });
      for await (const delivery of consumer) {
        this.#openings.delivered(opened, delivery, 0);
        last = delivery.seq;
        if (opened.commits) this.#succeeds(opened, delivery);
        await this.#ack(opened, delivery);
        if (last === log.nextSeq - 1) break;
      }
      stop();
      await this.#openings.closeConsumer(opened);
      this.#world.throwFailure();
      // A database is brought up to date by records that are delivered alone.
      if (opened.commits && consumer.nextSeq === log.nextSeq) return;
    }
    throw new Error(`${book.name} does not come to the end of the log`);
  }
}
