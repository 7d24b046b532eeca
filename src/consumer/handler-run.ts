/**
 * `Consumer.run`: calls a handler with records, at most so many at the same time, and does with each
 * what the handler's end asks for.
 *
 * Invariants:
 * - At concurrency 1 no record is begun before the one before it is done.
 * - A record is never in two handlers at once: when `ackWaitMs` has passed its handler's signal is
 *   aborted, and it is delivered again when that handler has ended. One that succeeds late succeeds.
 * - `run` ends after its handlers have; what they did not finish by then is given back.
 * A handler that returns without a promise costs no promise, timer or turn.
 */
import { SeqlogError } from "../errors.ts";
import type { DeliveryHandler, RunOptions } from "../log/consumer-contract.ts";
import { asSeq } from "../numbers.ts";
import { checkLimit } from "../segment/log-writer.ts";
import { closedError } from "../segment/read-range.ts";
import { type Entry, entryState } from "./entry.ts";
import { LogDelivery } from "./log-delivery.ts";
import type { RetryPolicy } from "./retry-policy.ts";
import { thrownText } from "./thrown-text.ts";

/** What a run asks of its consumer. */
export interface RunHost<Out> {
  readonly name: string;
  readonly location: string;
  readonly hasEnded: boolean;
  take(inOrder: boolean): LogDelivery<Out> | undefined;
  wait(): Promise<void>;
  wake(): void;
  throwIfFailed(): void;
  settle(entry: Entry): void;
  retry(entry: Entry, error: unknown, delayMs: number): boolean;
}

/** One call of `run`. */
export class HandlerRun<Out> {
  readonly concurrency: number;
  readonly #host: RunHost<Out>;
  readonly #handler: DeliveryHandler<Out>;
  readonly #signal: AbortSignal | undefined;
  readonly #retry: RetryPolicy;
  readonly #running = new Set<AbortController>();
  /** For the next handler; one that returned without a promise leaves it to the next. */
  #spare: AbortController | undefined;
  /** A handler that does not ask for the signal cannot leave listeners on it: then one serves all, one after the other. */
  readonly #isShared: boolean;
  #failure: { readonly error: unknown } | undefined;
  #isStopping = false;

  /** @throws {TypeError}, {RangeError} */
  constructor(host: RunHost<Out>, handler: DeliveryHandler<Out>, options: RunOptions, retry: RetryPolicy) {
    if (typeof handler !== "function") throw new TypeError(`run takes a function, got ${typeof handler}`);
    this.concurrency = checkLimit(options.concurrency, 1, "concurrency", 1, 1_000_000);
    this.#isShared = this.concurrency === 1 && handler.length === 1;
    this.#host = host;
    this.#handler = handler;
    this.#signal = options.signal;
    this.#retry = retry;
  }

  async run(): Promise<void> {
    const signal = this.#signal;
    const wake = (): void => this.#host.wake();
    signal?.addEventListener("abort", wake, { once: true });
    let reason: unknown = closedError(this.#host.location);
    try {
      await this.#pump();
    } catch (error) {
      reason = error;
      throw error;
    } finally {
      this.#isStopping = true;
      for (const controller of this.#running) controller.abort(reason);
      while (this.#running.size > 0) await this.#host.wait();
      signal?.removeEventListener("abort", wake);
    }
  }

  async #pump(): Promise<void> {
    const host = this.#host;
    const inOrder = this.concurrency === 1;
    for (;;) {
      this.#signal?.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure.error;
      host.throwIfFailed();
      if (host.hasEnded) return;
      const delivery = this.#running.size < this.concurrency ? host.take(inOrder) : undefined;
      if (delivery === undefined) await host.wait();
      else this.#handle(delivery);
    }
  }

  #handle(delivery: LogDelivery<Out>): void {
    const entry = LogDelivery.entryOf(delivery);
    const controller = (this.#spare ??= new AbortController());
    entry.controller = controller;
    let result: unknown;
    let isAsync: boolean;
    try {
      result = this.#handler(delivery, controller.signal);
      isAsync = isThenable(result);
    } catch (error) {
      this.#failed(entry, error);
      return;
    }
    if (!isAsync) {
      this.#succeeded(entry);
      return;
    }
    if (!this.#isShared) this.#spare = undefined;
    this.#running.add(controller);
    const ended = (end: () => void): void => {
      this.#running.delete(controller);
      if (controller.signal.aborted) this.#spare = undefined;
      end();
      this.#host.wake();
    };
    // A promise is what it is; anything else with a `then` may throw in it, or call back twice.
    Promise.resolve(result).then(
      () => ended(() => this.#succeeded(entry)),
      (error: unknown) => ended(() => this.#failed(entry, error)),
    );
  }

  #succeeded(entry: Entry): void {
    if (entry.state !== entryState.out) return;
    // One that the handler gave back itself is not done.
    if (entry.refusal === undefined) this.#host.settle(entry);
    else this.#refused(entry, entry.refusal);
  }

  /** As a loop that gives a record back: without dead letters never too often. */
  #refused(entry: Entry, { delayMs, error }: NonNullable<Entry["refusal"]>): void {
    if (this.#isStopping) return;
    entry.refusal = undefined;
    this.#host.retry(entry, error, delayMs);
  }

  #failed(entry: Entry, error: unknown): void {
    if (entry.state === entryState.done) {
      // It cannot be delivered again, and an error must not go unheard.
      this.#failure ??= { error };
      return;
    }
    if (entry.state !== entryState.out || this.#isStopping) return;
    if (entry.refusal !== undefined) return this.#refused(entry, { ...entry.refusal, error });
    if (this.#host.retry(entry, error, this.#retry.delayMs(entry.attempt))) return;
    const { name, location } = this.#host;
    const { seq, attempt: attempts } = entry;
    this.#failure ??= {
      error: new SeqlogError(
        "SEQLOG_HANDLER_FAILED",
        `${location}: the handler of the consumer ${JSON.stringify(name)} failed ${attempts} times with record ${seq}: ${thrownText(error)}. The record is not acknowledged; mend the handler and run again, or give the consumer a deadLetter log`,
        { consumer: name, seq: asSeq(seq), attempts },
        { cause: error },
      ),
    };
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}
