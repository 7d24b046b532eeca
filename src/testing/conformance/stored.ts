/** Records that a case has appended and what it reads, as plain values to compare. */
import type { Log } from "../../log/log.ts";
import type { LogRecord } from "../../segment/log-record.ts";
import type { ReadOptions } from "../../segment/positions.ts";
import { same } from "./rules.ts";

/** One record. */
export interface Stored {
  readonly seq: number;
  readonly id: string;
  /** Milliseconds since 1970; NaN where ids hold no time. */
  readonly time: number;
  readonly text: string;
}

/** Any log that can be read. */
type Readable = Pick<Log<never, unknown>, "read">;

/** The data of record `i` of a case: told apart by its beginning, at least `length` bytes. */
export function textOf(i: number, length = 0): string {
  return `record ${i};`.padEnd(length, ".");
}

/** Bytes as text. */
export function decode(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}

/** A record as a plain value; the bytes are copied. */
export function stored(record: Pick<LogRecord<unknown>, "seq" | "id" | "time" | "bytes">): Stored {
  return { seq: record.seq, id: record.id, time: record.time.getTime(), text: decode(record.bytes) };
}

/** Appends records 0, 1, 2, … of `textOf` at the same time. */
export async function fill(log: Pick<Log, "append">, count: number, length = 0): Promise<Stored[]> {
  const texts = Array.from({ length: count }, (_, i) => textOf(i, length));
  const appended = await Promise.all(texts.map((text) => log.append(text)));
  return appended.map(({ seq, id, time }, i) => ({ seq, id, time: time.getTime(), text: texts[i] as string }));
}

/** All items of an iteration. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** The next `count` items; the iteration is not left. */
export async function next<T>(items: AsyncIterator<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  while (taken.length < count) {
    const step = await items.next();
    if (step.done === true) return taken;
    taken.push(step.value);
  }
  return taken;
}

/** What a read gives. */
export async function readAll(log: Readable, options?: ReadOptions): Promise<Stored[]> {
  return (await collect(log.read(options))).map(stored);
}

/** What a read gives, as text alone. */
export async function textsIn(log: Readable, options?: ReadOptions): Promise<string[]> {
  return (await readAll(log, options)).map(({ text }) => text);
}

/** Seqs follow one another: without gaps in a dense log, else growing. */
export function checkSeqs(log: Pick<Log, "supports">, seqs: readonly number[], first: number, rule: string): void {
  if (log.supports.dense) {
    const wanted = seqs.map((_, i) => first + i);
    return same(seqs, wanted, rule);
  }
  const isGrowing = seqs.every((seq, i) => seq >= first && (i === 0 || seq > (seqs[i - 1] as number)));
  same(isGrowing, true, `${rule} (holes are allowed): ${seqs.join(", ")}`);
}
