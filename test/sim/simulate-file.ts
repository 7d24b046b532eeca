/** As simulate.ts, for a single file: `LogWriter`, `RecordIndex` and a `LogReader` of another process. */
import { SeqlogError } from "../../src/errors.ts";
import { LogReader } from "../../src/segment/log-reader.ts";
import { LogWriter } from "../../src/segment/log-writer.ts";
import { RecordIndex } from "../../src/segment/record-index.ts";
import { crashAfter, crashBefore, crashDuring, failWith, shortWrite } from "../../src/testing/fault-plan.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { SimulatedDisk } from "../../src/testing/simulated-disk.ts";
import type { SimulatedMachine } from "../../src/testing/simulated-machine.ts";
import { type Found, Model } from "./model.ts";
import { damageIndex, rotOneBit } from "./rot.ts";
import { isExpected } from "./simulate.ts";
import { type Tally, emptyTally } from "./tally.ts";

const directory = "/data";
const logPath = `${directory}/events.log`;
const indexPath = `${directory}/events.idx`;

/** Runs the history of a seed. @throws when a promise was broken */
export async function simulateFile(seed: number | string): Promise<Tally> {
  const history = new FileHistory(seed);
  const sessions = history.random.int(6) + 2;
  for (let i = 0; i < sessions; i++) {
    await history.session(true);
    history.end();
    await history.spoil();
  }
  await history.session(false);
  return history.tally;
}

class FileHistory {
  readonly random: SeededRandom;
  readonly tally: Tally = emptyTally();
  readonly #disk: SimulatedDisk;
  /** One for each life of the file between resets, with the number of its first payload. */
  readonly #lives = [{ model: new Model(), since: 0 }];
  #isPowerCut = false;
  #mayRefuse = false;
  #resetting = false;
  #count = 0;
  /** What a reader of another process met that it must not. */
  #readerFailure: { readonly error: unknown } | undefined;
  readonly #machines: SimulatedMachine[] = [];
  readonly #stops: AbortController[] = [];

  constructor(seed: number | string) {
    this.random = new SeededRandom(seed).fork("file history");
    this.#disk = new SimulatedDisk({ seed, keepLog: false, hasDsync: this.random.chance(0.8) });
    this.#disk.boot().storage.makeDirectorySync(directory);
  }

