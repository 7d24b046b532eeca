/**
 * What can be read of a log right now: the seam between whoever knows (the writer in this process,
 * or a follower of another one) and the code that reads ranges.
 */
import type { ReadLimit, SegmentReader } from "./segment-reader.ts";

/** A segment held open for reading, until `release`. */
export interface OpenSegment {
  /** The seq of its first record. */
  readonly base: number;
  readonly reader: SegmentReader;
  /** How far it may be read now. */
  limit(): ReadLimit;
  release(): void;
}

/** A log as its readers see it. */
export interface LogView {
  readonly location: string;
  readonly firstSeq: number;
  /** Records before this one are durable and may be served. */
  readonly nextSeq: number;
  readonly generation: number;
  /** Tells of which version its ids are; a single file has none, and only its records tell. */
  readonly manifest?: { readonly idVersion: 4 | 7 };
  /** Grows with each change of any of these. */
  readonly version: number;
  /**
   * Holds the segment with record `seq`, which is before `nextSeq`.
   * @throws SEQLOG_TRIMMED when it was removed; SEQLOG_CLOSED after close; SEQLOG_NOT_FOUND when
   * another process removed it and this view does not know yet
   */
  acquire(seq: number): OpenSegment;
  /** Whether the log was closed. */
  readonly isClosed: boolean;
  /**
   * Resolves when the view is no longer of this version, or perhaps for nothing.
   * Rejects with `signal.reason`.
   */
  changed(version: number, signal: AbortSignal): Promise<void>;
  /** Whether another process may have changed more than the end of the log since the last look; cheap. */
  readonly isStale: boolean;
  /** Brings the view up to date with what another process did; the writer's own view always is. */
  refresh(): Promise<void>;
  /**
   * After damage was found: waits while another process is bringing the log into order, which cuts
   * records and writes them anew. False where no other process can be at it, so that it is damage.
   */
  waitForRecovery(): Promise<boolean>;
  /** Keeps the view up to date, and the process alive, until the function returned is called. */
  follow(): () => void;
}
