/** A stream as readers see it: its own records, and before them those of the streams it was forked from. */
import type { Frame } from "../frame/frame.ts";
import type { Changes } from "./changes.ts";
import { isJsonType } from "./content-type.ts";
import type { Renewals } from "./renewals.ts";
import { type Piece, type Source, emptyPiece } from "./source.ts";
import type { HeldStream, StreamEntry } from "./stream-entry.ts";

interface Link {
  readonly entry: StreamEntry;
  readonly held: HeldStream;
}

export class StreamSource implements Source {
  readonly contentType: string;
  readonly isJson: boolean;
  readonly tag: string;
  /** The stream, then the one that it was forked from, and so on. */
  readonly #chain: readonly Link[];
  readonly #renewals: Renewals;

  constructor(chain: readonly Link[], renewals: Renewals) {
    const { meta } = (chain[0] as Link).entry;
    this.#chain = chain;
    this.#renewals = renewals;
    this.contentType = meta.contentType;
    this.isJson = isJsonType(meta.contentType);
    this.tag = meta.id;
  }

  get #own(): Link {
    return this.#chain[0] as Link;
  }

  get first(): number {
    const last = this.#chain.at(-1) as Link;
    return Math.min(last.held.stream.first, this.tail);
  }

  get tail(): number {
    return this.#own.held.stream.tail;
  }

  get isClosed(): boolean {
    return this.#own.held.stream.isClosed;
  }

  get mayGoFurther(): boolean {
    return this.#own.held.stream.mayGoFurther;
  }

  get isGone(): boolean {
    const { entry, held } = this.#own;
    return entry.isGone || entry.meta.isDeleted || held.stream.failure !== undefined;
  }

  get changes(): Changes {
    return this.#own.held.stream.changes;
  }

  follow(): () => void {
    const { entry, held } = this.#own;
    const unfollow = held.stream.follow();
    const stopRenewing = this.#renewals.follow(entry);
    return () => {
      stopRenewing();
      unfollow();
    };
  }

  read(from: number, maxBytes: number): Promise<Piece> | Piece {
    const { stream } = this.#own.held;
    return from >= stream.first ? stream.read(from, Infinity, maxBytes) : this.#stitch(from, maxBytes);
  }

  async #stitch(from: number, maxBytes: number): Promise<Piece> {
    const parts: Uint8Array[] = [];
    let next = from;
    for (let left = maxBytes; left > 0 && next < this.tail;) {
      const piece = await this.#readAt(next, left);
      if (piece.next === next) break;
      next = piece.next;
      for (const part of piece.parts) {
        parts.push(part);
        left -= part.length;
      }
    }
    return { from, next, parts };
  }

  /** From the stream that holds a record, up to where the fork behind it begins. */
  #readAt(seq: number, maxBytes: number): Promise<Piece> | Piece {
    const { held, end } = this.#holderOf(seq);
    return held === undefined ? emptyPiece(seq) : held.stream.read(seq, end, maxBytes);
  }

  #holderOf(seq: number): { held: HeldStream | undefined; end: number } {
    let end = Infinity;
    for (const { entry, held } of this.#chain) {
      const begin = entry.meta.fork?.seq ?? 0;
      if (seq >= begin) return { held, end };
      end = Math.min(end, begin);
    }
    return { held: undefined, end };
  }

  /** One record as it was appended. */
  async frame(seq: number): Promise<Frame | undefined> {
    return await this.#holderOf(seq).held?.stream.frame(seq);
  }

  release(): void {
    for (const { held } of this.#chain) held.release();
  }
}