  async session(hasFaults: boolean): Promise<void> {
    const machine = this.#disk.boot();
    this.#machines.push(machine);
    if (hasFaults) this.#plan(machine);
    const outcome = await machine.run(async () => {
      const recordIndex = await RecordIndex.open(indexPath, { machine });
      const writer = await LogWriter.open(logPath, recordIndex, { machine });
      this.tally.torn += writer.recovery.tornBytes;
      this.tally.redone += writer.recovery.redone;
      await this.#check(machine);
      machine.faults.clear();
      if (hasFaults) this.#plan(machine);
      const stops = Array.from({ length: this.random.pick([0, 0, 1, 2]) }, () => this.#follow());
      await this.#work(machine, writer, recordIndex);
      if (this.random.chance(0.4)) {
        await writer.close();
        await recordIndex.close();
        if (machine.running && machine.openFiles > 0) throw new Error(`${machine.openFiles} descriptors are left`);
      }
      for (const stop of stops) await stop();
    });
    if (this.#readerFailure !== undefined) throw this.#readerFailure.error;
    if (outcome.kind === "failed" && !isExpected(outcome.error)) throw outcome.error;
    if (!hasFaults && outcome.kind !== "done") throw new Error(`the last session ${outcome.kind}`, { cause: outcome });
  }

  end(): void {
    const isPowerCut = this.random.chance(0.6);
    this.#isPowerCut ||= isPowerCut;
    this.tally.crashes++;
    if (isPowerCut) this.#disk.crash();
    else for (const machine of this.#machines) this.#disk.kill(machine);
    this.#machines.length = 0;
    // A signal that somebody waits for is kept by Node.js for ever, and with it the whole disk.
    for (const stop of this.#stops.splice(0)) stop.abort();
  }

  get #model(): Model {
    return (this.#lives.at(-1) as { model: Model }).model;
  }

  #wasReset(): void {
    this.#lives.push({ model: new Model(), since: this.#count });
  }

  /** While nobody runs: the record index is damaged for good, or a bit of the log for a look. */
  async spoil(): Promise<void> {
    const { random } = this;
    if (random.chance(0.1)) {
      damageIndex(this.#disk, random, indexPath);
      this.tally.indexesLost++;
      return;
    }
    // As in simulate.ts: what the record index does not prove may look torn.
    if (this.#isPowerCut || this.tally.indexesLost > 0 || this.#resetting || !random.chance(0.3)) return;
    const records = this.#model.placed();
    const bytes = this.#disk.readFile(logPath);
    if (records.length === 0 || bytes === undefined) return;
    const target = random.pick(records);
    const offset = (target.offset ?? 0) + random.int(32 + target.payload.length);
    if (offset >= bytes.length || this.#disk.list(directory).some((name) => name.endsWith(".tail"))) return;
    await rotOneBit(this.#disk, directory, { path: logPath, offset, bit: random.int(8) }, (forWriting) =>
      this.#openRotten(forWriting),
    );
    this.tally.rotten++;
  }

  async #openRotten(forWriting: boolean): Promise<() => Promise<void>> {
    const machine = this.#disk.boot();
    const drive = async <T>(work: () => Promise<T>): Promise<T> => {
      const outcome = await machine.run(work);
      if (outcome.kind !== "done") this.#disk.kill(machine);
      if (outcome.kind === "failed") throw outcome.error;
      if (outcome.kind === "died") throw new Error("died without a fault");
      return outcome.value;
    };
    const writer = forWriting ? await drive(() => openWriter(machine)) : undefined;
    const reader = await drive(() => LogReader.open(logPath, { machine }));
    return () =>
      drive(async () => {
        try {
          for await (const { seq, bytes } of reader.read()) {
            if (!this.#model.isRight(seq, Buffer.from(bytes).toString()))
              throw new Error(`record ${seq} was served wrong from a file with rot in it`);
          }
        } finally {
          await reader.close();
          await writer?.close();
        }
      });
  }

  #plan(machine: SimulatedMachine): void {
    const { random } = this;
    if (random.chance(0.15)) return;
    const fault = random.pick([
      crashBefore,
      crashAfter,
      crashDuring(random.int(2000)),
      failWith("EIO", random.int(1000)),
      failWith("ENOSPC", random.int(1000)),
      shortWrite(random.int(300)),
    ]);
    machine.faults.at(machine.operations + random.int(random.pick([15, 40, 120])), fault);
    if (fault.kind === "short" || (fault.kind === "error" && fault.errno === "ENOSPC")) this.#mayRefuse = true;
  }

  async #check(machine: SimulatedMachine): Promise<void> {
    const reader = await LogReader.open(logPath, { machine });
    const records: Found[] = [];
    for await (const { seq, id, offset, segment, bytes } of reader.read()) {
      records.push({ seq, id, offset, segment, payload: Buffer.from(bytes).toString() });
    }
    await reader.close();
    // A file has no generations: after a reset that was not answered it is empty, or what it was.
    if (this.#resetting && records.length === 0) this.#wasReset();
    this.#resetting = false;
    this.#model.recovered(0, 0, records, { isPowerCut: this.#isPowerCut, isWeak: false, mayRefuse: this.#mayRefuse });
    this.#isPowerCut = false;
    this.#mayRefuse = false;
  }

  #follow(): () => Promise<void> {
    const machine = this.#disk.boot();
    this.#machines.push(machine);
    const stop = new AbortController();
    this.#stops.push(stop);
    const done = (async () => {
      try {
        const reader = await LogReader.open(logPath, { machine });
        for await (const record of reader.read({ live: true, signal: stop.signal })) {
          this.tally.served++;
          const payload = Buffer.from(record.bytes).toString();
          const number = Number.parseInt(payload, 10);
          this.#lives.findLast(({ since }) => since <= number)?.model.served(0, record.seq, payload);
        }
      } catch (error) {
        if (!stop.signal.aborted && machine.running && !isExpected(error)) this.#readerFailure ??= { error };
      }
    })();
    return async () => {
      stop.abort();
      await done;
    };
  }

  async #work(machine: SimulatedMachine, writer: LogWriter, recordIndex: RecordIndex): Promise<void> {
    const inFlight: Promise<void>[] = [];
    for (let i = this.random.int(20) + 1; i > 0; i--) {
      const kind = this.random.int(12);
      if (kind < 9) inFlight.push(this.#append(machine, writer, recordIndex));
      else if (kind < 11) await Promise.all(inFlight.splice(0));
      else if (this.random.chance(0.3)) {
        await Promise.all(inFlight.splice(0));
        await this.#reset(machine, writer);
      }
    }
    await Promise.all(inFlight);
  }

  async #append(machine: SimulatedMachine, writer: LogWriter, recordIndex: RecordIndex): Promise<void> {
    const payload = `${this.#count++}:${"x".repeat(this.random.int(this.random.pick([1, 40, 900])))}`;
    const model = this.#model;
    model.submitted([payload]);
    try {
      const offset = await writer.append(payload);
      const seq = seqOf(recordIndex, offset);
      if (seq === undefined) return;
      model.acknowledged(seq, { payload, offset }, true);
      this.tally.acknowledged++;
    } catch (error) {
      if (!machine.running) return;
      if (SeqlogError.is(error, "SEQLOG_NO_SPACE")) return model.undone([payload]);
      if (SeqlogError.is(error, "SEQLOG_POISONED")) this.tally.poisoned++;
      if (!isExpected(error)) throw error;
    }
  }

  async #reset(machine: SimulatedMachine, writer: LogWriter): Promise<void> {
    this.#resetting = true;
    try {
      await writer.reset();
      if (!machine.running) return;
      this.#resetting = false;
      this.#wasReset();
    } catch (error) {
      if (!isExpected(error)) throw error;
    }
  }
}

async function openWriter(machine: SimulatedMachine): Promise<{ close(): Promise<void> }> {
  const recordIndex = await RecordIndex.open(indexPath, { machine });
  try {
    const writer = await LogWriter.open(logPath, recordIndex, { machine });
    return {
      close: async () => {
        await writer.close();
        await recordIndex.close();
      },
    };
  } catch (error) {
    await recordIndex.close();
    throw error;
  }
}

/** The record that starts at an offset; undefined when the disk does not let it be read. */
function seqOf(recordIndex: RecordIndex, offset: number): number | undefined {
  try {
    for (let seq = recordIndex.length - 1; seq >= 0; seq--) {
      if (recordIndex.get(seq) === offset) return seq;
    }
  } catch (error) {
    if (!(error instanceof SeqlogError)) throw error;
    return undefined;
  }
  throw new Error(`offset ${offset} was acknowledged, and the record index does not know it`);
}
