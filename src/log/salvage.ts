/**
 * Gets every intact record out of a damaged log and writes them to a new one, with an account of
 * what is missing. Reads on past any damage; never modifies its input, and takes no lock there.
 */
import { basename, join } from "node:path";
import { SeqlogError } from "../errors.ts";
import { crc32OfHeader } from "../format/crc32.ts";
import { noSeed } from "../format/index-entry.ts";
import { headerAt, headerLength } from "../format/record.ts";
import { type Seq, asSeq } from "../numbers.ts";
import { findSeed } from "../segment/find-seed.ts";
import { type Entry, IndexFile } from "../segment/index-file.ts";
import { type DamageFound, type LongRecordFound, type RecordsFound, scanSegment } from "../segment/scan-segment.ts";
import { chunkOf } from "../segment/verify-chunk.ts";
import { endOfNonZero } from "../segment/walk-chain.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { type Plan, readAt, run } from "../storage/plan.ts";
import type { Machine, Storage } from "../storage/storage.ts";
import type { Bounds } from "./number-ranges.ts";
import { type InputFile, inputStorage, openInputFile } from "./salvage-input.ts";
import type { LogPlace } from "./log-place.ts";
import { SalvageOutput } from "./salvage-output.ts";
import { findLogPlace } from "./log-place.ts";
import { checkOutput } from "./salvage-place.ts";
import { type MissingRange, type Piece, SalvageReportFile } from "./salvage-report.ts";
import { type Note, type SalvageSource, type SalvageSources, findSources } from "./salvage-sources.ts";
import { withTail } from "./salvage-tail.ts";
import { logPath } from "./segment-files.ts";

/** What {@link salvage} found, and where it is now. */
export interface SalvageReport {
  /** Whether nothing is missing. */
  readonly ok: boolean;
  /** Records in the new log. */
  readonly records: number;
  /** How many of them are marked as resynchronised. */
  readonly resynchronised: number;
  /** Bytes of the input that were looked at. */
  readonly bytes: number;
  /** The seqs of the new log: from, and the one after the last. */
  readonly firstSeq: Seq;
  readonly nextSeq: Seq;
  /** Whether every record has the seq that it had. */
  readonly seqsKept: boolean;
  /** The first 1,000 missing ranges; all of them are in the file `report`. */
  readonly missing: readonly MissingRange[];
  readonly missingRanges: number;
  readonly missingBytes: number;
  /** Bytes of an interrupted write at the end: never acknowledged, so not missing. */
  readonly tornBytes: number;
  /** What else there is to know: files that were passed over, record indexes that were of no use. */
  readonly notes: readonly Note[];
  /** The path of `salvage.ndjson`: where each record came from, and every missing range. */
  readonly report: string;
}

/** Options of {@link salvage}. */
export interface SalvageOptions {
  /** The directory of the new log: not there, or empty; not inside the input. */
  readonly out: string | URL;
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

/**
 * Gets every intact record out of a damaged log: a directory, or a single file. They go to a new
 * directory log in `out`, in their order and with their ids; seqs stay as they are up to the first
 * hole and close up behind it. The input is only read, also where it is on a read-only disk or cannot
 * be read in places. Nobody may be writing it.
 *
 * @throws SEQLOG_NOT_FOUND where there is no log; SEQLOG_IO when `out` is not empty, or cannot be
 * written; SEQLOG_NO_SPACE. Without its MANIFEST, which comes last, `out` is not a log
 * @throws {TypeError} when `out` is the input or lies inside it
 *
 * @example
 * ```ts
 * import { salvage } from "seqlog";
 *
 * const { records, missing } = await salvage("./events", { out: "./events-salvaged" });
 * console.log(records, "records");
 * for (const { file, offset, end, reason } of missing) console.log(file, offset, end, reason);
 * ```
 */
export async function salvage(location: string | URL, options: SalvageOptions): Promise<SalvageReport> {
  const machine = options.machine ?? nodeMachine;
  const input = findLogPlace(machine, location);
  const out = checkOutput(machine, input, options.out);
  const storage = inputStorage(machine.storage);
  const found = await findSources(storage, input);
  options.signal?.throwIfAborted();
  machine.storage.makeDirectorySync(out);
  const report = new SalvageReportFile(machine.storage, join(out, "salvage.ndjson"));
  const work = new Salvage(machine, storage, found, out, report, options);
  try {
    return await work.run(input);
  } finally {
    work.close();
    report.close();
  }
}

/** Pieces of one file that are held until what follows tells their seqs. */
const maxHeld = 65_536;

class Salvage {
  readonly #machine: Machine;
  readonly #storage: Storage;
  readonly #found: SalvageSources;
  readonly #out: string;
  readonly #report: SalvageReportFile;
  readonly #options: SalvageOptions;
  readonly #notes: Note[];
  readonly #totalBytes: number;
  #output: SalvageOutput | undefined;
  #doneBytes = 0;
  #tornBytes = 0;

