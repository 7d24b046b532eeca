/**
 * One process at work on a log: carries out what a workload asks for, and writes down in the ledger
 * what was asked and what was answered. Errors that a failing disk may cause are answers; every
 * other error, and every answer that breaks a promise, ends the run.
 */
import { SeqlogError, type SeqlogErrorCode } from "../../src/errors.ts";
import { FileLog } from "../../src/log/file-log.ts";
import type { FileOpenOptions } from "../../src/log/file-open-options.ts";
import type { SimulatedDisk } from "../../src/testing/simulated-disk.ts";
import type { SimulatedMachine } from "../../src/testing/simulated-machine.ts";
import { countDescriptors } from "./descriptors.ts";
import { BrokenPromise, type Entry, type Found, type Ledger } from "./ledger.ts";
import { type OpenPlace, type Place, foundOf, openDirectory } from "./place.ts";

/** What a disk that fails may make of a call. */
const diskErrors: ReadonlySet<SeqlogErrorCode> = new Set([
  "SEQLOG_IO",
  "SEQLOG_NO_SPACE",
  "SEQLOG_POISONED",
  "SEQLOG_LOCK_UNAVAILABLE",
]);

/** Whether a failing disk may have caused it. Damage is never among it: nothing here damages. */
export function isDiskError(error: unknown): boolean {
  return error instanceof SeqlogError && diskErrors.has(error.code);
}

/** A reader of another process. */
export interface Following {
  /** Resolves when it was served all before `seq`, or has ended. */
  until(seq: number): Promise<void>;
  stop(): Promise<void>;
}

/** One process. */
export class Session {
  readonly disk: SimulatedDisk;
  readonly machine: SimulatedMachine;
  /** Another process; made when a workload wants one. */
  readonly second: SimulatedMachine;
  readonly ledger: Ledger;
  readonly place: Place;
  readonly descriptors: () => string[];
  readonly secondDescriptors: () => string[];
  /** Undefined before it was opened, when opening failed, and after it was closed. */
  open: OpenPlace | undefined;
  isWeak = false;
  /** Whether an append was refused because of an earlier failure. */
  isPoisoned = false;
  /** Errors that were answers. */
  readonly errors: unknown[] = [];
  /** The operation of the machine that fails at which the part begins that is searched. */
  begins = 0;
  #failing: SimulatedMachine | undefined;

  constructor(disk: SimulatedDisk, place: Place, ledger: Ledger) {
    this.disk = disk;
    this.machine = disk.boot();
    this.second = disk.boot();
    this.place = place;
    this.ledger = ledger;
    this.descriptors = countDescriptors(this.machine);
    this.secondDescriptors = countDescriptors(this.second);
  }

  /** The machine whose operations fail. */
  get failing(): SimulatedMachine {
    return this.#failing ?? this.machine;
  }

  /** The second process is the one that fails. To be called before `begin`. */
  failSecond(): void {
    this.#failing = this.second;
  }

  /** What comes now is searched; what was before is not. */
  begin(): void {
    this.begins = this.failing.operations;
  }

  /** The directory log that is open. */
  get log(): FileLog {
    return this.open?.log ?? fail("no directory log is open");
  }

  async openLog(options: FileOpenOptions = {}): Promise<void> {
    this.isWeak = options.durability !== undefined && options.durability !== "record";
    this.open = await this.place.open(this.machine, options);
    if (this.machine.running) this.ledger.created();
  }

  openLogSync(options: FileOpenOptions = {}): void {
    this.open = openDirectory(FileLog.openSync(this.place.path, { ...options, machine: this.machine }));
    this.ledger.created();
  }

  append(length = 20): Promise<void> {
    const payload = this.ledger.payload(length);
    return this.#answer([payload], async () => [await this.#opened().append(payload)]);
  }

  appendBatch(count: number, length = 20): Promise<void> {
    const payloads = Array.from({ length: count }, () => this.ledger.payload(length));
    return this.#answer(payloads, async () => rangeOf((await this.log.appendBatch(payloads)).first, count));
  }

  async appendSync(length = 20): Promise<void> {
    const payload = this.ledger.payload(length);
    await this.#answer([payload], () => [this.log.appendSync(payload)]);
  }

  async appendBatchSync(count: number, length = 20): Promise<void> {
    const payloads = Array.from({ length: count }, () => this.ledger.payload(length));
    await this.#answer(payloads, () => rangeOf(this.log.appendBatchSync(payloads).first, count));
  }

  async flush(): Promise<void> {
    const count = this.ledger.entries.length;
    await this.attempt(
      () => this.log.flush(),
      () => this.ledger.flushed(count),
    );
  }

