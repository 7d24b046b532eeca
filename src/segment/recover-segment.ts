/**
 * Brings the last segment of a log into order: evidence, table, action. May be cut off by a crash
 * at any step and is right when it is begun again: the redo copy comes before the cut, what is set
 * aside is durable before it is cut off, and a rebuilt record index claims nothing that is not durable.
 */
import type { Plan } from "../storage/plan.ts";
import type { Storage, StorageFile } from "../storage/storage.ts";
import { damaged } from "./damaged.ts";
import type { IndexDraft } from "./index-draft.ts";
import type { IndexFile } from "./index-file.ts";
import { type Known, inspect } from "./inspect.ts";
import type { Run } from "./log-record.ts";
import { type Evidence, type Mend, decide } from "./recovery-table.ts";
import { SegmentReader } from "./segment-reader.ts";
import { copyRange, indexAnew, redoTail, saveTail, tailPath } from "./redo.ts";

/** What recovery found and did. */
export interface SegmentRecovery {
  /** The seq of the next record. */
  readonly nextSeq: number;
  /** Where it will start. */
  readonly end: number;
  /** Records past the mark that were made durable again. */
  readonly redone: number;
  /** Bytes of an interrupted write that were set aside; 0 when there were none. */
  readonly tornBytes: number;
  /** Where they came from. */
  readonly tornOffset: number | undefined;
  /** Where they are now. */
  readonly savedAs: string | undefined;
  readonly indexRebuilt: boolean;
}

/** A segment that can be brought into order, and how. */
export interface CheckedSegment {
  readonly evidence: Evidence;
  readonly action: Mend;
  /** Whether its record index is made anew first. */
  readonly isRebuilt: boolean;
}

/**
 * What recovery would do with the segment. Changes nothing.
 * @param draft takes the entries of the records that are walked through
 * @throws SEQLOG_DAMAGED when it would do nothing
 */
export function* checkSegment(
  file: StorageFile,
  index: IndexFile | undefined,
  known: Known,
  draft?: IndexDraft,
): Plan<CheckedSegment> {
  const evidence = yield* inspect(file, index, known, draft);
  const action = decide(evidence);
  if (action.damage !== undefined) throw damaged(file.path, action.damage.offset, action.damage.reason);
  // Without a record before those that are written anew there is nothing to rebuild for.
  const isRebuilt = action.rebuildIndex && action.redoFrom.seq > known.base;
  if (isRebuilt && index !== undefined) yield* checkAgainstIndex(file, index, action);
  return { evidence, action, isRebuilt };
}

/**
 * Recovers the segment.
 * @param file a descriptor opened for writing, of the writer that holds the log's lock
 * @param found its record index; undefined where there is none
 * @param createIndex makes one; not called when damage is found, so that nothing changes then
 */
export function* recoverSegment(
  storage: Storage,
  file: StorageFile,
  found: IndexFile | undefined,
  createIndex: () => IndexFile,
  known: Known,
): Plan<SegmentRecovery> {
  let index = found;
  if (storage.statSync(tailPath(file.path)) !== undefined) yield* redoTail(storage, file, (index ??= createIndex()));
  const { evidence, action, isRebuilt } = yield* checkSegment(file, index, known);
  // With no entry that proves anything, all of it is made anew on the way.
  const isLost = evidence.mark === undefined && (index === undefined || index.capacitySync() > 0);
  index ??= createIndex();

  let savedAs: string | undefined;
  if (action.setAside !== undefined) savedAs = yield* setAside(storage, file, action.setAside);
  if (evidence.closed === undefined) {
    // Also where nothing is to be cut: the end that is seen may be the cut of a process that never
    // synced it, and what it cut off would come back behind the records that follow.
    if (evidence.size > action.end) file.truncateSync(action.end);
    file.fsyncSync();
  }
  if (action.redoFrom.offset < action.end) {
    yield* saveTail(storage, file, action.redoFrom.offset, action.end, action.redoFrom.seq);
    yield* redoTail(storage, file, index);
  }
  if (isRebuilt) yield* indexAnew(file, index, { seq: known.base, offset: 0 }, action.end);
  else if (index.capacitySync() !== action.nextSeq - known.base) {
    // Durably: entries of records that are gone must not come back beside new ones.
    index.truncateSync(action.nextSeq);
    index.fsyncSync();
  }
  return {
    nextSeq: action.nextSeq,
    end: action.end,
    redone: action.nextSeq - action.redoFrom.seq,
    tornBytes: action.setAside === undefined ? 0 : action.setAside.end - action.setAside.start,
    tornOffset: action.setAside?.start,
    savedAs,
    indexRebuilt: isRebuilt || (isLost && action.nextSeq > known.base),
  };
}

/**
 * Holds the records against what is left of their record index before that is made anew: an entry
 * that is self-valid may be the only one that knows of a flipped bit in a header.
 * @throws SEQLOG_DAMAGED at the record that is contradicted
 */
export function* checkAgainstIndex(
  file: StorageFile,
  index: IndexFile,
  limit: { readonly nextSeq: number; readonly end: number },
): Plan<void> {
  const reader = new SegmentReader(file, index, index.base);
  for (let seq = index.base, offset = 0; seq < limit.nextSeq;) {
    const run: Run = yield* reader.run(seq, offset, limit, 1024 * 1024, Infinity);
    seq += run.starts.length;
    offset = run.chunk.position + run.end;
  }
}

/** Copies bytes to a file of their own beside the segment; one that is there from before is never written over. */
function* setAside(storage: Storage, file: StorageFile, range: { start: number; end: number }): Plan<string> {
  for (let attempt = 1; ; attempt++) {
    const path = `${file.path}.${range.start}${attempt === 1 ? "" : `-${attempt}`}.torn`;
    if (storage.statSync(path) !== undefined) {
      if (yield* holdsSame(storage, path, file, range)) return path;
      continue;
    }
    yield* copyRange(storage, file, range.start, range.end, path);
    return path;
  }
}

/** Whether an earlier, interrupted recovery has set the same bytes aside already. */
function* holdsSame(
  storage: Storage,
  path: string,
  file: StorageFile,
  range: { start: number; end: number },
): Plan<boolean> {
  const saved = storage.openSync(path, "read");
  try {
    const length = range.end - range.start;
    if (saved.statSync().size !== length) return false;
    const one = new Uint8Array(Math.min(length, 256 * 1024));
    const other = new Uint8Array(one.length);
    for (let done = 0; done < length; done += one.length) {
      const piece = Math.min(one.length, length - done);
      yield { file: saved, target: one.subarray(0, piece), position: done };
      yield { file, target: other.subarray(0, piece), position: range.start + done };
      if (Buffer.compare(one.subarray(0, piece), other.subarray(0, piece)) !== 0) return false;
    }
    return true;
  } finally {
    saved.closeSync();
  }
}
