/**
 * Headers of records without their data: for what stands in their ids.
 *
 * A header that the record index proves is believed without the CRC of the data; every other one is
 * read with its data, and checked as for any reader.
 */
import { crc32OfHeader } from "../format/crc32.ts";
import { entryHeaderCrc, entryKind, entryLength, entryOffset } from "../format/index-entry.ts";
import { keyBitsAt } from "../format/key-bits.ts";
import { checkHeader, headerAt, headerLength } from "../format/record.ts";
import { idLength, millisecondsOfId } from "../format/uuid.ts";
import type { ReadLimit } from "../segment/segment-reader.ts";
import { runSync } from "../storage/plan.ts";
import type { StorageFile } from "../storage/storage.ts";
import type { CachedSegment } from "./segment-cache.ts";

/** What a header says. */
export interface RecordHeader {
  readonly seq: number;
  readonly offset: number;
  /** Of the data. */
  readonly length: number;
  readonly crc: number;
  /** The time in the id; NaN in one of version 4. */
  readonly timeMs: number;
  /** The id from {@link keyBitsAt} on, one character for each byte. */
  readonly idEnd: string;
}

/** Read at once where records are small. */
const pieceBytes = 256 * 1024;

/** Where records are larger than this on average, each header is a read of its own. */
const mostMeanBytes = 4096;

/**
 * The headers of records `lower` up to, not including, `upper`, in order. Blocks.
 * @throws SEQLOG_DAMAGED for the first that is not valid
 */
export function readHeadersSync(
  { file, index, reader }: CachedSegment,
  lower: number,
  upper: number,
  limit: ReadLimit,
): RecordHeader[] {
  const headers: RecordHeader[] = [];
  const entries = index?.entriesSync(lower, upper - lower);
  const piece = new Piece(file, entries, limit.end);
  for (let seq = lower; seq < upper; seq++) {
    const at = (seq - lower) * entryLength;
    const isThere = entries !== undefined && index !== undefined && at + entryLength <= entries.byteLength;
    if (isThere && entryKind(entries, at, index.seed, seq) !== "invalid") {
      const offset = entryOffset(entries, at);
      const start = piece.find(offset);
      if (start >= 0 && crc32OfHeader(piece.view, start) === entryHeaderCrc(entries, at)) {
        headers.push(headerOf(piece.bytes, piece.view, start, seq, offset));
        continue;
      }
    }
    const { chunk, starts } = runSync(reader.one(seq, limit));
    const start = starts[0] as number;
    const { buffer, byteOffset, byteLength } = chunk.bytes;
    headers.push(headerOf(Buffer.from(buffer, byteOffset, byteLength), chunk.view, start, seq, chunk.position + start));
  }
  return headers;
}

function headerOf(bytes: Buffer, view: DataView, at: number, seq: number, offset: number): RecordHeader {
  const id = at + headerAt.id;
  return {
    seq,
    offset,
    length: view.getUint32(at + headerAt.length, true),
    crc: view.getUint32(at + headerAt.crc, true),
    timeMs: millisecondsOfId(bytes, id),
    idEnd: bytes.toString("latin1", id + keyBitsAt, id + idLength),
  };
}

/** A part of a segment in memory, which moves forward. */
class Piece {
  readonly #file: StorageFile;
  /** Where the last header that is asked for starts, as far as the entries can be trusted. */
  readonly #last: number;
  readonly #end: number;
  readonly bytes: Buffer;
  readonly view: DataView;
  #position = 0;
  #length = 0;

  constructor(file: StorageFile, entries: DataView | undefined, end: number) {
    const count = entries === undefined ? 0 : Math.floor(entries.byteLength / entryLength);
    const first = count === 0 ? 0 : entryOffset(entries as DataView, 0);
    const last = count === 0 ? 0 : entryOffset(entries as DataView, (count - 1) * entryLength);
    const isDense = last > first && last < end && (last - first) / (count - 1) <= mostMeanBytes;
    this.#file = file;
    this.#last = isDense ? last : 0;
    this.#end = end;
    this.bytes = Buffer.allocUnsafeSlow(isDense ? Math.min(pieceBytes, last - first + headerLength) : headerLength);
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
  }

  /** Where in `bytes` the header at `offset` starts; negative when there is none. */
  find(offset: number): number {
    if (offset + headerLength > this.#end) return -1;
    if (offset < this.#position || offset + headerLength > this.#position + this.#length) {
      const wanted = Math.min(this.bytes.length, Math.max(this.#last - offset, 0) + headerLength);
      this.#position = offset;
      this.#length = this.#file.readSync(this.bytes.subarray(0, wanted), offset);
    }
    const at = offset - this.#position;
    if (at + headerLength > this.#length) return -1;
    return checkHeader(this.bytes, this.view, at, offset, this.#end - offset) < 0 ? -1 : at;
  }
}
