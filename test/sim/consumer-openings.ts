/**
 * Opens and closes consumers in a history, and checks where they stand then: `ConsumerBook.found` for
 * the checkpoint, `isBuried` for dead letters; what the log refuses is held against what is known.
 */
import { SeqlogError } from "../../src/errors.ts";
import { readDeadLetter } from "../../src/consumer/dead-letter.ts";
import type { LogConsumer } from "../../src/consumer/log-consumer.ts";
import type { ConsumerOptions, Delivery } from "../../src/log/consumer-contract.ts";
import { FileLog } from "../../src/log/file-log.ts";
import type { ConsumerBook, Claim, Era } from "./consumer-book.ts";
import { ConsumerLedger } from "./consumer-ledger.ts";
import { type Process, type Opened, type Text, codec, stored } from "./consumer-process.ts";
import type { ConsumerWorld } from "./consumer-world.ts";

/** Of one history. */
export class ConsumerOpenings {
  readonly #world: ConsumerWorld;
  /** By generation and seq: the number in the record that was delivered last. */
  readonly #numbers = new Map<string, number>();

  constructor(world: ConsumerWorld) {
    this.#world = world;
  }

  async openDead({ machine, dead }: Process): Promise<Text> {
    const durability = this.#world.random.pick(["os", "record"] as const);
    const letters: Text = await FileLog.open("/dead-letters", { machine, codec, durability });
    dead.add(letters);
    return letters;
  }

  async openConsumer(
    process: Process,
    book: ConsumerBook,
    claim: Claim,
    dead: Text | undefined,
  ): Promise<Opened | undefined> {
    const { machine, log } = process;
    const random = this.#world.random;
    const maxInFlight = random.pick([1, 3, 10, 100]);
    const ackWaitMs = random.pick([16, 80, 1000]);
    const attempts = random.int(3) + 1;
    const isEvery = random.chance(0.6);
    const commits = book.name === stored && !this.#world.storeSaves;
    const early = new Set<number>();
    let ledger: ConsumerLedger | undefined;
    const left = (seq: number): unknown => (ledger === undefined ? early.add(seq) : ledger.filtered(seq));
    const filter = ({ seq, data }: { seq: number; data: string }): boolean => {
      const isWanted = Number.parseInt(data, 10) % 4 !== 0;
      if (machine.running && !isWanted) left(seq);
      return isWanted;
    };
    const options: ConsumerOptions<string> = {
      from: random.pick<"start" | "end" | { last: number }>(["start", "start", "end", { last: random.int(5) + 1 }]),
      maxInFlight,
      ackWaitMs,
      checkpoint: isEvery ? "every" : { intervalMs: this.#world.intervalMs },
      retry: { attempts, backoffMs: random.int(5), maxBackoffMs: 20 },
      ...(dead === undefined ? {} : { deadLetter: dead }),
      ...(random.chance(0.3) ? { filter } : {}),
      ...this.#storeOptions(process, book),
    };
    if (book.name === stored && this.#world.store.held === undefined) book.deleted();
    const takeBack = book.mayBeNone ? this.#world.going(book) : undefined;
    const letters = dead === undefined ? new Set<number>() : await this.#letters(dead);
    const isContended = book.isContended(claim);
    // As soon as it has failed, another may move the consumer into order, or delete it.
    const wasForeign = this.#isForeign(book, log.generation);
    let consumer: LogConsumer<string>;
    try {
      consumer = (await log.consumer(book.name, options)) as LogConsumer<string>;
    } catch (error) {
      if (!machine.running) return undefined;
      if (SeqlogError.is(error, "SEQLOG_LOCKED")) takeBack?.();
      if (SeqlogError.is(error, "SEQLOG_LOCKED")) this.#world.locked(book, isContended);
      else await this.#notOpened(process, book, error, wasForeign);
      return undefined;
    }
    if (!machine.running) return undefined;
    book.entered(claim);
    const { generation, nextSeq } = consumer;
    const { held } = this.#world.store;
    if (book.name === stored && held !== undefined && held.nextSeq !== nextSeq)
      throw new Error(`${stored} stands at ${nextSeq}, its database at ${held.nextSeq}`);
    const before = book.found(generation, nextSeq);
    if (before !== undefined && dead !== undefined) this.#isBuried(before, nextSeq, letters);
    const era = this.#world.stands(book, generation, nextSeq);
    if (isEvery && !commits) era.maxInFlight = maxInFlight;
    ledger = new ConsumerLedger(consumer, era, {
      maxInFlight,
      ackWaitMs,
      buriedAfter: dead === undefined ? Infinity : attempts,
      isEvery: isEvery && !commits,
      elapsed: () => this.#world.elapsed(),
    });
    for (const seq of early) ledger.filtered(seq);
    if (!commits) process.ledgers.add(ledger);
    return { process, book, claim, ledger, dead, attempts, commits };
  }

  #storeOptions(process: Process, { name }: ConsumerBook): Pick<ConsumerOptions<string>, "store"> {
    if (name !== stored) return {};
    const failed = (): void => void (process.hasErrors = true);
    return {
      store: this.#world.storeSaves ? this.#world.store.saving(process.machine, failed) : this.#world.store.loading(),
    };
  }

  /** The consumer could not be opened: for a reason, and then it is brought into order. */
  async #notOpened(process: Process, book: ConsumerBook, error: unknown, wasForeign: boolean): Promise<void> {
    const isMismatch = SeqlogError.is(error, "SEQLOG_CHECKPOINT_MISMATCH");
    if (isMismatch && !wasForeign && !this.#isForeign(book, process.log.generation)) throw error;
    if (!isMismatch && !this.#world.isExpectedOf(book, error)) throw error;
    if (!isMismatch && !SeqlogError.is(error, "SEQLOG_TRIMMED")) return;
    this.#world.tally.mismatches++;
    if (book.name === stored) {
      this.#world.store.clear();
      book.deleted();
      return;
    }
    await this.#world.seekOutside(book, process, "start");
  }

  #isForeign(book: ConsumerBook, generation: number): boolean {
    const { held } = this.#world.store;
    if (book.name === stored) return held === undefined || held.generation !== generation;
    return book.mayBeForeign(generation);
  }

  async #letters(dead: Text): Promise<Set<number>> {
    const letters = new Set<number>();
    for await (const { data } of dead.read()) {
      const { bytes, encoding } = readDeadLetter(data);
      if (encoding !== "utf8") throw new Error(`a dead letter of ${encoding}`);
      letters.add(Number.parseInt(Buffer.from(bytes).toString(), 10));
    }
    return letters;
  }

