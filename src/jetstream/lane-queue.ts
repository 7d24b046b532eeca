/** What waits in a lane, in order: records, and barriers between them. */
import type { LaneItem, Place } from "./append-attempt.ts";

/** Something that is done when all before it is, and before anything after it. */
export interface Barrier {
  run(): Promise<void>;
  failed(error: Error): void;
}

/** Done at the head before they are let go of. */
const mostDone = 4096;

export class LaneQueue {
  /** Those before `#head` are done. */
  #entries: (Place | Barrier)[] = [];
  #head = 0;
  /** The first that is not sent, or is to be sent again. */
  #sent = 0;
  #pendingBytes = 0;
  #idle: (() => void)[] = [];
  /** Called when there are fewer pending bytes. */
  onLess: () => void = () => {};

  get isEmpty(): boolean {
    return this.#head === this.#entries.length;
  }

  /** Bytes of data that wait. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** The first that is not sent, or is to be sent again. */
  get next(): Place | Barrier | undefined {
    return this.#entries[this.#sent];
  }

  /** Whether all before `next` is done. */
  get isNextFirst(): boolean {
    return this.#head === this.#sent;
  }

  add(item: LaneItem): void {
    this.#pendingBytes += item.data.length;
    this.#entries.push({ item, attempts: [], isDone: false });
  }

  addBarrier(barrier: Barrier): void {
    this.#entries.push(barrier);
  }

  /** `next` was sent, or need not be. */
  goOn(): void {
    this.#sent++;
  }

  /** The first that is not done is `next` again. */
  goBack(): void {
    this.#sent = this.#head;
  }

  /** A barrier, the first, is done. */
  passed(): void {
    this.#head++;
    // The lane may have gone back meanwhile.
    this.#sent = Math.max(this.#sent, this.#head);
    this.advance();
  }

  /** Lets go of records that are done at the head. */
  advance(): void {
    const before = this.#pendingBytes;
    for (; this.#head < this.#sent; this.#head++) {
      const entry = this.#entries[this.#head] as Place | Barrier;
      if (!("item" in entry) || !entry.isDone) break;
      this.#pendingBytes -= entry.item.data.length;
    }
    if (this.isEmpty) this.#empty();
    else if (this.#head > mostDone) {
      this.#entries = this.#entries.slice(this.#head);
      this.#sent -= this.#head;
      this.#head = 0;
    }
    if (this.#pendingBytes < before) this.onLess();
  }

  /** Everything that waits is told of an error. */
  failAll(error: Error): void {
    const waiting = this.#entries.slice(this.#head);
    this.#pendingBytes = 0;
    this.#empty();
    for (const entry of waiting) {
      if (!("item" in entry)) entry.failed(error);
      else if (!entry.isDone) entry.item.failed(error);
    }
    this.onLess();
  }

  /** Resolves when nothing waits any more. */
  async drained(): Promise<void> {
    while (!this.isEmpty) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #empty(): void {
    this.#entries = [];
    this.#head = 0;
    this.#sent = 0;
    const idle = this.#idle;
    this.#idle = [];
    for (const call of idle) call();
  }
}
