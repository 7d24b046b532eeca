/** Reads all of a log and says what is not as it should be. Changes nothing; runs beside a writer. */
import { SeqlogError } from "../errors.ts";
import { noSeed } from "../format/index-entry.ts";
import { type Offset, type Seq, asOffset, asSeq } from "../numbers.ts";
import { IndexFile } from "../segment/index-file.ts";
import { inspect, singleFileWindow } from "../segment/inspect.ts";
import type { Run } from "../segment/log-record.ts";
import { indexPathOf } from "../segment/log-reader.ts";
import { type Evidence, decide } from "../segment/recovery-table.ts";
import { type ReadLimit, SegmentReader } from "../segment/segment-reader.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { run } from "../storage/plan.ts";
import type { Machine, StorageFile } from "../storage/storage.ts";
import { Follower } from "./follower.ts";
import { findLogPlace } from "./log-place.ts";
import { indexPath, logPath, seedOf } from "./segment-files.ts";

/** Invalid bytes. */
export interface Damage {
  readonly file: string;
  readonly offset: Offset;
  /** The first record that is affected, where it is known. */
  readonly seq?: Seq;
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

interface Part {
  readonly file: StorageFile;
  readonly index: IndexFile | undefined;
  readonly base: number;
  readonly limit: ReadLimit;
  /** Whether nobody writes it any more, so that its record index must be complete. */
  readonly isSealed: boolean;
}

/**
 * Checks every record of a directory log or a single log file, against its CRC and, where there is
 * one, against the record index, and goes on behind damage where the record index knows how.
 *
 * @throws SEQLOG_NOT_FOUND, SEQLOG_IO, SEQLOG_UNSUPPORTED; damage is in the report, not thrown
 *
 * @example
 * ```ts
 * import { verify } from "seqlog";
 *
 * const report = await verify("./events");
 * for (const { file, offset, reason } of report.damage) console.log(file, offset, reason);
 * ```
 */
export async function verify(location: string | URL, options: VerifyOptions = {}): Promise<VerifyReport> {
  const machine = options.machine ?? nodeMachine;
  const place = findLogPlace(machine, location);
  const damage: Damage[] = [];
  const opened: { closeSync(): void }[] = [];
  const tally = { records: 0, bytes: 0, tornBytes: 0, segments: 0 };
  try {
    const parts =
      place.kind === "directory"
        ? await openDirectory(machine, place.path, damage, tally, opened)
        : await openFile(machine, place.path, damage, tally, opened);
    const totalBytes = parts.reduce((sum, part) => sum + part.limit.end, 0);
    for (const part of parts) {
      tally.segments++;
      await verifyPart(part, damage, options.signal, (records, bytes) => {
        tally.records += records;
        tally.bytes += bytes;
        options.onProgress?.({ bytes: tally.bytes, totalBytes, records: tally.records });
      });
    }
  } catch (error) {
    if (!SeqlogError.is(error, "SEQLOG_DAMAGED")) throw error;
    note(damage, error.facts);
  } finally {
    for (const file of opened) file.closeSync();
  }
  return { ok: damage.length === 0, ...tally, damage };
}

function note(damage: Damage[], found: Damage): void {
  if (damage.some((known) => known.file === found.file && known.offset === found.offset)) return;
  damage.push(found);
}

type Tally = { records: number; bytes: number; tornBytes: number; segments: number };

async function openDirectory(
  machine: Machine,
  directory: string,
  damage: Damage[],
  tally: Tally,
  opened: { closeSync(): void }[],
): Promise<Part[]> {
  const view = await Follower.open(machine, directory);
  opened.push({ closeSync: () => view.close() });
  const { manifest, segments } = view;
  const { state } = manifest;
  const parts: Part[] = [];
  for (const [i, segment] of segments.entries()) {
    const name = { base: segment.base, generation: manifest.generation };
    const file = machine.storage.openSync(logPath(directory, name), "read");
    opened.push(file);
    const index = openIndex(machine, indexPath(directory, name), name.base, seedOf(manifest, name.base), opened);
    const isLast = i === segments.length - 1;
    const isSealed = !isLast || state !== "open";
    parts.push({ file, index, base: name.base, limit: { nextSeq: segment.nextSeq, end: segment.bytes }, isSealed });
    if (isSealed) continue;
    const known = {
      base: name.base,
      window: manifest.window ?? Infinity,
      closed: undefined,
      isOurs: manifest.idVersion === 7,
    };
    noteTail(file, await lookTwice(machine, () => run(inspect(file, index, known))), damage, tally);
  }
  return parts;
}

async function openFile(
  machine: Machine,
  path: string,
  damage: Damage[],
  tally: Tally,
  opened: { closeSync(): void }[],
): Promise<Part[]> {
  const at = indexPathOf(path);
  const file = machine.storage.openSync(path, "read");
  opened.push(file);
  const index = openIndex(machine, at, 0, noSeed, opened);
  const known = { base: 0, window: { atLeast: singleFileWindow }, closed: undefined };
  const look = (): Promise<Evidence> => run(inspect(file, index, known));
  noteTail(file, await lookTwice(machine, look), damage, tally);
  const evidence = await look();
  // What the record index proves must be there, whatever the chain says; what follows counts as far as it is valid.
  const { chain, mark, size } = evidence;
  const limit = mark !== undefined && chain.nextSeq < mark.nextSeq ? { nextSeq: mark.nextSeq, end: size } : chain;
  return [{ file, index, base: 0, limit, isSealed: false }];
}

/**
 * What a writer has in flight looks like a torn tail, or worse while it goes on writing: only what
 * stands still is believed. Undefined when something moved.
 */
async function lookTwice(machine: Machine, look: () => Promise<Evidence>): Promise<Evidence | undefined> {
  const first = await look();
  if (first.nonZeroEnd === first.chain.end && first.markProblem === undefined) return first;
  await new Promise<void>((resolve) => machine.clock.after(settleMs, resolve, { keepAlive: true }));
  const second = await look();
  const isStill =
    first.size === second.size &&
    first.chain.end === second.chain.end &&
    first.nonZeroEnd === second.nonZeroEnd &&
    first.mark?.end === second.mark?.end;
  return isStill ? second : undefined;
}

/** No write takes so long that it would seem to stand still. */
const settleMs = 250;

function noteTail(file: StorageFile, evidence: Evidence | undefined, damage: Damage[], tally: Tally): void {
  if (evidence === undefined) return;
  const action = decide(evidence);
  if (action.damage !== undefined) {
    // Going through the records finds that one too, and names it.
    if (action.row === "mark-gone" || action.row === "chain-short-of-mark") return;
    note(damage, { file: file.path, offset: asOffset(action.damage.offset), reason: action.damage.reason });
  } else if (action.setAside !== undefined) {
    tally.tornBytes += action.setAside.end - action.setAside.start;
  }
}

function openIndex(
  machine: Machine,
  path: string,
  base: number,
  seed: number,
  opened: { closeSync(): void }[],
): IndexFile | undefined {
  if (machine.storage.statSync(path) === undefined) return undefined;
  const index = IndexFile.openSync(machine.storage, path, "read", base, seed);
  opened.push(index);
  return index;
}

async function verifyPart(
  part: Part,
  damage: Damage[],
  signal: AbortSignal | undefined,
  progress: (records: number, bytes: number) => void,
): Promise<void> {
  const { file, index, limit, base } = part;
  const reader = new SegmentReader(file, index, base);
  let place: { seq: number; offset: number } | undefined = { seq: base, offset: 0 };
  while (place !== undefined && place.seq < limit.nextSeq) {
    signal?.throwIfAborted();
    try {
      const found: Run = await run(reader.run(place.seq, place.offset, limit, 1024 * 1024, Infinity));
      const end: number = found.chunk.position + found.end;
      progress(found.starts.length, end - place.offset);
      place = { seq: place.seq + found.starts.length, offset: end };
    } catch (error) {
      if (!SeqlogError.is(error, "SEQLOG_DAMAGED")) throw error;
      note(damage, error.facts);
      place = await nextKnown(index, place, limit);
    }
  }
  if (place !== undefined && place.offset < limit.end) {
    const reason = `bytes that belong to no record, up to ${limit.end}`;
    note(damage, { file: file.path, offset: asOffset(place.offset), reason });
  }
  await verifyIndex(part, damage);
}

/** Where the next record starts that the record index knows, behind one that is damaged. */
async function nextKnown(
  index: IndexFile | undefined,
  place: { readonly seq: number; readonly offset: number },
  limit: ReadLimit,
): Promise<{ seq: number; offset: number } | undefined> {
  if (index === undefined) return undefined;
  for (let seq = place.seq + 1; seq < limit.nextSeq; seq++) {
    const entry = await run(index.entry(seq));
    if (entry === undefined) return undefined;
    if (entry.kind !== "invalid" && entry.offset > place.offset && entry.offset < limit.end) {
      return { seq, offset: entry.offset };
    }
  }
  return { seq: limit.nextSeq, offset: limit.end };
}

/** The record index costs nobody a record, but an entry that rotted is a sign, and detects nothing any more. */
async function verifyIndex({ index, limit, base, isSealed, file }: Part, damage: Damage[]): Promise<void> {
  const count = limit.nextSeq - base;
  if (index === undefined) {
    if (isSealed && count > 0) {
      const reason = "its record index is missing; opening for writing, or `seqlog rebuild-index`, makes it anew";
      note(damage, { file: file.path, offset: asOffset(0), reason });
    }
    return;
  }
  const bad = await run(index.endOfRun(base));
  if (bad < limit.nextSeq) {
    const reason =
      "an entry of the record index is not valid; no record is lost by it. `seqlog rebuild-index` makes it anew";
    note(damage, { file: index.path, offset: asOffset((bad - base) * 16), seq: asSeq(bad), reason });
  } else if (isSealed && index.capacitySync() !== count) {
    const reason = `the record index holds ${index.capacitySync()} entries for ${count} records; \`seqlog rebuild-index\` makes it anew`;
    note(damage, { file: index.path, offset: asOffset(0), reason });
  }
}
