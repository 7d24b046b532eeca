/**
 * Decides when a checkpoint is written: one small write for all acknowledgements that gathered while
 * the one before was under way.
 *
 * Invariants:
 * - One write at a time. It takes the position as it is when it begins, so positions are written in
 *   the order in which they came about.
 * - `saved()` resolves after a write that began after it was called, or when nothing was left to write.
 * - After a write that failed nothing more is written: the consumer has to be opened again.
 */
import type { CheckpointPolicy } from "../log/consumer-contract.ts";
import type { Clock } from "../storage/storage.ts";
import { rejection } from "./rejection.ts";

/** What a saver needs. */
export interface SaverOptions {
  readonly policy: CheckpointPolicy;
  readonly clock: Clock;
  /** Writes the position as it is now, durably. */
  readonly write: () => Promise<void>;
  /** Called after each write. */
  readonly written: () => void;
  readonly failed: (error: Error) => void;
  /** With so many acknowledgements unwritten a write begins at once, not at the end of the turn. */
  readonly most: number;
}

/** Those who wait for the same write. */
interface Batch {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Writes one consumer's checkpoint. */
export class CheckpointSaver {
  readonly #options: SaverOptions;
  readonly #isEvery: boolean;
  /** Acknowledgements that moved the checkpoint, since it was made. */
  #advanced = 0;
  /** How many of them are durable. */
  #durable = 0;
  /** How many are durable or in the write under way. */
  #covered = 0;
  #next: Batch | undefined;
  #running: Promise<void> | undefined;
  #isScheduled = false;
  #cancelTimer: (() => void) | undefined;
  #failure: Error | undefined;

  constructor(options: SaverOptions) {
    this.#options = options;
    this.#isEvery = options.policy === "every";
  }

  /** Acknowledgements that are not durable and have to be, before more is delivered. */
  get unwritten(): number {
    return this.#isEvery ? this.#advanced - this.#durable : 0;
  }

  /** The position moved on by `count` acknowledgements. */
  advance(count: number): void {
    this.#advanced += count;
    if (this.#running !== undefined || this.#failure !== undefined) return;
    if (!this.#isEvery) return this.#arm();
    if (this.#advanced - this.#covered >= this.#options.most) return this.#start();
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#start();
    });
  }

  /** Resolves when what was acknowledged is as durable as the policy wants it. */
  saved(): Promise<void> {
    if (this.#failure !== undefined) return rejection(this.#failure);
    if (!this.#isEvery || this.#advanced === this.#durable) return Promise.resolve();
    this.#next ??= newBatch();
    return this.#next.promise;
  }

  /** Writes what is not written yet, whatever the policy. */
  async flush(): Promise<void> {
    for (;;) {
      this.#disarm();
      this.#start();
      if (this.#running === undefined) break;
      await this.#running;
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Nothing is written from here on; whoever waits is told. */
  stop(error: Error): void {
    this.#disarm();
    this.#failure ??= error;
    this.#next?.reject(error);
    this.#next = undefined;
  }

  /** Whether a write is under way. */
  get isWriting(): boolean {
    return this.#running !== undefined;
  }

  /** Whether all is written. */
  get isSettled(): boolean {
    return this.#advanced === this.#durable;
  }

  #start(): void {
    if (this.#running !== undefined || this.#failure !== undefined || this.#advanced === this.#durable) return;
    this.#running = this.#write();
  }

  async #write(): Promise<void> {
    while (this.#advanced > this.#durable && this.#failure === undefined) {
      const batch = this.#next;
      this.#next = undefined;
      const covered = this.#advanced;
      this.#covered = covered;
      try {
        await this.#options.write();
      } catch (error) {
        batch?.reject(error as Error);
        this.#running = undefined;
        this.stop(error as Error);
        this.#options.failed(error as Error);
        return;
      }
      this.#durable = covered;
      batch?.resolve();
      this.#options.written();
      if (!this.#isEvery) break;
    }
    this.#running = undefined;
    // Asked again about what this write already held.
    if (this.#advanced === this.#durable) {
      this.#next?.resolve();
      this.#next = undefined;
    } else if (!this.#isEvery && this.#failure === undefined) this.#arm();
  }

  #arm(): void {
    const { policy, clock } = this.#options;
    if (this.#cancelTimer !== undefined || policy === "every") return;
    // The stated window holds even when the program has nothing else to do.
    this.#cancelTimer = clock.after(
      policy.intervalMs,
      () => {
        this.#cancelTimer = undefined;
        this.#start();
      },
      { keepAlive: true },
    );
  }

  #disarm(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }
}

function newBatch(): Batch {
  let resolve!: () => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<void>((res, rej) => {
    resolve = res;
    reject = rej;
  });
  // Whoever did not wait for its acknowledgement hears of the failure in the loop.
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}
