/**
 * What repair holds against a segment when MANIFEST is gone. A new MANIFEST has a new log id, to which
 * no entry of the old record index is valid: recovery would know of no mark, and take all behind
 * damage for a torn tail. The old entries still prove themselves by the seed that they give away.
 * Changes nothing.
 */
import { noSeed } from "../format/index-entry.ts";
import { describeProblem } from "../format/record.ts";
import { damaged } from "../segment/damaged.ts";
import { findRecord } from "../segment/find-record.ts";
import { findSeed } from "../segment/find-seed.ts";
import { IndexFile } from "../segment/index-file.ts";
import { recordOfEntry } from "../segment/inspect.ts";
import { checkAgainstIndex } from "../segment/recover-segment.ts";
import type { ChainEnd } from "../segment/walk-chain.ts";
import { run } from "../storage/plan.ts";
import type { Storage, StorageFile } from "../storage/storage.ts";
import { type SegmentName, indexPath, logPath } from "./segment-files.ts";

const advice = "`seqlog salvage` gets every whole record out";

/** The chain of a segment that recovery would leave as it is, and what it would cut off behind. */
export interface Kept {
  readonly chain: ChainEnd;
  readonly setAside: { readonly start: number; readonly end: number } | undefined;
  /** Where the records end that a redo copy adds; `chain.end` where there is none. */
  readonly redoneEnd: number;
}

/**
 * Checks that nothing would be cut off which was acknowledged, as far as anything tells.
 * @throws SEQLOG_DAMAGED when something would be, or could
 */
export async function checkWithoutManifest(
  storage: Storage,
  directory: string,
  name: SegmentName,
  kept: Kept,
): Promise<void> {
  const file = storage.openSync(logPath(directory, name), "read");
  try {
    await checkOldEntries(storage, indexPath(directory, name), file, name.base, kept);
    if (kept.setAside !== undefined) await checkSetAside(file, kept, kept.setAside);
  } finally {
    file.closeSync();
  }
}

async function checkOldEntries(
  storage: Storage,
  path: string,
  file: StorageFile,
  base: number,
  { chain, redoneEnd }: Kept,
): Promise<void> {
  if (storage.statSync(path) === undefined) return;
  const unseeded = IndexFile.openSync(storage, path, "read", base, noSeed);
  try {
    const seed = await findSeed(file, unseeded);
    if (seed === undefined) {
      if (redoneEnd === 0 && (await holdsEntries(unseeded))) {
        const reason = `there is no record, but its record index has entries; without MANIFEST nothing says that they belong elsewhere. ${advice}`;
        throw damaged(file.path, 0, reason, base);
      }
      return;
    }
    const index = IndexFile.openSync(storage, path, "read", base, seed);
    try {
      await checkProven(file, index, chain, redoneEnd);
      await run(checkAgainstIndex(file, index, chain));
    } finally {
      index.closeSync();
    }
  } finally {
    unseeded.closeSync();
  }
}

/** The seed may be that of the provisional entries, under which the firm ones are provisional: both count. */
async function checkProven(
  file: StorageFile,
  index: IndexFile,
  chain: Kept["chain"],
  redoneEnd: number,
): Promise<void> {
  const proven = await run(index.last("provisional"));
  if (proven === undefined || (redoneEnd > chain.end && proven.offset < redoneEnd)) return;
  const record = await run(recordOfEntry(file, proven, file.statSync().size));
  if (record.problem === undefined && record.end <= chain.end) return;
  if (proven.offset >= chain.end && chain.problem !== 0) {
    const reason = `${describeProblem(chain.problem)}, but the record index proves records up to ${proven.seq} at offset ${proven.offset}. ${advice}`;
    throw damaged(file.path, chain.end, reason, chain.nextSeq);
  }
  const reason = record.problem ?? `the record index proves record ${proven.seq} behind the last one`;
  throw damaged(file.path, Math.min(chain.end, proven.offset), `${reason}. ${advice}`);
}

async function holdsEntries(index: IndexFile): Promise<boolean> {
  const view = await run(index.entries(index.base, 4096));
  for (let i = 0; i < view.byteLength; i++) if (view.getUint8(i) !== 0) return true;
  return false;
}

/** An interrupted write can have left whole records behind a torn one; only MANIFEST and the mark could say so. */
async function checkSetAside(file: StorageFile, { chain }: Kept, range: { start: number; end: number }): Promise<void> {
  const next = await findRecord(
    file,
    range.start + 1,
    range.end,
    () => true,
    () => {},
  );
  if (next < 0) return;
  const reason = `${describeProblem(chain.problem)}, and a whole record follows at offset ${next}; without MANIFEST nothing says that it was never acknowledged. ${advice}`;
  throw damaged(file.path, range.start, reason, chain.nextSeq);
}
