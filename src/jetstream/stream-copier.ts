/** Brings the records of a log into its stream, through whatever the servers do meanwhile. */
import { headerLength } from "../format/record.ts";
import type { RecordBatch } from "../segment/log-record.ts";
import { type CopiedStream, type SourceLog } from "./copied-stream.ts";
import { differs } from "./compare-stream.ts";
import { PipelineBroken, PublishPipeline } from "./publish-pipeline.ts";
import { ioError, type StreamConnection } from "./stream-connection.ts";

/** Without progress for so long another server is asked. */
const moveOnMs = 3000;

/** What to copy. */
export interface CopyRange {
  readonly from: number;
  /** Left out: go on with what is appended, until the signal. */
  readonly to?: number;
}

export class StreamCopier {
  readonly #log: SourceLog;
  readonly #connection: StreamConnection;
  readonly #stream: CopiedStream;
  readonly #patienceMs: number;
  readonly #told: (acknowledged: number) => void;
  /** The lowest place that was written to: below it nothing was touched. */
  lowest: number = Infinity;
  /** When the servers took something last, or got something to take after a time without. */
  #progressAt: number;
  /** Whether they got something that they have not taken, and the attempt broke. */
  #isStalled = false;
  #broken = "";

  constructor(
    log: SourceLog,
    connection: StreamConnection,
    stream: CopiedStream,
    patienceMs: number,
    told: (acknowledged: number) => void,
  ) {
    this.#log = log;
    this.#connection = connection;
    this.#stream = stream;
    this.#patienceMs = patienceMs;
    this.#progressAt = connection.clock.now();
    this.#told = (acknowledged) => {
      this.#progressAt = connection.clock.now();
      this.#isStalled = false;
      told(acknowledged);
    };
  }

  /**
   * Copies until all is there, or the signal ends it.
   * @throws SEQLOG_IO when the servers took nothing for longer than patience lasts
   */
  async copy({ from, to }: CopyRange, signal: AbortSignal): Promise<void> {
    const end = to ?? Infinity;
    let position = from;
    // What earlier attempts sent may come later than what the last one did.
    let highest = from;
    this.#progressAt = this.#connection.clock.now();
    while (position < end) {
      signal.throwIfAborted();
      this.lowest = Math.min(this.lowest, position);
      const sent = await this.#attempt(position, to, signal);
      if (sent === "all") return;
      await this.#goOn();
      const { next } = await this.#stream.ends();
      highest = Math.max(highest, sent);
      if (next > highest) throw differs(this.#connection.location.shown, next, next, "was appended by somebody else");
      position = next;
    }
  }

  /** @returns how far it got when it was interrupted: no record from there on was sent */
  async #attempt(from: number, to: number | undefined, signal: AbortSignal): Promise<number | "all"> {
    // Ends the wait for new records when the pipeline breaks while there are none.
    const ending = new AbortController();
    const pipeline = new PublishPipeline(this.#connection, from, this.#told, () => ending.abort(endOfAttempt));
    const end = AbortSignal.any([signal, ending.signal]);
    try {
      const range = to === undefined ? { from, live: true as const } : { from, to };
      for await (const batch of this.#log.readBatches({ ...range, signal: end })) {
        await this.#publish(batch, pipeline);
      }
      await pipeline.settle();
      return "all";
    } catch (error) {
      if (error !== endOfAttempt && !(error instanceof PipelineBroken)) throw error;
      this.#broken = pipeline.problem;
      if (!pipeline.isIdle) this.#isStalled = true;
      return pipeline.next;
    } finally {
      pipeline.close();
    }
  }

  async #publish(batch: RecordBatch, pipeline: PublishPipeline): Promise<void> {
    // The time in which there was nothing to take is no silence of the servers.
    if (pipeline.isIdle && !this.#isStalled) this.#progressAt = this.#connection.clock.now();
    const { chunk, starts, end, firstSeq } = batch.run;
    for (let i = 0; i < starts.length; i++) {
      if (pipeline.isFull) await pipeline.room();
      const at = starts[i] as number;
      const after = starts[i + 1] ?? end;
      this.#stream.checkSize(firstSeq + i, after - at - headerLength);
      pipeline.publish(firstSeq + i, chunk.bytes, at, after);
    }
  }

  async #goOn(): Promise<void> {
    const { clock, location } = this.#connection;
    const waited = this.#isStalled ? clock.now() - this.#progressAt : 0;
    if (waited > this.#patienceMs) throw ioError(location.shown, "publish", new Error(this.#broken));
    await this.#connection.pause();
    if (waited > moveOnMs) await this.#connection.moveOn();
  }
}

/** Why a read was ended that is to be begun again. */
const endOfAttempt = new PipelineBroken("the attempt ended");
