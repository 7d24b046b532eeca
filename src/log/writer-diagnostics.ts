/** Tells the subscribers of `seqlog:append`, `seqlog:sync` and `seqlog:roll` what one writer does. */
import { appendChannel, rollChannel, syncChannel } from "../diagnostics.ts";
import { monotonicUs } from "../storage/monotonic-clock.ts";
import type { SyncMessage } from "../diagnostics.ts";

/** Where the writer is in its log. */
interface WriterPlace {
  readonly generation: number;
  readonly nextSeq: number;
}

/** The messages of one writer. */
export class WriterDiagnostics {
  readonly #path: string;
  readonly #durable: boolean;
  #generation: number;
  #nextSeq: number;
  /** When the write under way began; −1 when nobody had subscribed then. */
  #beganUs = -1;

  constructor(path: string, durable: boolean, { generation, nextSeq }: WriterPlace) {
    this.#path = path;
    this.#durable = durable;
    this.#generation = generation;
    this.#nextSeq = nextSeq;
  }

  /** Before each write. */
  writes(): void {
    this.#beganUs = appendChannel.hasSubscribers ? monotonicUs() : -1;
  }

  /** After each write, when its records are acknowledged. */
  committed(bytes: number, { generation, nextSeq }: WriterPlace): void {
    const firstSeq = generation === this.#generation ? this.#nextSeq : 0;
    this.#generation = generation;
    this.#nextSeq = nextSeq;
    if (!appendChannel.hasSubscribers) return;
    const beganUs = this.#beganUs;
    appendChannel.publish({
      path: this.#path,
      generation,
      firstSeq,
      count: nextSeq - firstSeq,
      bytes,
      durable: this.#durable,
      ...(beganUs < 0 ? {} : { durationMs: (monotonicUs() - beganUs) / 1000 }),
    });
  }

  /** Wraps what a sync that begins now will call. */
  syncs(
    of: SyncMessage["of"],
    reason: SyncMessage["reason"],
    done: (error: Error | undefined) => void,
  ): (error: Error | undefined) => void {
    if (!syncChannel.hasSubscribers) return done;
    const beganUs = monotonicUs();
    return (error) => {
      if (error === undefined) {
        syncChannel.publish({ path: this.#path, of, reason, durationMs: (monotonicUs() - beganUs) / 1000 });
      }
      done(error);
    };
  }

  /** After a roll. */
  rolled(sealed: { readonly name: string; readonly end: number }, segment: string, place: WriterPlace): void {
    if (!rollChannel.hasSubscribers) return;
    rollChannel.publish({
      path: this.#path,
      generation: place.generation,
      sealed: sealed.name,
      sealedBytes: sealed.end,
      segment,
      firstSeq: place.nextSeq,
    });
  }
}
