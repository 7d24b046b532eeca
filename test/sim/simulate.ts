/**
 * One simulated history of a log, decided by a seed: writers that append in every form, roll, trim
 * and reset; readers of other processes that follow live; errors of the disk; bit rot; and crashes at
 * any operation, those of recovery included. After each crash what is found is held against the model.
 *
 * Where each promise of docs/durability.md is checked: 1 to 3 in `Model.recovered`, with every sync that a
 * power cut can take back; 4 in `#refused` and `#acknowledged`; 5 in `Model.served` and `recovered`;
 * 6 in `#spoil`; 7 in `rotOneBit` and `#open`; 8 by faults planned before opening; 9 in `Model`
 * (generations, first seqs); 10 in `#trim`; 11 in `#watch` and `#close`.
 */
import { FileLog } from "../../src/log/file-log.ts";
import { salvage } from "../../src/log/salvage.ts";
import { verify } from "../../src/log/verify.ts";
import { SeqlogError } from "../../src/errors.ts";
import { crashAfter, crashBefore, crashDuring, failWith, shortWrite } from "../../src/testing/fault-plan.ts";
import type { Fault } from "../../src/testing/fault-plan.ts";
import { SimulatedCrash } from "../../src/testing/simulated-crash.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { SimulatedDisk } from "../../src/testing/simulated-disk.ts";
import type { SimulatedMachine } from "../../src/testing/simulated-machine.ts";
import { Followers } from "./followers.ts";
import { type Found, Model } from "./model.ts";
import { damageIndex, rotOneBit } from "./rot.ts";
import { type Tally, emptyTally } from "./tally.ts";

type Text = FileLog<string, string>;

const directory = "/log";
const codec = {
  name: "sim",
  encode: (value: string) => value,
  decode: (bytes: Uint8Array) => Buffer.from(bytes).toString(),
};

/** Runs the history of a seed. @throws when a promise was broken */
export async function simulate(seed: number | string): Promise<Tally> {
  return await new History(seed).run();
}

class History {
  readonly #random: SeededRandom;
  readonly #disk: SimulatedDisk;
  readonly #model = new Model();
  readonly #tally: Tally = emptyTally();
  readonly #isWeak: boolean;
  readonly #segmentBytes: number;
  #count = 0;
  readonly #followers: Followers;
  #tooLarge: Error | undefined;
  /** Where the record ended that was acknowledged last. */
  #recordEnd = 0;
  #isPowerCut = false;
  #mayRefuse = false;
  /** Whether the writer has said that it is poisoned: what is appended from then on must be refused. */
  #isPoisoned = false;