  /** What it stands behind and nobody acknowledged is in the dead letters. */
  #isBuried(era: Era, nextSeq: number, letters: ReadonlySet<number>): void {
    for (let seq = era.base; seq < nextSeq; seq++) {
      if (era.acknowledged.has(seq)) continue;
      const number = this.#numbers.get(`${era.generation}/${seq}`);
      if (number !== undefined && !letters.has(number))
        throw new Error(`record ${seq} was neither acknowledged nor is it in the dead letters`);
      this.#world.tally.buried++;
    }
  }

  delivered({ ledger, process }: Opened, delivery: Delivery<string>, handlers: number): boolean {
    // What a process gets after its end, nobody hears.
    if (!process.machine.running) return false;
    const { seq, data, attempt } = delivery;
    const { generation } = ledger.era;
    this.#world.model.served(generation, seq, data);
    this.#numbers.set(`${generation}/${seq}`, Number.parseInt(data, 10));
    ledger.delivered(delivery, handlers);
    this.#world.tally.delivered++;
    if (attempt > 1) this.#world.tally.redelivered++;
    return true;
  }

  async closeConsumer({ ledger, process, book, claim, dead, commits }: Opened): Promise<void> {
    const { machine } = process;
    const { era, consumer } = ledger;
    const { doneTo } = era;
    const isFirst = !ledger.isClosing;
    ledger.isClosing = true;
    claim.state = "closing";
    await consumer.close();
    if (!machine.running) return;
    if (!process.hasErrors && !commits && isFirst && this.#world.keepsAlone(process))
      era.floor = Math.max(era.floor, doneTo);
    if (consumer.nextSeq > era.ceiling && era === ledger.era && book.eras.length === 1)
      throw new Error(`closed at ${consumer.nextSeq}, and ${era.ceiling} was not acknowledged`);
    process.ledgers.delete(ledger);
    await dead?.close();
    book.claims.delete(claim);
  }
}
