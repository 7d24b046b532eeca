/**
 * Goes through one segment from its first byte to its last, past any damage, and says of each byte
 * whether it belongs to a whole record. Changes nothing.
 *
 * The chain leads from record to record. Where it breaks, the next self-valid entry of the record
 * index says where it goes on; where no entry does, the next record that names its own position.
 * The latter is *resynchronised*, and so is the chain from there to the next place that an entry
 * proves: the data of a damaged record may hold the bytes of another one.
 */
import { crc32OfHeader } from "../format/crc32.ts";
import { entryKind, entryLength, entryOffset } from "../format/index-entry.ts";
import { describeProblem, headerAt, headerLength } from "../format/record.ts";
import { run } from "../storage/plan.ts";
import type { StorageFile } from "../storage/storage.ts";
import { type Acceptance, findRecord } from "./find-record.ts";
import type { IndexFile } from "./index-file.ts";
import { PieceReader } from "./piece-reader.ts";
import { RangeCrc } from "./range-crc.ts";
import { type Chunk, chunkOf, findContradiction, verifyChunk } from "./verify-chunk.ts";

const chunkLength = 1024 * 1024;

/** What is looked at behind damage: the next damage may be near, and all behind that is looked at again. */
const chunkBehindDamage = 4 * 1024;

/** Behind damage a record that says it is longer is read by itself: where its length is wrong, `RangeCrc` costs less. */
const believedLength = 64 * 1024;

/** Entries of the record index are read in pieces of so many. */
const entriesAtOnce = 4096;

/** What to go through. */
export interface ScanTarget {
  readonly file: StorageFile;
  /** Where the segment ends. */
  readonly end: number;
  /** The seq of its first record; undefined where nobody knows. */
  readonly base: number | undefined;
  /** Its record index, whose self-valid entries are believed; only with a `base`. */
  readonly index: IndexFile | undefined;
  /** The last record that the record index proves: damage, where it would lie behind `end`. */
  readonly proven?: { readonly seq: number; readonly offset: number } | undefined;
  /** Whether all of its records were written by us: then an id that ends in 0x00 is a torn one. */
  readonly isOurs?: boolean;
  /** Whether the bytes were read, and are not zeros in place of what could not be. */
  readonly isReadable?: (start: number, end: number) => boolean;
}

/** Whole records that follow one another. */
export interface RecordsFound {
  readonly kind: "records";
  /** Holds all of them; used again when the visit returns. */
  readonly chunk: Chunk;
  readonly starts: readonly number[];
  /** Where in the chunk they end. */
  readonly end: number;
  /** The seq of the first; undefined where it is not known. */
  readonly seq: number | undefined;
  readonly isResynchronised: boolean;
}

/** A whole record that is longer than a chunk; behind damage chunks are shorter. */
export interface LongRecordFound {
  readonly kind: "long";
  readonly offset: number;
  readonly header: Uint8Array;
  /** Bytes of its data, which was read once and its CRC found right. */
  readonly length: number;
  readonly seq: number | undefined;
  readonly isResynchronised: boolean;
}

/** Bytes that belong to no whole record. Two of these never touch. */
export interface DamageFound {
  readonly kind: "damage";
  readonly offset: number;
  readonly end: number;
  /** The seq of the first record that is affected, where it is known. */
  readonly seq: number | undefined;
  /** The seq of the record that follows, where it is known; then `nextSeq − seq` records are affected. */
  readonly nextSeq: number | undefined;
  readonly reason: string;
}

/** Told of everything, in the order of the file. */
export interface ScanVisitor {
  found(item: RecordsFound | LongRecordFound | DamageFound): void | Promise<void>;
  /** Told how far the scan is; may throw to end it. */
  reached(position: number): void;
}

/**
 * Goes through it.
 * @returns the seq after the last record, or undefined where that is not known
 */
export async function scanSegment(target: ScanTarget, visitor: ScanVisitor): Promise<number | undefined> {
  return await new Scan(target, visitor).toEnd();
}

interface Place {
  readonly seq: number;
  readonly offset: number;
}

class Scan {
  readonly #target: ScanTarget;
  readonly #visitor: ScanVisitor;
  readonly #pieces: PieceReader;
  readonly #crcs: RangeCrc;
  readonly #accepts: Acceptance;
  /** How many bytes are looked at as one chunk: few behind damage, then more and more. */
  #reach = chunkLength;
  /** How many bytes the next step needs. */
  #least = headerLength;
  #entries: { readonly first: number; readonly view: DataView; readonly isEnd: boolean } | undefined;
  #at = 0;
  #seq: number | undefined;
  #isResynchronised = false;
  /** Where the record index knows on, behind the records that are being looked for. */
  #resume: Place | undefined;
  #damage: { offset: number; end: number; seq: number | undefined; reason: string } | undefined;

