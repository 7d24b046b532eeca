/**
 * Where one consumer's checkpoint is kept: in its file alone, or in the user's store with the file as
 * a mirror, so that retention sees what it must not remove.
 *
 * Invariants:
 * - Nothing is kept that passes the mark, and no acknowledgement resolves before its record is durable,
 *   wherever the consumer stands by then.
 * - The mirror is never ahead of the store: it holds what `save` resolved for, or `load` gave, and goes
 *   back before the store does.
 */
import type { Checkpoint } from "../log/consumer-contract.ts";
import { closedError } from "../segment/read-range.ts";
import { checkedCheckpoint, foreignness } from "./check-checkpoint.ts";
import { CheckpointSaver } from "./checkpoint-saver.ts";
import type { CheckpointPlace, ConsumedLog, Mark } from "./consumed-log.ts";
import type { ConsumerSettings } from "./consumer-settings.ts";

/** How far the mirror may lag behind the store. */
const mirrorMs = 1000;

/** What a keeper asks of its consumer. */
export interface KeeperHost {
  /** The checkpoint as it is now. */
  position(): Checkpoint;
  /** There is room again. */
  written(): void;
  failed(error: Error): void;
}

type Place = Pick<Checkpoint, "generation" | "nextSeq">;

/** Keeps one consumer's position. */
export class PositionKeeper {
  readonly #host: KeeperHost;
  readonly #log: ConsumedLog<unknown>;
  readonly #mark: Mark;
  readonly #file: CheckpointPlace;
  readonly #store: ConsumerSettings<unknown>["store"];
  readonly #saver: CheckpointSaver;
  /** Brings the file after the store; undefined where there is no store. */
  readonly #mirror: CheckpointSaver | undefined;
  #held: Checkpoint | undefined;
  /** What the mirror was told last. */
  #mirrored: Checkpoint;
  /** Where the consumer stood when it went somewhere else, and who acknowledged the records before still waits. */
  #left: Place | undefined;
  /** The mirror is written by both savers, and takes one write at a time. */
  #mirrorWrites: Promise<unknown> = Promise.resolve();
  #isStopped = false;

