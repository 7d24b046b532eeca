/**
 * New records for a consumer: reads on in runs, one ahead of what is taken, and waits at the end for
 * what comes.
 *
 * Invariants: records are taken in the order of their seqs, each once; all of one generation.
 */
import type { Run } from "../segment/log-record.ts";
import { resetError } from "../segment/read-range.ts";
import { type ConsumedView, idAt } from "./consumed-log.ts";
import { type Source, idBeforeIndex } from "./entry.ts";

const maxBytes = 1024 * 1024;

/** Where a feed begins. */
export interface Place {
  readonly generation: number;
  readonly seq: number;
  /** The id of the record before; null when it is not known. */
  readonly beforeId: Uint8Array | null;
}

/** Reads for one consumer from one place on. */
export class Feed {
  readonly #view: ConsumedView;
  readonly #start: Place;
  readonly #ready: (run: Run, stop: AbortSignal) => Promise<void>;
  readonly #stop = new AbortController();
  #runs: AsyncGenerator<Run> | undefined;
  #source: Source | undefined;
  #index = 0;
  #left = 0;
  #loading: Promise<boolean> | undefined;

  /** @param ready awaited before the records of a run are handed out; it waits for nothing more when the feed is stopped */
  constructor(view: ConsumedView, start: Place, ready: (run: Run, stop: AbortSignal) => Promise<void>) {
    this.#view = view;
    this.#start = start;
    this.#ready = ready;
  }

  /** The next record to be taken. */
  get seq(): number {
    return this.#source === undefined ? this.#start.seq : this.#source.run.firstSeq + this.#index;
  }

  /** What was read last; undefined before the first. */
  get source(): Source | undefined {
    return this.#source;
  }

  /** Where in the source the next record is; its length when it was taken whole. */
  get index(): number {
    return this.#index;
  }

  /** Records that can be taken now. */
  get left(): number {
    return this.#left;
  }

  /** Where the next record is; its id before is a copy, so that it pins no run. */
  place(): Place {
    const source = this.#source;
    const { generation } = this.#start;
    const beforeId = source === undefined ? this.#start.beforeId : idBeforeIndex(source, this.#index);
    return { generation, seq: this.seq, beforeId: beforeId === null ? null : beforeId.slice() };
  }

  /** Takes a record; there must be one left. */
  take(): void {
    this.#index++;
    this.#left--;
  }

  /** Reads on; resolves with whether there is more, false when the log or the feed was closed. At most one at a time. */
  load(): Promise<boolean> {
    this.#loading ??= this.#load().finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  /** Ends it; a `load` under way resolves with false. */
  async stop(): Promise<void> {
    this.#stop.abort();
    try {
      await this.#loading;
      await this.#runs?.return(undefined);
    } catch {
      // Nobody waits for what it could not read.
    }
  }

  async #load(): Promise<boolean> {
    try {
      this.#runs ??= await this.#open();
      const step = await this.#runs.next();
      if (step.done === true || this.#stop.signal.aborted) return false;
      const run = step.value;
      // The log may have been reset between looking at its generation and reading.
      const { generation } = this.#start;
      if (this.#view.generation !== generation) throw resetError(this.#view.location, this.#view.generation);
      await this.#ready(run, this.#stop.signal);
      const before = this.#source?.run;
      const beforeId = before === undefined ? this.#start.beforeId : idAt(before, before.starts.length - 1);
      this.#source = { run, beforeId };
      this.#index = 0;
      this.#left = run.starts.length;
      return true;
    } catch (error) {
      if (this.#stop.signal.aborted) return false;
      throw error;
    }
  }

  async #open(): Promise<AsyncGenerator<Run>> {
    const { seq, generation } = this.#start;
    await this.#view.refresh();
    this.#stop.signal.throwIfAborted();
    if (this.#view.generation !== generation) throw resetError(this.#view.location, this.#view.generation);
    return this.#view.readLive(seq, maxBytes, this.#stop.signal);
  }
}