  constructor(target: ScanTarget, visitor: ScanVisitor) {
    this.#target = target;
    this.#visitor = visitor;
    this.#seq = target.base;
    this.#pieces = new PieceReader(target.file, target.end);
    this.#crcs = new RangeCrc(target.file, () => visitor.reached(this.#at));
    const { isOurs = false, isReadable } = target;
    this.#accepts = (start, end, lastIdByte) =>
      !(isOurs && lastIdByte === 0) && (isReadable === undefined || isReadable(start, end));
  }

  async toEnd(): Promise<number | undefined> {
    const { end } = this.#target;
    for (;;) {
      const limit = this.#resume?.offset ?? end;
      if (this.#at < limit) {
        await this.#step(limit);
        this.#visitor.reached(this.#at);
      } else if (this.#resume === undefined) {
        break;
      } else {
        this.#seq = this.#resume.seq;
        this.#isResynchronised = false;
        this.#resume = undefined;
      }
    }
    this.#checkProven();
    await this.#tellDamage();
    return this.#seq;
  }

  /** Looks at a chunk from where the scan is, and goes as far as its records are whole. */
  async #step(limit: number): Promise<void> {
    const offset = this.#at;
    const least = this.#least;
    this.#least = headerLength;
    const piece = await this.#pieces.from(offset, least);
    const chunk = chunkOf(piece.bytes.subarray(0, Math.min(this.#reach, limit - offset)), offset);
    const isAtEndOfFile = chunk.bytes.length < Math.min(least, limit - offset);
    const walked = verifyChunk(chunk, limit, Infinity);
    const { count, reason } = await this.#wholeOf(chunk, walked.starts, walked.end);
    const end = walked.starts[count] ?? walked.end;
    if (count > 0) {
      const starts = count === walked.starts.length ? walked.starts : walked.starts.slice(0, count);
      await this.#tellDamage();
      const seq = this.#seq;
      const isResynchronised = this.#isResynchronised;
      await this.#visitor.found({ kind: "records", chunk, starts, end, seq, isResynchronised });
      this.#at += end;
      this.#reach = Math.min(chunkLength, 2 * this.#reach);
      if (seq !== undefined) this.#seq = seq + count;
    }
    if (reason !== undefined) return await this.#lose(reason);
    if (walked.problem !== 0) return await this.#lose(describeProblem(walked.problem));
    if (count > 0 || this.#at >= limit) return;
    if (isAtEndOfFile) return await this.#lose("the file ends here, before its records do");
    if (walked.needed > Math.max(this.#reach, believedLength)) return await this.#longRecord(chunk, walked.needed);
    this.#least = walked.needed;
    this.#reach = Math.max(this.#reach, walked.needed);
  }

  /** How many of the records hold against everything but their own checksums, and why the next one does not. */
  async #wholeOf(
    chunk: Chunk,
    starts: readonly number[],
    end: number,
  ): Promise<{ count: number; reason: string | undefined }> {
    const { index, isOurs = false, isReadable } = this.#target;
    let count = starts.length;
    let reason: string | undefined;
    if (isOurs || isReadable?.(chunk.position, chunk.position + end) === false) {
      const bad = starts.findIndex((start, i) => {
        const next = starts[i + 1] ?? end;
        const last = chunk.bytes[start + headerLength - 1] as number;
        return !this.#accepts(chunk.position + start, chunk.position + next, last);
      });
      if (bad >= 0) {
        count = bad;
        reason = "the UUID is not whole, or the bytes could not be read";
      }
    }
    if (index !== undefined && this.#seq !== undefined && count > 0) {
      const entries = await this.#entriesFrom(index, this.#seq, count);
      const bad = findContradiction(chunk, starts, entries, index.seed, this.#seq);
      if (bad >= 0 && bad < count) {
        count = bad;
        const found = crc32OfHeader(chunk.view, starts[bad] as number)
          .toString(16)
          .padStart(8, "0");
        reason = `the header is not the one that the record index holds (its CRC-32 is ${found})`;
      }
    }
    return { count, reason };
  }

  async #longRecord(chunk: Chunk, needed: number): Promise<void> {
    const offset = this.#at;
    const { count, reason } = await this.#wholeOf(chunk, [0], needed);
    if (count === 0) return await this.#lose(reason ?? "");
    const header = chunk.bytes.slice(0, headerLength);
    const stored = chunk.view.getUint32(headerAt.crc, true);
    const length = needed - headerLength;
    const crc = await this.#crcs.of(offset + headerLength, length);
    if (crc !== stored) return await this.#lose("the CRC-32 of the data does not match");
    const { isReadable } = this.#target;
    if (isReadable?.(offset, offset + needed) === false) return await this.#lose("the bytes could not be read");
    await this.#tellDamage();
    this.#reach = Math.min(chunkLength, 2 * this.#reach);
    const seq = this.#seq;
    const isResynchronised = this.#isResynchronised;
    await this.#visitor.found({ kind: "long", offset, header, length, seq, isResynchronised });
    this.#at = offset + needed;
    if (seq !== undefined) this.#seq = seq + 1;
  }

  /** No whole record stands where the scan is. */
  async #lose(reason: string): Promise<void> {
    const { file, end } = this.#target;
    this.#reach = chunkBehindDamage;
    const seq = this.#seq;
    const known = seq === undefined ? undefined : await this.#nextKnown({ seq, offset: this.#at });
    const limit = known?.offset ?? this.#resume?.offset ?? end;
    if (known !== undefined && seq !== undefined && known.seq <= seq + 1) {
      // No other record has its place between.
      this.#addDamage(limit, seq, reason);
      this.#seq = known.seq;
      return;
    }
    this.#resume ??= known;
    const tools = { pieces: this.#pieces, crcs: this.#crcs };
    const looked = (at: number): void => this.#visitor.reached(at);
    const next = await findRecord(file, this.#at + 1, limit, this.#accepts, looked, tools);
    this.#addDamage(next < 0 ? limit : next, seq, reason);
    this.#seq = undefined;
    this.#isResynchronised = true;
  }

  /** Where the record index knows the next record behind a place that holds none. */
  async #nextKnown(place: Place): Promise<Place | undefined> {
    const { index, end } = this.#target;
    if (index === undefined) return undefined;
    for (let seq = place.seq, count = 64; ; count = 4096) {
      const view = await this.#entriesFrom(index, seq, count);
      const found = Math.floor(view.byteLength / entryLength);
      for (let i = 0; i < found; i++) {
        if (entryKind(view, i * entryLength, index.seed, seq + i) === "invalid") continue;
        const offset = entryOffset(view, i * entryLength);
        const isBehind =
          seq + i === place.seq ? offset > place.offset : offset >= place.offset + headerLength * (seq + i - place.seq);
        if (isBehind && offset + headerLength <= end) return { seq: seq + i, offset };
      }
      if (found < count) return undefined;
      seq += found;
    }
  }

  /** The entries from `seq` on, at most `count`; read many at a time. */
  async #entriesFrom(index: IndexFile, seq: number, count: number): Promise<DataView> {
    const isHeld = (): boolean => {
      if (this.#entries === undefined) return false;
      const { first, view, isEnd } = this.#entries;
      return first <= seq && (isEnd || (seq + count - first) * entryLength <= view.byteLength);
    };
    if (!isHeld()) {
      const most = Math.max(count, entriesAtOnce);
      const view = await run(index.entries(seq, most));
      this.#entries = { first: seq, view, isEnd: view.byteLength < most * entryLength };
    }
    const { first, view } = this.#entries as { first: number; view: DataView };
    const from = Math.min(view.byteLength, (seq - first) * entryLength);
    return new DataView(view.buffer, view.byteOffset + from, Math.min(count * entryLength, view.byteLength - from));
  }

  /** What the record index proves behind the end of the file is gone. */
  #checkProven(): void {
    const { proven, end } = this.#target;
    if (proven === undefined || proven.offset + headerLength <= end) return;
    if (this.#seq !== undefined && proven.seq < this.#seq) return;
    const reason = `the file ends at ${end}, but the record index proves record ${proven.seq} at offset ${proven.offset}`;
    this.#addDamage(proven.offset + headerLength, this.#seq, reason);
    this.#seq = proven.seq + 1;
  }

  #addDamage(end: number, seq: number | undefined, reason: string): void {
    this.#damage ??= { offset: this.#at, end, seq, reason };
    this.#damage.end = end;
    this.#at = end;
  }

  async #tellDamage(): Promise<void> {
    if (this.#damage === undefined) return;
    const damage = this.#damage;
    this.#damage = undefined;
    await this.#visitor.found({ kind: "damage", ...damage, nextSeq: this.#seq });
  }
}