  constructor(seed: number | string) {
    this.#random = new SeededRandom(seed).fork("history");
    const hasDsync = this.#random.chance(0.8);
    this.#disk = new SimulatedDisk({ seed, keepLog: false, hasDsync, prefersZeroAhead: this.#random.chance(0.8) });
    this.#isWeak = this.#random.chance(0.2);
    this.#segmentBytes = this.#random.pick([1024, 1024, 4096, 1024 * 1024]);
    this.#followers = new Followers(
      this.#disk,
      this.#random,
      (generation, count, payload) => this.#served(generation, count, payload),
      isExpected,
    );
  }

  async run(): Promise<Tally> {
    const sessions = this.#random.int(6) + 2;
    for (let i = 0; i < sessions; i++) {
      await this.#session();
      this.#end();
      await this.#spoil();
      this.#throwFailure();
    }
    await this.#lastLook();
    this.#throwFailure();
    this.#followers.forget();
    return this.#tally;
  }

  /** What was met where nobody could be told at once. */
  #throwFailure(): void {
    this.#followers.throwFailure();
    if (this.#tooLarge !== undefined) throw this.#tooLarge;
  }

  /** One writer's life, with a crash or errors on the way, or neither. */
  async #session(): Promise<void> {
    const writer = this.#disk.boot();
    this.#writer = writer;
    this.#plan(writer);
    const outcome = await writer.run(async () => {
      const log = await this.#open(writer);
      await this.#check(log);
      writer.faults.clear();
      this.#plan(writer);
      for (let i = this.#random.pick([0, 1, 1, 3]); i > 0; i--)
        this.#followers.add(directory, codec, (machine) => this.#watch(machine));
      if (this.#random.chance(0.1)) this.#fillDisk();
      await this.#work(log);
      if (this.#random.chance(0.3)) await this.#close(log, writer);
      if (this.#random.chance(0.5)) await this.#followers.stop();
    });
    this.#disk.capacity = Infinity;
    this.#throwFailure();
    if (outcome.kind === "failed" && !isExpected(outcome.error)) throw outcome.error;
  }

  /** Ends every process, by a power cut or by SIGKILL. */
  #end(): void {
    const isPowerCut = this.#random.chance(0.6);
    // Until somebody has looked, the worst that happened counts.
    this.#isPowerCut ||= isPowerCut;
    this.#tally.crashes++;
    if (isPowerCut) {
      this.#disk.crash();
      this.#followers.forget();
    } else {
      if (this.#writer !== undefined) this.#disk.kill(this.#writer);
      this.#followers.killSome(0.5);
    }
  }

  /** From here on there is little room, until the session ends. */
  #fillDisk(): void {
    this.#disk.capacity = this.#disk.used + this.#random.int(8192);
    this.#mayRefuse = true;
  }

  #writer: SimulatedMachine | undefined;

  #plan(machine: SimulatedMachine): void {
    this.#watch(machine);
    const random = this.#random;
    const at = machine.operations + random.int(random.pick([20, 60, 200]));
    const fault: Fault = random.pick([
      crashBefore,
      crashAfter,
      crashDuring(random.int(random.pick([2000, 200_000]))),
      failWith("EIO"),
      failWith("EIO", random.int(1000)),
      failWith("ENOSPC", random.int(1000)),
      shortWrite(random.int(300)),
    ]);
    if (random.chance(0.15)) return;
    machine.faults.at(at, fault);
    if (fault.kind === "short" || (fault.kind === "error" && fault.errno === "ENOSPC")) this.#mayRefuse = true;
  }

  /** No read may ask for more than a chunk and a record, whatever a damaged length says. */
  #watch(machine: SimulatedMachine): void {
    machine.faults.on({ kind: "read" }, ({ path, length }) => {
      // Thrown where the history goes on: here nobody may be there to catch it.
      if (length > mostRead) this.#tooLarge ??= new Error(`${path}: a read of ${length} bytes`);
      return undefined;
    });
  }

  /** While nobody runs: record indexes are damaged for good, or a bit of anything else for a look. */
  async #spoil(): Promise<void> {
    const random = this.#random;
    // A power cut may have taken even the directory.
    const names = this.#disk.list("/").includes(directory.slice(1)) ? this.#disk.list(directory) : [];
    if (random.chance(0.1) && !this.#followers.areThere) {
      const indexes = names.filter((name) => name.endsWith(".idx"));
      if (indexes.length === 0) return;
      damageIndex(this.#disk, random, `${directory}/${random.pick(indexes)}`);
      this.#tally.indexesLost++;
      return;
    }
    // Who reads now would meet the rot.
    if (this.#followers.areThere) return;
    // What the record index does not prove, since power was cut or since it is damaged itself, may look torn.
    if (this.#isPowerCut || this.#tally.indexesLost > 0 || this.#isWeak || !random.chance(0.25)) return;
    const records = this.#model.placed();
    const isManifest = random.chance(0.2) || records.length === 0;
    const target = isManifest ? undefined : random.pick(records);
    const path = `${directory}/${target?.segment ?? "MANIFEST"}`;
    const bytes = this.#disk.readFile(path);
    if (bytes === undefined) return;
    const length = target === undefined ? bytes.length : 32 + target.payload.length;
    const offset = (target?.offset ?? 0) + random.int(length);
    // An interrupted recovery keeps some records in its copy alone.
    if (offset >= bytes.length || names.some((name) => name.endsWith(".tail"))) return;
    const look = async (forWriting: boolean): Promise<() => Promise<void>> => {
      if (!forWriting) await this.#inspectRotten(target);
      return await this.#openRotten(forWriting);
    };
    await rotOneBit(this.#disk, directory, { path, offset, bit: random.int(8) }, look);
    this.#tally.rotten++;
  }

  /** `verify` says so, and `salvage` gets all but the record that was hit. */
  async #inspectRotten(target: Found | undefined): Promise<void> {
    const machine = this.#disk.boot();
    const outcome = await machine.run(async () => {
      if ((await verify(directory, { machine })).ok) throw new Error("verify calls a log right that has rot in it");
      if (!this.#random.chance(0.3) || this.#model.placed().length === 0) return;
      const out = `/salvaged-${this.#tally.rotten}`;
      await salvage(directory, { out, machine });
      const log: Text = await FileLog.open(out, { machine, codec, readOnly: true });
      const found = new Map<string, string>();
      for await (const record of log.read()) found.set(record.id, record.data);
      await log.close();
      for (const { id, payload, seq } of this.#model.placed()) {
        if (seq !== target?.seq && found.get(id as string) !== payload)
          throw new Error(`record ${seq} is whole, and salvage did not get it`);
      }
    });
    if (outcome.kind === "failed") throw outcome.error;
  }

  async #openRotten(forWriting: boolean): Promise<() => Promise<void>> {
    const machine = this.#disk.boot();
    this.#watch(machine);
    const drive = async <T>(work: () => Promise<T>): Promise<T> => {
      const outcome = await machine.run(work);
      if (outcome.kind !== "done") {
        this.#disk.kill(machine);
        throw outcome.kind === "failed" ? outcome.error : new Error("died without a fault");
      }
      return outcome.value;
    };
    const log: Text = await drive(() => FileLog.open(directory, { machine, codec, readOnly: !forWriting }));
    return () =>
      drive(async () => {
        try {
          for await (const record of log.read()) {
            if (!this.#model.isRight(record.seq, record.data))
              throw new Error(`record ${record.seq} was served wrong from a log with rot in it`);
          }
        } finally {
          await log.close();
        }
      });
  }

  async #open(machine: SimulatedMachine): Promise<Text> {
    this.#isPoisoned = false;
    const durability = this.#isWeak ? this.#random.pick(["os", { intervalMs: 5 }] as const) : "record";
    const options = { machine, codec, durability, segmentBytes: this.#segmentBytes } as const;
    const log = this.#random.chance(0.5)
      ? FileLog.openSync(directory, options)
      : await FileLog.open(directory, options);
    const { tornBytes, redone, savedAs } = log.recovery;
    this.#tally.torn += tornBytes;
    this.#tally.redone += redone;
    if (tornBytes > 0 && this.#disk.readFile(savedAs ?? "")?.length !== tornBytes)
      throw new Error(`${tornBytes} bytes were cut off, and ${savedAs} does not hold them`);
    return log;
  }

  async #check(log: Text): Promise<void> {
    const records: Found[] = [];
    for await (const record of log.read()) {
      records.push({
        seq: record.seq,
        payload: record.data,
        id: record.id,
        segment: record.segment,
        offset: record.offset,
      });
    }
    this.#model.recovered(log.generation, log.firstSeq, records, {
      isPowerCut: this.#isPowerCut,
      isWeak: this.#isWeak,
      mayRefuse: this.#mayRefuse,
    });
    this.#mayRefuse = false;
    this.#isPowerCut = false;
    if (log.nextSeq !== this.#model.nextSeq)
      throw new Error(`next seq ${log.nextSeq}, expected ${this.#model.nextSeq}`);
  }

  /** Ends the writer's life in order: no descriptor stays open. */
  async #close(log: Text, machine: SimulatedMachine): Promise<void> {
    await log.close();
    if (machine.running && machine.openFiles > 0) throw new Error(`${machine.openFiles} descriptors are left`);
    // Whoever unlinks it lets a second writer in that locks another file of this name.
    if (machine.running && !this.#disk.list(directory).includes("LOCK")) throw new Error("the lock file is gone");
  }

  #served(generation: number, seq: number, payload: string): void {
    this.#model.served(generation, seq, payload);
    this.#tally.served++;
  }

  async #work(log: Text): Promise<void> {
    const steps = this.#random.int(25) + 1;
    const inFlight: Promise<void>[] = [];
    for (let i = 0; i < steps; i++) {
      const kind = this.#random.int(20);
      if (kind < 8) inFlight.push(this.#append(log));
      else if (kind < 11) inFlight.push(this.#appendBatch(log));
      else if (kind < 13) this.#appendSync(log);
      else if (kind < 15) await this.#pass(inFlight);
      else if (kind === 15) await this.#readBack(log);
      else if (kind === 16) await this.#flush(log, inFlight);
      else if (kind === 17) await this.#trim(log);
      else if (kind === 18 && this.#random.chance(0.3)) await this.#reset(log, inFlight);
      else if (kind === 18) this.#openSecond();
      else if (kind === 19) this.#disk.clock.jump(this.#random.int(20_000) - 10_000);
    }
    await Promise.all(inFlight);
  }

  /** Where one writes, no other process gets in. */
  #openSecond(): void {
    if (this.#writer?.running !== true) return;
    const machine = this.#disk.boot();
    try {
      FileLog.openSync(directory, { machine });
    } catch (error) {
      if (SeqlogError.is(error, "SEQLOG_LOCKED")) return;
      throw error;
    } finally {
      this.#disk.kill(machine);
    }
    throw new Error("two writers have the log open");
  }

  /** Waits for what was appended, or only for a few steps of it: a blocking call may then meet a write half done. */
  async #pass(inFlight: Promise<void>[]): Promise<void> {
    if (this.#random.chance(0.5)) return void (await Promise.all(inFlight.splice(0)));
    for (let turns = this.#random.int(6); turns > 0; turns--) await this.#writer?.clock.turn();
  }

  /** No two are the same; now and then one is all zeros, or ends where the next id's last byte begins a sector. */
  #payload(): string {
    const number = this.#count++;
    if (this.#random.chance(0.05)) return "\0".repeat(number);
    const text = `${number}:`;
    if (this.#random.chance(0.05)) return text.padEnd((1024 - ((this.#recordEnd + 63) % 512)) % 512, "x");
    if (this.#random.chance(0.004)) return text.padEnd(70_000 + this.#random.int(130_000), "x");
    const length = this.#random.pick([0, 5, 30, 200, 700, 3000]);
    return text + "x".repeat(this.#random.int(length + 1));
  }

  async #append(log: Text): Promise<void> {
    const payload = this.#payload();
    const isPoisoned = this.#isPoisoned;
    this.#model.submitted([payload]);
    try {
      const { seq, id, segment, offset } = await log.append(payload);
      this.#ensureHealthy(isPoisoned, seq);
      this.#recordEnd = offset + 32 + payload.length;
      this.#model.acknowledged(seq, { payload, id, segment, offset }, !this.#isWeak);
      this.#tally.acknowledged++;
    } catch (error) {
      this.#refused(error, [payload]);
    }
  }

  async #appendBatch(log: Text): Promise<void> {
    const payloads = Array.from({ length: this.#random.int(5) + 1 }, () => this.#payload());
    const isPoisoned = this.#isPoisoned;
    // A wrong guess must append nothing.
    const expectedSeq = this.#random.chance(0.1) ? asSeq(log.nextSeq + this.#random.int(3)) : undefined;
    this.#model.submitted(payloads, expectedSeq !== undefined);
    try {
      const range = await log.appendBatch(payloads, expectedSeq === undefined ? {} : { expectedSeq });
      this.#ensureHealthy(isPoisoned, range.first);
      if (expectedSeq !== undefined && expectedSeq !== range.first)
        throw new Error(`appended at ${range.first}, only to be appended at ${expectedSeq}`);
      this.#acknowledgedRange(log, range.first, payloads);
    } catch (error) {
      this.#refused(error, payloads);
    }
  }

  /** After a failed write nothing is acknowledged that was appended later. */
  #ensureHealthy(wasPoisoned: boolean, seq: number): void {
    if (wasPoisoned) throw new Error(`record ${seq} was acknowledged by a poisoned log`);
  }

  #appendSync(log: Text): void {
    if (this.#random.chance(0.5)) {
      const payload = this.#payload();
      this.#model.submitted([payload]);
      try {
        const { seq } = log.appendSync(payload);
        this.#ensureHealthy(this.#isPoisoned, seq);
        this.#acknowledgedRange(log, seq, [payload]);
      } catch (error) {
        this.#refused(error, [payload]);
      }
    } else {
      const payloads = [this.#payload(), this.#payload()];
      this.#model.submitted(payloads);
      try {
        const { first } = log.appendBatchSync(payloads);
        this.#ensureHealthy(this.#isPoisoned, first);
        this.#acknowledgedRange(log, first, payloads);
      } catch (error) {
        this.#refused(error, payloads);
      }
    }
  }

  /** The seqs are told; id and place are read back, where the disk lets it. */
  #acknowledgedRange(log: Text, first: number, payloads: readonly string[]): void {
    for (const [i, payload] of payloads.entries()) {
      this.#model.acknowledged(first + i, { payload, ...placeOf(log, first + i) }, !this.#isWeak);
      this.#tally.acknowledged++;
    }
  }

  /** A refusal that leaves the log going is final; after any other the record may be there or not. */
  #refused(error: unknown, payloads: readonly string[]): void {
    // What a process says after its end, nobody hears.
    if (this.#writer?.running !== true) return;
    if (SeqlogError.is(error, "SEQLOG_NO_SPACE")) return this.#model.undone(payloads);
    if (SeqlogError.is(error, "SEQLOG_CONFLICT")) return this.#model.refused(payloads);
    if (SeqlogError.is(error, "SEQLOG_POISONED")) {
      this.#tally.poisoned++;
      this.#isPoisoned = true;
    }
    if (!isExpected(error)) throw error;
  }

  async #readBack(log: Text): Promise<void> {
    const { generation } = log;
    try {
      for await (const record of log.read({
        from: { last: this.#random.int(20) },
        reverse: this.#random.chance(0.5),
      } as never)) {
        if (log.generation === generation) this.#served(generation, record.seq, record.data);
      }
    } catch (error) {
      if (!isExpected(error)) throw error;
    }
  }

  async #flush(log: Text, inFlight: Promise<void>[]): Promise<void> {
    try {
      await Promise.all(inFlight.splice(0));
      const { nextSeq } = log;
      await log.flush();
      this.#model.flushed(nextSeq);
    } catch (error) {
      if (!isExpected(error)) throw error;
    }
  }

  async #trim(log: Text): Promise<void> {
    const { segments } = await log.stats();
    if (segments < 2) return;
    const before = asSeq(log.firstSeq + this.#random.int(log.nextSeq - log.firstSeq + 1));
    try {
      // Which segment ends before it only the log knows, so any first seq up to it may follow.
      const takeBack = this.#model.trimming(log.firstSeq + 1, before);
      const { removed } = await log.trim({ before });
      if (removed > 0) this.#model.trimmed(log.firstSeq);
      else takeBack();
    } catch (error) {
      if (!isExpected(error)) throw error;
    }
  }

  async #reset(log: Text, inFlight: Promise<void>[]): Promise<void> {
    await Promise.all(inFlight.splice(0));
    this.#model.resetting();
    try {
      await log.reset();
      this.#model.wasReset();
    } catch (error) {
      if (!isExpected(error)) throw error;
    }
  }

  /** What the tools for people say of a log that is in order, and a copy of it. */
  async #lookAround(machine: SimulatedMachine): Promise<void> {
    const report = await verify(directory, { machine });
    const count = this.#model.nextSeq - this.#model.firstSeq;
    // What rotted inside a record index stays until somebody has it rebuilt.
    const isOk = report.ok || (this.#tally.indexesLost > 0 && report.damage.every(({ file }) => file.endsWith(".idx")));
    if (!isOk || report.records !== count)
      throw new Error(`verify found ${report.records} of ${count} records: ${JSON.stringify(report.damage)}`);
    const log: Text = await FileLog.open(directory, { machine, codec, readOnly: true });
    await log.copyTo("/copy");
    await log.close();
    const copy: Text = await FileLog.open("/copy", { machine, codec, readOnly: true });
    let copied = 0;
    for await (const record of copy.read()) {
      if (!this.#model.isRight(record.seq, record.data)) throw new Error(`record ${record.seq} was copied wrong`);
      copied++;
    }
    if (copied !== count) throw new Error(`${copied} of ${count} records were copied`);
    await copy.close();
  }

  /** After the last crash, on a disk without faults, everything must be there, and the log go on. */
  async #lastLook(): Promise<void> {
    const machine = this.#disk.boot();
    this.#writer = machine;
    const outcome = await machine.run(async () => {
      const log = await this.#open(machine);
      await this.#check(log);
      await this.#append(log);
      await this.#close(log, machine);
      if (this.#random.chance(0.2)) await this.#lookAround(machine);
      const again = await FileLog.open(directory, { machine, codec, readOnly: true });
      if (again.nextSeq !== this.#model.nextSeq)
        throw new Error(`closed with ${this.#model.nextSeq}, read ${again.nextSeq}`);
      await again.close();
    });
    if (outcome.kind === "failed") throw outcome.error;
    if (outcome.kind === "died") throw new Error("the last look died without a fault");
  }
}

/** Of simulated records and of chunks none is larger. */
const mostRead = 2 * 1024 * 1024;

function placeOf(log: Text, seq: number): { id: string; segment: string; offset: number } | undefined {
  let record: ReturnType<Text["getSync"]>;
  try {
    record = log.getSync(asSeq(seq));
  } catch (error) {
    if (isExpected(error) || error instanceof SimulatedCrash) return undefined;
    throw error;
  }
  if (record === undefined) throw new Error(`record ${seq} was acknowledged and cannot be read`);
  const { id, segment, offset } = record;
  return { id, segment, offset };
}

function asSeq(value: number): number & { readonly seq?: never } {
  return value;
}

/** What a disk with errors may make of any call. Damage is never among it: nothing here damages. */
export function isExpected(error: unknown): boolean {
  return (
    SeqlogError.is(error, "SEQLOG_IO") ||
    SeqlogError.is(error, "SEQLOG_LOCK_UNAVAILABLE") ||
    SeqlogError.is(error, "SEQLOG_NO_SPACE") ||
    SeqlogError.is(error, "SEQLOG_POISONED") ||
    SeqlogError.is(error, "SEQLOG_NOT_FOUND") ||
    SeqlogError.is(error, "SEQLOG_RESET") ||
    SeqlogError.is(error, "SEQLOG_TRIMMED") ||
    SeqlogError.is(error, "SEQLOG_CLOSED")
  );
}
