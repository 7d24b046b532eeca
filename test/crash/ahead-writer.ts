/** A writer in another process that keeps a log a little ahead of its consumer, and may be killed. */
import type { FileOpenOptions } from "../../src/index.ts";
import { ChildWriter } from "./child-writer.ts";

/** The record with seq N is `event N`, whatever became of the appends before. */
export class AheadWriter {
  readonly #writer: ChildWriter;
  #nextSeq: number;
  /** The last record that the consumer is known to have. */
  #delivered = -1;
  #appending: Promise<void> | undefined;
  #isKilled = false;

  private constructor(writer: ChildWriter, nextSeq: number) {
    this.#writer = writer;
    this.#nextSeq = nextSeq;
  }

  static async open(path: string, durability: NonNullable<FileOpenOptions["durability"]>): Promise<AheadWriter> {
    const writer = await ChildWriter.open(path, { segmentBytes: 16 * 1024, durability });
    const { nextSeq } = (await writer.order("stats")) as { nextSeq: number };
    const ahead = new AheadWriter(writer, nextSeq);
    ahead.delivered(nextSeq);
    return ahead;
  }

  /** The consumer has this record: more is appended, unless there is enough. */
  delivered(seq: number): void {
    this.#delivered = seq;
    this.#appendAhead();
  }

  #appendAhead(): void {
    if (this.#appending !== undefined || this.#nextSeq - this.#delivered > 100) return;
    const data = Array.from({ length: 1 + (this.#delivered % 40) }, (_, i) => `event ${this.#nextSeq + i}`);
    this.#appending = this.#writer.append(...data).then(
      () => {
        this.#nextSeq += data.length;
        this.#appending = undefined;
        // The consumer may have had all of these before the answer came: nobody tells of it again.
        this.#appendAhead();
      },
      (error: unknown) => {
        if (!this.#isKilled) throw error;
      },
    );
  }

  /** Kills it, perhaps in the middle of an append. */
  async kill(): Promise<void> {
    this.#isKilled = true;
    await this.#writer.kill();
    await this.#appending;
  }
}
