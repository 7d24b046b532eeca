/** The record index of a single log file, as its users share it: record number to offset. */
import { noSeed } from "../format/index-entry.ts";
import { checkHeader, headerLength } from "../format/record.ts";
import { type Offset, type SeqLike, asOffset, checkSeq } from "../numbers.ts";
import { localPath } from "../storage/local-path.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { readAt, run, runSync } from "../storage/plan.ts";
import type { Machine, Storage } from "../storage/storage.ts";
import { damaged } from "./damaged.ts";
import { IndexFile } from "./index-file.ts";
import { chunkOf } from "./verify-chunk.ts";

/**
 * Maps record numbers to offsets, for everybody who works with one log file. It is opened once and
 * given to the {@link LogWriter}, which completes or rebuilds it; readers look positions up in it.
 * Closing the writer does not close it.
 *
 * @example
 * ```ts
 * import { LogWriter, RecordIndex } from "seqlog";
 *
 * const recordIndex = await RecordIndex.open("events.idx");
 * const writer = await LogWriter.open("events.log", recordIndex);
 * const offset = await writer.append("hello");
 * console.log(recordIndex.get(recordIndex.length - 1) === offset);
 * await writer.close();
 * await recordIndex.close();
 * ```
 */
export class RecordIndex {
  /** @internal The entries; the writer writes them. */
  readonly file: IndexFile;
  /** @internal The log file whose writer holds this index now. */
  writerOf: string | undefined;
  #length: number;
  #isClosed = false;

  private constructor(file: IndexFile, length: number) {
    this.file = file;
    this.#length = length;
  }

  /**
   * Opens the record index at `path`, or creates an empty one.
   * @throws SEQLOG_IO, SEQLOG_DAMAGED when there is something else than a regular file
   */
  static async open(path: string | URL, options?: { readonly machine?: Machine }): Promise<RecordIndex> {
    const at = localPath(path, "the record index");
    const { storage } = options?.machine ?? nodeMachine;
    const file = IndexFile.openSync(storage, at, "create", 0, noSeed);
    try {
      const last = await run(file.last("firm"));
      if (last === undefined && file.capacitySync() > 0) await refuseLog(storage, at);
      return new RecordIndex(file, last === undefined ? 0 : last.seq + 1);
    } catch (error) {
      file.closeSync();
      throw error;
    }
  }

  /** @internal */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** How many records it knows: the next one gets this number. */
  get length(): number {
    return this.#length;
  }

  /** @internal Set by the writer. */
  set length(length: number) {
    this.#length = length;
  }

  /**
   * The offset of record `seq`, or undefined when there is no such record (or, in an index that no
   * writer has opened since it was damaged, no valid entry). Reads 16 bytes, blocking.
   */
  get(seq: SeqLike): Offset | undefined {
    checkSeq(seq, "seq");
    if (this.#isClosed) throw new TypeError("the record index was closed");
    if (seq >= this.#length) return undefined;
    const entry = runSync(this.file.entry(seq));
    return entry === undefined || entry.kind === "invalid" ? undefined : asOffset(entry.offset);
  }

  /** Closes the file. Close the writer first. Closing twice is fine. */
  async close(): Promise<void> {
    if (this.writerOf !== undefined) {
      throw new TypeError(`the writer of ${this.writerOf} still uses this record index; close the writer first`);
    }
    this.#isClosed = true;
    this.file.closeSync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** A record index without a valid entry is made anew; a log that was given in its place must not be. */
async function refuseLog(storage: Storage, path: string): Promise<void> {
  const file = storage.openSync(path, "read");
  try {
    const { size } = file.statSync();
    const header = await run(readAt(file, 0, headerLength));
    if (header.length < headerLength || checkHeader(header, chunkOf(header, 0).view, 0, 0, size) < 0) return;
    throw damaged(path, 0, "it holds records, not the entries of a record index; perhaps the two paths were swapped");
  } finally {
    file.closeSync();
  }
}
