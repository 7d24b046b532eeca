/** Reads all of a log and says what is not as it should be. Changes nothing; runs beside a writer. */
import { type Offset, type Seq, asOffset, asSeq } from "../numbers.ts";
import { type DamageFound, scanSegment } from "../segment/scan-segment.ts";
import { endOfNonZero } from "../segment/walk-chain.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { run } from "../storage/plan.ts";
import type { Machine } from "../storage/storage.ts";
import { findLogPlace } from "./log-place.ts";
import { verifyIndex } from "./verify-index.ts";
import { type VerifyPart, openParts } from "./verify-parts.ts";

/** A range of invalid bytes. Ranges that touch are one. */
export interface Damage {
  readonly file: string;
  readonly offset: Offset;
  /** The position after the last of them, where it is known; past the end of the file where that was longer. */
  readonly end?: Offset;
  /** The first record that is affected, where it is known. */
  readonly seq?: Seq;
  /** How many records are affected, where it is known; 0 where none is. */
  readonly records?: number;
  readonly reason: string;
}

/** What `verify` found. */
export interface VerifyReport {
  /** Whether there is no damage. A torn tail alone is none: nothing of it was ever acknowledged. */
  readonly ok: boolean;
  /** Records that are whole. */
  readonly records: number;
  /** Bytes of segments that were read. */
  readonly bytes: number;
  readonly segments: number;
  /** Every damaged range, in the order of the log. */
  readonly damage: readonly Damage[];
  /** Bytes of an interrupted write at the end, which the next open for writing sets aside. */
  readonly tornBytes: number;
}

/** Options of {@link verify}. */
export interface VerifyOptions {
  readonly signal?: AbortSignal;
  /** Called from time to time. */
  readonly onProgress?: (progress: {
    readonly bytes: number;
    readonly totalBytes: number;
    readonly records: number;
  }) => void;
  /** The machine to work on; for tests. */
  readonly machine?: Machine;
}

/** So many segments are read at once: while one waits for the disk another is checked. */
const atOnce = 4;

/**
 * Checks every record of a directory log or a single log file, against its CRC and, where there is
 * one, against the record index. Goes on behind damage: where the record index knows how, else where
 * the next record names its own position. Several segments are read at once; the report is in the
 * order of the log all the same.
 *
 * @throws SEQLOG_NOT_FOUND, SEQLOG_IO, SEQLOG_UNSUPPORTED; damage is in the report, not thrown
 *
 * @example
 * ```ts
 * import { verify } from "seqlog";
 *
 * const report = await verify("./events");
 * for (const { file, offset, end, reason } of report.damage) console.log(file, offset, end, reason);
 * ```
 */
export async function verify(location: string | URL, options: VerifyOptions = {}): Promise<VerifyReport> {
  const machine = options.machine ?? nodeMachine;
  const opened: { closeSync(): void }[] = [];
  try {
    const { parts, claims, tornBytes } = await openParts(machine, findLogPlace(machine, location), opened);
    const progress = new Progress(parts, options);
    const found = await inTurns(parts, atOnce, (part) => verifyPart(part, progress));
    const damage = withClaims(claims, found.flat());
    const { records, bytes } = progress;
    return { ok: damage.length === 0, records, bytes, segments: parts.length, damage, tornBytes };
  } finally {
    for (const file of opened) file.closeSync();
  }
}

/** The results in the order of the items, of which at most `most` are worked on at once. After an error no other is begun. */
async function inTurns<T, R>(items: readonly T[], most: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const failures: unknown[] = [];
  let next = 0;
  const turn = async (): Promise<void> => {
    while (next < items.length && failures.length === 0) {
      const i = next++;
      try {
        results[i] = await work(items[i] as T);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  // Their files are closed by the caller: all of them must have ended.
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, turn));
  if (failures.length > 0) throw failures[0];
  return results;
}

/** Adds up what several segments report. */
class Progress {
  records = 0;
  bytes = 0;
  readonly #totalBytes: number;
  readonly #options: VerifyOptions;

  constructor(parts: readonly VerifyPart[], options: VerifyOptions) {
    this.#totalBytes = parts.reduce((sum, part) => sum + part.end, 0);
    this.#options = options;
  }

  add(bytes: number): void {
    this.#options.signal?.throwIfAborted();
    this.bytes += bytes;
    const { records, bytes: done } = this;
    this.#options.onProgress?.({ bytes: done, totalBytes: this.#totalBytes, records });
  }
}

/** What was found out before anything was read through, where the reading did not find the same. */
function withClaims(claims: readonly Damage[], found: readonly Damage[]): Damage[] {
  const isCovered = (claim: Damage): boolean =>
    found.some(
      ({ file, offset, end = offset }) => file === claim.file && offset <= claim.offset && claim.offset <= end,
    );
  return [...claims.filter((claim) => !isCovered(claim)), ...found];
}

async function verifyPart(part: VerifyPart, progress: Progress): Promise<Damage[]> {
  const { file, index, base, end, proven, isOurs } = part;
  const damage: Damage[] = [];
  let position = 0;
  const nextSeq = await scanSegment(
    { file, index, base, end, proven, isOurs },
    {
      found(item) {
        if (item.kind === "damage") damage.push(rangeOf(item, part));
        else progress.records += item.kind === "records" ? item.starts.length : 1;
      },
      reached(at) {
        progress.add(Math.max(0, at - position));
        position = Math.max(position, at);
      },
    },
  );
  if (!part.isSealed) await cutZeros(part, damage);
  if (nextSeq !== undefined && part.nextSeq !== undefined && nextSeq !== part.nextSeq) {
    damage.push(seamProblem(part, nextSeq, part.nextSeq));
  }
  return [...damage, ...(await verifyIndex(part, nextSeq))];
}

/** Zeros at the end of a segment that is still written are laid ahead: bytes of nothing. */
async function cutZeros({ file, end }: VerifyPart, damage: Damage[]): Promise<void> {
  const last = damage.at(-1);
  if (last?.end !== end) return;
  const nonZeroEnd = await run(endOfNonZero(file, last.offset, end));
  damage.pop();
  if (nonZeroEnd > last.offset) damage.push({ ...last, end: asOffset(nonZeroEnd) });
}

function rangeOf(found: DamageFound, part: VerifyPart): Damage {
  const { offset, end, seq, reason } = found;
  // At the end, what was there by all that is known.
  const lastSeq = part.nextSeq ?? (part.proven === undefined ? undefined : part.proven.seq + 1);
  const nextSeq = found.nextSeq ?? (end >= part.end ? lastSeq : undefined);
  return {
    file: part.file.path,
    offset: asOffset(offset),
    end: asOffset(end),
    ...(seq === undefined ? {} : { seq: asSeq(seq) }),
    ...(seq === undefined || nextSeq === undefined ? {} : { records: Math.max(0, nextSeq - seq) }),
    reason,
  };
}

/** A segment that is whole by itself, but does not end where the next one begins. */
function seamProblem({ file, end }: VerifyPart, found: number, expected: number): Damage {
  const where = { file: file.path, offset: asOffset(end), end: asOffset(end) };
  const ends = `its records end before ${found}, but the log goes on with ${expected}`;
  return found < expected
    ? { ...where, seq: asSeq(found), records: expected - found, reason: `a gap: ${ends}` }
    : { ...where, seq: asSeq(expected), reason: `an overlap: ${ends}` };
}
