/** Reads all of a log and says what is not as it should be. Changes nothing; runs beside a writer. */
import { SeqlogError } from "../errors.ts";
import { crc32OfHeader } from "../format/crc32.ts";
import { checkHeader, headerLength } from "../format/record.ts";
import { type Offset, type Seq, asOffset, asSeq } from "../numbers.ts";
import type { Entry } from "../segment/index-file.ts";
import { type DamageFound, scanSegment } from "../segment/scan-segment.ts";
import { chunkOf } from "../segment/verify-chunk.ts";
import { endOfNonZero } from "../segment/walk-chain.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { readAt, run } from "../storage/plan.ts";
import type { Machine, StorageFile } from "../storage/storage.ts";
import { findLogPlace } from "./log-place.ts";
import { DamageList } from "./verify-damage.ts";
import { verifyIndex } from "./verify-index.ts";
import { type OpenPart, type VerifyPart, openParts } from "./verify-parts.ts";

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
  /** The first 1,000 damaged ranges, in the order of the log. */
  readonly damage: readonly Damage[];
  /** How many damaged ranges there are. */
  readonly damagedRanges: number;
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
    const damage = new DamageList(claims);
    await inTurns(parts, atOnce, async (part, place) => {
      const tell = (range: Damage): void => damage.add(place, range);
      const open = await openOrTell(part, tell);
      if (open === undefined) return;
      try {
        progress.segments++;
        await verifyPart(part, open, progress, tell);
      } finally {
        open.closeSync();
      }
    });
    const { records, bytes, segments } = progress;
    const damagedRanges = damage.count;
    return { ok: damagedRanges === 0, records, bytes, segments, damage: damage.first, damagedRanges, tornBytes };
  } finally {
    for (const file of opened) file.closeSync();
  }
}

/** Goes on with the other segments when one is none, but a link or a directory. */
async function openOrTell(part: VerifyPart, tell: (damage: Damage) => void): Promise<OpenPart | undefined> {
  try {
    return await part.open();
  } catch (error) {
    if (!SeqlogError.is(error, "SEQLOG_DAMAGED")) throw error;
    tell({ ...error.facts, end: error.facts.offset });
    return undefined;
  }
}

/** At most `most` of the items are worked on at once. After an error no other is begun. */
async function inTurns<T>(
  items: readonly T[],
  most: number,
  work: (item: T, place: number) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = [];
  let next = 0;
  const turn = async (): Promise<void> => {
    while (next < items.length && failures.length === 0) {
      const place = next++;
      try {
        await work(items[place] as T, place);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  // What the caller holds open for them is closed when this ends: all of them must have ended.
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, turn));
  if (failures.length > 0) throw failures[0];
}

/** Adds up what several segments report. */
class Progress {
  records = 0;
  bytes = 0;
  segments = 0;
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

async function verifyPart(
  part: VerifyPart,
  open: OpenPart,
  progress: Progress,
  tell: (damage: Damage) => void,
): Promise<void> {
  const { base, end, isOurs } = part;
  const { file, index, proven } = open;
  let last: Damage | undefined;
  let position = 0;
  const nextSeq = await scanSegment(
    { file, index, base, end, proven, isOurs },
    {
      found(item) {
        if (item.kind === "damage") {
          if (last !== undefined) tell(last);
          last = rangeOf(item, part, proven);
        } else progress.records += item.kind === "records" ? item.starts.length : 1;
      },
      reached(at) {
        progress.add(Math.max(0, at - position));
        position = Math.max(position, at);
      },
    },
  );
  if (last !== undefined) {
    const range = part.isSealed ? last : await withoutZeros(part, open, last);
    if (range !== undefined) tell(range);
  }
  if (nextSeq !== undefined && part.nextSeq !== undefined && nextSeq !== part.nextSeq) {
    tell(seamProblem(part, nextSeq, part.nextSeq));
  }
  await verifyIndex(part, open, nextSeq, tell);
}

/**
 * Zeros at the end of a segment that is still written are laid ahead: bytes of nothing. Not so where
 * the record index proves a record in them.
 */
async function withoutZeros(
  { end, isQuiet }: VerifyPart,
  { file, proven }: OpenPart,
  range: Damage,
): Promise<Damage | undefined> {
  if (range.end !== end) return range;
  const isProven = proven !== undefined && proven.offset >= range.offset;
  // Whoever closes a log cuts off what was laid ahead.
  if (isProven && isQuiet) return range;
  const nonZeroEnd = await run(endOfNonZero(file, range.offset, end));
  const least = isProven ? Math.min(await leastEnd(file, proven), end) : range.offset;
  const to = Math.max(nonZeroEnd, least);
  return to > range.offset ? { ...range, end: asOffset(to) } : undefined;
}

/** How far the record of an entry reaches at least: as its header says, where that is still the one. */
async function leastEnd(file: StorageFile, { offset, headerCrc }: Entry): Promise<number> {
  const header = await run(readAt(file, offset, headerLength));
  const { view } = chunkOf(header, offset);
  if (header.length < headerLength || crc32OfHeader(view, 0) !== headerCrc) return offset + headerLength;
  return offset + headerLength + Math.max(0, checkHeader(header, view, 0, offset, Number.MAX_SAFE_INTEGER));
}

function rangeOf(found: DamageFound, part: VerifyPart, proven: Entry | undefined): Damage {
  const { offset, end, seq, reason } = found;
  // At the end, what was there by all that is known.
  const lastSeq = part.nextSeq ?? (proven === undefined ? undefined : proven.seq + 1);
  const nextSeq = found.nextSeq ?? (end >= part.end ? lastSeq : undefined);
  return {
    file: part.path,
    offset: asOffset(offset),
    end: asOffset(end),
    ...(seq === undefined ? {} : { seq: asSeq(seq) }),
    ...(seq === undefined || nextSeq === undefined ? {} : { records: Math.max(0, nextSeq - seq) }),
    reason,
  };
}

/** A segment that is whole by itself, but does not end where the next one begins. */
function seamProblem({ path, end }: VerifyPart, found: number, expected: number): Damage {
  const where = { file: path, offset: asOffset(end), end: asOffset(end) };
  const ends = `its records end before ${found}, but the log goes on with ${expected}`;
  return found < expected
    ? { ...where, seq: asSeq(found), records: expected - found, reason: `a gap: ${ends}` }
    : { ...where, seq: asSeq(expected), reason: `an overlap: ${ends}` };
}
