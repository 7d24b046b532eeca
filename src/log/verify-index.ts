/** What of a segment's record index is not as it should be. */
import { crc32OfHeader } from "../format/crc32.ts";
import { entryKind, entryLength, writeEntry } from "../format/index-entry.ts";
import { headerLength } from "../format/record.ts";
import { asOffset, asSeq } from "../numbers.ts";
import type { IndexFile } from "../segment/index-file.ts";
import { recordOfEntry } from "../segment/inspect.ts";
import { chunkOf } from "../segment/verify-chunk.ts";
import { readAt, run } from "../storage/plan.ts";
import type { StorageFile } from "../storage/storage.ts";
import type { OpenPart, VerifyPart } from "./verify-parts.ts";
import type { Damage } from "./verify.ts";

/**
 * The record index costs nobody a record, but an entry that rotted is a sign, and detects nothing any more.
 * @param scanned the seq after the last record, where reading told
 */
export async function verifyIndex(
  { path, base, isSealed, isQuiet, end, ...part }: VerifyPart,
  { file, index }: OpenPart,
  scanned: number | undefined,
  tell: (damage: Damage) => void,
): Promise<void> {
  const nextSeq = scanned ?? part.nextSeq ?? base;
  if (index === undefined) {
    if (!isSealed || nextSeq === base || end === 0) return;
    const reason = "its record index is missing; opening for writing, or `seqlog rebuild-index`, makes it anew";
    return tell({ file: path, offset: asOffset(0), end: asOffset(0), records: 0, reason });
  }
  // They are not synced one by one: those of the last records of a segment that is still written may not be there.
  const written = isSealed ? nextSeq : isQuiet ? await endOfWritten(file, index, nextSeq) : await endOfProven(index);
  let isAllValid = true;
  for await (const { from, to } of invalidEntries(index, written)) {
    isAllValid = false;
    tell({
      file: index.path,
      offset: asOffset((from - base) * entryLength),
      end: asOffset((to - base) * entryLength),
      seq: asSeq(from),
      records: 0,
      reason: `${to - from} ${to - from === 1 ? "entry" : "entries"} of the record index not valid; no record is lost by it. \`seqlog rebuild-index\` makes it anew`,
    });
  }
  const found = index.capacitySync();
  if (isAllValid && isSealed && found !== nextSeq - base) {
    const reason = `the record index holds ${found} entries for ${nextSeq - base} records; \`seqlog rebuild-index\` makes it anew`;
    const from = Math.min(found, nextSeq - base) * entryLength;
    tell({ file: index.path, offset: asOffset(from), end: asOffset(found * entryLength), records: 0, reason });
  }
}

async function endOfProven(index: IndexFile): Promise<number> {
  const mark = await run(index.last("provisional"));
  return mark === undefined ? index.base : mark.seq + 1;
}

/**
 * The seq after the last entry, up to that of `nextSeq`, that is there and not all zeros. One that a power
 * cut left half written does not count.
 */
async function endOfWritten(file: StorageFile, index: IndexFile, nextSeq: number): Promise<number> {
  const end = await endOfNonZeroEntries(index, nextSeq);
  return end > index.base && (await isHalfWritten(file, index, end - 1)) ? end - 1 : end;
}

/** Whether an entry is the first bytes of the one that belongs there, with zeros or nothing behind. */
async function isHalfWritten(file: StorageFile, index: IndexFile, seq: number): Promise<boolean> {
  const entry = await run(index.entry(seq));
  const before = seq === index.base ? undefined : await run(index.entry(seq - 1));
  if ((entry !== undefined && entry.kind !== "invalid") || before?.kind === "invalid") return false;
  const offset = before === undefined ? 0 : (await run(recordOfEntry(file, before, file.statSync().size))).end;
  const header = await run(readAt(file, offset, headerLength));
  if (header.length < headerLength) return false;
  const stored = await run(index.entries(seq, 1));
  let half = stored.byteLength;
  while (half > 0 && stored.getUint8(half - 1) === 0) half--;
  const whole = chunkOf(new Uint8Array(entryLength), 0).view;
  return (["firm", "provisional"] as const).some((kind) => {
    writeEntry(whole, 0, index.seed, seq, offset, crc32OfHeader(chunkOf(header, 0).view, 0), kind);
    for (let i = 0; i < half; i++) if (stored.getUint8(i) !== whole.getUint8(i)) return false;
    return true;
  });
}

async function endOfNonZeroEntries(index: IndexFile, nextSeq: number): Promise<number> {
  for (let upper = nextSeq; upper > index.base;) {
    const lower = Math.max(index.base, upper - 4096);
    const view = await run(index.entries(lower, upper - lower));
    for (let i = view.byteLength - 1; i >= 0; i--) {
      if (view.getUint8(i) !== 0) return lower + Math.floor(i / entryLength) + 1;
    }
    upper = lower;
  }
  return index.base;
}

/** Runs of entries that are not self-valid, or not there, up to that of `nextSeq`. */
async function* invalidEntries(index: IndexFile, nextSeq: number): AsyncGenerator<{ from: number; to: number }> {
  let last: { readonly from: number; to: number } | undefined;
  for (let seq = index.base; seq < nextSeq;) {
    const count = Math.min(4096, nextSeq - seq);
    const view = await run(index.entries(seq, count));
    const whole = Math.floor(view.byteLength / entryLength);
    for (let i = 0; i < whole; i++) {
      if (entryKind(view, i * entryLength, index.seed, seq + i) !== "invalid") continue;
      if (last?.to === seq + i) last.to++;
      else {
        if (last !== undefined) yield last;
        last = { from: seq + i, to: seq + i + 1 };
      }
    }
    seq += whole;
    if (whole === count) continue;
    // All that follows the end of the file is one run.
    if (last?.to === seq) last.to = nextSeq;
    else {
      if (last !== undefined) yield last;
      last = { from: seq, to: nextSeq };
    }
    break;
  }
  if (last !== undefined) yield last;
}
