/** How far a reader that is not the writer may read: as far as self-valid entries prove, never by file size. */
import { crc32OfHeader } from "../format/crc32.ts";
import { checkHeader, headerLength } from "../format/record.ts";
import { type Plan, readAt } from "../storage/plan.ts";
import type { StorageFile } from "../storage/storage.ts";
import type { IndexFile } from "./index-file.ts";
import { recordOfEntry } from "./inspect.ts";
import { damaged } from "./damaged.ts";
import type { ReadLimit } from "./segment-reader.ts";
import { chunkOf } from "./verify-chunk.ts";
import { walkChain } from "./walk-chain.ts";

/**
 * Where the readable part ends at open. Up to the mark the entries prove it. Provisional entries
 * past it (the weaker durability modes) count as far as their records are whole: after a power cut
 * an entry may be there without its record.
 * @throws SEQLOG_DAMAGED when the mark's record is not there
 */
export function* findDurableEnd(file: StorageFile, index: IndexFile): Plan<ReadLimit> {
  const last = yield* index.last("firm");
  let mark: ReadLimit = { nextSeq: index.base, end: 0 };
  if (last !== undefined) {
    const record = yield* recordOfEntry(file, last, file.statSync().size);
    if (record.problem !== undefined) throw damaged(file.path, record.end, record.problem, last.seq);
    mark = { nextSeq: last.seq + 1, end: record.end };
  }
  const claimed = yield* extendDurableEnd(file, index, mark);
  if (claimed.nextSeq === mark.nextSeq) return mark;
  const chain = yield* walkChain(file, { seq: mark.nextSeq, offset: mark.end }, claimed.end);
  return { nextSeq: chain.nextSeq, end: chain.end };
}

/** Where it ends now, some time after `known` was found. Cheap when nothing came. */
export function* extendDurableEnd(file: StorageFile, index: IndexFile, known: ReadLimit): Plan<ReadLimit> {
  const nextSeq = yield* index.endOfRun(known.nextSeq);
  if (nextSeq === known.nextSeq) return known;
  const entry = yield* index.entry(nextSeq - 1);
  if (entry === undefined || entry.kind === "invalid" || entry.offset < known.end) return known;
  const header = yield* readAt(file, entry.offset, headerLength);
  if (header.length < headerLength) return known;
  const { view } = chunkOf(header, 0);
  if (crc32OfHeader(view, 0) !== entry.headerCrc) return known;
  const length = checkHeader(header, view, 0, entry.offset, Number.MAX_SAFE_INTEGER);
  if (length < 0) return known;
  const end = entry.offset + headerLength + length;
  if (entry.kind === "firm") return { nextSeq, end };
  // Entries of the weaker modes may have outlived their records.
  const chain = yield* walkChain(file, { seq: known.nextSeq, offset: known.end }, end);
  return { nextSeq: chain.nextSeq, end: chain.end };
}
