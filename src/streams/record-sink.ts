/**
 * What the writable streams pour into: appends records without waiting for each, as long as no more
 * than `highWaterMark` bytes wait for the disk. Those bytes are in the log's commit queue, copied and
 * encoded; a stream holds no more than the one record that it has no room for.
 */
import type { Log } from "../log/log.ts";

/** What of a log a writable stream needs. A `FileLog` tells its pending bytes; of another log `ready` says when there is room. */
export type WritableLog<In> = Pick<Log<In, unknown>, "append" | "flush" | "ready"> & {
  readonly pendingBytes?: number;
  /** @internal */
  readonly roomyBytes?: number;
};

/** Options of the writable streams. */
export interface WriteStreamOptions {
  /** Bytes that may wait for the disk before the stream holds its writer back. Default 1 MiB; half of the log's `maxPendingBytes` at most. */
  readonly highWaterMark?: number;
}

export const defaultHighWaterMark: number = 1024 * 1024;

/** Appends for one stream. */
export class RecordSink<In> {
  readonly #log: WritableLog<In>;
  readonly #highWaterMark: number;
  readonly #failed: (error: Error) => void;
  #failure: Error | undefined;
  /** Appends that have no answer yet. */
  #unanswered = 0;
  #answered: (() => void)[] = [];

  /** @param failed told of every append that the log refused, or could not make durable */
  constructor(log: WritableLog<In>, highWaterMark: number, failed: (error: Error) => void) {
    this.#log = log;
    this.#highWaterMark = highWaterMark;
    this.#failed = failed;
  }

  /** Whether `add` may be called now. */
  get hasRoom(): boolean {
    const { pendingBytes, roomyBytes = Infinity } = this.#log;
    return pendingBytes !== undefined && pendingBytes <= Math.min(this.#highWaterMark, roomyBytes);
  }

  /** Resolves when `add` may be called. */
  async room(): Promise<void> {
    while (!this.hasRoom && this.#log.pendingBytes !== undefined && this.#unanswered > 0) await this.#answer();
    // What others append to the log may fill it too.
    if (!this.hasRoom) await this.#log.ready();
  }

  /** Appends; the answer comes later. @throws the first failure: behind it nothing more is appended */
  add(data: In): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#unanswered++;
    this.#log.append(data).then(
      () => this.#settle(),
      (error: unknown) => {
        this.#failure ??= error as Error;
        this.#failed(error as Error);
        this.#settle();
      },
    );
  }

  /** Resolves when all that was added is on the disk; rejects with the first failure. */
  async finish(): Promise<void> {
    while (this.#unanswered > 0) await this.#answer();
    if (this.#failure !== undefined) throw this.#failure;
    await this.#log.flush();
  }

  #answer(): Promise<void> {
    return new Promise((resolve) => this.#answered.push(resolve));
  }

  #settle(): void {
    this.#unanswered--;
    for (const resolve of this.#answered.splice(0)) resolve();
  }
}