  async reset(): Promise<void> {
    const reset = this.ledger.reset();
    await this.attempt(
      () => this.#opened().reset(),
      () => (reset.isDone = true),
    );
  }

  async trim(before: number): Promise<void> {
    this.ledger.trimming(before);
    await this.attempt(
      () => this.log.trim({ before }),
      () => this.ledger.trimmed(this.log.firstSeq),
    );
  }

  /** Whatever comes of it, the log is not open after that. */
  async close(): Promise<void> {
    const count = this.ledger.entries.length;
    const { open } = this;
    this.open = undefined;
    if (open === undefined) return;
    await this.attempt(
      () => open.close(),
      () => {
        if (this.isPoisoned) return;
        this.ledger.flushed(count);
      },
    );
  }

  closeSync(): void {
    const { log } = this;
    this.open = undefined;
    try {
      log.closeSync();
    } catch (error) {
      this.note(error);
    }
  }

  /** Does something that a failing disk may refuse. */
  async attempt<T>(work: () => T | Promise<T>, done: (value: T) => void = () => undefined): Promise<void> {
    let value: T;
    try {
      value = await work();
    } catch (error) {
      return this.note(error);
    }
    // What a process hears after its end, nobody knows.
    if (this.machine.running) done(value);
  }

  /** Follows the log from the second process; what it is served must survive. */
  follow(): Following {
    const { second } = this;
    const state = { next: 0, isOver: false };
    const waiting: (() => void)[] = [];
    const stop = new AbortController();
    const tell = (): void => {
      for (const resolve of waiting.splice(0)) resolve();
    };
    const done = (async () => {
      try {
        const log = await FileLog.open(this.place.path, { machine: second, readOnly: true });
        try {
          for await (const record of log.read({ live: true, signal: stop.signal })) {
            if (!second.running) return;
            this.ledger.served(record.seq, foundOf(record).payload);
            state.next = record.seq + 1;
            tell();
          }
        } finally {
          if (second.running) await log.close();
        }
      } catch (error) {
        if (!stop.signal.aborted) this.note(error, second);
      }
    })().finally(() => {
      state.isOver = true;
      tell();
    });
    // It is awaited later; until then an error of it is not unhandled.
    done.catch(() => undefined);
    const end = Promise.race([done, second.died]);
    return {
      until: async (seq) => {
        while (state.next < seq && !state.isOver && second.running)
          await Promise.race([new Promise<void>((resolve) => waiting.push(resolve)), second.died]);
      },
      stop: async () => {
        stop.abort();
        await end;
      },
    };
  }

  /** Takes an error for an answer, if a failing disk may have caused it. */
  note(error: unknown, machine: SimulatedMachine = this.machine): void {
    if (!machine.running) return;
    if (!isDiskError(error)) throw error;
    if (SeqlogError.is(error, "SEQLOG_POISONED")) this.isPoisoned = true;
    this.errors.push(error);
  }

  async #answer(
    payloads: readonly string[],
    append: () => Partial<Found>[] | Promise<Partial<Found>[]>,
  ): Promise<void> {
    const entries = this.ledger.submit(payloads);
    const wasPoisoned = this.isPoisoned;
    let answers: Partial<Found>[];
    try {
      answers = await append();
    } catch (error) {
      this.#refused(entries, error);
      return;
    }
    if (!this.machine.running) return;
    if (wasPoisoned) throw new BrokenPromise("an append was acknowledged by a log that was poisoned");
    for (const [i, entry] of entries.entries()) this.ledger.acknowledge(entry, knownOf(answers[i]), !this.isWeak);
  }

  #refused(entries: readonly Entry[], error: unknown): void {
    this.note(error);
    if (!this.machine.running) return;
    if (SeqlogError.is(error, "SEQLOG_NO_SPACE")) this.ledger.refuse(entries);
    else if (!SeqlogError.is(error, "SEQLOG_POISONED"))
      throw new BrokenPromise(`an append was refused with ${String(error)}, so nobody knows whether the log goes on`);
  }

  #opened(): OpenPlace {
    return this.open ?? fail("no log is open");
  }
}

function rangeOf(first: number, count: number): Partial<Found>[] {
  return Array.from({ length: count }, (_, i) => ({ seq: first + i }));
}

function knownOf(answer: Partial<Found> | undefined): Partial<Found> {
  const known: { -readonly [K in keyof Found]?: Found[K] } = {};
  if (answer?.seq !== undefined) known.seq = answer.seq;
  if (answer?.id !== undefined) known.id = answer.id;
  if (answer?.segment !== undefined) known.segment = answer.segment;
  if (answer?.offset !== undefined) known.offset = answer.offset;
  return known;
}

function fail(message: string): never {
  throw new Error(message);
}
