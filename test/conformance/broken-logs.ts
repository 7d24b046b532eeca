/** Logs that break one rule each, and the case of the suite that must notice. */
import {
  type Appended,
  type AppendOptions,
  type Log,
  type LogRecord,
  type ReadOptions,
  SeqlogError,
} from "../../src/index.ts";
import { override } from "./targets.ts";

/** A way to break a log. */
export interface Break {
  readonly name: string;
  /** The beginning of the name of a case that must fail. */
  readonly case: string;
  /** The beginning of the message that it must fail with. */
  readonly says: string;
  /** Members to put in place of the log's own. */
  members(log: Log): object;
}

type Read = (options?: ReadOptions) => AsyncIterable<LogRecord>;

/** Reads through a function over the read's own records. */
function reading(make: (log: Log, options: ReadOptions) => AsyncIterable<LogRecord>): (log: Log) => { read: Read } {
  return (log) => ({ read: (options = {}) => make(log, options) });
}

/** What a broken read does for `next` and `return`, as any generator. */
async function* passOn(records: AsyncIterable<LogRecord>): AsyncGenerator<LogRecord> {
  yield* records;
}

async function* overOneBuffer(records: AsyncIterable<LogRecord>): AsyncGenerator<LogRecord> {
  const buffer = new Uint8Array(1024 * 1024);
  for await (const record of records) {
    buffer.set(record.bytes);
    const bytes = buffer.subarray(0, record.bytes.length);
    yield override(record, { bytes, data: bytes });
  }
}

async function* endingQuietly(
  records: AsyncIterable<LogRecord>,
  code: "SEQLOG_CLOSED" | "SEQLOG_RESET",
): AsyncGenerator<LogRecord> {
  try {
    yield* records;
  } catch (error) {
    if (!SeqlogError.is(error, code)) throw error;
  }
}

async function* withAbortError(records: AsyncIterable<LogRecord>): AsyncGenerator<LogRecord> {
  try {
    yield* records;
  } catch (error) {
    throw error instanceof SeqlogError || error instanceof RangeError
      ? error
      : new DOMException("aborted", "AbortError");
  }
}

async function* decodedEagerly(records: AsyncIterable<LogRecord>): AsyncGenerator<LogRecord> {
  for await (const record of records) {
    void record.data;
    yield record;
  }
}

/** Keys as a program would add them by itself: in memory, once a record is acknowledged. */
function rememberingKeys(log: Log): object {
  const known = new Map<string, Appended>();
  return {
    async append(data: string, { key = "" }: { key?: string } = {}) {
      const first = known.get(key);
      if (first !== undefined) return override(first, { duplicate: true });
      const appended = await log.append(data);
      known.set(key, appended);
      return appended;
    },
  };
}

/** A seq one greater, where a seq was given. */
function oneMore<T>(position: T): T {
  return typeof position === "number" ? ((position + 1) as T) : position;
}

