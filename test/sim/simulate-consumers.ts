/**
 * One simulated history of consumers and retention, decided by a seed: a writer that appends, trims,
 * rolls and resets; consumers in its process and in others beside it, which acknowledge, refuse, ask
 * for time, leave their loops, seek, run handlers one after the other and many at once, keep their
 * place in the directory or in a database, and bury what fails in other logs; errors of the disk; and
 * crashes at any operation.
 *
 * Where each promise of docs/consumers.md and docs/retention.md is checked: none skipped, each again
 * until it is acknowledged, in order: `ConsumerLedger`; no acknowledged delivery forgotten beyond the
 * policy's window, no checkpoint past what was acknowledged: `ConsumerBook.found`; never past the
 * mark: a checkpoint of records that a power cut took is refused by the log itself, which `ConsumerOpenings`
 * takes for a failure; dead letters: `ConsumerOpenings`; protected records: `ConsumedLogWork` and
 * `ConsumerWorld.isExpectedOf`; one holder: `ConsumerBook`; right records: `Model`.
 */
import { SeqlogError } from "../../src/errors.ts";
import { consumersDirectory } from "../../src/consumer/consumer-paths.ts";
import { validSlots } from "../../src/consumer/checkpoint-slot.ts";
import { FileLog } from "../../src/log/file-log.ts";
import type { SimulatedMachine } from "../../src/testing/simulated-machine.ts";
import type { ConsumerBook, Era } from "./consumer-book.ts";
import type { ConsumerLedger } from "./consumer-ledger.ts";
import { isExpected } from "./simulate.ts";
import { StoreDown } from "./simulated-stores.ts";
import type { ConsumerTally } from "./consumer-tally.ts";
import { type Process, type Text, directory, codec, pause, stored } from "./consumer-process.ts";
import { ConsumerWorld } from "./consumer-world.ts";
import { ConsumedLogWork } from "./consumed-log-work.ts";
import { ConsumerOpenings } from "./consumer-openings.ts";
import { ConsumerPrograms } from "./consumer-programs.ts";

/** Runs the history of a seed. @throws when a promise was broken */
export async function simulateConsumers(seed: number | string): Promise<ConsumerTally> {
  return await new ConsumerHistory(seed).run();
}

class ConsumerHistory {
  readonly #world: ConsumerWorld;
  readonly #log: ConsumedLogWork;
  readonly #openings: ConsumerOpenings;
  readonly #programs: ConsumerPrograms;
  #sides: { readonly machine: SimulatedMachine; process?: Process }[] = [];

  constructor(seed: number | string) {
    this.#world = new ConsumerWorld(seed);
    this.#log = new ConsumedLogWork(this.#world);
    this.#openings = new ConsumerOpenings(this.#world);
    this.#programs = new ConsumerPrograms(this.#world, this.#openings);
  }

  async run(): Promise<ConsumerTally> {
    for (let sessions = this.#world.random.int(5) + 2; sessions > 0; sessions--) {
      await this.#session();
      this.#end();
      this.#world.throwFailure();
    }
    this.#end(true);
    await this.#lastLook();
    this.#world.throwFailure();
    this.#world.followers.forget();
    return this.#world.tally;
  }

