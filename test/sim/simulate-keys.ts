/**
 * One simulated history of appends with keys, decided by a seed: several of one key at the same time,
 * some blocking, some without a key between; errors of the disk and crashes at any operation, those
 * of recovery and of reading the keys back included. Whoever got no answer repeats it, perhaps in
 * another session. In the end each key is in the log once, at the place that every answer named.
 */
import { SeqlogError } from "../../src/errors.ts";
import { FileLog } from "../../src/log/file-log.ts";
import type { FileAppended } from "../../src/log/log.ts";
import {
  type Fault,
  crashAfter,
  crashBefore,
  crashDuring,
  failWith,
  shortWrite,
} from "../../src/testing/fault-plan.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { SimulatedDisk } from "../../src/testing/simulated-disk.ts";
import type { SimulatedMachine } from "../../src/testing/simulated-machine.ts";
import { isExpected } from "./simulate.ts";

const directory = "/log";

/** What a history met, so that a test can tell that histories meet what they are for. */
export interface KeyTally {
  crashes: number;
  acknowledged: number;
  duplicates: number;
  refused: number;
  reused: number;
}

/** Runs the history of a seed. @throws when a promise was broken */
export async function simulateKeys(seed: number | string): Promise<KeyTally> {
  return await new KeyHistory(seed).run();
}

class KeyHistory {
  readonly #random: SeededRandom;
  readonly #disk: SimulatedDisk;
  readonly #isWeak: boolean;
  readonly #keys: number;
  /** By key: its record's seq and id, in every answer. */
  readonly #told = new Map<number, string>();
  readonly #tally: KeyTally = { crashes: 0, acknowledged: 0, duplicates: 0, refused: 0, reused: 0 };
  #machine: SimulatedMachine | undefined;

  constructor(seed: number | string) {
    this.#random = new SeededRandom(seed).fork("keys");
    this.#disk = new SimulatedDisk({ seed, keepLog: false, hasDsync: this.#random.chance(0.8) });
    this.#isWeak = this.#random.chance(0.2);
    this.#keys = 4 + this.#random.int(20);
  }

  async run(): Promise<KeyTally> {
    for (let sessions = this.#random.int(6) + 1; sessions > 0; sessions--) {
      await this.#session();
      this.#end();
    }
    await this.#lastLook();
    return this.#tally;
  }

  async #session(): Promise<void> {
    const machine = this.#disk.boot();
    this.#machine = machine;
    this.#plan(machine);
    const outcome = await machine.run(async () => {
      const log = await this.#open(machine);
      this.#plan(machine);
      const inFlight: Promise<void>[] = [];
      for (let steps = this.#random.int(30); steps > 0; steps--) {
        const kind = this.#random.int(10);
        if (kind < 5) inFlight.push(...this.#append(log));
        else if (kind === 5) this.#appendSync(log);
        else if (kind === 6) inFlight.push(this.#appendPlain(log));
        else if (kind === 7) inFlight.push(this.#reuse(log));
        else if (kind === 8) await machine.clock.turn();
        else await Promise.all(inFlight.splice(0));
      }
      await Promise.all(inFlight);
      if (this.#random.chance(0.3)) await log.close();
    });
    if (outcome.kind === "failed" && !isExpected(outcome.error)) throw outcome.error;
  }

  #plan(machine: SimulatedMachine): void {
    const random = this.#random;
    if (random.chance(0.2)) return;
    const fault: Fault = random.pick([
      crashBefore,
      crashAfter,
      crashDuring(random.int(2000)),
      failWith("EIO", random.int(200)),
      failWith("ENOSPC", random.int(200)),
      failWith("ENOSPC", random.int(200)),
      shortWrite(random.int(300)),
    ]);
    machine.faults.at(machine.operations + random.int(random.pick([20, 60, 150])), fault);
  }

  async #open(machine: SimulatedMachine): Promise<FileLog> {
    const durability = this.#isWeak ? "os" : "record";
    return await FileLog.open(directory, { machine, durability, segmentBytes: 1024 });
  }

  #end(): void {
    this.#tally.crashes++;
    if (this.#random.chance(0.5)) {
      this.#disk.crash();
      // Then a power cut may take what was acknowledged, and its keys with it.
      if (this.#isWeak) this.#told.clear();
    } else if (this.#machine !== undefined) {
      this.#disk.kill(this.#machine);
    }
  }

  #data(key: number): string {
    return `${key}.`.padEnd(3 + ((key * 97) % 600), "x");
  }

