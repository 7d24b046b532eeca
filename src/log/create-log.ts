/**
 * A new log made in one go: its first records are in it, it may begin with any seq, and it is closed
 * when it is done. For logs that must not be seen before they are whole, made in a directory that
 * nobody looks into yet and then renamed.
 */
import { createIdSourceV7 } from "../format/uuid.ts";
import { headerLength } from "../format/record.ts";
import { Batch } from "../segment/batch.ts";
import { IndexFile } from "../segment/index-file.ts";
import type { Machine, StorageFile } from "../storage/storage.ts";
import { writeFullySync } from "../storage/write-fully.ts";
import { firstWindow, newManifest, storeManifest } from "./manifest.ts";
import { indexPath, logPath, seedOf } from "./segment-files.ts";

/** What the log is to be. */
export interface NewLog {
  /** The seq of its first record: its first segment is named by it. */
  readonly firstSeq: number;
  readonly codec: string | null;
  readonly records: readonly Uint8Array[];
}

/**
 * Makes a log in an empty directory. When this resolves everything in the directory is durable, the
 * names of files made before too; the directory's own name is the caller's.
 */
export async function createLog(machine: Machine, directory: string, log: NewLog): Promise<void> {
  const { storage, random, clock } = machine;
  const { firstSeq, codec, records } = log;
  const manifest = { ...newManifest(random, 0, firstSeq), codec };
  const name = { base: firstSeq, generation: 0 };
  const batch = new Batch(
    0,
    false,
    records.reduce((sum, { length }) => sum + headerLength + length, 0),
  );
  const file = storage.openSync(logPath(directory, name), "create-new");
  try {
    const ids = createIdSourceV7(random, () => clock.now(), 0);
    ids.begin();
    for (const record of records) batch.add(record, record.length, ids);
    writeFullySync(file, batch.bytes, 0);
    const seed = seedOf(manifest, firstSeq);
    const index = IndexFile.openSync(storage, indexPath(directory, name), "create-new", firstSeq, seed);
    try {
      index.writeSync(firstSeq, batch.entries(seed, firstSeq, "firm"));
      const results = await Promise.allSettled([synced(file), synced(index)]);
      for (const result of results) if (result.status === "rejected") throw result.reason;
    } finally {
      index.closeSync();
    }
    const state = { nextSeq: firstSeq + records.length, activeBytes: batch.length };
    storeManifest(storage, directory, { ...manifest, window: firstWindow, state });
  } finally {
    file.closeSync();
    batch.release();
  }
}

/** No descriptor may be closed before its callback came: both are waited for, also when one fails. */
async function synced(file: Pick<StorageFile, "fsync">): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    file.fsync((error) => (error === undefined ? resolve() : reject(error)));
  });
}
