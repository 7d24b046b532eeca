/** A record as readers get it, and batches of them: views of the bytes that were read, decoded when asked. */
import { headerAt, headerLength } from "../format/record.ts";
import { formatId, millisecondsOfId } from "../format/uuid.ts";
import { type Offset, type Seq, asOffset, asSeq } from "../numbers.ts";
import { showAsPlain } from "./show-as-plain.ts";
import type { Chunk } from "./verify-chunk.ts";

/** Turns stored bytes into what the program works with; knows the seq for its errors. */
export type Decode<Out> = (bytes: Uint8Array, seq: Seq) => Out;

/** Verified records that lie one behind the other in one segment. */
export interface Run {
  readonly chunk: Chunk;
  /** Where in the chunk each record starts. */
  readonly starts: readonly number[];
  /** Where in the chunk the last one ends. */
  readonly end: number;
  readonly firstSeq: number;
  /** The segment's file name. */
  readonly segment: string;
}

/**
 * One record. `bytes` is a view of a piece of the log that was read at once (1 MiB at most, or the
 * one record): it is never overwritten, but it keeps that piece in memory; `bytes.slice()` does not.
 *
 * @example
 * ```ts
 * import { openLog, text } from "seqlog";
 *
 * const log = await openLog("./events", { codec: text() });
 * await log.append("hello");
 * for await (const record of log.read()) {
 *   console.log(record.seq, record.id, record.time.toISOString(), record.data);
 * }
 * await log.close();
 * ```
 */
export class LogRecord<Out = Uint8Array> {
  /** The record's number: 0, 1, 2, … */
  readonly seq: Seq;
  readonly #run: Run;
  readonly #start: number;
  readonly #end: number;
  readonly #decode: Decode<Out>;

  /** @internal */
  constructor(run: Run, index: number, decode: Decode<Out>) {
    this.seq = asSeq(run.firstSeq + index);
    this.#run = run;
    this.#start = run.starts[index] as number;
    this.#end = run.starts[index + 1] ?? run.end;
    this.#decode = decode;
  }

  /** The record's UUID, 36 characters, lower case. */
  get id(): string {
    return formatId(this.#run.chunk.bytes, this.#start + headerAt.id);
  }

  /** When it was appended, from its UUID of version 7; an invalid Date for an id of version 4, which holds no time. */
  get time(): Date {
    return new Date(millisecondsOfId(this.#run.chunk.bytes, this.#start + headerAt.id));
  }

  /** The data as it is stored. */
  get bytes(): Uint8Array {
    return this.#run.chunk.bytes.subarray(this.#start + headerLength, this.#end);
  }

  /**
   * The data, decoded by the log's codec; decoded anew at each access.
   * @throws SEQLOG_INVALID_DATA when the codec or its schema refuses the stored bytes
   */
  get data(): Out {
    return this.#decode(this.bytes, this.seq);
  }

  /** The name of the file that holds it. */
  get segment(): string {
    return this.#run.segment;
  }

  /** Where in that file it starts. */
  get offset(): Offset {
    return asOffset(this.#run.chunk.position + this.#start);
  }

  /** All of it as a plain object. */
  toJSON(): { seq: Seq; id: string; time: Date; segment: string; offset: Offset; data: Out } {
    const { seq, id, time, segment, offset, data } = this;
    return { seq, id, time, segment, offset, data };
  }
}

showAsPlain(LogRecord.prototype);

/**
 * Records that were read at once: the fast way to go through a log. Records stand in the order of
 * the read, so in a reverse read record 0 has the highest seq.
 */
export class RecordBatch<Out = Uint8Array> implements Iterable<LogRecord<Out>> {
  readonly #run: Run;
  readonly #decode: Decode<Out>;
  readonly #isReverse: boolean;

  /** @internal */
  constructor(run: Run, decode: Decode<Out>, isReverse: boolean) {
    this.#run = run;
    this.#decode = decode;
    this.#isReverse = isReverse;
  }

  /** @internal Where the records lie in memory, for what goes through very many. */
  get run(): Run {
    return this.#run;
  }

  /** The seq of record 0. */
  get first(): Seq {
    return asSeq(this.#run.firstSeq + (this.#isReverse ? this.count - 1 : 0));
  }

  /** How many records. */
  get count(): number {
    return this.#run.starts.length;
  }

  /** Bytes in the segment, headers included. */
  get byteLength(): number {
    return this.#run.end - (this.#run.starts[0] ?? 0);
  }

  /** The data of record `i` as it is stored; a view, see {@link LogRecord}. */
  bytesAt(i: number): Uint8Array {
    const index = this.#indexOf(i);
    const { starts, end, chunk } = this.#run;
    return chunk.bytes.subarray((starts[index] as number) + headerLength, starts[index + 1] ?? end);
  }

  /** The data of record `i`, decoded. */
  dataAt(i: number): Out {
    const index = this.#indexOf(i);
    return this.#decode(this.bytesAt(i), asSeq(this.#run.firstSeq + index));
  }

  *[Symbol.iterator](): Generator<LogRecord<Out>> {
    for (let i = 0; i < this.count; i++) yield this.recordAt(i);
  }

  /** Record `i` whole. */
  recordAt(i: number): LogRecord<Out> {
    return new LogRecord(this.#run, this.#indexOf(i), this.#decode);
  }

  #indexOf(i: number): number {
    if (!Number.isInteger(i) || i < 0 || i >= this.count) {
      throw new RangeError(`a record of this batch is 0 to ${this.count - 1}, got ${i}`);
    }
    return this.#isReverse ? this.count - 1 - i : i;
  }
}
