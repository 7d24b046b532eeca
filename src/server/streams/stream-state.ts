/**
 * What the frames of a stream add up to: whether it is closed, the last Stream-Seq, and
 * where each producer stands. Pure: frames in, answers out.
 */
import { type Frame, type ProducerPlace, isCloseOnly } from "../frame/frame.ts";

/** Where a producer stands. */
export interface ProducerState {
  readonly epoch: number;
  readonly lastSeq: number;
}

/** What an append asks of the state. */
export interface Claim {
  readonly producer: ProducerPlace | undefined;
  readonly streamSeq: string | undefined;
  /** Brings no data, only the close. */
  readonly isCloseOnly: boolean;
}

/** Whether an append may go ahead. */
export type Verdict =
  | { readonly kind: "accept" }
  /** It was appended before. */
  | { readonly kind: "duplicate"; readonly lastSeq: number }
  | { readonly kind: "closed" }
  /** A close of what is closed: nothing to do. */
  | { readonly kind: "already-closed" }
  | { readonly kind: "stale-epoch"; readonly epoch: number }
  | { readonly kind: "epoch-start" }
  | { readonly kind: "gap"; readonly expected: number }
  /** The stream has so many producers that it takes no new one. */
  | { readonly kind: "too-many-producers" }
  | { readonly kind: "stream-seq"; readonly last: string };

const accept: Verdict = { kind: "accept" };

/**
 * So many producers are known of a stream: each is kept, in memory while the stream is open and in its
 * snapshot, for as long as the stream is, since a repeated append must be known as one.
 */
export const maxProducers = 100_000;

/** What `judge` looks at. */
export interface StateView {
  readonly isClosed: boolean;
  readonly streamSeq: string | undefined;
  /** How many producers there are. */
  readonly producerCount: number;
  producer(id: string): ProducerState | undefined;
}

/** Decides, in the order of the protocol: the producer before the close, and both before Stream-Seq, so that a repeated append is known as one. */
export function judge(state: StateView, { producer, streamSeq, isCloseOnly }: Claim): Verdict {
  if (state.isClosed) return judgeClosed(state, producer, isCloseOnly);
  if (producer !== undefined) {
    const known = state.producer(producer.id);
    const verdict = judgeProducer(known, producer);
    if (verdict.kind !== "accept") return verdict;
    if (known === undefined && state.producerCount >= maxProducers) return { kind: "too-many-producers" };
  }
  // As HTTP gives headers, each character is a byte: text compares as the bytes do.
  if (streamSeq !== undefined && state.streamSeq !== undefined && streamSeq <= state.streamSeq) {
    return { kind: "stream-seq", last: state.streamSeq };
  }
  return accept;
}

function judgeProducer(known: ProducerState | undefined, { epoch, seq }: ProducerPlace): Verdict {
  if (known === undefined) return seq === 0 ? accept : { kind: "gap", expected: 0 };
  if (epoch < known.epoch) return { kind: "stale-epoch", epoch: known.epoch };
  if (epoch > known.epoch) return seq === 0 ? accept : { kind: "epoch-start" };
  if (seq <= known.lastSeq) return { kind: "duplicate", lastSeq: known.lastSeq };
  return seq === known.lastSeq + 1 ? accept : { kind: "gap", expected: known.lastSeq + 1 };
}

/** Of a closed stream only what was appended before is known as a repeated append; a stale producer is told so first. */
function judgeClosed(state: StateView, producer: ProducerPlace | undefined, isCloseOnly: boolean): Verdict {
  if (producer === undefined) return isCloseOnly ? { kind: "already-closed" } : { kind: "closed" };
  const verdict = judgeProducer(state.producer(producer.id), producer);
  return verdict.kind === "duplicate" || verdict.kind === "stale-epoch" ? verdict : { kind: "closed" };
}

/** The state after the durable frames of a stream. */
export class StreamState implements StateView {
  isClosed = false;
  streamSeq: string | undefined;
  /** The seq of the next record. */
  nextSeq: number;
  /** Where the stream ends for readers: a record that only closes it is not one of theirs. */
  tail: number;
  readonly producers: Map<string, ProducerState> = new Map();

  constructor(nextSeq: number) {
    this.nextSeq = nextSeq;
    this.tail = nextSeq;
  }

  get producerCount(): number {
    return this.producers.size;
  }

  producer(id: string): ProducerState | undefined {
    return this.producers.get(id);
  }

  /** Takes the next frame. */
  apply(frame: Frame): void {
    const { producer, streamSeq, close } = frame;
    if (!isCloseOnly(frame)) this.tail = this.nextSeq + 1;
    this.nextSeq++;
    if (producer !== undefined) this.producers.set(producer.id, { epoch: producer.epoch, lastSeq: producer.seq });
    if (streamSeq !== undefined) this.streamSeq = streamSeq;
    if (close) this.isClosed = true;
  }
}

/** The state as it will be when what is on its way to the disk has arrived. */
export class PendingState implements StateView {
  readonly #durable: StreamState;
  readonly #producers = new Map<string, ProducerState>();
  /** Those among them that the durable state does not know yet. */
  #newProducers = 0;
  #streamSeq: string | undefined;
  #isClosed = false;

  constructor(durable: StreamState) {
    this.#durable = durable;
  }

  get isClosed(): boolean {
    return this.#isClosed || this.#durable.isClosed;
  }

  get streamSeq(): string | undefined {
    return this.#streamSeq ?? this.#durable.streamSeq;
  }

  get producerCount(): number {
    return this.#durable.producerCount + this.#newProducers;
  }

  producer(id: string): ProducerState | undefined {
    return this.#producers.get(id) ?? this.#durable.producer(id);
  }

  /** Takes a frame that is on its way. */
  apply({ producer, streamSeq, close }: Frame): void {
    if (producer !== undefined) {
      if (this.producer(producer.id) === undefined) this.#newProducers++;
      this.#producers.set(producer.id, { epoch: producer.epoch, lastSeq: producer.seq });
    }
    if (streamSeq !== undefined) this.#streamSeq = streamSeq;
    if (close) this.#isClosed = true;
  }

  /** Nothing is on its way any more: it arrived, and the durable state says so, or it failed. */
  clear(): void {
    this.#producers.clear();
    this.#newProducers = 0;
    this.#streamSeq = undefined;
    this.#isClosed = false;
  }
}
