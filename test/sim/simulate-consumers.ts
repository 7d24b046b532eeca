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
 * mark: a checkpoint of records that a power cut took is refused by the log itself, which `#opened`
 * takes for a failure; dead letters: `#isBuried`; protected records: `#firstSeqMoved` and
 * `#isExpectedOf`; one holder: `ConsumerBook`; right records: `Model`.
 */
import { SeqlogError } from "../../src/errors.ts";
import { consumersDirectory } from "../../src/consumer/consumer-paths.ts";
import { validSlots } from "../../src/consumer/checkpoint-slot.ts";
import { readDeadLetter } from "../../src/consumer/dead-letter.ts";
import type { LogConsumer } from "../../src/consumer/log-consumer.ts";
import type { ConsumerOptions, Delivery } from "../../src/log/consumer-contract.ts";
import { text } from "../../src/log/codec.ts";
import { FileLog } from "../../src/log/file-log.ts";
import type { Retention } from "../../src/log/retention.ts";
import {
  type Fault,
  crashAfter,
  crashBefore,
  crashDuring,
  failWith,
  shortWrite,
} from "../../src/testing/fault-plan.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { SimulatedCrash } from "../../src/testing/simulated-crash.ts";
import { SimulatedDisk } from "../../src/testing/simulated-disk.ts";
import type { SimulatedMachine } from "../../src/testing/simulated-machine.ts";
import { ConsumerBook, type Claim, type Era } from "./consumer-book.ts";
import { ConsumerLedger } from "./consumer-ledger.ts";
import { Followers } from "./followers.ts";
import { type Found, Model } from "./model.ts";
import { isExpected } from "./simulate.ts";
import { SimulatedStore, StoreDown } from "./simulated-stores.ts";

type Text = FileLog<string, string>;

const directory = "/log";
const codec = text();

/** What histories met, so that a test can tell that they meet what they are for. */
export interface ConsumerTally {
  crashes: number;
  acknowledged: number;
  delivered: number;
  redelivered: number;
  /** Acknowledgements of which the program was told that they count. */
  acks: number;
  handled: number;
  buried: number;
  committed: number;
  seeks: number;
  mismatches: number;
  locked: number;
  /** Records that retention or a trim removed. */
  removed: number;
  /** Times that a consumer held records back. */
  heldBack: number;
}

/** Nothing yet. */
export function emptyConsumerTally(): ConsumerTally {
  return {
    crashes: 0,
    acknowledged: 0,
    delivered: 0,
    redelivered: 0,
    acks: 0,
    handled: 0,
    buried: 0,
    committed: 0,
    seeks: 0,
    mismatches: 0,
    locked: 0,
    removed: 0,
    heldBack: 0,
  };
}

/** Runs the history of a seed. @throws when a promise was broken */
export async function simulateConsumers(seed: number | string): Promise<ConsumerTally> {
  return await new ConsumerHistory(seed).run();
}

/** A process that has the log open. */
interface Process {
  readonly machine: SimulatedMachine;
  readonly log: Text;
  readonly isWriter: boolean;
  readonly ledgers: Set<ConsumerLedger>;
  /** Programs that use its consumers. */
  readonly users: Promise<void>[];
  /** Logs of dead letters that it has open. */
  readonly dead: Set<Text>;
  isClosing: boolean;
  /** Whether its disk or its database may fail: then what it kept is not known without being told. */
  hasErrors: boolean;
  diedAt: number;
}

/** One consumer that is open in a process. */
interface Opened {
  readonly process: Process;
  readonly book: ConsumerBook;
  readonly claim: Claim;
  readonly ledger: ConsumerLedger;
  readonly dead: Text | undefined;
  readonly attempts: number;
  readonly commits: boolean;
}

/** Records as retention sees them. */
interface Kept {
  readonly bytes: number;
  readonly timeMs: number | undefined;
}

class HandlerFailure extends Error {}

/** Where its dead letters go; of the other names there are none. */
const burying = "buries";
/** Keeps its place in a database. */
const stored = "stored";

class ConsumerHistory {
  readonly #random: SeededRandom;
  readonly #disk: SimulatedDisk;
  readonly #model = new Model();
  readonly #tally = emptyConsumerTally();
  readonly #isWeak: boolean;
  readonly #segmentBytes: number;
  readonly #retention: Retention | undefined;
  readonly #intervalMs: number;
  readonly #books = ["plain", burying, stored].map((name) => new ConsumerBook(name));
  readonly #store: SimulatedStore;
  readonly #storeSaves: boolean;
  readonly #followers: Followers;
  #writer: Process | undefined;
  #writerMachine: SimulatedMachine | undefined;
  #sides: { readonly machine: SimulatedMachine; process?: Process }[] = [];
  #count = 0;
  #jumpedMs = 0;
  #isPowerCut = false;
  #mayRefuse = false;
  #failure: { readonly error: unknown } | undefined;
  /** Of this generation. */
  #kept: (Kept | undefined)[] = [];
  #firstSeq = 0;
  #trimmedTo = 0;
  #inFlight = 0;

