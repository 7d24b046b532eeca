/** What a salvage says of what it found: the lines of `salvage.ndjson`, and what of them is counted. */
import { type Offset, type Seq, asOffset, asSeq } from "../numbers.ts";
import type { Storage, StorageFile } from "../storage/storage.ts";
import { writeFullySync } from "../storage/write-fully.ts";
import { type Bounds, type Stretch, numberRanges } from "./number-ranges.ts";

/** Bytes of the input that no whole record came out of. */
export interface MissingRange {
  readonly file: string;
  readonly offset: Offset;
  /** The position after them; past the end of the file where it is known that it was longer. */
  readonly end: Offset;
  /** The first seq that is missing here, or the lowest that may be. */
  readonly firstSeq?: Seq;
  /** The last one, or the highest that may be; not there where nothing bounds it. */
  readonly lastSeq?: Seq;
  /** Whether exactly these seqs are missing; else some of them, or none. */
  readonly isExact: boolean;
  readonly reason: string;
}

/** Records that were salvaged, which follow one another in the input as in the output. */
interface SalvagedRun {
  readonly kind: "records";
  /** The seq of the first in the new log. */
  readonly seq: Seq;
  readonly count: number;
  readonly file: string;
  readonly offset: Offset;
  readonly end: Offset;
  /** The seq of the first in the damaged log: between these two, which are the same where it is known. */
  readonly originalFrom: Seq;
  readonly originalTo?: Seq;
  /** Found again behind damage by their own offsets alone: may be a forgery inside a record that is lost. */
  readonly resynchronised: boolean;
}

/** A stretch of a file before its seqs are worked out. */
export type Piece =
  | {
      readonly kind: "records";
      readonly offset: number;
      end: number;
      /** In the new log. */
      readonly newSeq: number;
      count: number;
      readonly seq: number | undefined;
      readonly isResynchronised: boolean;
    }
  | { readonly kind: "missing"; readonly offset: number; readonly end: number; readonly reason: string };

/** More are in the file alone. */
const keptInMemory = 1000;

const bufferLength = 256 * 1024;

function isResynchronised(piece: Piece | undefined): boolean {
  return piece?.kind === "records" && piece.isResynchronised;
}

/** Writes the lines as they come. */
export class SalvageReportFile {
  readonly missing: MissingRange[] = [];
  missingRanges = 0;
  missingBytes = 0;
  resynchronised = 0;
  /** Whether every record has the seq in the new log that it had. */
  isSeqsKept = true;
  readonly path: string;
  readonly #file: StorageFile;
  #text = "";
  #position = 0;

  constructor(storage: Storage, path: string) {
    this.path = path;
    this.#file = storage.openSync(path, "create-new");
  }

  /**
   * Adds the pieces of a file.
   * @param previous the piece before the first of them
   * @returns the bounds of the seq behind them
   */
  addPieces(file: string, pieces: readonly Piece[], before: Bounds, behind: Bounds, previous?: Piece): Bounds {
    const stretches = pieces.map((piece): Stretch =>
      piece.kind === "records" ? piece : { kind: "missing", bytes: piece.end - piece.offset },
    );
    const bounds = numberRanges(stretches, before, behind);
    for (const [i, piece] of pieces.entries()) {
      const at = bounds[i] as Bounds;
      const isSure = !isResynchronised(i === 0 ? previous : pieces[i - 1]) && !isResynchronised(pieces[i + 1]);
      if (piece.kind === "missing") this.addMissing(file, piece, at, bounds[i + 1] as Bounds, isSure);
      else this.#addRun(file, piece, at);
    }
    return bounds.at(-1) as Bounds;
  }

  /**
   * @param at bounds of the first seq that is missing; `behind` of the one after the last
   * @param isSure not beside records that may be forged
   */
  addMissing(
    file: string,
    { offset, end, reason }: { readonly offset: number; readonly end: number; readonly reason: string },
    at?: Bounds,
    behind?: Bounds,
    isSure = true,
  ): void {
    const isAny = at !== undefined && behind !== undefined && behind.to > at.from;
    const range: MissingRange = {
      file,
      offset: asOffset(offset),
      end: asOffset(end),
      ...(isAny ? { firstSeq: asSeq(at.from) } : {}),
      ...(isAny && Number.isFinite(behind.to) ? { lastSeq: asSeq(behind.to - 1) } : {}),
      isExact: isSure && at !== undefined && behind !== undefined && at.from === at.to && behind.from === behind.to,
      reason,
    };
    if (this.missing.length < keptInMemory) this.missing.push(range);
    this.missingRanges++;
    this.missingBytes += end - offset;
    this.#line({ kind: "missing", ...range });
  }

  #addRun(file: string, piece: Piece & { readonly kind: "records" }, original: Bounds): void {
    const { newSeq, count, offset, end, isResynchronised } = piece;
    if (isResynchronised) this.resynchronised += count;
    if (original.from !== newSeq || original.to !== newSeq) this.isSeqsKept = false;
    const run: SalvagedRun = {
      kind: "records",
      seq: asSeq(newSeq),
      count,
      file,
      offset: asOffset(offset),
      end: asOffset(end),
      originalFrom: asSeq(original.from),
      ...(Number.isFinite(original.to) ? { originalTo: asSeq(original.to) } : {}),
      resynchronised: isResynchronised,
    };
    this.#line(run);
  }

  addNote(file: string, reason: string): void {
    this.#line({ kind: "note", file, reason });
  }

  #line(value: object): void {
    this.#text += `${JSON.stringify(value)}\n`;
    if (this.#text.length >= bufferLength) this.#flush();
  }

  #flush(): void {
    const bytes = Buffer.from(this.#text);
    this.#text = "";
    writeFullySync(this.#file, bytes, this.#position);
    this.#position += bytes.length;
  }

  finish(): void {
    this.#flush();
    this.#file.fsyncSync();
  }

  close(): void {
    this.#file.closeSync();
  }
}
