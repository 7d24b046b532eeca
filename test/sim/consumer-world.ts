/** What all parts of a history of consumers share: the disk, the model, the consumers' books, and what is known of faults. */
import { SeqlogError } from "../../src/errors.ts";
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
import { ConsumerBook, type Era } from "./consumer-book.ts";
import { Followers } from "./followers.ts";
import { Model } from "./model.ts";
import { isExpected } from "./simulate.ts";
import { SimulatedStore, StoreDown } from "./simulated-stores.ts";
import { emptyConsumerTally } from "./consumer-tally.ts";
import { type Process, type Text, burying, codec, directory, newProcess, stored } from "./consumer-process.ts";

/** One history's. */
export class ConsumerWorld {
  readonly random: SeededRandom;
  readonly disk: SimulatedDisk;
  readonly model = new Model();
  readonly tally = emptyConsumerTally();
  readonly isWeak: boolean;
  readonly segmentBytes: number;
  readonly retention: Retention | undefined;
  readonly intervalMs: number;
  readonly books = ["plain", burying, stored].map((name) => new ConsumerBook(name));
  readonly store: SimulatedStore;
  readonly storeSaves: boolean;
  readonly followers: Followers;
  writer: Process | undefined;
  writerMachine: SimulatedMachine | undefined;
  /** By how much the clock was set. */
  jumpedMs = 0;
  /** Whether the last crash was one. */
  isPowerCut = false;
  /** Whether the disk may have failed an append. */
  mayRefuse = false;
  failure: { readonly error: unknown } | undefined;
  /** Of the log, as it is known; of this generation. */
  firstSeq = 0;

  constructor(seed: number | string) {
    const random = new SeededRandom(seed).fork("consumers");
    this.random = random;
    const hasDsync = random.chance(0.7);
    this.disk = new SimulatedDisk({ seed, keepLog: false, hasDsync, watchMissChance: random.pick([0, 0.3]) });
    this.isWeak = random.chance(0.3);
    this.segmentBytes = random.pick([1024, 1024, 4096]);
    const protect = random.chance(0.75) ? ({ protect: "consumers" } as const) : {};
    this.retention = random.pick<Retention | undefined>([
      protect,
      { maxRecords: 5 + random.int(20), ...protect },
      { maxBytes: 1000 + random.int(4000), ...protect },
      { maxAgeMs: 20 + random.int(100), ...protect },
      { maxRecords: 10, maxAgeMs: 100, ...protect },
    ]);
    this.intervalMs = 5 + random.int(30);
    this.store = new SimulatedStore(random);
    this.storeSaves = random.chance(0.5);
    const served = (generation: number, seq: number, payload: string): void =>
      this.model.served(generation, seq, payload);
    this.followers = new Followers(this.disk, random, served, isExpected);
  }

  /** Where somebody waits, what was met elsewhere comes out. */
  throwFailure(): void {
    this.followers.throwFailure();
    if (this.failure !== undefined) throw this.failure.error;
  }

  /** What is met where nobody waits. */
  fail(error: unknown): void {
    this.failure ??= { error };
  }

  /** Milliseconds that timers have seen, however the clock was set. */
  elapsed(): number {
    return this.disk.clock.now() - this.jumpedMs;
  }

  get isProtecting(): boolean {
    return this.retention?.protect !== undefined;
  }

  /** A process that has opened the log. */
  process(machine: SimulatedMachine, log: Text, isWriter: boolean): Process {
    const made: Process = { machine, log, isWriter, ...newProcess() };
    void machine.died.then(() => (made.diedAt = Math.min(made.diedAt, this.elapsed())));
    return made;
  }

  /** Whether it may be an error, not a crash. */
  plan(machine: SimulatedMachine): boolean {
    const random = this.random;
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
    if (fault.kind !== "crash") this.mayRefuse = true;
    return fault.kind !== "crash";
  }

  /** Whether its consumers wait for nobody else when they keep their place. */
  keepsAlone(process: Process): boolean {
    return process.isWriter || !this.isWeak;
  }

  async seekOutside(book: ConsumerBook, { log, machine }: Process, to: "start" | "end" | number): Promise<void> {
    const takeBack = this.going(book);
    try {
      const { after } = await log.seekConsumer(book.name, to);
      if (machine.running) this.stands(book, after.generation, after.nextSeq);
    } catch (error) {
      if (SeqlogError.is(error, "SEQLOG_LOCKED")) takeBack();
      throw error;
    }
  }

  /** From here on it may be anywhere in this generation or the one to come. */
  going(book: ConsumerBook): () => void {
    const { generation } = this.model;
    return book.going([generation, generation + 1], this.model.nextSeq + 400);
  }

  stands(book: ConsumerBook, generation: number, seq: number): Era {
    const era = book.stands(generation, seq);
    const log = this.writer?.log;
    // Where it was made there may be nothing any more: nobody knew yet that it needs it.
    const isGone = log !== undefined && log.generation === generation && log.firstSeq > seq;
    era.isProtected = this.isProtecting && !isGone && seq >= this.firstSeq;
    return era;
  }

  locked(book: ConsumerBook, isContended: boolean): void {
    if (!isContended) throw new Error(`${book.name} is locked, and nobody has it`);
    this.tally.locked++;
  }

  /** What a consumer may meet on such a disk. */
  isExpectedOf(book: ConsumerBook, error: unknown): boolean {
    if (SeqlogError.is(error, "SEQLOG_TRIMMED")) return !this.isProtecting || book.mayBeTrimmed();
    return (
      isExpected(error) ||
      error instanceof SimulatedCrash ||
      error instanceof StoreDown ||
      SeqlogError.is(error, "SEQLOG_LOCKED")
    );
  }

  async open(machine: SimulatedMachine): Promise<Text> {
    const durability = this.isWeak ? this.random.pick(["os", { intervalMs: 7 }] as const) : "record";
    const segmentBytes = this.segmentBytes;
    const retention = this.retention === undefined ? {} : { retention: this.retention };
    return await FileLog.open(directory, { machine, codec, durability, segmentBytes, ...retention });
  }
}
