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
import { type Tally, isExpected } from "./simulate.ts";

const logPath = "/events.log";
const indexPath = "/events.idx";

/** Runs the history of a seed. @throws when a promise was broken */
export async function simulateFile(seed: number | string): Promise<Tally> {
  const history = new FileHistory(seed);
  const sessions = history.random.int(6) + 2;
  for (let i = 0; i < sessions; i++) {
    await history.session(true);
    history.end();
  }
  await history.session(false);
  return history.tally;
}

class FileHistory {
  readonly random: SeededRandom;
  readonly tally: Tally = { crashes: 0, acknowledged: 0, served: 0, torn: 0, redone: 0, poisoned: 0 };
  readonly #disk: SimulatedDisk;
  #model = new Model();
  #isPowerCut = false;
  #mayRefuse = false;
  #resetting = false;
  #count = 0;
  readonly #machines: SimulatedMachine[] = [];

  constructor(seed: number | string) {
    this.random = new SeededRandom(seed).fork("file history");
    this.#disk = new SimulatedDisk({ seed, keepLog: false, hasDsync: this.random.chance(0.8) });
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
      const stop = this.random.chance(0.4) ? this.#follow() : undefined;
      await this.#work(machine, writer, recordIndex);
      if (this.random.chance(0.4)) {
        await writer.close();
        await recordIndex.close();
      }
      await stop?.();
    });
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
    if (this.#resetting && records.length === 0) this.#model = new Model();
    this.#resetting = false;
    this.#model.recovered(0, 0, records, { isPowerCut: this.#isPowerCut, isWeak: false, mayRefuse: this.#mayRefuse });
    this.#isPowerCut = false;
    this.#mayRefuse = false;
  }

  #follow(): () => Promise<void> {
    const machine = this.#disk.boot();
    this.#machines.push(machine);
    const stop = new AbortController();
    const model = this.#model;
    const done = (async () => {
      try {
        const reader = await LogReader.open(logPath, { machine });
        for await (const record of reader.read({ live: true, signal: stop.signal })) {
          this.tally.served++;
          model.served(0, record.seq, Buffer.from(record.bytes).toString());
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
      this.#model = new Model();
    } catch (error) {
      if (!isExpected(error)) throw error;
    }
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
