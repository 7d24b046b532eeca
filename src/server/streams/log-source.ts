/**
 * A log that a program appends to, as readers of streams see it. Nothing is changed: it is opened to
 * read, or is open in this process already.
 *
 * By its codec it is JSON (each record a message), lines of text, or bytes; see docs/server.md.
 */
import type { Log } from "../../log/log.ts";
import type { Clock } from "../../storage/storage.ts";
import { Changes } from "./changes.ts";
import { isJsonType } from "./content-type.ts";
import { inTurnOfReads } from "./disk-reads.ts";
import { type Piece, type Source, emptyPiece } from "./source.ts";

const newline = new Uint8Array([0x0a]);

/** What a log of this codec is served as. */
export function contentTypeOf(codec: string | null | undefined): string {
  if (codec === "json") return "application/json";
  return codec === "text" ? "text/plain; charset=utf-8" : "application/octet-stream";
}

export class LogSource implements Source {
  readonly contentType: string;
  readonly isJson: boolean;
  readonly changes: Changes;
  readonly isClosed = false;
  /** A log that was reset is told from one that is being recovered by nothing but its end. */
  readonly mayGoFurther = false;
  readonly #clock: Clock;
  readonly #log: Log<never, unknown>;
  readonly #tag: string;
  readonly #isText: boolean;
  #followers = 0;
  #following: AbortController | undefined;
  #failure: Error | undefined;

  /** @param tag tells its history from others, but for its generation */
  constructor(clock: Clock, log: Log<never, unknown>, codec: string | null | undefined, tag: string) {
    this.changes = new Changes(clock);
    this.#clock = clock;
    this.contentType = contentTypeOf(codec);
    this.isJson = isJsonType(this.contentType);
    this.#isText = codec === "text";
    this.#log = log;
    // It goes into headers, and a name has any characters.
    this.#tag = encodeURIComponent(tag);
  }

  get tag(): string {
    return `${this.#tag}.${this.#log.generation}`;
  }

  get first(): number {
    return this.#log.firstSeq;
  }

  get tail(): number {
    return this.#log.nextSeq;
  }

  get isGone(): boolean {
    return this.#failure !== undefined;
  }

  /** Whether somebody waits for more. */
  get isBusy(): boolean {
    return this.#followers > 0;
  }

  /** Looks for what another process has appended. */
  async refresh(): Promise<void> {
    await this.#log.stats();
  }

  async read(from: number, maxBytes: number): Promise<Piece> {
    if (from >= this.tail) return emptyPiece(from);
    return await inTurnOfReads(this.#clock, () => this.#readFromDisk(from, maxBytes));
  }

  async #readFromDisk(from: number, maxBytes: number): Promise<Piece> {
    const to = this.tail;
    for await (const batch of this.#log.readBatches({ from, to, maxBytes })) {
      const parts: Uint8Array[] = [];
      for (let i = 0; i < batch.count; i++) {
        parts.push(batch.bytesAt(i));
        if (this.#isText) parts.push(newline);
      }
      return { from, next: batch.first + batch.count, parts };
    }
    return emptyPiece(from);
  }

  follow(): () => void {
    this.#followers++;
    if (this.#following === undefined) {
      // A log that was reset can be followed again.
      this.#failure = undefined;
      this.#following = new AbortController();
      void this.#watch(this.#following.signal);
    }
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      if (--this.#followers > 0) return;
      this.#following?.abort();
      this.#following = undefined;
    };
  }

  async #watch(signal: AbortSignal): Promise<void> {
    try {
      for await (const _ of this.#log.readBatches({ from: this.tail, live: true, signal })) this.changes.bump();
      // It was closed.
      this.#failure = new Error("the log was closed");
    } catch (error) {
      if (signal.aborted) return;
      this.#failure = error as Error;
    }
    this.changes.bump();
  }

  async close(): Promise<void> {
    this.#following?.abort();
    await this.#log.close();
  }
}
