/** The options of opening a directory log, and their check: what is wrong with them is said before anything is touched. */
import { maxDataLength } from "../format/record.ts";
import { type OptionNames, refuseUnknownOptions } from "../known-options.ts";
import { type WriteMode, checkedWrites } from "../segment/in-place-writes.ts";
import { checkLimit, defaultMaxPendingBytes, defaultMaxRecordBytes } from "../segment/log-writer.ts";
import type { Machine } from "../storage/storage.ts";
import type { LockKind } from "../storage/writer-lock.ts";
import type { Codec } from "./codec.ts";
import type { Durability, WriterSettings } from "./directory-writer.ts";
import type { KeyLimits } from "./key-window.ts";
import { type Retention, checkedRetention } from "./retention.ts";

/** Options of opening any log. */
export interface OpenOptions {
  /** Whether to make a log where there is none. Default true; with `readOnly` never. */
  readonly create?: boolean;
  /** Read beside a writer in any process: takes no lock, changes nothing, sees only durable records. */
  readonly readOnly?: boolean;
  /** Ends the wait for the lock. */
  readonly signal?: AbortSignal;
  /**
   * Bytes accepted and not yet acknowledged, headers included, before SEQLOG_QUEUE_FULL. Default
   * 64 MiB. One append, or one batch, that is larger is taken when nothing else waits. The promise
   * of each append that is not awaited costs some 700 bytes more, which are not counted.
   */
  readonly maxPendingBytes?: number;
  /** What the log need not keep. Default: everything stays until `trim`. */
  readonly retention?: Retention;
}

/** Options of opening a directory log. */
export interface FileOpenOptions extends OpenOptions {
  /** A segment takes no more records once it would be larger. Default 256 MiB; at least 1 KiB. */
  readonly segmentBytes?: number;
  /** Bytes of data in one record, for appends alone. Default 16 MiB, at most 1 GiB. */
  readonly maxRecordBytes?: number;
  /** When an append is acknowledged. Default `"record"`: when it is on the disk. */
  readonly durability?: Durability;
  /**
   * Where records are written: `"auto"` (default) writes at most 64 KiB at a time on the event loop as
   * long as this disk takes less than 0.5 ms for it on average, since the way through the thread pool
   * takes as long; at most once in a turn, and from the first write of over 2 ms on in the background
   * again. So a disk that stalls stalls the event loop once before that. `"background"` never blocks.
   * What is acknowledged, and when, is the same.
   */
  readonly writes?: WriteMode;
  /** How long to wait for another writer to let go. Default 0. Not for `openSync`. */
  readonly lockTimeoutMs?: number;
  /** How a second writer is kept out. Default `"kernel"`; what `"pid-file"` cannot do is in docs/durability.md. */
  readonly lock?: LockKind;
  /** The ids of a new log: `"v7"` (default) hold the time of the append; `"v4"` are the seed's, and leave it without times. */
  readonly ids?: "v7" | "v4";
  /**
   * How far back a key of `append` is known: among the last `records` records, as long as they are
   * not older than `ms`, whichever ends first. Default 10 minutes and 100,000 records, which take up
   * to 20 MB once keys are used.
   */
  readonly keyWindow?: { readonly ms?: number; readonly records?: number };
  /** The machine to work on; for tests. */
  readonly machine?: Machine;
}

/** With the codec, whose types do not matter to opening. */
export type AnyOpenOptions = FileOpenOptions & { readonly codec?: Codec<unknown> | undefined };

const names: OptionNames<AnyOpenOptions> = {
  create: true,
  readOnly: true,
  signal: true,
  maxPendingBytes: true,
  retention: true,
  segmentBytes: true,
  maxRecordBytes: true,
  durability: true,
  writes: true,
  lockTimeoutMs: true,
  lock: true,
  ids: true,
  keyWindow: true,
  machine: true,
  codec: true,
};

/** How a writer works. @throws {TypeError}, {RangeError} */
export function checkedSettings(options: AnyOpenOptions): WriterSettings {
  refuseUnknownOptions("opening a log", options, names);
  const { durability = "record", codec } = options;
  if (durability !== "record" && durability !== "os") {
    if (typeof durability !== "object" || durability === null) {
      throw new TypeError(`durability must be "record", "os" or { intervalMs }, got ${JSON.stringify(durability)}`);
    }
    if (durability.intervalMs === undefined) {
      throw new TypeError(`durability must be "record", "os" or { intervalMs }, got ${JSON.stringify(durability)}`);
    }
    checkLimit(durability.intervalMs, 0, "durability.intervalMs", 1, 3_600_000);
  }
  return {
    segmentBytes: checkLimit(options.segmentBytes, 256 * 1024 * 1024, "segmentBytes", 1024, Number.MAX_SAFE_INTEGER),
    maxRecordBytes: checkLimit(options.maxRecordBytes, defaultMaxRecordBytes, "maxRecordBytes", 0, maxDataLength),
    maxPendingBytes: checkLimit(
      options.maxPendingBytes,
      defaultMaxPendingBytes,
      "maxPendingBytes",
      1,
      Number.MAX_SAFE_INTEGER,
    ),
    durability,
    writes: checkedWrites(options.writes),
    codec: codec?.name,
    keyWindow: checkedKeyWindow(options.keyWindow),
    retention: checkedRetention(options.retention),
  };
}

function checkedKeyWindow(window: FileOpenOptions["keyWindow"]): KeyLimits {
  if (window !== undefined && (typeof window !== "object" || window === null)) {
    throw new TypeError(`keyWindow must be { ms, records }, got ${JSON.stringify(window)}`);
  }
  refuseUnknownOptions("keyWindow", window ?? {}, { ms: true, records: true });
  return {
    ms: checkLimit(window?.ms, 10 * 60 * 1000, "keyWindow.ms", 1, Number.MAX_SAFE_INTEGER),
    records: checkLimit(window?.records, 100_000, "keyWindow.records", 1, 10_000_000),
  };
}

/** What to make where there is no log. @throws {TypeError} */
export function creationOf(options: FileOpenOptions): { create: boolean; idVersion: 4 | 7 } {
  const { ids = "v7" } = options;
  if (ids !== "v7" && ids !== "v4") throw new TypeError(`ids must be "v7" or "v4", got ${JSON.stringify(ids)}`);
  return { create: options.create !== false, idVersion: ids === "v4" ? 4 : 7 };
}