  constructor(
    machine: Machine,
    storage: Storage,
    found: SalvageSources,
    out: string,
    report: SalvageReportFile,
    options: SalvageOptions,
  ) {
    this.#machine = machine;
    this.#storage = storage;
    this.#found = found;
    this.#out = out;
    this.#report = report;
    this.#options = options;
    this.#notes = [...found.notes];
    this.#totalBytes = found.sources.reduce((sum, { path }) => sum + this.#sizeOf(path), 0);
  }

  close(): void {
    this.#output?.close();
  }

  async run({ kind, path }: LogPlace): Promise<SalvageReport> {
    const { sources, manifest, manifestProblem, orphans } = this.#found;
    const report = this.#report;
    if (manifestProblem !== undefined) {
      const { file, reason, size } = manifestProblem;
      report.addMissing(file, { offset: 0, end: size, reason });
    }
    const generation = manifest?.generation ?? 0;
    const missingSegment = (base: number, at: Bounds, nextSeq: number, reason = "the segment is not there"): void => {
      const file = logPath(path, { base, generation });
      report.addMissing(file, { offset: 0, end: 0, reason }, at, exactly(nextSeq));
    };
    let previous: SalvageSource | undefined;
    const missingBefore = (at: Bounds, nextSeq: number): void => {
      const orphan = orphans.find(({ base }) => at.from <= base && base <= at.to);
      if (previous === undefined || orphan !== undefined) {
        missingSegment(orphan?.base ?? at.from, at, nextSeq);
        return;
      }
      // Nothing names a segment that began here: it may as well be this one that was longer.
      const size = this.#sizeOf(previous.path);
      const reason = `its records end here, but the log went on up to record ${nextSeq - 1}`;
      report.addMissing(previous.path, { offset: size, end: size, reason }, at, exactly(nextSeq));
    };
    let before = manifest === undefined || kind === "file" ? undefined : exactly(manifest.firstSeq);
    for (const [i, source] of sources.entries()) {
      if (source.base !== undefined && before !== undefined && before.to < source.base) {
        missingBefore(before, source.base);
      } else if (source.base !== undefined && before !== undefined && before.from > source.base) {
        this.#note(
          source.path,
          `its name says that it begins with ${source.base}, but records up to there came before`,
        );
      }
      const next = sources.slice(i + 1).find(({ base }) => base !== undefined)?.base;
      const behind = await this.#salvageOne(source, next);
      if (source.base === undefined) continue;
      before = behind;
      previous = source;
    }
    if (kind === "file") return this.#finish();
    const end = manifest === undefined || manifest.state === "open" ? undefined : manifest.state.nextSeq;
    if (before !== undefined && end !== undefined && before.to < end) missingBefore(before, end);
    else {
      const last = sources.findLast(({ base }) => base !== undefined)?.base ?? -1;
      for (const { base, path: at, records } of orphans.filter((orphan) => orphan.base > last)) {
        const reason = `the segment is not there; its record index ${basename(at)} proves ${records} records`;
        if (records > 0) missingSegment(base, exactly(base), base + records, reason);
      }
    }
    return this.#finish();
  }

  #finish(): SalvageReport {
    const report = this.#report;
    const output = (this.#output ??= this.#begin(this.#found.manifest?.firstSeq ?? 0));
    for (const { file, reason } of this.#notes) report.addNote(file, reason);
    report.finish();
    output.finish();
    return {
      ok: report.missingRanges === 0,
      records: output.nextSeq - output.firstSeq,
      resynchronised: report.resynchronised,
      bytes: this.#totalBytes,
      firstSeq: asSeq(output.firstSeq),
      nextSeq: asSeq(output.nextSeq),
      seqsKept: report.isSeqsKept,
      missing: report.missing,
      missingRanges: report.missingRanges,
      missingBytes: report.missingBytes,
      tornBytes: this.#tornBytes,
      notes: this.#notes,
      report: report.path,
    };
  }

  #begin(firstSeq: number): SalvageOutput {
    return new SalvageOutput(this.#machine, this.#out, firstSeq, this.#found.manifest);
  }

  #note(file: string, reason: string): void {
    this.#notes.push({ file, reason });
  }

