/** Syncs in the background: some time after something was written, and sooner when it was much. */
import type { Clock } from "../storage/storage.ts";

/** Do not let more than this pile up. */
const maxUnsyncedBytes = 16 * 1024 * 1024;

/** What to sync and when. */
export interface BackgroundSyncOptions {
  readonly intervalMs: number;
  /** Whether a sync that is due holds the process. */
  readonly keepAlive: boolean;
  /** Starts a sync. */
  sync(done: (error: Error | undefined) => void): void;
  failed(error: Error): void;
}

/** One sync at a time. */
export class BackgroundSync {
  readonly #clock: Clock;
  readonly #options: BackgroundSyncOptions;
  #unsynced = 0;
  #cancelTimer: (() => void) | undefined;
  #isRunning = false;
  #isStopped = false;
  readonly #idleCallers: (() => void)[] = [];

  constructor(clock: Clock, options: BackgroundSyncOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /** Bytes were written. */
  wrote(bytes: number): void {
    this.#unsynced += bytes;
    if (this.#isRunning || this.#isStopped) return;
    if (this.#unsynced >= maxUnsyncedBytes) return this.#run();
    this.#cancelTimer ??= this.#clock.after(this.#options.intervalMs, () => this.#run(), {
      keepAlive: this.#options.keepAlive,
    });
  }

  /** Resolves when no sync runs. Does not fail: `failed` was told. */
  async idle(): Promise<void> {
    while (this.#isRunning) await new Promise<void>((resolve) => this.#idleCallers.push(resolve));
  }

  /** Starts no more syncs; one that runs ends by itself. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #run(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#isRunning = true;
    this.#unsynced = 0;
    this.#options.sync((error) => {
      this.#isRunning = false;
      if (error !== undefined) this.#options.failed(error);
      else if (this.#unsynced > 0) this.wrote(0);
      for (const resolve of this.#idleCallers.splice(0)) resolve();
    });
  }
}
