/**
 * Which records may go by themselves: those beyond the limits that the log was opened with, in whole
 * segments, and of these not what a consumer still needs.
 *
 * One rule for all limits: what lies within them is never removed. A segment goes when its last
 * record is older than `maxAgeMs`, or when the `maxRecords` or `maxBytes` that are to be kept all lie
 * behind it; so the log holds a segment more than a limit at most, and the one being written.
 */
import { join } from "node:path";
import { SeqlogError } from "../errors.ts";
import { refuseUnknownOptions } from "../known-options.ts";
import { checkLimit } from "../segment/log-writer.ts";
import type { Machine, Storage } from "../storage/storage.ts";
import type { Manifest } from "./manifest.ts";
import { readHeadersSync } from "./record-headers.ts";
import type { SealedSegment } from "./recover-directory.ts";
import type { CachedSegment } from "./segment-cache.ts";

/**
 * What a log need not keep. Whole segments go, from the front, after a segment was sealed and at
 * `trim()`; what lies within the limits is never removed. Without a limit nothing goes by itself.
 *
 * @example
 * ```ts
 * import { openLog } from "seqlog";
 *
 * const day = 24 * 60 * 60 * 1000;
 * const log = await openLog("./events", { retention: { maxAgeMs: 30 * day, maxBytes: 10e9, protect: "consumers" } });
 * console.log((await log.trim()).removed, (await log.stats()).retention?.heldBack.records);
 * await log.close();
 * ```
 */
export interface Retention {
  /** Records are kept that long at least, by the times in their ids. Not for logs of version 4 ids. */
  readonly maxAgeMs?: number;
  /** So many bytes at least are kept, the newest, headers included. */
  readonly maxBytes?: number;
  /** So many records at least are kept, the newest. */
  readonly maxRecords?: number;
  /** Nothing goes that a named consumer has not acknowledged durably, not by `trim({ before })` either. A consumer whose checkpoint cannot be read needs all. */
  readonly protect?: "consumers";
}

/** The consumer that is furthest behind. */
export interface Protector {
  /** Its name. */
  readonly consumer: string;
  /** The first record that it needs; 0 when nobody knows, so that it may need all. */
  readonly nextSeq: number;
  /** Why nobody knows. */
  readonly problem?: string;
}

/** Records that would have gone, but for consumers. */
export interface HeldBack {
  readonly records: number;
  /** Headers included. */
  readonly bytes: number;
  /** The consumer that is furthest behind, where something is held back. */
  readonly by?: Protector;
}

/** What `stats()` says of a log that was opened with `retention`. */
export interface RetentionStats {
  /** Records that the limits would let go now. */
  readonly heldBack: HeldBack;
  /** Why nothing could be removed when the last segment was sealed, or this be found out. It is tried again at the next. */
  readonly failure?: Error;
}

/**
 * Finds the consumer of a log that is furthest behind, by the checkpoints on the disk; undefined when
 * none needs anything. One that cannot be read needs all. What it throws leaves everything in place.
 */
export type FindProtector = (
  storage: Storage,
  directory: string,
  log: Pick<Manifest, "logId" | "generation">,
) => Protector | undefined;

/** A log as retention sees it. */
export interface RetentionHost {
  readonly location: string;
  readonly manifest: Manifest;
  /** Oldest first; the last one is being written. */
  readonly segments: readonly SealedSegment[];
  withSegment<T>(base: number, use: (segment: CachedSegment) => T): T;
}

const checkpointName = /^(?!\.)(.+)\.ckpt$/;

/** While nobody can read checkpoints, each one may need everything. */
const protectAll: FindProtector = (storage, directory) => {
  const consumers = join(directory, "consumers");
  if (storage.statSync(consumers) === undefined) return undefined;
  const consumer = storage
    .listSync(consumers)
    .flatMap((name) => checkpointName.exec(name)?.[1] ?? [])
    .sort()[0];
  return consumer === undefined ? undefined : { consumer, nextSeq: 0, problem: "its checkpoint was not read" };
};

let findProtector = protectAll;

/**
 * For the layer that knows checkpoints, which this one must not import. Undefined takes it back, and
 * then everything is protected as soon as there is a checkpoint.
 */
export function protectWith(find: FindProtector | undefined): void {
  findProtector = find ?? protectAll;
}

const nothing: HeldBack = { records: 0, bytes: 0 };

/** The retention of one log. */
export class RetentionKeeper {
  /** Set when it failed at a roll, until it succeeds at a later one. */
  failure: Error | undefined;
  readonly #machine: Machine;
  readonly #host: RetentionHost;
  readonly #retention: Retention;

