/** Copies a log beside its writer: what was durable when the copy began, each record checked. */
import { SeqlogError } from "../errors.ts";
import { crc32OfHeader } from "../format/crc32.ts";
import { EntryWriter, IndexFile } from "../segment/index-file.ts";
import type { Run } from "../segment/log-record.ts";
import { SegmentReader } from "../segment/segment-reader.ts";
import { run } from "../storage/plan.ts";
import type { Machine, Storage, StorageFile } from "../storage/storage.ts";
import { writeFullySync } from "../storage/write-fully.ts";
import { type Manifest, firstWindow, storeManifest } from "./manifest.ts";
import type { SealedSegment } from "./recover-directory.ts";
import { indexPath, logPath, seedOf } from "./segment-files.ts";

/** What there is to copy. */
export interface CopySource {
  readonly location: string;
  readonly manifest: Manifest;
  readonly segments: readonly SealedSegment[];
}

interface OpenedSource {
  readonly file: StorageFile;
  readonly index: IndexFile | undefined;
}

const pieceBytes = 1024 * 1024;

function openSource(storage: Storage, { location, manifest }: CopySource, base: number): OpenedSource {
  const name = { base, generation: manifest.generation };
  const file = storage.openSync(logPath(location, name), "read");
  try {
    const at = indexPath(location, name);
    const hasIndex = storage.statSync(at) !== undefined;
    return {
      file,
      index: hasIndex ? IndexFile.openSync(storage, at, "read", base, seedOf(manifest, base)) : undefined,
    };
  } catch (error) {
    file.closeSync();
    throw error;
  }
}

/** Copies to `directory`. MANIFEST comes last: without it a copy that was interrupted is no log. */
export async function copyLog(
  machine: Machine,
  view: CopySource,
  directory: string,
): Promise<{ records: number; bytes: number }> {
  const { storage } = machine;
  // As it is now: what the log becomes while it is copied changes nothing of the copy.
  const { location, manifest, segments } = view;
  const source: CopySource = { location, manifest, segments };
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
  const opened: OpenedSource[] = [];
  let bytes = 0;
  try {
    for (const { base } of segments) opened.push(openSource(storage, source, base));
    for (const [i, segment] of segments.entries()) {
      await copySegment(machine, source, opened[i] as OpenedSource, segment, directory);
      bytes += segment.bytes;
    }
  } finally {
    for (const { file, index } of opened) {
      file.closeSync();
      index?.closeSync();
    }
  }
  // The segments' names are durable before MANIFEST's: a MANIFEST without them is damage.
  storage.fsyncDirectorySync(directory);
  const last = segments.at(-1) as SealedSegment;
  const state = { nextSeq: last.nextSeq, activeBytes: last.bytes };
  storeManifest(storage, directory, { ...manifest, window: firstWindow, state });
  return { records: last.nextSeq - manifest.firstSeq, bytes };
}

/** Record by record, held against the record index of the source: what that contradicts is not carried on. */
async function copySegment(
  machine: Machine,
  source: CopySource,
  from: OpenedSource,
  segment: SealedSegment,
  directory: string,
): Promise<void> {
  const { storage } = machine;
  const { manifest } = source;
  const name = { base: segment.base, generation: manifest.generation };
  const reader = new SegmentReader(from.file, from.index, name.base);
  const limit = { nextSeq: segment.nextSeq, end: segment.bytes };
  const file = storage.openSync(logPath(directory, name), "create-new");
  let index: IndexFile | undefined;
  try {
    const at = indexPath(directory, name);
    index = IndexFile.openSync(storage, at, "create-new", name.base, seedOf(manifest, name.base));
    const entries = new EntryWriter(index, name.base);
    for (let seq = name.base, offset = 0; seq < limit.nextSeq;) {
      const found: Run = await run(reader.run(seq, offset, limit, pieceBytes, Infinity));
      const { chunk, starts, end } = found;
      for (const [i, start] of starts.entries()) entries.add(seq + i, offset + start, crc32OfHeader(chunk.view, start));
      writeFullySync(file, chunk.bytes.subarray(0, end), offset);
      seq += starts.length;
      offset += end;
    }
    entries.flushSync();
    file.fsyncSync();
    index.fsyncSync();
  } finally {
    file.closeSync();
    index?.closeSync();
  }
}