  #sizeOf(path: string): number {
    const stat = this.#machine.storage.statSync(path);
    return stat?.kind === "file" ? stat.size : 0;
  }

  /** @returns the bounds of the seq behind its last record */
  async #salvageOne(source: SalvageSource, nextBase: number | undefined): Promise<Bounds> {
    const size = this.#sizeOf(source.path);
    const before = source.base === undefined ? { from: 0, to: Infinity } : exactly(source.base);
    let file: InputFile;
    try {
      file = openInputFile(this.#machine.storage, source.path);
    } catch (error) {
      if (!(error instanceof SeqlogError)) throw error;
      const piece: Piece = { kind: "missing", offset: 0, end: size, reason: error.message };
      return this.#report.addPieces(source.path, [piece], before, { from: 0, to: nextBase ?? Infinity });
    }
    let index: IndexFile | undefined;
    try {
      file = await withTail(this.#machine.storage, file, source.tail, (reason) => this.#note(source.path, reason));
      index = await this.#openIndex(source, file);
      return await this.#scan(source, file, index, before, nextBase);
    } finally {
      file.closeSync();
      index?.closeSync();
      this.#doneBytes += size;
    }
  }

  async #scan(
    source: SalvageSource,
    file: InputFile,
    index: IndexFile | undefined,
    start: Bounds,
    nextBase: number | undefined,
  ): Promise<Bounds> {
    const report = this.#report;
    const { size } = file.statSync();
    const proven = index === undefined ? undefined : await run(index.last("provisional"));
    let behind = boundsBehind(source, size, proven?.seq, nextBase);
    let before = start;
    let pieces: Piece[] = [];
    let previous: Piece | undefined;
    let lastDamage: DamageFound | undefined;
    const found = async (item: RecordsFound | LongRecordFound | DamageFound): Promise<void> => {
      lastDamage = item.kind === "damage" ? item : undefined;
      if (item.kind === "damage") pieces.push(missingPiece(item, file));
      else await this.#keep(item, file, source, pieces);
      if (pieces.length < maxHeld) return;
      // Damage stays until what follows is known: the seq that it ends at, or that it is the torn tail.
      const rest = pieces.splice(pieces.at(-1)?.kind === "missing" ? -1 : -2);
      before = report.addPieces(source.path, pieces, before, { from: 0, to: behind.to }, previous);
      previous = pieces.at(-1);
      pieces = rest;
    };
    let furthest = 0;
    const reached = (position: number): void => {
      this.#options.signal?.throwIfAborted();
      furthest = Math.max(furthest, position);
      const totalBytes = this.#totalBytes;
      const bytes = Math.min(this.#doneBytes + furthest, totalBytes);
      this.#options.onProgress?.({ bytes, totalBytes, records: this.#countSoFar() });
    };
    const { base, isOurs } = source;
    const isReadable = (from: number, to: number): boolean => file.isReadable(from, to);
    await scanSegment({ file, end: size, base, index, proven, isOurs, isReadable }, { found, reached });
    if (lastDamage !== undefined && lastDamage.end === size && source.isLast && source.closed === undefined) {
      const isPastProven = lastDamage.seq !== undefined && (proven?.seq ?? -1) < lastDamage.seq;
      const provenEnd = proven === undefined ? 0 : await run(endOfProven(file, proven));
      const rest = await this.#tailOf(source, file, lastDamage, index !== undefined && isPastProven, provenEnd);
      pieces.pop();
      if (rest !== undefined) pieces.push(rest);
      // Behind the last record that the record index proves there are zeros alone.
      if (proven !== undefined && rest?.end === provenEnd) behind = exactly(proven.seq + 1);
    }
    return report.addPieces(source.path, pieces, before, behind, previous);
  }

  #countSoFar(): number {
    return this.#output === undefined ? 0 : this.#output.nextSeq - this.#output.firstSeq;
  }

  /** What the end of the segment that was written last has lost: not the zeros laid ahead, nor a torn tail. */
  async #tailOf(
    source: SalvageSource,
    file: InputFile,
    damage: DamageFound,
    isPastProven: boolean,
    provenEnd: number,
  ): Promise<Piece | undefined> {
    if (!file.isReadable(damage.offset, damage.end)) return missingPiece(damage, file);
    // Zeros in place of a record that the record index proves were not laid ahead.
    const end = Math.max(await run(endOfNonZero(file, damage.offset, damage.end)), Math.min(provenEnd, damage.end));
    if (end === damage.offset) return undefined;
    if (isPastProven && end <= damage.offset + source.window) {
      this.#tornBytes += end - damage.offset;
      this.#note(
        source.path,
        `torn tail at offset ${damage.offset} (${end - damage.offset} bytes): never acknowledged`,
      );
      return undefined;
    }
    return missingPiece({ ...damage, end }, file);
  }

  /** Writes records to the output. */
  async #keep(
    item: RecordsFound | LongRecordFound,
    file: InputFile,
    source: SalvageSource,
    pieces: Piece[],
  ): Promise<void> {
    const output = (this.#output ??= this.#begin(item.seq ?? source.base ?? 0));
    const newSeq = output.nextSeq;
    const { seq, isResynchronised } = item;
    let offset: number;
    let end: number;
    if (item.kind === "records") {
      offset = item.chunk.position + (item.starts[0] as number);
      end = item.chunk.position + item.end;
      output.add(item.chunk, item.starts, item.end);
    } else {
      offset = item.offset;
      end = offset + item.header.length + item.length;
      if (!(await output.addLong(file, offset, item.header, item.length))) {
        pieces.push({ kind: "missing", offset, end, reason: "its data reads differently each time" });
        return;
      }
    }
    const count = output.nextSeq - newSeq;
    const last = pieces.at(-1);
    const goesOn =
      last?.kind === "records" &&
      last.end === offset &&
      last.isResynchronised === isResynchronised &&
      (last.seq === undefined ? undefined : last.seq + last.count) === seq;
    if (!goesOn) {
      pieces.push({ kind: "records", offset, end, newSeq, count, seq, isResynchronised });
      return;
    }
    last.end = end;
    last.count += count;
  }

  /** The record index, when it belongs to the file. */
  async #openIndex(source: SalvageSource, file: InputFile): Promise<IndexFile | undefined> {
    const { indexPath: path, base, seed } = source;
    if (path === undefined || base === undefined) return undefined;
    const open = (withSeed: number): IndexFile => IndexFile.openSync(this.#storage, path, "read", base, withSeed);
    let index: IndexFile | undefined;
    try {
      if (this.#machine.storage.statSync(path) === undefined) {
        this.#note(path, "there is no record index: seqs behind damage are not certain");
        return undefined;
      }
      index = open(seed ?? noSeed);
      // In a directory the seed names log, generation and segment; that of a single file names nothing.
      if (seed !== undefined && seed !== noSeed) return await this.#ifAnyValid(index);
      const found = await findSeed(file, index);
      if (seed === noSeed && found === seed) return index;
      index.closeSync();
      if (seed === undefined && found !== undefined) return open(found);
      this.#note(path, "not used: none of its entries agrees with the log file");
    } catch (error) {
      index?.closeSync();
      if (!(error instanceof SeqlogError)) throw error;
      this.#note(path, `not used: ${error.message}`);
    }
    return undefined;
  }

  async #ifAnyValid(index: IndexFile): Promise<IndexFile | undefined> {
    if (index.capacitySync() === 0 || (await run(index.last("provisional"))) !== undefined) return index;
    index.closeSync();
    this.#note(index.path, "not used: none of its entries is valid");
    return undefined;
  }
}