  constructor(
    host: KeeperHost,
    log: ConsumedLog<unknown>,
    mark: Mark,
    file: CheckpointPlace,
    checkpoint: Checkpoint,
    settings: Pick<ConsumerSettings<never>, "store" | "policy" | "maxInFlight">,
  ) {
    this.#host = host;
    this.#log = log;
    this.#mark = mark;
    this.#file = file;
    this.#mirrored = checkpoint;
    this.#store = settings.store;
    const { clock } = log.machine;
    const shared = {
      clock,
      failed: (error: Error) => host.failed(error),
      // Half of the window is written while the other half is delivered.
      most: Math.ceil(settings.maxInFlight / 2),
    };
    const written = (): void => host.written();
    const { store } = settings;
    const lazily = { ...shared, written, policy: { intervalMs: mirrorMs } };
    this.#mirror =
      store === undefined ? undefined : new CheckpointSaver({ ...lazily, write: () => this.#writeMirror() });
    // A handler that saves in its own transaction leaves nothing to save.
    this.#saver =
      store !== undefined && store.save === undefined
        ? (this.#mirror as CheckpointSaver)
        : new CheckpointSaver({ ...shared, written, policy: settings.policy, write: () => this.#write() });
  }

  /** Acknowledged and not yet durable, where that has to be waited for. */
  get unwritten(): number {
    return this.#saver.unwritten;
  }

  /** The position moved on by `count` records. */
  advance(count: number): void {
    this.#saver.advance(count);
  }

  /**
   * The consumer is about to go somewhere else: what was acknowledged until now waits for its records to
   * be durable, as it would if it stayed.
   */
  leave(): void {
    const { generation, nextSeq } = this.#host.position();
    const isFurther = this.#left?.generation !== generation || this.#left.nextSeq < nextSeq;
    if (isFurther) this.#left = { generation, nextSeq };
  }

  /** Resolves when what was acknowledged is as durable as the policy wants it. */
  saved(): Promise<void> {
    return this.#saver.saved();
  }

  /** Keeps the position as it is now, durably. */
  async flush(): Promise<void> {
    await this.#saver.flush();
    await this.#mirror?.flush();
  }

  /**
   * Keeps what there is to keep, and nothing after it. What lies past the mark of another process's
   * log is not waited for: it will be delivered again.
   */
  async close(): Promise<void> {
    this.#mark.stop();
    try {
      if (!this.#isStopped) await this.flush();
    } catch (error) {
      if (!this.#isStopped && !isPastMark(error)) throw error;
    } finally {
      this.stop();
    }
  }

  /** As `close`, blocking; what takes time to keep is left out. */
  closeSync(): void {
    const isPlain = this.#store === undefined && this.#mark.isReached;
    try {
      if (!this.#isStopped && isPlain && !this.#saver.isSettled && !this.#saver.isWriting) {
        this.#file.writeSync?.(this.#host.position());
      }
    } finally {
      this.stop();
    }
  }

  /** Nothing is kept from here on; whoever waits is told. */
  stop(): void {
    this.#isStopped = true;
    const closed = closedError(this.#log.view.location);
    this.#saver.stop(closed);
    this.#mirror?.stop(closed);
    this.#file.close();
  }

  async #write(): Promise<void> {
    const checkpoint = await this.#durablePosition();
    if (this.#store === undefined) return await this.#file.write(checkpoint);
    // A crash between the two leaves the mirror behind, never ahead.
    if (this.#held !== undefined && isBehind(checkpoint, this.#held)) this.#held = checkpoint;
    if (isBehind(checkpoint, this.#mirrored)) {
      this.#held = checkpoint;
      await this.#mirrorNow(checkpoint);
      this.#throwIfStopped();
    }
    await this.#store.save?.(checkpoint);
    this.#held = checkpoint;
    this.#mirror?.advance(1);
  }

  /** The position, once all before it is durable. */
  async #durablePosition(): Promise<Checkpoint> {
    const checkpoint = this.#host.position();
    const left = this.#left;
    for (const { generation, nextSeq } of left === undefined ? [checkpoint] : [left, checkpoint]) {
      // What a reset took, nobody can make durable.
      if (generation === this.#log.view.generation) await this.#mark.reach(nextSeq);
    }
    if (this.#left === left) this.#left = undefined;
    this.#throwIfStopped();
    return checkpoint;
  }

  /** Where the name may be another's by now. */
  #throwIfStopped(): void {
    if (this.#isStopped) throw closedError(this.#log.view.location);
  }

  async #writeMirror(): Promise<void> {
    let held = this.#held;
    if (this.#store?.save === undefined) {
      held = checkedCheckpoint(await this.#store?.load());
    }
    const { logId, generation } = this.#host.position();
    // What the store holds of another log protects nothing here.
    if (held?.logId === logId && held.generation === generation) await this.#mirrorNow(held);
  }

  #mirrorNow(checkpoint: Checkpoint): Promise<void> {
    this.#mirrored = checkpoint;
    const written = this.#mirrorWrites.then(() => {
      this.#throwIfStopped();
      return this.#file.write(checkpoint);
    });
    this.#mirrorWrites = written.catch(() => undefined);
    return written;
  }
}

/** Whether retention must know of a checkpoint before it counts: it needs more than the other one, or is of another log. */
function isBehind(checkpoint: Checkpoint, other: Checkpoint): boolean {
  return foreignness(other, checkpoint) !== undefined || checkpoint.nextSeq < other.nextSeq;
}

function isPastMark(error: unknown): boolean {
  return (error as { code?: unknown }).code === "SEQLOG_CLOSED";
}
