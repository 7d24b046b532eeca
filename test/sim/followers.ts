/** Readers of other processes, which live as long as nobody ends them: also through a writer's death and the next one's recovery. */
import type { Codec } from "../../src/log/codec.ts";
import { FileLog } from "../../src/log/file-log.ts";
import { failWith } from "../../src/testing/fault-plan.ts";
import type { SeededRandom } from "../../src/testing/seeded-random.ts";
import type { SimulatedDisk } from "../../src/testing/simulated-disk.ts";
import type { SimulatedMachine } from "../../src/testing/simulated-machine.ts";

/** What a reader was served. */
export type Served = (generation: number, seq: number, payload: string) => void;

interface Reader {
  readonly machine: SimulatedMachine;
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

/** The readers of one history. */
export class Followers {
  readonly #disk: SimulatedDisk;
  readonly #random: SeededRandom;
  readonly #served: Served;
  readonly #isExpected: (error: unknown) => boolean;
  #readers: Reader[] = [];
  #failure: { readonly error: unknown } | undefined;

  constructor(disk: SimulatedDisk, random: SeededRandom, served: Served, isExpected: (error: unknown) => boolean) {
    this.#disk = disk;
    this.#random = random;
    this.#served = served;
    this.#isExpected = isExpected;
  }

  /** Whether any reads. */
  get areThere(): boolean {
    return this.#readers.length > 0;
  }

  /** Starts one that follows the log live. */
  add(directory: string, codec: Codec<string, string>, watch: (machine: SimulatedMachine) => void): void {
    const machine = this.#disk.boot();
    watch(machine);
    if (this.#random.chance(0.1)) machine.faults.at(this.#random.int(40), failWith("EIO"));
    const inBatches = this.#random.chance(0.3);
    const stop = new AbortController();
    const done = (async () => {
      try {
        const log = await FileLog.open(directory, { machine, codec, readOnly: true });
        const { generation } = log;
        const options = { live: true, signal: stop.signal } as const;
        const take = (record: { readonly seq: number; readonly data: string }): void => {
          // What a process reads after its end, nobody hears.
          if (machine.running) this.#served(generation, record.seq, record.data);
        };
        if (inBatches) for await (const batch of log.readBatches(options)) for (const record of batch) take(record);
        else for await (const record of log.read(options)) take(record);
      } catch (error) {
        if (!stop.signal.aborted && machine.running && !this.#isExpected(error)) this.#failure ??= { error };
      }
    })();
    this.#readers.push({ machine, stop, done });
  }

  /** Ends all of them in order. */
  async stop(): Promise<void> {
    const readers = this.#readers.splice(0);
    for (const { stop } of readers) stop.abort();
    for (const { done, machine } of readers) if (machine.running) await done;
    this.throwFailure();
  }

  /** A power cut has ended all of them. */
  forget(): void {
    for (const { stop } of this.#readers.splice(0)) letGo(stop);
  }

  /** Kills some. */
  killSome(chance: number): void {
    this.#readers = this.#readers.filter(({ machine, stop }) => {
      if (!this.#random.chance(chance)) return true;
      this.#disk.kill(machine);
      letGo(stop);
      return false;
    });
  }

  /** @throws what a reader met first that it must not */
  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

/** A signal that somebody waits for is kept by Node.js for ever, and with it all that the waiting needs. */
function letGo(stop: AbortController): void {
  stop.abort();
}
