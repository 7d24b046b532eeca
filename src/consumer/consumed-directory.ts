/** A directory log as its consumers see it. */
import type { ConsumerLag } from "../log/consumer-contract.ts";
import type { Manifest } from "../log/manifest.ts";
import type { SealedSegment } from "../log/recover-directory.ts";
import type { Run } from "../segment/log-record.ts";
import type { LogView } from "../segment/log-view.ts";
import { type Position, get, resolvePosition } from "../segment/positions.ts";
import { readLive } from "../segment/read-range.ts";
import type { Machine } from "../storage/storage.ts";
import type { LockKind } from "../storage/writer-lock.ts";
import type { ConsumedLog, ConsumedView } from "./consumed-log.ts";
import { lagOf } from "./lag.ts";

/** The directory, as it may be read now: of its writer, or of a follower of another process. */
export interface DirectoryView extends LogView {
  readonly manifest: Manifest;
  /** As they may be read now, oldest first. */
  readonly segments: readonly SealedSegment[];
}

/** A directory log whose records are consumed. */
export interface ConsumedDirectory<Out> extends ConsumedLog<Out> {
  readonly machine: Machine;
  readonly directory: DirectoryView;
  /** How consumers are kept apart. */
  readonly lock: LockKind;
  /** Makes all that was written durable; undefined where another process writes. */
  readonly flush: (() => Promise<void>) | undefined;
}

const never = new AbortController().signal;

/** The seam: everything is the directory's. */
export class DirectoryConsumedView implements ConsumedView {
  readonly #machine: Machine;
  readonly #directory: DirectoryView;

  constructor(machine: Machine, directory: DirectoryView) {
    this.#machine = machine;
    this.#directory = directory;
  }

  get location(): string {
    return this.#directory.location;
  }

  get logId(): string {
    return this.#directory.manifest.logId;
  }

  get codec(): string | null {
    return this.#directory.manifest.codec;
  }

  get generation(): number {
    return this.#directory.generation;
  }

  get firstSeq(): number {
    return this.#directory.firstSeq;
  }

  get nextSeq(): number {
    return this.#directory.nextSeq;
  }

  get isClosed(): boolean {
    return this.#directory.isClosed;
  }

  get mayReachFurther(): boolean {
    return this.#directory.manifest.state === "open";
  }

  refresh(): Promise<void> {
    return this.#directory.refresh();
  }

  get(seq: number): Promise<Run | undefined> {
    return get(this.#directory, seq);
  }

  readLive(from: number, maxBytes: number, signal: AbortSignal): AsyncGenerator<Run> {
    return readLive(this.#directory, { from, to: Infinity, limit: Infinity, maxBytes }, signal);
  }

  resolve(position: Position, name: string): Promise<number> {
    return resolvePosition(this.#directory, position, name, never);
  }

  lag(seq: number): Promise<ConsumerLag> {
    return lagOf(this.#machine.clock, this.#directory, seq);
  }
}