function exactly(seq: number): Bounds {
  return { from: seq, to: seq };
}

/** What the names and MANIFEST say of the seq behind the last record of a file. */
function boundsBehind(
  { closed }: SalvageSource,
  size: number,
  proven: number | undefined,
  nextBase: number | undefined,
): Bounds {
  const from = proven === undefined ? 0 : proven + 1;
  // A segment between may be gone too: unless the record index goes up to there it is only a bound.
  if (nextBase !== undefined) return { from: Math.min(from, nextBase), to: nextBase };
  if (closed === undefined) return { from, to: Infinity };
  return closed.bytes === size ? exactly(closed.nextSeq) : { from: Math.min(from, closed.nextSeq), to: closed.nextSeq };
}

/** Where a record that the record index proves ends; where its header is gone too, as far as is certain. */
function* endOfProven(file: InputFile, { offset, headerCrc }: Entry): Plan<number> {
  const { view } = chunkOf(yield* readAt(file, offset, headerLength), offset);
  const isWhole = view.byteLength === headerLength && crc32OfHeader(view, 0) === headerCrc;
  return offset + headerLength + (isWhole ? view.getUint32(headerAt.length, true) : 0);
}

function missingPiece({ offset, end, reason }: DamageFound, file: InputFile): Piece {
  const isRead = file.isReadable(offset, end);
  return { kind: "missing", offset, end, reason: isRead ? reason : `${reason}; the device could not read all of it` };
}