export const breaks: readonly Break[] = [
  {
    name: "`to` is inclusive",
    case: "read: from is inclusive, to is exclusive",
    says: 'read({"to":3}) gives exactly its range',
    members: reading((log, options) =>
      log.read(options.to === undefined ? options : { ...options, to: oneMore(options.to) }),
    ),
  },
  {
    name: "`from` is exclusive",
    case: "read: from is inclusive, to is exclusive",
    says: 'read({"from":35}) gives exactly its range',
    members: reading((log, options) =>
      log.read(options.from === undefined ? options : { ...options, from: oneMore(options.from) }),
    ),
  },
  {
    name: "a reverse read applies limit before it turns round",
    case: "read: limit bounds a read",
    says: 'read({"from":5,"limit":1}) in reverse gives the same range from its end',
    members: reading((log, options) => {
      if (options.reverse !== true || options.limit === undefined) return log.read(options);
      const { limit, ...rest } = options;
      return passOn(
        (async function* turn() {
          const all: LogRecord[] = [];
          for await (const record of log.read({ ...rest, reverse: false })) all.push(record);
          yield* all.slice(0, limit).reverse();
        })(),
      );
    }),
  },
  {
    name: "reads use one buffer over and over",
    case: "read: bytes that were handed out are never overwritten",
    says: "bytes that a read handed out stay as they were",
    members: reading((log, options) => overOneBuffer(log.read(options))),
  },
  {
    name: "expectedSeq is ignored",
    case: "expectedSeq: expectedSeq lets an append through only when",
    says: "an append that expects 0 when the next seq is 1 is a conflict",
    members: (log) => ({ append: (data: string) => log.append(data) }),
  },
  {
    name: "expectedSeq is compared with what is acknowledged, not with what was appended",
    case: "expectedSeq: of many that expect the same seq",
    says: "exactly one append that expects a seq gets it",
    members: (log) => ({
      append(data: string, { expectedSeq }: { expectedSeq?: number } = {}) {
        const { nextSeq } = log;
        if (expectedSeq === undefined || expectedSeq === nextSeq) return log.append(data);
        return log.append(data, { expectedSeq });
      },
    }),
  },
  {
    name: "keys are ignored",
    case: "key: the same key gives the record that was appended first",
    says: "the same key is a duplicate at once",
    members: (log) => ({ append: (data: string) => log.append(data) }),
  },
  {
    name: "a key is kept in memory alone",
    case: "key: keys are known after a crash",
    says: "the same key is a duplicate after a crash",
    members: rememberingKeys,
  },
  {
    name: "a key is known only when its record is acknowledged",
    case: "key: of many that append with one key at the same time",
    says: "one of many with one key is no duplicate",
    members: rememberingKeys,
  },
  {
    name: "the data of a key is not compared",
    case: "key: a key with other data is SEQLOG_KEY_REUSED",
    says: "other data with the key of an append in flight",
    members: (log) => ({
      append: (_data: string, options?: AppendOptions) => log.append("data", options),
    }),
  },
  {
    name: "a live read stops at the end of what is there",
    case: "live: a live read gives what is there, then what comes",
    says: "a live read gives a record appended after it began",
    members: reading((log, options) => log.read({ ...options, live: false })),
  },
  {
    name: "a live read from the end begins at the start",
    case: "live: a live read from the end gives only what comes",
    says: "a live read from the end gives nothing that was there",
    members: reading((log, options) => log.read(options.from === "end" ? { ...options, from: "start" } : options)),
  },
  {
    name: "data is copied when its turn comes, not at once",
    case: "append: data is copied before append returns",
    says: "a caller may reuse its buffer when append has returned",
    members: (log) => ({ append: async (data: string) => (await log.flush(), await log.append(data)) }),
  },
  {
    name: "an empty record is dropped",
    case: "append: empty data is a record",
    says: "empty data is a record of its own",
    members: (log) => ({
      appendBatch: (data: string[]) => log.appendBatch(data.filter((item) => item.length > 0)),
    }),
  },
  {
    name: "a lone surrogate becomes U+FFFD",
    case: "append: what is neither bytes nor well-formed text",
    says: "append of a lone high surrogate is a TypeError",
    members: (log) => ({
      append: (data: unknown) => log.append(typeof data === "string" ? data.toWellFormed() : (data as string)),
    }),
  },
  {
    name: "a batch is appended one by one",
    case: "append: what is neither bytes nor well-formed text",
    says: "of refused data nothing is appended",
    members: (log) => ({
      async appendBatch(data: string[]) {
        const seqs: number[] = [];
        for (const item of data) seqs.push((await log.append(item)).seq);
        return { first: seqs[0] ?? log.nextSeq, last: seqs.at(-1) ?? log.nextSeq, count: seqs.length };
      },
    }),
  },
  {
    name: "append throws instead of rejecting",
    case: "append: what is neither bytes nor well-formed text",
    says: "append of a number is a TypeError (as a rejection, not thrown)",
    members: (log) => ({
      append(data: unknown) {
        if (typeof data !== "string" && !(data instanceof Uint8Array)) throw new TypeError("no data");
        return log.append(data);
      },
    }),
  },
  {
    name: "append resolves to an id of its own",
    case: "append: append resolves with the record's seq, id and time",
    says: "append resolves with the time in the id",
    members: (log) => ({
      append: async (data: string) => override(await log.append(data), { id: "01890a5d-ac96-774b-8cce-b302099a8057" }),
    }),
  },
  {
    name: "append resolves before the record is there",
    case: "append: an acknowledged record is there at once",
    says: "nextSeq is past an acknowledged record",
    members: (log) => ({
      append(data: string) {
        const seq = log.nextSeq;
        log.append(data).catch(() => undefined);
        return Promise.resolve({ seq, id: "01890a5d-ac96-774b-8cce-b302099a8057", time: new Date(0x01890a5dac96) });
      },
    }),
  },
  {
    name: "maxPendingBytes is not kept",
    case: "pending: more unacknowledged bytes than maxPendingBytes",
    says: "no more than maxPendingBytes are accepted at once",
    members: (log) => ({
      append: (data: string) =>
        log.append(data).catch(async (error: unknown) => {
          if (!SeqlogError.is(error, "SEQLOG_QUEUE_FULL")) throw error;
          await log.flush();
          return await log.append(data);
        }),
    }),
  },
  {
    name: "flush does not wait",
    case: "pending: flush resolves when all that was appended before is acknowledged",
    says: "after flush everything appended before it is there",
    members: () => ({ flush: () => Promise.resolve() }),
  },
  {
    name: "ready does not wait",
    case: "pending: with ready a program appends without end",
    says: "an append right after ready is not refused",
    members: () => ({ ready: () => Promise.resolve() }),
  },
  {
    name: "get beyond the end rejects",
    case: "look-up: get gives undefined at the next seq",
    says: "no such record",
    members: (log) => ({
      async get(seq: number) {
        const record = await log.get(seq);
        if (record === undefined) throw new RangeError("no such record");
        return record;
      },
    }),
  },
  {
    name: "find never finds",
    case: "look-up: find gives the record with an id",
    says: "find gives the record with an id",
    members: () => ({ find: () => Promise.resolve(undefined) }),
  },
  {
    name: "find compares ids letter by letter",
    case: "look-up: find gives the record with an id",
    says: "an id may be written in upper case",
    members: (log) => ({ find: (id: string) => (id === id.toLowerCase() ? log.find(id) : Promise.resolve(undefined)) }),
  },
  {
    name: "seqAt gives the record after the time",
    case: "look-up: seqAt gives the first record at or after a time",
    says: "seqAt gives the first record at or after a time",
    members: (log) => ({ seqAt: (time: Date) => log.seqAt(new Date(time.getTime() + 1)) }),
  },
  {
    name: "an abort rejects with an AbortError",
    case: "end of a read: an abort between two records",
    says: "an abort ends a read forward with its reason",
    members: reading((log, options) => withAbortError(log.read(options))),
  },
  {
    name: "close cuts finite reads short",
    case: "end of a read: close rejects finite reads",
    says: "close rejects a finite read that is under way",
    members: reading((log, options) => endingQuietly(log.read(options), "SEQLOG_CLOSED")),
  },
  {
    name: "a reset ends live reads as if all were well",
    case: "reset: a reset ends a live read that waits",
    says: "a reset ends a live read with SEQLOG_RESET",
    members: reading((log, options) => endingQuietly(log.read(options), "SEQLOG_RESET")),
  },
  {
    name: "a reset keeps the generation",
    case: "reset: reset removes all records",
    says: "a reset makes the generation grow",
    members: (log) => ({ generation: log.generation }),
  },
  {
    name: "readBatches forgets the last record of each batch",
    case: "readBatches: readBatches gives the same records as read",
    says: "readBatches({}) gives what read gives",
    members: (log) => ({
      async *readBatches(options?: ReadOptions) {
        for await (const batch of log.readBatches(options)) {
          yield override(batch, {
            *[Symbol.iterator]() {
              yield* [...batch].slice(0, -1);
            },
          });
        }
      },
    }),
  },
  {
    name: "a read from a removed record begins with what is left, in silence",
    case: "trim: a record that was removed is SEQLOG_TRIMMED",
    says: "a read from a removed record is SEQLOG_TRIMMED",
    members: reading((log, options) => {
      const { from } = options;
      return log.read(typeof from === "number" ? { ...options, from: Math.max(from, log.firstSeq) } : options);
    }),
  },
  {
    name: "trim says how many it was asked to remove",
    case: "trim: trim removes records before its position",
    says: "removed counts the records that went",
    members: (log) => ({
      trim: async ({ before }: { before: number }) => (await log.trim({ before }), { removed: before }),
    }),
  },
  {
    name: "retention keeps too few records",
    case: "retention: as many records as maxRecords are kept",
    says: "what lies within maxRecords stays",
    members: (log) => ({ trim: () => log.trim({ before: log.nextSeq - 50 }) }),
  },
  {
    name: "retention keeps all",
    case: "retention: as many records as maxRecords are kept",
    says: "what lies far beyond maxRecords goes",
    members: (log) => ({
      trim: async () => ({ removed: 0 }),
      stats: async () => ({ ...(await log.stats()), records: log.nextSeq }),
    }),
  },
  {
    name: "retention counts no bytes",
    case: "retention: as many bytes as maxBytes are kept",
    says: "what lies within maxBytes stays",
    members: (log) => ({ trim: () => log.trim({ before: "end" }) }),
  },
  {
    name: "retention removes what is within its limits",
    case: "retention: a limit that is not reached",
    says: "nothing is beyond a limit",
    members: (log) => ({ trim: () => log.trim({ before: 100 }) }),
  },
  {
    name: "a protected consumer is not asked",
    case: "retention: what a protected consumer",
    says: "what it has not acknowledged stays",
    members: (log) => ({ trim: (options: object) => log.trim({ ...options, force: true }) }),
  },
  {
    name: "trim does not say what it left for a consumer",
    case: "retention: what a protected consumer",
    says: "trim says for whom",
    members: (log) => ({ trim: async (options: object) => ({ removed: (await log.trim(options)).removed }) }),
  },
  {
    name: "trim without a limit removes nothing, and says nothing",
    case: "retention: without a limit nothing goes",
    says: "trim without a position needs a limit",
    members: () => ({ trim: async () => ({ removed: 0 }) }),
  },
  {
    name: "a closed log takes appends without a word",
    case: "close: after close everything is SEQLOG_CLOSED",
    says: "append after close is SEQLOG_CLOSED",
    members: (log) => ({
      append: (data: string) => log.append(data).catch(() => ({ seq: 0, id: "", time: new Date(0) })),
    }),
  },
  {
    name: "closing twice is an error",
    case: "close: closing twice",
    says: "closed",
    members(log) {
      let count = 0;
      return { close: () => (++count > 1 ? Promise.reject(new Error("closed")) : log.close()) };
    },
  },
  {
    name: "close lets appends in until it is done",
    case: "close: an append after close was called is refused",
    says: "an append after close was called is SEQLOG_CLOSED",
    members: (log) => ({ close: async () => (await log.append("very late"), await log.close()) }),
  },
  {
    name: "a read ends at a record that the codec refuses",
    case: "codec: a stored record that the codec refuses",
    says: "record 1 is whole, but the codec json refuses",
    members: reading((log, options) => decodedEagerly(log.read(options))),
  },
];
