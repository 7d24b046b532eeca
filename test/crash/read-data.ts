/** What a log gives its readers, in a form that tests compare. */
import type { LogRecord, ReadOptions } from "../../src/index.ts";

/** Anything with `read`: a log, a reader of a single file. */
interface Readable {
  read(options?: ReadOptions): AsyncIterableIterator<LogRecord<unknown>>;
}

/** All items of an iteration. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** The first `count` items; then the iteration is left. */
export async function take<T>(items: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  if (count === 0) return taken;
  for await (const item of items) if (taken.push(item) === count) break;
  return taken;
}

/** The seqs of a read. */
export async function seqsOf(log: Readable, options?: ReadOptions): Promise<number[]> {
  return (await collect(log.read(options))).map((record) => record.seq);
}

/** The data of a read as text. */
export async function textsOf(log: Readable, options?: ReadOptions): Promise<string[]> {
  return (await collect(log.read(options))).map((record) => Buffer.from(record.bytes).toString());
}

/** Every record as one line: number, id and data in hex. Two logs with the same lines hold the same. */
export async function linesOf(log: Readable, options?: ReadOptions): Promise<string[]> {
  return (await collect(log.read(options))).map(
    ({ seq, id, bytes }) => `${seq} ${id} ${Buffer.from(bytes).toString("hex")}`,
  );
}