  #append(log: FileLog): Promise<void>[] {
    const key = this.#random.int(this.#keys);
    return Array.from({ length: this.#random.pick([1, 1, 2, 4]) }, () =>
      log.append(this.#data(key), { key: `key ${key}` }).then(
        (appended) => this.#answered(key, appended),
        (error: unknown) => this.#refused(error),
      ),
    );
  }

  #appendSync(log: FileLog): void {
    const key = this.#random.int(this.#keys);
    let appended: FileAppended;
    try {
      appended = log.appendSync(this.#data(key), { key: `key ${key}` });
    } catch (error) {
      return this.#refused(error);
    }
    this.#answered(key, appended);
  }

  async #appendPlain(log: FileLog): Promise<void> {
    try {
      await log.append("none".padEnd(this.#random.int(300)));
    } catch (error) {
      this.#refused(error);
    }
  }

  /** Other data with a key that was used is refused. */
  async #reuse(log: FileLog): Promise<void> {
    const key = this.#random.int(this.#keys);
    const place = this.#told.get(key);
    if (place === undefined) return;
    try {
      await log.append("other data", { key: `key ${key}` });
    } catch (error) {
      if (!SeqlogError.is(error, "SEQLOG_KEY_REUSED")) return this.#refused(error);
      if (`${error.facts.seq} ${error.facts.id}` !== place) throw error;
      this.#tally.reused++;
      return;
    }
    if (this.#machine?.running === true) throw new Error(`key ${key} was taken for other data`);
  }

  #answered(key: number, { seq, id, duplicate }: FileAppended): void {
    // What a process says after its end, nobody hears.
    if (this.#machine?.running !== true) return;
    const place = `${seq} ${id}`;
    const before = this.#told.get(key);
    if (before !== undefined && before !== place) throw new Error(`key ${key} is ${before}, and now ${place}`);
    this.#told.set(key, place);
    this.#tally.acknowledged++;
    if (duplicate) this.#tally.duplicates++;
  }

  #refused(error: unknown): void {
    if (this.#machine?.running !== true) return;
    if (!isExpected(error)) throw error;
    this.#tally.refused++;
  }

  /** On a disk without faults every key is appended once more; each is there once, where every answer said. */
  async #lastLook(): Promise<void> {
    const machine = this.#disk.boot();
    this.#machine = machine;
    const outcome = await machine.run(async () => {
      const log = await this.#open(machine);
      const all = Array.from({ length: this.#keys }, (_, key) => key);
      const answers = await Promise.all(all.map((key) => log.append(this.#data(key), { key: `key ${key}` })));
      for (const [key, appended] of answers.entries()) this.#answered(key, appended);
      const found = new Map<number, string>();
      for await (const { seq, id, bytes } of log.read()) {
        const text = Buffer.from(bytes).toString();
        if (text.trimEnd() === "none" || text.trim() === "") continue;
        const key = Number.parseInt(text, 10);
        if (found.has(key)) throw new Error(`key ${key} is in the log twice: ${found.get(key)} and ${seq} ${id}`);
        if (text !== this.#data(key)) throw new Error(`record ${seq} is ${text.slice(0, 20)}`);
        found.set(key, `${seq} ${id}`);
      }
      for (const key of all) {
        if (found.get(key) !== this.#told.get(key)) {
          throw new Error(`key ${key} is ${found.get(key)}, and was told as ${this.#told.get(key)}`);
        }
      }
      await log.close();
    });
    if (outcome.kind !== "done") throw outcome.kind === "failed" ? outcome.error : outcome.crash;
  }
}
