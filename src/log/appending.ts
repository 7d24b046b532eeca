/**
 * The appending half of a directory log: what a caller gave becomes bytes, and whoever waits for them
 * is told. What is at fault with the input is found before anything is queued.
 */
import { asSeq, checkSeq } from "../numbers.ts";
import { conflictError } from "../segment/batch.ts";
import type { Codec } from "./codec.ts";
import type { DirectoryWriter } from "./directory-writer.ts";
import type { AppendBatchOptions, AppendOptions, AppendedRange, FileAppended } from "./log.ts";
import { RangeWaiter, RecordWaiter } from "./waiters.ts";

/** Appends to a writer; `FileLog` documents each of these. */
export class Appending<In> {
  readonly #writer: () => DirectoryWriter;
  readonly #codec: Codec<In, unknown> | undefined;

  /** @param writer the one to write with, asked for at each append: it throws when the log cannot be written */
  constructor(writer: () => DirectoryWriter, codec: Codec<In, unknown> | undefined) {
    this.#writer = writer;
    this.#codec = codec;
  }

  append(data: In, options?: AppendOptions): Promise<FileAppended> {
    return new Promise((resolve, reject) => this.#addOne(data, options, false, resolve, reject));
  }

  appendBatch(data: readonly In[], options?: AppendBatchOptions): Promise<AppendedRange> {
    return new Promise((resolve, reject) => this.#addAll(data, options, false, resolve, reject));
  }

  appendSync(data: In, options?: AppendOptions): FileAppended {
    return this.#blocking((resolve, reject) => this.#addOne(data, options, true, resolve, reject));
  }

  appendBatchSync(data: readonly In[], options?: AppendBatchOptions): AppendedRange {
    return this.#blocking((resolve, reject) => this.#addAll(data, options, true, resolve, reject));
  }

  #addOne(
    data: In,
    options: AppendOptions | undefined,
    isBlocking: boolean,
    resolve: (appended: FileAppended) => void,
    reject: (error: Error) => void,
  ): void {
    const writer = this.#writer();
    const expectedSeq = expectedSeqOf(options);
    const key = options?.key;
    if (key !== undefined) {
      return writer.keys.add({ data: this.#encode(data), key, expectedSeq, isBlocking, resolve, reject });
    }
    const waiter = new RecordWaiter(expectedSeq, writer, resolve, reject);
    writer.queue.add(this.#encode(data), waiter, isBlocking);
  }

  #addAll(
    data: readonly In[],
    options: AppendBatchOptions | undefined,
    isBlocking: boolean,
    resolve: (range: AppendedRange) => void,
    reject: (error: Error) => void,
  ): void {
    const writer = this.#writer();
    if (!Array.isArray(data)) throw new TypeError(`appendBatch takes an array, got ${typeof data}`);
    if ((options as AppendOptions | undefined)?.key !== undefined) {
      throw new TypeError("appendBatch takes no key, which is one record's; append them one by one, each with its key");
    }
    const expectedSeq = expectedSeqOf(options);
    const encoded: (Uint8Array | string)[] = [];
    // By index, which does not pass over holes.
    for (let i = 0; i < data.length; i++) encoded.push(this.#encodeApart(data[i] as In));
    if (encoded.length === 0) {
      const { nextSeq } = writer.queue;
      if (expectedSeq >= 0 && expectedSeq !== nextSeq) throw conflictError(expectedSeq, nextSeq);
      return resolve({ first: asSeq(nextSeq), last: asSeq(nextSeq), count: 0 });
    }
    const waiter = new RangeWaiter(encoded.length, expectedSeq, resolve, reject);
    writer.queue.addAll(encoded, expectedSeq, (first) => waiter.part(first), isBlocking);
  }

  #blocking<T>(add: (resolve: (value: T) => void, reject: (error: Error) => void) => void): T {
    const writer = this.#writer();
    let result: { value: T } | undefined;
    let failure: Error | undefined;
    writer.queue.throwIfPaused();
    add(
      (value) => (result = { value }),
      (error) => (failure = error),
    );
    writer.queue.drainSync();
    if (failure !== undefined) throw failure;
    return ((result as { value: T } | undefined) ?? noAnswer()).value;
  }

  #encode(data: In): Uint8Array | string {
    return this.#codec === undefined ? (data as Uint8Array | string) : this.#codec.encode(data);
  }

  /** For a batch all is encoded before any of it is copied, and a codec may use one buffer again and again. */
  #encodeApart(data: In): Uint8Array | string {
    const encoded = this.#encode(data);
    return this.#codec === undefined || !(encoded instanceof Uint8Array) ? encoded : new Uint8Array(encoded);
  }
}

function noAnswer(): never {
  throw new Error("a blocking append ended without an answer");
}

function expectedSeqOf(options: AppendBatchOptions | undefined): number {
  return options?.expectedSeq === undefined ? -1 : checkSeq(options.expectedSeq, "expectedSeq");
}
