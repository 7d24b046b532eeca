/** Damage as lines of text, the same for every command that reports it. */
import type { Damage } from "../index.ts";
import { printableLine } from "./printable.ts";

/** One line for each, and one for those that are only counted. */
export function damageLines(damage: readonly Damage[], damagedRanges: number): string[] {
  const lines = damage.map(({ file, offset, end, seq, records, reason }) =>
    printableLine(`damage: ${file}, ${bytesInWords(offset, end)}${seqsInWords(seq, records)}: ${reason}`),
  );
  const more = damagedRanges - damage.length;
  return more > 0 ? [...lines, `damage: ${more} more ${more === 1 ? "range" : "ranges"}`] : lines;
}

/** `offset 128`, or `offset 128 to 256` where it is known how far it goes; the end is the position after it. */
export function bytesInWords(offset: number, end: number | undefined): string {
  return end === undefined || end <= offset ? `offset ${offset}` : `offset ${offset} to ${end}`;
}

function seqsInWords(seq: number | undefined, records: number | undefined): string {
  if (seq === undefined || records === 0) return "";
  if (records === undefined) return ` (from seq ${seq} on)`;
  return records === 1 ? ` (seq ${seq})` : ` (seq ${seq} to ${seq + records - 1})`;
}

/** The fixed fields of damage in JSON, and those that are there where they are known. */
export function damageFacts(damage: readonly Damage[]): Damage[] {
  return damage.map(({ file, offset, end, seq, records, reason }) => ({
    file,
    offset,
    ...(end === undefined ? {} : { end }),
    ...(seq === undefined ? {} : { seq }),
    ...(records === undefined ? {} : { records }),
    reason,
  }));
}
