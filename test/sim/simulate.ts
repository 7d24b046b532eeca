/**
 * One simulated history of a log, decided by a seed: writers that append in every form, roll, trim
 * and reset; a reader of another process that follows live; errors of the disk; and crashes at any
 * operation, those of recovery included. After each crash what is found is held against the model.
 */
import { FileLog } from "../../src/log/file-log.ts";
import { SeqlogError } from "../../src/errors.ts";
import { crashAfter, crashBefore, crashDuring, failWith, shortWrite } from "../../src/testing/fault-plan.ts";
import type { Fault } from "../../src/testing/fault-plan.ts";
import { SimulatedCrash } from "../../src/testing/simulated-crash.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { SimulatedDisk } from "../../src/testing/simulated-disk.ts";
import type { SimulatedMachine } from "../../src/testing/simulated-machine.ts";
import { type Found, Model } from "./model.ts";

/** What happened in a history. */
export interface Tally {
  crashes: number;
  acknowledged: number;
  served: number;
  torn: number;
  redone: number;
  poisoned: number;
}

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
  readonly #tally: Tally = { crashes: 0, acknowledged: 0, served: 0, torn: 0, redone: 0, poisoned: 0 };
  readonly #isWeak: boolean;
  readonly #segmentBytes: number;
  #count = 0;
  #isPowerCut = false;
  #mayRefuse = false;

  constructor(seed: number | string) {
    this.#random = new SeededRandom(seed).fork("history");
    const hasDsync = this.#random.chance(0.8);
    this.#disk = new SimulatedDisk({ seed, keepLog: false, hasDsync, prefersZeroAhead: this.#random.chance(0.8) });
    this.#isWeak = this.#random.chance(0.2);
    this.#segmentBytes = this.#random.pick([1024, 1024, 4096, 1024 * 1024]);
  }

  async run(): Promise<Tally> {
    const sessions = this.#random.int(6) + 2;
    for (let i = 0; i < sessions; i++) {
      await this.#session();
      this.#end();
    }
    await this.#lastLook();
    return this.#tally;
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
      const stop = this.#random.chance(0.5) ? this.#follow() : undefined;
      await this.#work(log);
      if (this.#random.chance(0.3)) await log.close();
      if (stop !== undefined) await stop();
    });
    if (outcome.kind === "failed" && !isExpected(outcome.error)) throw outcome.error;
  }

  /** Ends every process, by a power cut or by SIGKILL. */
  #end(): void {
    const isPowerCut = this.#random.chance(0.6);
    // Until somebody has looked, the worst that happened counts.
    this.#isPowerCut ||= isPowerCut;
    this.#tally.crashes++;
    if (isPowerCut) this.#disk.crash();
    else for (const machine of this.#machines.splice(0)) this.#disk.kill(machine);
    this.#machines.length = 0;
  }

  readonly #machines: SimulatedMachine[] = [];
  #writer: SimulatedMachine | undefined;

  #plan(machine: SimulatedMachine): void {
    if (!this.#machines.includes(machine)) this.#machines.push(machine);
    const random = this.#random;
    const at = machine.operations + random.int(random.pick([20, 60, 200]));
    const fault: Fault = random.pick([
      crashBefore,
      crashAfter,
      crashDuring(random.int(2000)),
      failWith("EIO"),
      failWith("EIO", random.int(1000)),
      failWith("ENOSPC", random.int(1000)),
      shortWrite(random.int(300)),
    ]);
    if (random.chance(0.15)) return;
    machine.faults.at(at, fault);
    if (fault.kind === "short" || (fault.kind === "error" && fault.errno === "ENOSPC")) this.#mayRefuse = true;
  }

  async #open(machine: SimulatedMachine): Promise<Text> {
    const durability = this.#isWeak ? this.#random.pick(["os", { intervalMs: 5 }] as const) : "record";
    const options = { machine, codec, durability, segmentBytes: this.#segmentBytes } as const;
    const log = this.#random.chance(0.5)
      ? FileLog.openSync(directory, options)
      : await FileLog.open(directory, options);
    this.#tally.torn += log.recovery.tornBytes;
    this.#tally.redone += log.recovery.redone;
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

  /** Follows the log live as another process; what it is served must survive. Returns how to stop. */
  #follow(): () => Promise<void> {
    const machine = this.#disk.boot();
    this.#machines.push(machine);
    const stop = new AbortController();
    const done = (async () => {
      try {
        const log: Text = await FileLog.open(directory, { machine, codec, readOnly: true });
        const { generation } = log;
        for await (const record of log.read({ live: true, signal: stop.signal })) {
          this.#model.served(generation, record.seq, record.data);
          this.#tally.served++;
        }
      } catch (error) {
        if (!stop.signal.aborted && !isExpected(error)) throw error;
      }
    })();
    done.catch(() => undefined);
    return async () => {
      stop.abort();
      await done;
    };
  }

  async #work(log: Text): Promise<void> {
    const steps = this.#random.int(25) + 1;
    const inFlight: Promise<void>[] = [];
    for (let i = 0; i < steps; i++) {
      const kind = this.#random.int(20);
      if (kind < 8) inFlight.push(this.#append(log));
      else if (kind < 11) inFlight.push(this.#appendBatch(log));
      else if (kind < 13) this.#appendSync(log);
      else if (kind < 15) await Promise.all(inFlight.splice(0));
      else if (kind === 15) await this.#readBack(log);
      else if (kind === 16) await this.#flush(log, inFlight);
      else if (kind === 17) await this.#trim(log);
      else if (kind === 18 && this.#random.chance(0.3)) await this.#reset(log, inFlight);
      else if (kind === 19) this.#disk.clock.jump(this.#random.int(20_000) - 10_000);
    }
    await Promise.all(inFlight);
  }

  #payload(): string {
    const length = this.#random.pick([0, 5, 30, 200, 700, 3000]);
    return `${this.#count++}:${"x".repeat(this.#random.int(length + 1))}`;
  }

  async #append(log: Text): Promise<void> {
    const payload = this.#payload();
    this.#model.submitted([payload]);
    try {
      const { seq, id, segment, offset } = await log.append(payload);
      this.#model.acknowledged(seq, { payload, id, segment, offset }, !this.#isWeak);
      this.#tally.acknowledged++;
    } catch (error) {
      this.#refused(error, [payload]);
    }
  }

  async #appendBatch(log: Text): Promise<void> {
    const payloads = Array.from({ length: this.#random.int(5) + 1 }, () => this.#payload());
    this.#model.submitted(payloads);
    try {
      const range = await log.appendBatch(payloads);
      this.#acknowledgedRange(log, range.first, payloads);
    } catch (error) {
      this.#refused(error, payloads);
    }
  }

  #appendSync(log: Text): void {
    if (this.#random.chance(0.5)) {
      const payload = this.#payload();
      this.#model.submitted([payload]);
      try {
        this.#acknowledgedRange(log, log.appendSync(payload).seq, [payload]);
      } catch (error) {
        this.#refused(error, [payload]);
      }
    } else {
      const payloads = [this.#payload(), this.#payload()];
      this.#model.submitted(payloads);
      try {
        this.#acknowledgedRange(log, log.appendBatchSync(payloads).first, payloads);
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
    if (SeqlogError.is(error, "SEQLOG_POISONED")) this.#tally.poisoned++;
    if (!isExpected(error)) throw error;
  }

  async #readBack(log: Text): Promise<void> {
    const { generation } = log;
    try {
      for await (const record of log.read({
        from: { last: this.#random.int(20) },
        reverse: this.#random.chance(0.5),
      } as never)) {
        if (log.generation === generation) this.#model.served(generation, record.seq, record.data);
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

  /** After the last crash, on a disk without faults, everything must be there, and the log go on. */
  async #lastLook(): Promise<void> {
    const machine = this.#disk.boot();
    this.#writer = machine;
    const outcome = await machine.run(async () => {
      const log = await this.#open(machine);
      await this.#check(log);
      await this.#append(log);
      await log.close();
      const again = await FileLog.open(directory, { machine, codec, readOnly: true });
      if (again.nextSeq !== this.#model.nextSeq)
        throw new Error(`closed with ${this.#model.nextSeq}, read ${again.nextSeq}`);
      await again.close();
    });
    if (outcome.kind === "failed") throw outcome.error;
    if (outcome.kind === "died") throw new Error("the last look died without a fault");
  }
}

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
