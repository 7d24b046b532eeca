/** A commit queue on a simulated disk, and callers that are told what became of their records. */
import { SeqlogError } from "../../src/errors.ts";
import { noSeed } from "../../src/format/index-entry.ts";
import { headerLength } from "../../src/format/record.ts";
import { createIdSourceV4 } from "../../src/format/uuid.ts";
import { runSync } from "../../src/storage/plan.ts";
import { type FaultInjectingStorage, withFaults } from "../../src/testing/fault-injecting-storage.ts";
import { SimulatedDisk } from "../../src/testing/simulated-disk.ts";
import type { Batch, Waiter } from "../../src/segment/batch.ts";
import { type CommitHost, CommitQueue } from "../../src/segment/commit-queue.ts";
import type { WriteMode } from "../../src/segment/in-place-writes.ts";
import { IndexFile } from "../../src/segment/index-file.ts";
import { SegmentWriter } from "../../src/segment/segment-writer.ts";
import { type ChainRun, walkChain } from "../../src/segment/walk-chain.ts";

export const mebibyte = 1024 * 1024;

/** What a caller was told: the seq of its first record, or the error. */
export type Answer = number | Error;

export class Caller implements Waiter {
  count: number;
  readonly expectedSeq: number;
  readonly answers: Answer[];
  readonly #told: (answer: Answer) => void;

  constructor(count: number, expectedSeq: number, answers: Answer[], told: (answer: Answer) => void) {
    this.count = count;
    this.expectedSeq = expectedSeq;
    this.answers = answers;
    this.#told = told;
  }

  get isOver(): boolean {
    return this.answers.some((answer) => typeof answer !== "number");
  }

  settled(batch: Batch, index: number): void {
    this.#tell(batch.firstSeq + index);
  }

  failed(error: Error): void {
    this.#tell(error);
  }

  #tell(answer: Answer): void {
    this.answers.push(answer);
    this.#told(answer);
  }
}

/** A queue on a simulated disk, in segments that are named by a letter. */
export class QueuedLog implements CommitHost {
  readonly path = "/log";
  segmentBytes = Number.MAX_SAFE_INTEGER;
  readonly disk: SimulatedDisk;
  readonly storage: FaultInjectingStorage;
  readonly queue: CommitQueue;
  readonly poisonings: Error[] = [];
  readonly rolls: number[] = [];
  readonly windows: number[] = [];
  rollError: Error | undefined;
  windowError: Error | undefined;
  #segment: SegmentWriter;
  #letter = 0;
  readonly #machine;

  constructor(maxPendingBytes = 64 * mebibyte, maxRecordBytes = 32 * mebibyte, writes: WriteMode = "background") {
    this.disk = new SimulatedDisk();
    const { machine, storage } = withFaults(this.disk.boot());
    this.storage = storage;
    this.#machine = machine;
    this.#segment = this.newSegment(0);
    const clock = { ...machine.clock, elapsedUs: () => 0 };
    this.queue = new CommitQueue(this, createIdSourceV4(machine.random), clock, {
      maxRecordBytes,
      maxPendingBytes,
      writes,
    });
  }

  newSegment(base: number): SegmentWriter {
    const name = `/${String.fromCharCode(97 + this.#letter++)}`;
    const index = IndexFile.openSync(this.#machine.storage, `${name}.idx`, "create", base, noSeed);
    const at = { end: 0, nextSeq: base };
    const options = { ackPoint: "durable", zeroAhead: false } as const;
    this.#segment = SegmentWriter.openSync(this.#machine.storage, `${name}.log`, index, at, options);
    this.#machine.storage.fsyncDirectorySync("/");
    return this.#segment;
  }

  current(): SegmentWriter {
    return this.#segment;
  }

  roll(): void {
    if (this.rollError !== undefined) throw this.rollError;
    this.rolls.push(this.#segment.nextSeq);
    this.#segment.seal();
    this.newSegment(this.#segment.nextSeq);
  }

  beforeWrite(length: number): void {
    if (this.windowError !== undefined) throw this.windowError;
    this.windows.push(length);
  }

  committed(): void {}

  poisoned(cause: Error): void {
    this.poisonings.push(cause);
  }

  add(data: Uint8Array | string, expectedSeq = -1): Promise<Answer> {
    return new Promise((resolve) => this.queue.add(data, new Caller(1, expectedSeq, [], resolve)));
  }

  /** Appends records of one caller; resolves with all it was told once it was told of every batch, or of a failure. */
  addAll(data: readonly (Uint8Array | string)[], expectedSeq = -1): Promise<readonly Answer[]> {
    return new Promise((resolve) => {
      const answers: Answer[] = [];
      const parts: Caller[] = [];
      const told = (answer: Answer): void => {
        if (answers.length === parts.length || typeof answer !== "number") resolve(answers);
      };
      this.queue.addAll(data, expectedSeq, (first) => {
        parts.push(new Caller(0, expectedSeq < 0 ? -1 : expectedSeq + first, answers, told));
        return parts.at(-1) as Caller;
      });
    });
  }

  /** The data of the valid records of a segment, as text. */
  texts(name = "/a.log", from: "cache" | "medium" = "medium"): string[] {
    const bytes = Buffer.from(this.disk.readFile(name, from) ?? []);
    const found: string[] = [];
    const file = this.disk.boot().storage.openSync(name, "read");
    const visit = ({ offset, count, end, ...run }: ChainRun): void => {
      const starts = run.starts();
      for (let i = 0; i < count; i++) {
        const start = offset + (starts[i] as number) + headerLength;
        found.push(bytes.toString("latin1", start, offset + (starts[i + 1] ?? end)));
      }
    };
    const end = runSync(walkChain(file, { seq: 0, offset: 0 }, bytes.length, { visit }));
    return end.end === bytes.length ? found : [...found, `${bytes.length - end.end} bytes behind the records`];
  }

  writes(): number {
    return this.storage.operations.count("write", ".log");
  }
}

/** Lets the queue begin to write; a write that began stays in flight until the event loop turns. */
export function nextTick(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

export function codeOf(answer: Answer | undefined): unknown {
  return answer instanceof SeqlogError ? answer.code : answer;
}