  /** One writer's life, with consumers in it and beside it. */
  async #session(): Promise<void> {
    const machine = this.#world.disk.boot();
    this.#world.writer = undefined;
    this.#world.writerMachine = machine;
    this.#world.plan(machine);
    const outcome = await machine.run(async () => {
      const log = await this.#world.open(machine);
      await this.#log.check(log);
      machine.faults.clear();
      const writer = this.#world.process(machine, log, true);
      this.#world.writer = writer;
      if (this.#world.plan(machine)) writer.hasErrors = true;
      if (this.#world.random.chance(0.08)) this.#fillDisk(writer);
      if (this.#world.random.chance(0.2)) this.#world.followers.add(directory, codec, () => undefined);
      for (let i = this.#world.random.pick([0, 0, 1, 2]); i > 0; i--) this.#addSide();
      for (let users = this.#world.random.pick([0, 1, 1, 2]); users > 0; users--) this.#programs.startUser(writer);
      await this.#work(writer);
      if (this.#world.random.chance(0.3)) await this.#close(writer);
      else if (this.#world.random.chance(0.1)) this.#closeSync(writer);
    });
    this.#world.disk.capacity = Infinity;
    this.#world.throwFailure();
    if (outcome.kind === "failed" && !isExpected(outcome.error) && !(outcome.error instanceof StoreDown))
      throw outcome.error;
  }

  #fillDisk(writer: Process): void {
    this.#world.disk.capacity = this.#world.disk.used + this.#world.random.int(12_000);
    this.#world.mayRefuse = true;
    writer.hasErrors = true;
    for (const { process } of this.#sides) if (process !== undefined) process.hasErrors = true;
  }

  /** Power, or the writer's process and some of those beside it. */
  #end(isLast = false): void {
    const isPowerCut = isLast || this.#world.random.chance(0.55);
    if (!isLast) this.#world.tally.crashes++;
    const writer = this.#world.writerMachine;
    if (isPowerCut) {
      this.#world.isPowerCut = true;
      for (const process of this.#processes()) this.#ended(process);
      this.#world.disk.crash();
      for (const book of this.#world.books) book.claims.clear();
      this.#world.followers.forget();
      this.#sides = [];
    } else {
      if (writer !== undefined) this.#kill(writer, this.#world.writer);
      this.#sides = this.#sides.filter(({ machine, process }) => {
        if (machine.running && !this.#world.random.chance(0.5)) return true;
        this.#kill(machine, process);
        return false;
      });
      this.#world.followers.killSome(0.5);
    }
    this.#world.writer = undefined;
    this.#isMirrorBehind();
  }

  *#processes(): Generator<Process> {
    if (this.#world.writer !== undefined) yield this.#world.writer;
    for (const { process } of this.#sides) if (process !== undefined) yield process;
  }

  #kill(machine: SimulatedMachine, process: Process | undefined): void {
    if (process !== undefined) this.#ended(process);
    this.#world.disk.kill(machine);
    for (const book of this.#world.books) book.release(machine);
  }

  /** What its consumers must have kept by now without telling anybody. */
  #ended(process: Process): void {
    const at = Math.min(process.diedAt, this.#world.elapsed());
    for (const { era, isClosing, options, ...ledger } of [...process.ledgers].map(viewOf)) {
      if (process.hasErrors || isClosing || options.isEvery || !this.#world.keepsAlone(process)) continue;
      era.floor = Math.max(era.floor, ledger.doneBefore(at, this.#world.intervalMs));
    }
    process.ledgers.clear();
  }

  /** The file of a consumer with a database may be behind it, never ahead: retention takes the lower of its slots. */
  #isMirrorBehind(): void {
    const { held, wasCleared } = this.#world.store;
    const bytes = this.#world.disk.readFile(`${consumersDirectory(directory)}/${stored}.ckpt`);
    const slots = bytes === undefined ? [] : validSlots(bytes);
    if (!slots.every(({ isMirror }) => isMirror)) throw new Error(`the file of ${stored} is not marked as a mirror`);
    if (wasCleared || held === undefined) return;
    const kept = slots.filter(({ checkpoint }) => checkpoint.generation === held.generation);
    const lowest = Math.min(...kept.map(({ checkpoint }) => checkpoint.nextSeq));
    if (kept.length > 0 && lowest > held.nextSeq)
      throw new Error(`the file of ${stored} is at ${lowest}, its database at ${held.nextSeq}`);
  }

  async #work(writer: Process): Promise<void> {
    const { log, machine } = writer;
    const inFlight: Promise<void>[] = [];
    let steps = this.#world.random.int(40) + 1;
    // One that has ended takes no part any more: it must not start another that nobody ends.
    for (; steps > 0 && machine.running && this.#world.failure === undefined; steps--) {
      const kind = this.#world.random.int(24);
      if (kind < 7) inFlight.push(this.#met(this.#log.append(log)));
      else if (kind < 9) inFlight.push(this.#met(this.#log.appendBatch(log)));
      else if (kind < 12) await pause(machine, this.#world.random.pick([1, 10, 40, 150]));
      else if (kind < 14) for (let turns = this.#world.random.int(8); turns > 0; turns--) await machine.clock.turn();
      else if (kind === 14) await Promise.all(inFlight.splice(0));
      else if (kind < 17) await this.#log.trim(log);
      else if (kind === 17 && this.#world.random.chance(0.2)) await this.#log.reset(log, inFlight);
      else if (kind === 17) this.#log.jump(log);
      else if (kind < 20) this.#programs.startUser(writer);
      else if (kind === 20) this.#addSide();
      else if (kind === 21) await this.#look(writer);
      else if (kind === 22) await this.#moveFromOutside(writer);
      else if (this.#world.random.chance(0.3)) await this.#closeSomeSide();
      this.#log.firstSeqMoved(log);
    }
    if (this.#world.random.chance(0.5)) await Promise.all(inFlight);
  }

  /** What an append meets is met, whether anybody comes to wait for it or not. */
  async #met(append: Promise<void>): Promise<void> {
    await append.catch((error: unknown) => this.#world.fail(error));
  }

  /** What the log says of its consumers. */
  async #look({ log, machine }: Process): Promise<void> {
    const { generation } = log;
    // One that is moved or opened while the list is made may be listed where it was before.
    const before = new Map(this.#world.books.map((book) => [book, book.eras]));
    const quiet = new Set(this.#world.books.filter(({ claims }) => claims.size === 0));
    try {
      for (const { name, nextSeq, problem } of await log.consumers()) {
        if (!machine.running || log.generation !== generation) return;
        const book = this.#book(name);
        const fits = (era: Era): boolean => era.generation === generation && (nextSeq ?? 0) <= era.ceiling;
        const isStill = quiet.has(book) && book.claims.size === 0 && before.get(book) === book.eras;
        const isKnown = isStill && !book.mayBeNone && name !== stored;
        if (nextSeq !== undefined && isKnown && !book.eras.some(fits))
          throw new Error(`${name} is listed at ${nextSeq}`);
        if (problem !== undefined && !/generation|removed/.test(problem)) throw new Error(`${name}: ${problem}`);
      }
      await log.stats();
    } catch (error) {
      if (machine.running && !isExpected(error)) throw error;
    }
  }

  #book(name: string): ConsumerBook {
    return this.#world.books.find((book) => book.name === name) as ConsumerBook;
  }

  /** A person moves a consumer, or deletes it, when nobody has it open. */
  async #moveFromOutside(process: Process): Promise<void> {
    const { log, machine } = process;
    const book = this.#world.random.pick(this.#world.books.filter(({ name }) => name !== stored));
    const claim = book.claim(machine);
    const { mayBeNone } = book;
    const isContended = book.isContended(claim);
    try {
      if (this.#world.random.chance(0.3)) {
        book.mayBeNone = true;
        await log.deleteConsumer(book.name);
        if (machine.running) book.deleted();
      } else {
        const to = this.#world.random.pick<"start" | "end" | number>([
          "start",
          "end",
          this.#world.random.int(log.nextSeq + 1),
        ]);
        await this.#world.seekOutside(book, process, to);
      }
      this.#world.tally.seeks++;
    } catch (error) {
      if (!machine.running) return;
      if (SeqlogError.is(error, "SEQLOG_LOCKED")) {
        book.mayBeNone = mayBeNone && book.mayBeNone;
        this.#world.locked(book, isContended);
      } else if (!isExpected(error) && !(error instanceof RangeError)) throw error;
    } finally {
      // A process that has ended holds its locks until it is gone.
      if (machine.running) book.claims.delete(claim);
    }
  }

  #addSide(): void {
    const machine = this.#world.disk.boot();
    const side: { machine: SimulatedMachine; process?: Process } = { machine };
    this.#sides.push(side);
    void (async () => {
      let hasErrors = this.#world.plan(machine);
      try {
        const log: Text = await FileLog.open(directory, { machine, codec, readOnly: true });
        if (!machine.running) return;
        const process = this.#world.process(machine, log, false);
        hasErrors ||= this.#world.disk.capacity < Infinity;
        process.hasErrors = hasErrors;
        side.process = process;
        for (let users = this.#world.random.int(2) + 1; users > 0; users--) this.#programs.startUser(process);
      } catch (error) {
        if (machine.running && !isExpected(error)) this.#world.fail(error);
      }
    })();
  }

  async #closeSomeSide(): Promise<void> {
    const side = this.#world.random.pick([...this.#sides, undefined]);
    if (side?.process === undefined || !side.machine.running) return;
    await Promise.race([this.#close(side.process), side.machine.died]).catch((error: unknown) => {
      if (side.machine.running && !isExpected(error) && !(error instanceof StoreDown)) throw error;
    });
  }

  /** Closes a log and with it its consumers: what they acknowledged is kept. */
  async #close(process: Process): Promise<void> {
    const { log, machine, users, dead } = process;
    const closing = [...process.ledgers].map((ledger) => ({ ledger, era: ledger.era, doneTo: ledger.era.doneTo }));
    for (const { ledger } of closing) ledger.isClosing = true;
    this.#isLeaving(process);
    await log.close();
    if (!machine.running) return;
    if (!process.hasErrors && this.#world.keepsAlone(process))
      for (const { era, doneTo } of closing) era.floor = Math.max(era.floor, doneTo);
    await Promise.all(users);
    for (const letters of dead) await letters.close();
    for (const book of this.#world.books) book.release(machine);
    this.#world.throwFailure();
    // A reader that was looking for what is new ends a moment later.
    if (machine.openFiles > 0) await pause(machine, 1);
    if (machine.running && machine.openFiles > 0) throw new Error(`${machine.openFiles} descriptors are left`);
  }

  #closeSync(process: Process): void {
    for (const ledger of process.ledgers) ledger.isClosing = true;
    this.#isLeaving(process);
    process.log.closeSync();
  }

  #isLeaving(process: Process): void {
    const { machine } = process;
    process.isClosing = true;
    for (const { claims } of this.#world.books)
      for (const claim of claims) if (claim.owner === machine) claim.state = "closing";
  }

  /** On a disk without faults everything is delivered that was not acknowledged, and then stays so. */
  async #lastLook(): Promise<void> {
    const machine = this.#world.disk.boot();
    this.#world.writerMachine = machine;
    this.#world.store.isReliable = true;
    const outcome = await machine.run(async () => {
      const log = await this.#world.open(machine);
      await this.#log.check(log);
      const process = this.#world.process(machine, log, true);
      this.#world.writer = process;
      await this.#log.append(log);
      for (const book of this.#world.books) await this.#programs.drain(process, book);
      this.#world.throwFailure();
      for (const book of this.#world.books) book.release(machine);
      await log.close();
      if (machine.openFiles > 0) throw new Error(`${machine.openFiles} descriptors are left`);
    });
    if (outcome.kind === "failed") throw outcome.error;
    if (outcome.kind === "died") throw new Error("the last look died without a fault");
  }
}

/** What a ledger says at the end of its process. */
function viewOf(ledger: ConsumerLedger): Pick<ConsumerLedger, "era" | "isClosing" | "options" | "doneBefore"> {
  const { era, isClosing, options } = ledger;
  return { era, isClosing, options, doneBefore: (at, ms) => ledger.doneBefore(at, ms) };
}
