/** Copies a log beside its writer: what was durable when the copy began, each record checked. */
import { SeqlogError } from "../errors.ts";
import { describeProblem } from "../format/record.ts";
import { IndexFile } from "../segment/index-file.ts";
import { damaged } from "../segment/recover-segment.ts";
import { copyRange, indexAnew } from "../segment/redo.ts";
import { run } from "../storage/plan.ts";
import type { Machine, StorageFile } from "../storage/storage.ts";
import { type Manifest, firstWindow, storeManifest } from "./manifest.ts";
import type { SealedSegment } from "./recover-directory.ts";
import { indexPath, logPath, seedOf } from "./segment-files.ts";

/** What there is to copy. */
export interface CopySource {
  readonly location: string;
  readonly manifest: Manifest;
  readonly segments: readonly SealedSegment[];
}

/** Copies to `directory`. MANIFEST comes last: without it a copy that was interrupted is no log. */
export async function copyLog(
  machine: Machine,
  source: CopySource,
  directory: string,
): Promise<{ records: number; bytes: number }> {
  const { storage } = machine;
  const { manifest, segments } = source;
  if (storage.statSync(directory) !== undefined && storage.listSync(directory).length > 0) {
    throw new SeqlogError(
      "SEQLOG_IO",
      `${directory}: the directory of a copy must be empty or not there (EEXIST); nothing was copied`,
      {
        path: directory,
        syscall: "mkdir",
        errno: "EEXIST",
      },
    );
  }
  storage.makeDirectorySync(directory);
  // All open before the first is read: what is trimmed meanwhile can still be copied.
  const files: StorageFile[] = [];
  let bytes = 0;
  try {
    for (const { base } of segments) {
      files.push(storage.openSync(logPath(source.location, { base, generation: manifest.generation }), "read"));
    }
    for (const [i, segment] of segments.entries()) {
      await copySegment(machine, manifest, files[i] as StorageFile, segment, directory);
      bytes += segment.bytes;
    }
  } finally {
    for (const file of files) file.closeSync();
  }
  const last = segments.at(-1) as SealedSegment;
  const state = { nextSeq: last.nextSeq, activeBytes: last.bytes };
  storeManifest(storage, directory, { ...manifest, window: firstWindow, state });
  return { records: last.nextSeq - manifest.firstSeq, bytes };
}

async function copySegment(
  machine: Machine,
  manifest: Manifest,
  from: StorageFile,
  segment: SealedSegment,
  directory: string,
): Promise<void> {
  const { storage } = machine;
  const name = { base: segment.base, generation: manifest.generation };
  const path = logPath(directory, name);
  await run(copyRange(storage, from, 0, segment.bytes, path));
  const file = storage.openSync(path, "read");
  const index = IndexFile.openSync(
    storage,
    indexPath(directory, name),
    "create-new",
    name.base,
    seedOf(manifest, name.base),
  );
  try {
    const chain = await run(indexAnew(file, index, { seq: name.base, offset: 0 }, segment.bytes));
    if (chain.end !== segment.bytes || chain.nextSeq !== segment.nextSeq) {
      const reason = chain.problem === 0 ? "records are missing" : describeProblem(chain.problem);
      throw damaged(from.path, chain.end, reason, chain.nextSeq);
    }
  } finally {
    file.closeSync();
    index.closeSync();
  }
}
