/** Those who wait for an append to be durable, and what they are told. */
import { headerAt } from "../format/record.ts";
import { formatId, idLength, millisecondsOfId } from "../format/uuid.ts";
import { type Offset, type Seq, asOffset, asSeq } from "../numbers.ts";
import type { Batch, Waiter } from "../segment/batch.ts";
import { showAsPlain } from "../segment/show-as-plain.ts";
import type { AppendedRange, FileAppended } from "./log.ts";

/** The place and id of an appended record; id and time are made when they are asked for. */
export class AppendedRecord implements FileAppended {
  readonly seq: Seq;
  readonly segment: string;
  readonly offset: Offset;
  /** The id in four words: the batch's buffer is used again, and small signed numbers cost no allocation. */
  readonly #id0: number;
  readonly #id1: number;
  readonly #id2: number;
  readonly #id3: number;

  constructor(batch: Batch, index: number, segment: string) {
    const start = batch.starts[index] as number;
    const { view } = batch;
    this.seq = asSeq(batch.firstSeq + index);
    this.segment = segment;
    this.offset = asOffset(batch.base + start);
    this.#id0 = view.getInt32(start + headerAt.id);
    this.#id1 = view.getInt32(start + headerAt.id + 4);
    this.#id2 = view.getInt32(start + headerAt.id + 8);
    this.#id3 = view.getInt32(start + headerAt.id + 12);
  }

  get id(): string {
    return formatId(this.#idBytes(), 0);
  }

  get time(): Date {
    return new Date(millisecondsOfId(this.#idBytes(), 0));
  }

  #idBytes(): Uint8Array {
    const view = new DataView(new ArrayBuffer(idLength));
    view.setInt32(0, this.#id0);
    view.setInt32(4, this.#id1);
    view.setInt32(8, this.#id2);
    view.setInt32(12, this.#id3);
    return new Uint8Array(view.buffer);
  }

  /** Made of what was written now. */
  get duplicate(): boolean {
    return false;
  }

  toJSON(): FileAppended {
    const { seq, id, time, duplicate, segment, offset } = this;
    return { seq, id, time, duplicate, segment, offset };
  }
}

showAsPlain(AppendedRecord.prototype);

/** Waits for one record. */
export class RecordWaiter implements Waiter {
  count = 1;
  readonly isOver = false;
  readonly expectedSeq: number;
  readonly failed: (error: Error) => void;
  readonly #resolve: (appended: FileAppended) => void;
  readonly #writer: { readonly segmentName: string };

  /** @param writer names the segment that is being written */
  constructor(
    expectedSeq: number,
    writer: { readonly segmentName: string },
    resolve: (appended: FileAppended) => void,
    reject: (error: Error) => void,
  ) {
    this.expectedSeq = expectedSeq;
    this.failed = reject;
    this.#resolve = resolve;
    this.#writer = writer;
  }

  settled(batch: Batch, index: number): void {
    this.#resolve(new AppendedRecord(batch, index, this.#writer.segmentName));
  }
}

/** Waits for many, which may come to lie in several batches; the first failure is the answer. */
export class RangeWaiter {
  readonly #total: number;
  readonly #expectedSeq: number;
  readonly #resolve: (range: AppendedRange) => void;
  readonly #reject: (error: Error) => void;
  #first = -1;
  #settled = 0;
  #isFailed = false;

  constructor(
    total: number,
    expectedSeq: number,
    resolve: (range: AppendedRange) => void,
    reject: (error: Error) => void,
  ) {
    this.#total = total;
    this.#expectedSeq = expectedSeq;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** The waiter for the part that begins with the record at this place of the data. */
  part(first: number): Waiter {
    return new RangePart(this, this.#expectedSeq < 0 ? -1 : this.#expectedSeq + first);
  }

  get isFailed(): boolean {
    return this.#isFailed;
  }

  settledPart(firstSeq: number, count: number): void {
    if (this.#first < 0) this.#first = firstSeq;
    this.#settled += count;
    if (this.#settled < this.#total || this.#isFailed) return;
    this.#resolve({ first: asSeq(this.#first), last: asSeq(this.#first + this.#total - 1), count: this.#total });
  }

  failedPart(error: Error): void {
    if (this.#isFailed) return;
    this.#isFailed = true;
    this.#reject(error);
  }
}

/** The records of a range that lie in one batch. */
class RangePart implements Waiter {
  count = 0;
  readonly expectedSeq: number;
  readonly #whole: RangeWaiter;

  constructor(whole: RangeWaiter, expectedSeq: number) {
    this.#whole = whole;
    this.expectedSeq = expectedSeq;
  }

  get isOver(): boolean {
    return this.#whole.isFailed;
  }

  settled(batch: Batch, index: number): void {
    this.#whole.settledPart(batch.firstSeq + index, this.count);
  }

  failed(error: Error): void {
    this.#whole.failedPart(error);
  }
}
