/**
 * A log with holes, as a stream has that others write to: of a directory log the records that hold
 * `filler` are hidden, and every third append leaves one behind it.
 */
import type { AppendOptions, Log, LogRecord, Position, ReadOptions, RecordBatch } from "../../src/index.ts";
import { override } from "./targets.ts";

const filler = "a hole";

function isHole(record: Pick<LogRecord, "bytes">): boolean {
  return Buffer.from(record.bytes).toString() === filler;
}

/** Passes the items of an iteration through `pick` until there are `limit`; steps come one after the other. */
function picked<T, R>(
  inner: AsyncIterator<T>,
  pick: (item: T, left: number) => R | undefined,
  size: (item: R) => number,
  limit: number,
): AsyncIterableIterator<R> {
  let left = limit;
  let last: Promise<unknown> = Promise.resolve();
  const step = async (): Promise<IteratorResult<R>> => {
    while (left > 0) {
      const { value, done } = await inner.next();
      if (done === true) return { done, value: undefined };
      const item = pick(value, left);
      if (item === undefined) continue;
      left -= size(item);
      return { done: false, value: item };
    }
    await inner.return?.();
    return { done: true, value: undefined };
  };
  return {
    next() {
      const result = last.then(step);
      last = result.catch(() => undefined);
      return result;
    },
    async return() {
      left = 0;
      await inner.return?.();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** What of a batch is no hole, at most `left` records; undefined where there is none. */
function visible(batch: RecordBatch, left: number): RecordBatch | undefined {
  const records = [...batch].filter((record) => !isHole(record)).slice(0, left);
  const [first] = records;
  if (first === undefined) return undefined;
  const at = (i: number): LogRecord => {
    const record = records[i];
    if (record === undefined) throw new RangeError(`no record ${i}`);
    return record;
  };
  return override(batch, {
    first: first.seq,
    count: records.length,
    [Symbol.iterator]: () => records.values(),
    recordAt: at,
    bytesAt: (i: number) => at(i).bytes,
    dataAt: (i: number) => at(i).data,
  });
}

/** The log with holes. */
export function holeyLog(log: Log): Log {
  let appends = 0;
  const read = (options: ReadOptions = {}): AsyncIterableIterator<LogRecord> => {
    const { limit = Infinity, ...rest } = options;
    checkLimit(limit);
    return picked(
      log.read(rest),
      (record) => (isHole(record) ? undefined : record),
      () => 1,
      limit,
    );
  };
  const count = async (): Promise<number> => {
    let records = 0;
    for await (const _ of read()) records++;
    return records;
  };
  return override(log, {
    supports: { ...log.supports, sync: false, dense: false },
    read,
    readBatches({ limit = Infinity, ...rest }: ReadOptions & { maxBytes?: number } = {}) {
      checkLimit(limit);
      return picked(log.readBatches(rest), visible, (batch) => batch.count, limit);
    },
    async append(data: string, options?: AppendOptions) {
      const appended = await log.append(data, options);
      // What comes behind it may be refused, by a full queue or a close: then there is no hole.
      if (++appends % 3 === 0) await log.append(filler).catch(() => undefined);
      return appended;
    },
    async get(seq: number) {
      const record = await log.get(seq);
      return record === undefined || isHole(record) ? undefined : record;
    },
    async seqAt(time: Date) {
      const seq = await log.seqAt(time);
      for await (const record of read({ from: seq, limit: 1 })) return record.seq;
      return log.nextSeq;
    },
    stats: async () => ({ ...(await log.stats()), records: await count() }),
    async trim(options: { before: Position }) {
      const before = await count();
      await log.trim(options);
      return { removed: before - (await count()) };
    },
  });
}

function checkLimit(limit: number): void {
  if (limit !== Infinity && !(Number.isSafeInteger(limit) && limit >= 0)) throw new RangeError(`limit ${limit}`);
}
