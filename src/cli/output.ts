/**
 * Standard output or error of a command.
 *
 * Bytes are gathered and written in pieces of 64 KiB; `flush` waits until the other side has taken
 * them. When the other side is gone (`seqlog cat … | head`) the output is `closed`: what is put into it is
 * dropped, whoever produces it looks at `closed` or `signal` and stops, and nothing is an error.
 */
import type { Writable } from "node:stream";
import { nodeMachine } from "../storage/node-machine.ts";

/** A stream, and whether a person looks at it. */
export type OutputStream = Writable & { readonly isTTY?: boolean };

const fullBytes = 64 * 1024;

export class Output {
  readonly isTerminal: boolean;
  readonly #stream: OutputStream;
  readonly #closing = new AbortController();
  #parts: (Uint8Array | string)[] = [];
  #bytes = 0;
  /** Set by the stream's error event when it is another one than a closed pipe. */
  #failure: Error | undefined;

  constructor(stream: OutputStream) {
    this.#stream = stream;
    this.isTerminal = stream.isTTY === true;
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE" && error.code !== "ERR_STREAM_DESTROYED") this.#failure ??= error;
      this.#closing.abort(error);
    });
  }

  /** Nobody reads any more. */
  get closed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Aborts when nobody reads any more; for work that would otherwise wait, such as following a log. */
  get signal(): AbortSignal {
    return this.#closing.signal;
  }

  /** Time to `flush`. */
  get isFull(): boolean {
    return this.#bytes >= fullBytes;
  }

  /** Adds bytes or text; they must not be changed afterwards. */
  put(part: Uint8Array | string): void {
    this.#parts.push(part);
    this.#bytes += part.length;
  }

  /** Adds a line of text. */
  line(text: string): void {
    this.put(`${text}\n`);
  }

  /**
   * Hands over what was put, and waits until it was taken.
   * @throws what the stream failed with, unless the other side just closed it
   */
  async flush(): Promise<void> {
    const parts = this.#parts;
    const isAnything = this.#bytes > 0;
    // Before the wait, during which more may be put.
    this.#parts = [];
    this.#bytes = 0;
    if (isAnything && !this.closed) {
      const piece = Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
      await new Promise<void>((resolve) => this.#stream.write(piece, () => resolve()));
      // The error event follows the callback.
      if (this.#stream.errored !== null) await nodeMachine.clock.turn();
    }
    if (this.#failure !== undefined) throw this.#failure;
  }
}
