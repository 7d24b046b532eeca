/**
 * One record: `[u32 length][u64 own offset][u32 CRC-32 of data][16 B UUID][data]`, little-endian.
 * FORMAT.md has the grammar and an example in hex. No I/O here.
 */
import { crc32 } from "./crc32.ts";
import { isRecordId } from "./uuid.ts";

/** Bytes before the data. */
export const headerLength = 32;

/** Where the parts of a header start. */
export const headerAt = { length: 0, offset: 4, crc: 12, id: 16 } as const;

/** No record is longer, whatever a setting says. */
export const maxDataLength: number = 2 ** 30;

/** What a position that holds no valid record has in place of one. */
export const problem = {
  headerCut: -1,
  dataCut: -2,
  wrongOffset: -3,
  wrongId: -4,
  wrongCrc: -5,
} as const;

/** The same in words, for the reports. */
export function describeProblem(code: number): string {
  switch (code) {
    case problem.headerCut:
      return "fewer than 32 bytes are left for a header";
    case problem.dataCut:
      return "the length runs past the end of the file";
    case problem.wrongOffset:
      return "the record's own offset is not its position";
    case problem.wrongId:
      return "the UUID is not of variant 10 and version 4 or 7";
    case problem.wrongCrc:
      return "the CRC-32 of the data does not match";
    default:
      return `problem ${code}`;
  }
}

/** Writes all of a header but the id. */
export function writeHeader(view: DataView, at: number, length: number, offset: number, crc: number): void {
  view.setUint32(at + headerAt.length, length, true);
  writeOwnOffset(view, at, offset);
  view.setUint32(at + headerAt.crc, crc, true);
}

/** Writes a record's own offset: when it is placed, and again when what came before it was undone. */
export function writeOwnOffset(view: DataView, at: number, offset: number): void {
  view.setUint32(at + headerAt.offset, offset >>> 0, true);
  view.setUint32(at + headerAt.offset + 4, Math.floor(offset / 0x1_0000_0000), true);
}

/** A u64 as a number; past 2^53 it is not exact, but larger than any file. */
export function readUint64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000;
}

/**
 * Checks the header at `at`, which lies at `position` of its file.
 * @param left the bytes from `position` to the end of the file
 * @returns the length of the data, or one of {@link problem}
 */
export function checkHeader(bytes: Uint8Array, view: DataView, at: number, position: number, left: number): number {
  if (left < headerLength) return problem.headerCut;
  const length = view.getUint32(at, true);
  if (length > left - headerLength) return problem.dataCut;
  if (readUint64(view, at + headerAt.offset) !== position) return problem.wrongOffset;
  if (!isRecordId(bytes, at + headerAt.id)) return problem.wrongId;
  return length;
}

/** Whether the data after the header at `at`, all of it in `bytes`, has the CRC that the header names. */
export function checkData(bytes: Uint8Array, view: DataView, at: number, length: number): boolean {
  const start = at + headerLength;
  return crc32(bytes, start, start + length) === view.getUint32(at + headerAt.crc, true);
}
