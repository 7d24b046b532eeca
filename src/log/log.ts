/** The contract of every log, on whatever it is kept. */
import type { Offset, Seq, SeqLike } from "../numbers.ts";
import type { LogRecord, RecordBatch } from "../segment/log-record.ts";
import type { Position, ReadOptions } from "../segment/positions.ts";

/** What an append resolves to. */
export interface Appended {
  /** The record's number. */
  readonly seq: Seq;
  /** Its UUID. */
  readonly id: string;
  /** The time in the id; an invalid Date in a log whose ids are of version 4. */
  readonly time: Date;
}

/** What an append to a directory resolves to. */
export interface FileAppended extends Appended {
  /** The name of the file in the log's directory. */
  readonly segment: string;
  /** Where in that file the record starts. */
  readonly offset: Offset;
}

/** What an append of many resolves to. With no records `count` is 0, and both ends are the next seq. */
export interface AppendedRange {
  readonly first: Seq;
  readonly last: Seq;
  readonly count: number;
}

/** Options of an append. */
export interface AppendOptions {
  /** Append only if the record gets this seq. @see SEQLOG_CONFLICT */
  readonly expectedSeq?: SeqLike;
}

/** What a log can do. */
export interface LogCapabilities {
  /** Whether it has the blocking calls of `FileLog`. */
  readonly sync: boolean;
  /** Whether `find` looks an id up without going through all records. */
  readonly findById: boolean;
  /** Where an acknowledged record is. */
  readonly durability: "disk" | "replicated" | "memory";
}

/** Counts. */
export interface LogStats {
  readonly firstSeq: Seq;
  readonly nextSeq: Seq;
  readonly records: number;
  /** Bytes of the records, headers included. */
  readonly bytes: number;
  readonly segments: number;
}

/** What a log gives back of what it takes, unless a codec says otherwise: bytes for bytes or text, else the same. */
export type DataOut<In> = Uint8Array extends In ? Uint8Array : In;

/** A durable, sequential log of records. */
export interface Log<In = Uint8Array | string, Out = DataOut<In>> {
  /** Where it is. */
  readonly location: string;
  /** The first record that was not removed. */
  readonly firstSeq: Seq;
  /** The seq after the last acknowledged record. */
  readonly nextSeq: Seq;
  /** Grows with each reset; seqs are never reused within one. */
  readonly generation: number;
  readonly supports: LogCapabilities;
  append(data: In, options?: AppendOptions): Promise<Appended>;
  appendBatch(data: readonly In[], options?: AppendOptions): Promise<AppendedRange>;
  ready(signal?: AbortSignal): Promise<void>;
  flush(): Promise<void>;
  get(seq: SeqLike): Promise<LogRecord<Out> | undefined>;
  find(id: string): Promise<LogRecord<Out> | undefined>;
  seqAt(time: Date): Promise<Seq>;
  read(options?: ReadOptions): AsyncIterableIterator<LogRecord<Out>>;
  readBatches(options?: ReadOptions & { readonly maxBytes?: number }): AsyncIterableIterator<RecordBatch<Out>>;
  stats(): Promise<LogStats>;
  trim(options: { readonly before: Position }): Promise<{ readonly removed: number }>;
  reset(): Promise<void>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