  constructor(seed: number | string) {
    const random = new SeededRandom(seed).fork("consumers");
    this.#random = random;
    const hasDsync = random.chance(0.7);
    this.#disk = new SimulatedDisk({ seed, keepLog: false, hasDsync, watchMissChance: random.pick([0, 0.3]) });
    this.#isWeak = random.chance(0.3);
    this.#segmentBytes = random.pick([1024, 1024, 4096]);
    const protect = random.chance(0.75) ? ({ protect: "consumers" } as const) : {};
    this.#retention = random.pick<Retention | undefined>([
      protect,
      { maxRecords: 5 + random.int(20), ...protect },
      { maxBytes: 1000 + random.int(4000), ...protect },
      { maxAgeMs: 20 + random.int(100), ...protect },
      { maxRecords: 10, maxAgeMs: 100, ...protect },
    ]);
    this.#intervalMs = 5 + random.int(30);
    this.#store = new SimulatedStore(random);
    this.#storeSaves = random.chance(0.5);
    const served = (generation: number, seq: number, payload: string): void =>
      this.#model.served(generation, seq, payload);
    this.#followers = new Followers(this.#disk, random, served, isExpected);
  }

  async run(): Promise<ConsumerTally> {
    for (let sessions = this.#random.int(5) + 2; sessions > 0; sessions--) {
      await this.#session();
      this.#end();
      this.#throwFailure();
    }
    this.#end(true);
    await this.#lastLook();
    this.#throwFailure();
    this.#followers.forget();
    return this.#tally;
  }

  #throwFailure(): void {
    this.#followers.throwFailure();
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** What is met where nobody waits. */
  #fail(error: unknown): void {
    this.#failure ??= { error };
  }

  #elapsed(): number {
    return this.#disk.clock.now() - this.#jumpedMs;
  }

  get #isProtecting(): boolean {
    return this.#retention?.protect !== undefined;
  }

  /** One writer's life, with consumers in it and beside it. */
  async #session(): Promise<void> {
    const machine = this.#disk.boot();
    this.#writer = undefined;
    this.#writerMachine = machine;
    this.#plan(machine);
    const outcome = await machine.run(async () => {
      const log = await this.#open(machine);
      await this.#check(log);
      machine.faults.clear();
      const writer = this.#process(machine, log, true);
      this.#writer = writer;
      if (this.#plan(machine)) writer.hasErrors = true;
      if (this.#random.chance(0.08)) this.#fillDisk(writer);
      if (this.#random.chance(0.2)) this.#followers.add(directory, codec, () => undefined);
      for (let i = this.#random.pick([0, 0, 1, 2]); i > 0; i--) this.#addSide();
      for (let users = this.#random.pick([0, 1, 1, 2]); users > 0; users--) this.#startUser(writer);
      await this.#work(writer);
      if (this.#random.chance(0.3)) await this.#close(writer);
      else if (this.#random.chance(0.1)) this.#closeSync(writer);
    });
    this.#disk.capacity = Infinity;
    this.#throwFailure();
    if (outcome.kind === "failed" && !isExpected(outcome.error) && !(outcome.error instanceof StoreDown))
      throw outcome.error;
  }

  #process(machine: SimulatedMachine, log: Text, isWriter: boolean): Process {
    const made: Process = { machine, log, isWriter, ...newProcess() };
    void machine.died.then(() => (made.diedAt = Math.min(made.diedAt, this.#elapsed())));
    return made;
  }

  /** Whether it may be an error, not a crash. */
  #plan(machine: SimulatedMachine): boolean {
    const random = this.#random;
    if (random.chance(0.25)) return false;
    const fault: Fault = random.pick([
      crashBefore,
      crashAfter,
      crashAfter,
      crashDuring(random.int(100)),
      crashDuring(random.int(2000)),
      failWith("EIO", random.int(200)),
      failWith("ENOSPC", random.int(200)),
      shortWrite(random.int(100)),
    ]);
    machine.faults.at(machine.operations + random.int(random.pick([30, 100, 400])), fault);
    if (fault.kind !== "crash") this.#mayRefuse = true;
    return fault.kind !== "crash";
  }

  #fillDisk(writer: Process): void {
    this.#disk.capacity = this.#disk.used + this.#random.int(12_000);
    this.#mayRefuse = true;
    writer.hasErrors = true;
    for (const { process } of this.#sides) if (process !== undefined) process.hasErrors = true;
  }

  /** Power, or the writer's process and some of those beside it. */
  #end(isLast = false): void {
    const isPowerCut = isLast || this.#random.chance(0.55);
    if (!isLast) this.#tally.crashes++;
    const writer = this.#writerMachine;
    if (isPowerCut) {
      this.#isPowerCut = true;
      for (const process of this.#processes()) this.#ended(process);
      this.#disk.crash();
      for (const book of this.#books) book.claims.clear();
      this.#followers.forget();
      this.#sides = [];
    } else {
      if (writer !== undefined) this.#kill(writer, this.#writer);
      this.#sides = this.#sides.filter(({ machine, process }) => {
        if (machine.running && !this.#random.chance(0.5)) return true;
        this.#kill(machine, process);
        return false;
      });
      this.#followers.killSome(0.5);
    }
    this.#writer = undefined;
    this.#isMirrorBehind();
  }

  *#processes(): Generator<Process> {
    if (this.#writer !== undefined) yield this.#writer;
    for (const { process } of this.#sides) if (process !== undefined) yield process;
  }

  #kill(machine: SimulatedMachine, process: Process | undefined): void {
    if (process !== undefined) this.#ended(process);
    this.#disk.kill(machine);
    for (const book of this.#books) book.release(machine);
  }

  /** What its consumers must have kept by now without telling anybody. */
  #ended(process: Process): void {
    const at = Math.min(process.diedAt, this.#elapsed());
    for (const { era, isClosing, options, ...ledger } of [...process.ledgers].map(viewOf)) {
      if (process.hasErrors || isClosing || options.isEvery || !this.#keepsAlone(process)) continue;
      era.floor = Math.max(era.floor, ledger.doneBefore(at, this.#intervalMs));
    }
    process.ledgers.clear();
  }

  /** Whether its consumers wait for nobody else when they keep their place. */
  #keepsAlone(process: Process): boolean {
    return process.isWriter || !this.#isWeak;
  }

  /** The file of a consumer with a database may be behind it, never ahead: retention takes the lower of its slots. */
  #isMirrorBehind(): void {
    const { held, wasCleared } = this.#store;
    const bytes = this.#disk.readFile(`${consumersDirectory(directory)}/${stored}.ckpt`);
    const slots = bytes === undefined ? [] : validSlots(bytes);
    if (!slots.every(({ isMirror }) => isMirror)) throw new Error(`the file of ${stored} is not marked as a mirror`);
    if (wasCleared || held === undefined) return;
    const kept = slots.filter(({ checkpoint }) => checkpoint.generation === held.generation);
    const lowest = Math.min(...kept.map(({ checkpoint }) => checkpoint.nextSeq));
    if (kept.length > 0 && lowest > held.nextSeq)
      throw new Error(`the file of ${stored} is at ${lowest}, its database at ${held.nextSeq}`);
  }

  async #open(machine: SimulatedMachine): Promise<Text> {
    const durability = this.#isWeak ? this.#random.pick(["os", { intervalMs: 7 }] as const) : "record";
    const segmentBytes = this.#segmentBytes;
    const retention = this.#retention === undefined ? {} : { retention: this.#retention };
    return await FileLog.open(directory, { machine, codec, durability, segmentBytes, ...retention });
  }

  async #check(log: Text): Promise<void> {
    const records: Found[] = [];
    this.#kept = [];
    for await (const { seq, data, id, segment, offset, time } of log.read()) {
      records.push({ seq, payload: data, id, segment, offset });
      this.#kept[seq] = { bytes: 32 + Buffer.byteLength(data), timeMs: time.getTime() };
    }
    const { generation, firstSeq, nextSeq } = log;
    const mayLose = this.#isPowerCut && this.#isWeak;
    const how = { isPowerCut: this.#isPowerCut, isWeak: this.#isWeak, mayRefuse: this.#mayRefuse };
    this.#model.recovered(generation, firstSeq, records, how);
    for (const { eras } of this.#books)
      for (const era of eras) if (mayLose && era.generation === generation) era.lost(nextSeq);
    this.#isPowerCut = false;
    this.#mayRefuse = false;
    this.#firstSeq = firstSeq;
    this.#trimmedTo = firstSeq;
    this.#inFlight = 0;
    this.#isAllProtected(log);
    this.#mayTrim();
  }

  /** From here on any first seq may be found after a crash: which segments go only the log knows. */
  #mayTrim(): void {
    this.#model.trimming(this.#model.firstSeq, this.#model.nextSeq + 400);
  }

  async #work(writer: Process): Promise<void> {
    const { log, machine } = writer;
    const inFlight: Promise<void>[] = [];
    for (let steps = this.#random.int(40) + 1; steps > 0 && this.#failure === undefined; steps--) {
      const kind = this.#random.int(24);
      if (kind < 7) inFlight.push(this.#append(log));
      else if (kind < 9) inFlight.push(this.#appendBatch(log));
      else if (kind < 12) await pause(machine, this.#random.pick([1, 10, 40, 150]));
      else if (kind < 14) for (let turns = this.#random.int(8); turns > 0; turns--) await machine.clock.turn();
      else if (kind === 14) await Promise.all(inFlight.splice(0));
      else if (kind < 17) await this.#trim(log);
      else if (kind === 17 && this.#random.chance(0.2)) await this.#reset(log, inFlight);
      else if (kind === 17) this.#jump(log);
      else if (kind < 20) this.#startUser(writer);
      else if (kind === 20) this.#addSide();
      else if (kind === 21) await this.#look(writer);
      else if (kind === 22) await this.#moveFromOutside(writer);
      else if (this.#random.chance(0.3)) await this.#closeSomeSide();
      this.#firstSeqMoved(log);
    }
    if (this.#random.chance(0.5)) await Promise.all(inFlight);
  }

  #jump(log: Text): void {
    this.#firstSeqMoved(log);
    const ms = this.#random.int(2000) - 1000;
    this.#disk.clock.jump(ms);
    this.#jumpedMs += ms;
  }

  #payload(): string {
    const text = `${this.#count++}:`;
    return text + "x".repeat(this.#random.int(this.#random.pick([10, 100, 500])));
  }

  async #append(log: Text): Promise<void> {
    const payload = this.#payload();
    this.#model.submitted([payload]);
    this.#inFlight++;
    try {
      const { seq, id, segment, offset, time } = await log.append(payload);
      this.#model.acknowledged(seq, { payload, id, segment, offset }, !this.#isWeak);
      this.#kept[seq] = { bytes: 32 + payload.length, timeMs: time?.getTime() };
      this.#tally.acknowledged++;
    } catch (error) {
      this.#refused(error, [payload]);
    }
    this.#inFlight--;
    this.#firstSeqMoved(log);
  }

  async #appendBatch(log: Text): Promise<void> {
    const payloads = Array.from({ length: this.#random.int(6) + 1 }, () => this.#payload());
    this.#model.submitted(payloads);
    this.#inFlight++;
    try {
      const { first } = await log.appendBatch(payloads);
      for (const [i, payload] of payloads.entries()) {
        this.#model.acknowledged(first + i, { payload }, !this.#isWeak);
        this.#kept[first + i] = { bytes: 32 + payload.length, timeMs: undefined };
        this.#tally.acknowledged++;
      }
    } catch (error) {
      this.#refused(error, payloads);
    }
    this.#inFlight--;
    this.#firstSeqMoved(log);
  }

  #refused(error: unknown, payloads: readonly string[]): void {
    if (this.#writerMachine?.running !== true) return;
    if (SeqlogError.is(error, "SEQLOG_NO_SPACE")) return this.#model.undone(payloads);
    if (!isExpected(error)) throw error;
  }

  async #trim(log: Text): Promise<void> {
    try {
      this.#firstSeqMoved(log);
      if (this.#random.chance(0.5) && Object.keys(this.#retention ?? {}).some((name) => name !== "protect")) {
        await log.trim();
      } else {
        const before = log.firstSeq + this.#random.int(log.nextSeq - log.firstSeq + 1);
        this.#trimmedTo = Math.max(this.#trimmedTo, before);
        const { heldBack } = await log.trim({ before });
        if (heldBack !== undefined && heldBack.records > 0) {
          this.#tally.heldBack++;
          if (!this.#isProtecting) throw new Error("records are held back, and nobody asked for it");
        }
      }
    } catch (error) {
      if (!isExpected(error)) throw error;
    }
  }

  async #reset(log: Text, inFlight: Promise<void>[]): Promise<void> {
    await Promise.all(inFlight.splice(0));
    this.#firstSeqMoved(log);
    this.#model.resetting();
    try {
      await log.reset();
    } catch (error) {
      if (!isExpected(error)) throw error;
      return;
    }
    if (this.#writerMachine?.running !== true) return;
    this.#model.wasReset();
    this.#kept = [];
    this.#firstSeq = 0;
    this.#trimmedTo = 0;
    this.#mayTrim();
  }

  /** Only what may go has gone. */
  #firstSeqMoved(log: Text): void {
    const { firstSeq, nextSeq } = log;
    if (this.#writerMachine?.running !== true || log.generation !== this.#model.generation) return;
    if (firstSeq <= this.#firstSeq) return;
    this.#tally.removed += firstSeq - this.#firstSeq;
    this.#firstSeq = firstSeq;
    this.#isAllProtected(log);
    if (firstSeq <= this.#trimmedTo || this.#inFlight > 0) return;
    const { maxRecords = Infinity, maxBytes = Infinity, maxAgeMs = Infinity } = this.#retention ?? {};
    const left = Array.from({ length: nextSeq - firstSeq }, (_, i) => this.#kept[firstSeq + i]);
    // A batch that failed in its later part has left records that nobody was told of: their length is not known.
    const bytes = left.reduce((sum, kept) => sum + (kept?.bytes ?? Infinity), 0);
    const lastMs = this.#kept[firstSeq - 1]?.timeMs ?? -Infinity;
    const isOld = this.#disk.clock.now() - lastMs > maxAgeMs;
    if (nextSeq - firstSeq < maxRecords && bytes < maxBytes && !isOld)
      throw new Error(`the log begins at ${firstSeq} and ends before ${nextSeq}: what its retention keeps has gone`);
  }

  /** No consumer needs what is gone. */
  #isAllProtected(log: Text): void {
    if (!this.#isProtecting) return;
    for (const { name, eras, mayBeNone } of this.#books) {
      const [era] = eras;
      if (eras.length !== 1 || mayBeNone || era?.generation !== log.generation || !era.isProtected) continue;
      if (era.ceiling < log.firstSeq)
        throw new Error(`the log begins at ${log.firstSeq}, and ${name} stands at ${era.ceiling} at most`);
    }
  }

  /** What the log says of its consumers. */
  async #look({ log, machine }: Process): Promise<void> {
    const { generation } = log;
    const quiet = new Set(this.#books.filter(({ claims }) => claims.size === 0));
    try {
      for (const { name, nextSeq, problem } of await log.consumers()) {
        if (!machine.running || log.generation !== generation) return;
        const book = this.#book(name);
        const fits = (era: Era): boolean => era.generation === generation && (nextSeq ?? 0) <= era.ceiling;
        const isKnown = quiet.has(book) && book.claims.size === 0 && !book.mayBeNone && name !== stored;
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
    return this.#books.find((book) => book.name === name) as ConsumerBook;
  }

  /** A person moves a consumer, or deletes it, when nobody has it open. */
  async #moveFromOutside(process: Process): Promise<void> {
    const { log, machine } = process;
    const book = this.#random.pick(this.#books.filter(({ name }) => name !== stored));
    const claim = book.claim(machine);
    const { mayBeNone } = book;
    const isContended = book.isContended(claim);
    try {
      if (this.#random.chance(0.3)) {
        book.mayBeNone = true;
        await log.deleteConsumer(book.name);
        if (machine.running) book.deleted();
      } else {
        const to = this.#random.pick<"start" | "end" | number>(["start", "end", this.#random.int(log.nextSeq + 1)]);
        await this.#seekOutside(book, process, to);
      }
      this.#tally.seeks++;
    } catch (error) {
      if (!machine.running) return;
      if (SeqlogError.is(error, "SEQLOG_LOCKED")) {
        book.mayBeNone = mayBeNone && book.mayBeNone;
        this.#locked(book, isContended);
      } else if (!isExpected(error) && !(error instanceof RangeError)) throw error;
    } finally {
      // A process that has ended holds its locks until it is gone.
      if (machine.running) book.claims.delete(claim);
    }
  }

  async #seekOutside(book: ConsumerBook, { log, machine }: Process, to: "start" | "end" | number): Promise<void> {
    const takeBack = this.#going(book);
    try {
      const { after } = await log.seekConsumer(book.name, to);
      if (machine.running) this.#stands(book, after.generation, after.nextSeq);
    } catch (error) {
      if (SeqlogError.is(error, "SEQLOG_LOCKED")) takeBack();
      throw error;
    }
  }

  /** From here on it may be anywhere in this generation or the one to come. */
  #going(book: ConsumerBook): () => void {
    const { generation } = this.#model;
    return book.going([generation, generation + 1], this.#model.nextSeq + 400);
  }

  #stands(book: ConsumerBook, generation: number, seq: number): Era {
    const era = book.stands(generation, seq);
    const log = this.#writer?.log;
    // Where it was made there may be nothing any more: nobody knew yet that it needs it.
    const isGone = log !== undefined && log.generation === generation && log.firstSeq > seq;
    era.isProtected = this.#isProtecting && !isGone && seq >= this.#firstSeq;
    return era;
  }

  #locked(book: ConsumerBook, isContended: boolean): void {
    if (!isContended) throw new Error(`${book.name} is locked, and nobody has it`);
    this.#tally.locked++;
  }

  // Processes beside the writer.

  #addSide(): void {
    const machine = this.#disk.boot();
    const side: { machine: SimulatedMachine; process?: Process } = { machine };
    this.#sides.push(side);
    void (async () => {
      let hasErrors = this.#plan(machine);
      try {
        const log: Text = await FileLog.open(directory, { machine, codec, readOnly: true });
        if (!machine.running) return;
        const process = this.#process(machine, log, false);
        hasErrors ||= this.#disk.capacity < Infinity;
        process.hasErrors = hasErrors;
        side.process = process;
        for (let users = this.#random.int(2) + 1; users > 0; users--) this.#startUser(process);
      } catch (error) {
        if (machine.running && !isExpected(error)) this.#fail(error);
      }
    })();
  }

  async #closeSomeSide(): Promise<void> {
    const side = this.#random.pick([...this.#sides, undefined]);
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
    if (!process.hasErrors && this.#keepsAlone(process))
      for (const { era, doneTo } of closing) era.floor = Math.max(era.floor, doneTo);
    await Promise.all(users);
    for (const letters of dead) await letters.close();
    for (const book of this.#books) book.release(machine);
    this.#throwFailure();
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
    for (const { claims } of this.#books)
      for (const claim of claims) if (claim.owner === machine) claim.state = "closing";
  }

  // Programs that use consumers.

  #startUser(process: Process): void {
    process.users.push(this.#use(process));
  }

  /** Opens a consumer, works with it for a while, and closes it or does not. */
  async #use(process: Process): Promise<void> {
    const { machine } = process;
    const book = this.#random.pick(this.#books);
    const claim = book.claim(machine);
    let dead: Text | undefined;
    let isOpen = false;
    try {
      dead = book.name === burying ? await this.#openDead(process) : undefined;
      const opened = await this.#openConsumer(process, book, claim, dead);
      if (opened === undefined) return;
      isOpen = true;
      await this.#rounds(opened);
      if (machine.running && this.#random.chance(0.7)) {
        await this.#closeConsumer(opened);
        isOpen = false;
      }
    } catch (error) {
      if (machine.running && !this.#isExpectedOf(book, error)) this.#fail(error);
    } finally {
      if (machine.running && (!isOpen || process.isClosing)) {
        // With its log open, a consumer that nobody uses keeps its name, and with it its dead letters.
        await dead?.close().catch((error: unknown) => this.#isExpectedOf(book, error) || this.#fail(error));
        // A log that is being closed has it until that is done.
        if (!isOpen) book.claims.delete(claim);
      }
    }
  }

  async #openDead({ machine, dead }: Process): Promise<Text> {
    const durability = this.#random.pick(["os", "record"] as const);
    const letters: Text = await FileLog.open("/dead-letters", { machine, codec, durability });
    dead.add(letters);
    return letters;
  }

  /** What a consumer may meet on such a disk. */
  #isExpectedOf(book: ConsumerBook, error: unknown): boolean {
    if (SeqlogError.is(error, "SEQLOG_TRIMMED")) return !this.#isProtecting || book.mayBeTrimmed();
    return (
      isExpected(error) ||
      error instanceof SimulatedCrash ||
      error instanceof StoreDown ||
      SeqlogError.is(error, "SEQLOG_LOCKED")
    );
  }

  async #openConsumer(
    process: Process,
    book: ConsumerBook,
    claim: Claim,
    dead: Text | undefined,
  ): Promise<Opened | undefined> {
    const { machine, log } = process;
    const random = this.#random;
    const maxInFlight = random.pick([1, 3, 10, 100]);
    const ackWaitMs = random.pick([16, 80, 1000]);
    const attempts = random.int(3) + 1;
    const isEvery = random.chance(0.6);
    const commits = book.name === stored && !this.#storeSaves;
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
      checkpoint: isEvery ? "every" : { intervalMs: this.#intervalMs },
      retry: { attempts, backoffMs: random.int(5), maxBackoffMs: 20 },
      ...(dead === undefined ? {} : { deadLetter: dead }),
      ...(random.chance(0.3) ? { filter } : {}),
      ...this.#storeOptions(process, book),
    };
    if (book.name === stored && this.#store.held === undefined) book.deleted();
    const takeBack = book.mayBeNone ? this.#going(book) : undefined;
    const letters = dead === undefined ? new Set<number>() : await this.#letters(dead);
    const isContended = book.isContended(claim);
    let consumer: LogConsumer<string>;
    try {
      consumer = (await log.consumer(book.name, options)) as LogConsumer<string>;
    } catch (error) {
      if (!machine.running) return undefined;
      if (SeqlogError.is(error, "SEQLOG_LOCKED")) takeBack?.();
      if (SeqlogError.is(error, "SEQLOG_LOCKED")) this.#locked(book, isContended);
      else await this.#notOpened(process, book, error);
      return undefined;
    }
    if (!machine.running) return undefined;
    book.entered(claim);
    const { generation, nextSeq } = consumer;
    const { held } = this.#store;
    if (book.name === stored && held !== undefined && held.nextSeq !== nextSeq)
      throw new Error(`${stored} stands at ${nextSeq}, its database at ${held.nextSeq}`);
    const before = book.found(generation, nextSeq);
    if (before !== undefined && dead !== undefined) this.#isBuried(before, nextSeq, letters);
    const era = this.#stands(book, generation, nextSeq);
    if (isEvery && !commits) era.maxInFlight = maxInFlight;
    ledger = new ConsumerLedger(consumer, era, {
      maxInFlight,
      ackWaitMs,
      buriedAfter: dead === undefined ? Infinity : attempts,
      isEvery: isEvery && !commits,
      elapsed: () => this.#elapsed(),
    });
    for (const seq of early) ledger.filtered(seq);
    if (!commits) process.ledgers.add(ledger);
    return { process, book, claim, ledger, dead, attempts, commits };
  }

  #storeOptions(process: Process, { name }: ConsumerBook): Pick<ConsumerOptions<string>, "store"> {
    if (name !== stored) return {};
    const failed = (): void => void (process.hasErrors = true);
    return { store: this.#storeSaves ? this.#store.saving(process.machine, failed) : this.#store.loading() };
  }

  /** The consumer could not be opened: for a reason, and then it is brought into order. */
  async #notOpened(process: Process, book: ConsumerBook, error: unknown): Promise<void> {
    const isMismatch = SeqlogError.is(error, "SEQLOG_CHECKPOINT_MISMATCH");
    if (isMismatch && !this.#isForeign(book, process.log.generation)) throw error;
    if (!isMismatch && !this.#isExpectedOf(book, error)) throw error;
    if (!isMismatch && !SeqlogError.is(error, "SEQLOG_TRIMMED")) return;
    this.#tally.mismatches++;
    if (book.name === stored) {
      this.#store.clear();
      book.deleted();
      return;
    }
    await this.#seekOutside(book, process, "start");
  }

  #isForeign(book: ConsumerBook, generation: number): boolean {
    const { held } = this.#store;
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
      this.#tally.buried++;
    }
  }

  /** By generation and seq: the number in the record that was delivered last. */
  readonly #numbers = new Map<string, number>();

  #delivered({ ledger, process }: Opened, delivery: Delivery<string>, handlers: number): boolean {
    // What a process gets after its end, nobody hears.
    if (!process.machine.running) return false;
    const { seq, data, attempt } = delivery;
    const { generation } = ledger.era;
    this.#model.served(generation, seq, data);
    this.#numbers.set(`${generation}/${seq}`, Number.parseInt(data, 10));
    ledger.delivered(delivery, handlers);
    this.#tally.delivered++;
    if (attempt > 1) this.#tally.redelivered++;
    return true;
  }

  async #rounds(opened: Opened): Promise<void> {
    const { process, commits } = opened;
    const { machine } = process;
    for (let rounds = this.#random.int(5) + 1; rounds > 0 && machine.running && !process.isClosing; rounds--) {
      const kind = this.#random.int(8);
      try {
        if (commits) await this.#runHandlers(opened);
        else if (kind < 4) await this.#loop(opened);
        else if (kind < 7) await this.#runHandlers(opened);
        else await this.#seek(opened);
      } catch (error) {
        if (!machine.running) return;
        const isLost = SeqlogError.is(error, "SEQLOG_RESET") || SeqlogError.is(error, "SEQLOG_TRIMMED");
        if (!isLost || commits || this.#random.chance(0.5) || !this.#isExpectedOf(opened.book, error)) throw error;
        await this.#seek(opened, "start");
      }
    }
  }

  async #loop(opened: Opened): Promise<void> {
    const { ledger, process } = opened;
    const { machine } = process;
    const random = this.#random;
    const held: Delivery<string>[] = [];
    let left = random.int(15) + 1;
    for await (const delivery of ledger.consumer) {
      if (!this.#delivered(opened, delivery, 0)) return;
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
    // Behind a record that is not done yet it is not kept.
    const isFirst = era.doneTo > seq || ledger.consumer.nextSeq > seq;
    try {
      await acknowledged;
      if (!machine.running) return;
      this.#tally.acks++;
      if (!isFirst || !ledger.options.isEvery || era !== ledger.era) return;
      era.floor = Math.max(era.floor, seq + 1);
      // No checkpoint passes what a power cut may take.
      if (era.generation === this.#model.generation) this.#model.flushed(seq + 1);
    } catch (error) {
      if (machine.running && !this.#isExpectedOf(book, error)) this.#fail(error);
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
    const concurrency = commits ? 1 : this.#random.pick([1, 1, 2, 4]);
    const stop = new AbortController();
    const work = { left: this.#random.int(20) + 1, stop };
    const isShort = this.#random.chance(0.3);
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
    if (this.#random.chance(0.15)) {
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
    const random = this.#random;
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
      if (!this.#delivered(opened, delivery, concurrency)) return false;
    } catch (error) {
      // What a handler throws is the consumer's business.
      this.#fail(error);
      return false;
    }
    if (--work.left === 0) {
      if (this.#random.chance(0.5)) work.stop.abort();
      else void this.#closeConsumer(opened).catch((error: unknown) => this.#isLate(opened, error));
    }
    return true;
  }

  #isLate({ book, process }: Opened, error: unknown): void {
    if (process.machine.running && !this.#isExpectedOf(book, error)) this.#fail(error);
  }

  /** The handler returns now; in a database of one's own it commits first. */
  #succeeds({ ledger, process, commits }: Opened, delivery: Delivery<string>): void {
    const { seq } = delivery;
    if (!process.machine.running) return;
    this.#tally.handled++;
    if (!commits) return ledger.acknowledging(ledger.era, seq);
    try {
      this.#store.commit(seq, delivery.checkpoint);
    } catch (error) {
      this.#fail(error);
    }
    this.#tally.committed++;
    ledger.acknowledging(ledger.era, seq);
    // What a transaction holds is what counts, also when the consumer is closing.
    ledger.era.done.add(seq);
  }

  async #seek(opened: Opened, position?: "start"): Promise<void> {
    const { ledger, process, book } = opened;
    const { machine, log } = process;
    const random = this.#random;
    const to = position ?? random.pick<"start" | "end" | number>(["start", "end", random.int(log.nextSeq + 1)]);
    this.#going(book);
    const consumer = ledger.consumer as LogConsumer<string>;
    ledger.isClosing = true;
    try {
      await consumer.seek(to);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return await this.#closeConsumer(opened);
    }
    if (!machine.running) return;
    this.#tally.seeks++;
    const { nextSeq, generation } = consumer;
    if (typeof to === "number" && (nextSeq > to || (nextSeq < to && !this.#isWeak)))
      throw new Error(`sought ${to}, and stands at ${nextSeq}`);
    const era = this.#stands(book, generation, nextSeq);
    if (ledger.options.isEvery) era.maxInFlight = ledger.options.maxInFlight;
    ledger.moved(era);
    ledger.isClosing = false;
  }

  async #closeConsumer({ ledger, process, book, claim, dead, commits }: Opened): Promise<void> {
    const { machine } = process;
    const { era, consumer } = ledger;
    const { doneTo } = era;
    const isFirst = !ledger.isClosing;
    ledger.isClosing = true;
    claim.state = "closing";
    await consumer.close();
    if (!machine.running) return;
    if (!process.hasErrors && !commits && isFirst && this.#keepsAlone(process)) era.floor = Math.max(era.floor, doneTo);
    if (consumer.nextSeq > era.ceiling && era === ledger.era && book.eras.length === 1)
      throw new Error(`closed at ${consumer.nextSeq}, and ${era.ceiling} was not acknowledged`);
    process.ledgers.delete(ledger);
    await dead?.close();
    book.claims.delete(claim);
  }

  /** On a disk without faults everything is delivered that was not acknowledged, and then stays so. */
  async #lastLook(): Promise<void> {
    const machine = this.#disk.boot();
    this.#writerMachine = machine;
    this.#store.isReliable = true;
    const outcome = await machine.run(async () => {
      const log = await this.#open(machine);
      await this.#check(log);
      const process = this.#process(machine, log, true);
      this.#writer = process;
      await this.#append(log);
      for (const book of this.#books) await this.#drain(process, book);
      this.#throwFailure();
      for (const book of this.#books) book.release(machine);
      await log.close();
      if (machine.openFiles > 0) throw new Error(`${machine.openFiles} descriptors are left`);
    });
    if (outcome.kind === "failed") throw outcome.error;
    if (outcome.kind === "died") throw new Error("the last look died without a fault");
  }

  async #drain(process: Process, book: ConsumerBook): Promise<void> {
    const { log, machine } = process;
    for (let tries = 0; tries < 100; tries++) {
      const claim = book.claim(machine);
      const dead = book.name === burying ? await this.#openDead(process) : undefined;
      const opened = await this.#openConsumer(process, book, claim, dead);
      if (opened === undefined) {
        await dead?.close();
        book.claims.delete(claim);
        this.#throwFailure();
        continue;
      }
      const { consumer, era } = opened.ledger;
      if (consumer.nextSeq === log.nextSeq) return await this.#closeConsumer(opened);
      let last = era.base;
      // Filtered records at the end come with the next one.
      const stop = machine.clock.after(50, () => void this.#closeConsumer(opened), { keepAlive: true });
      for await (const delivery of consumer) {
        this.#delivered(opened, delivery, 0);
        last = delivery.seq;
        if (opened.commits) this.#succeeds(opened, delivery);
        await this.#ack(opened, delivery);
        if (last === log.nextSeq - 1) break;
      }
      stop();
      await this.#closeConsumer(opened);
      this.#throwFailure();
      // A database is brought up to date by records that are delivered alone.
      if (opened.commits && consumer.nextSeq === log.nextSeq) return;
    }
    throw new Error(`${book.name} does not come to the end of the log`);
  }
}

function newProcess(): Pick<Process, "ledgers" | "users" | "dead" | "isClosing" | "hasErrors" | "diedAt"> {
  return { ledgers: new Set(), users: [], dead: new Set(), isClosing: false, hasErrors: false, diedAt: Infinity };
}

interface Work {
  left: number;
  readonly stop: AbortController;
}

/** What a ledger says at the end of its process. */
function viewOf(ledger: ConsumerLedger): Pick<ConsumerLedger, "era" | "isClosing" | "options" | "doneBefore"> {
  const { era, isClosing, options } = ledger;
  return { era, isClosing, options, doneBefore: (at, ms) => ledger.doneBefore(at, ms) };
}

/** Waits, on the simulated clock. */
function pause(machine: SimulatedMachine, ms: number): Promise<void> {
  return new Promise((resolve) => void machine.clock.after(ms, resolve, { keepAlive: true }));
}