  constructor(machine: Machine, host: RetentionHost, retention: Retention) {
    this.#machine = machine;
    this.#host = host;
    this.#retention = retention;
  }

  /** Whether anything ever goes by itself. */
  get hasLimits(): boolean {
    const { maxAgeMs, maxBytes, maxRecords } = this.#retention;
    return maxAgeMs !== undefined || maxBytes !== undefined || maxRecords !== undefined;
  }

  /** The first record that the limits keep: a binary search, since every limit lets go from the front. */
  dueSeq(): number {
    const { segments } = this.#host;
    const { maxBytes = Infinity, maxRecords = Infinity } = this.#retention;
    const nextSeq = segments.at(-1)?.nextSeq ?? 0;
    const bytesBehind: number[] = [];
    let bytes = 0;
    for (const segment of segments.toReversed()) {
      bytesBehind.push(bytes);
      bytes += segment.bytes;
    }
    bytesBehind.reverse();
    const isDue = (i: number): boolean => {
      const segment = segments[i] as SealedSegment;
      const isBeyond = (bytesBehind[i] as number) >= maxBytes || nextSeq - segment.nextSeq >= maxRecords;
      return isBeyond || this.#isTooOld(segment);
    };
    let lower = 0;
    // The one that is being written stays.
    let upper = segments.length - 1;
    while (lower < upper) {
      const middle = Math.floor((lower + upper) / 2);
      if (isDue(middle)) lower = middle + 1;
      else upper = middle;
    }
    return segments[lower]?.base ?? 0;
  }

  #isTooOld({ base, nextSeq, bytes }: SealedSegment): boolean {
    const { maxAgeMs } = this.#retention;
    if (maxAgeMs === undefined) return false;
    const limit = { nextSeq, end: bytes };
    const [last] = this.#host.withSegment(base, (held) => readHeadersSync(held, nextSeq - 1, nextSeq, limit));
    return last !== undefined && this.#machine.clock.now() - last.timeMs > maxAgeMs;
  }

  /** What consumers hold back of the segments that lie wholly before `seq`, and the first record they need of them. */
  heldBack(seq: number): { readonly seq: number; readonly heldBack: HeldBack } {
    if (this.#retention.protect === undefined) return { seq, heldBack: nothing };
    const { location, manifest, segments } = this.#host;
    const going = segments.slice(0, -1).filter((segment) => segment.nextSeq <= seq);
    const end = going.at(-1)?.nextSeq ?? 0;
    if (end === 0) return { seq, heldBack: nothing };
    const by = findProtector(this.#machine.storage, location, manifest);
    if (by === undefined || by.nextSeq >= end) return { seq, heldBack: nothing };
    const held = going.filter((segment) => segment.nextSeq > by.nextSeq);
    const bytes = held.reduce((sum, segment) => sum + segment.bytes, 0);
    return { seq: by.nextSeq, heldBack: { records: end - (held[0]?.base ?? end), bytes, by } };
  }

  stats(): RetentionStats {
    let { failure } = this;
    let heldBack = nothing;
    try {
      ({ heldBack } = this.heldBack(this.dueSeq()));
    } catch (error) {
      failure = error as Error;
    }
    return failure === undefined ? { heldBack } : { heldBack, failure };
  }
}

/** Checks the option. @throws {TypeError}, {RangeError} */
export function checkedRetention(retention: Retention | undefined): Retention | undefined {
  if (retention === undefined) return undefined;
  if (typeof retention !== "object" || retention === null) {
    throw new TypeError(
      `retention must be { maxAgeMs, maxBytes, maxRecords, protect }, got ${JSON.stringify(retention)}`,
    );
  }
  refuseUnknownOptions("retention", retention, { maxAgeMs: true, maxBytes: true, maxRecords: true, protect: true });
  for (const name of ["maxAgeMs", "maxBytes", "maxRecords"] as const) {
    checkLimit(retention[name], 1, `retention.${name}`, 1, Number.MAX_SAFE_INTEGER);
  }
  const { protect } = retention;
  if (protect !== undefined && protect !== "consumers") {
    throw new TypeError(`retention.protect must be "consumers", got ${JSON.stringify(protect)}`);
  }
  return retention;
}

/** Refuses an age where ids hold none. @throws SEQLOG_UNSUPPORTED */
export function checkHasTimes(retention: Retention | undefined, manifest: Manifest, path: string): void {
  if (retention?.maxAgeMs === undefined || manifest.idVersion === 7) return;
  const reason = "its ids are UUIDs of version 4, which hold no time";
  throw new SeqlogError(
    "SEQLOG_UNSUPPORTED",
    `${path}: retention.maxAgeMs cannot be kept: ${reason}. Use maxBytes or maxRecords`,
    { path, reason },
  );
}
