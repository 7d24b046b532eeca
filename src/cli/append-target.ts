/** Where `append` puts records: a directory log or a single file, opened as the one writer. */
import { FileLog, LogWriter, RecordIndex } from "../index.ts";
import { indexPathOf } from "../segment/log-reader.ts";
import { nodeStorage } from "../storage/node-storage.ts";
import { kindOfLog } from "./log-argument.ts";
import { UsageError } from "./usage-error.ts";

/** Takes batches, one at a time. */
export interface AppendTarget {
  /** Resolves with the seq of the first one when all are durable; if it rejects, any number of them, from the first on, may be. */
  append(records: readonly Uint8Array[]): Promise<number>;
  close(): Promise<void>;
}

/** Opens LOG for appending, and makes it when there is none. */
export async function openForAppending(location: string): Promise<AppendTarget> {
  return kindOfLog(location) === "file" ? openFile(location) : openDirectory(location);
}

async function openDirectory(location: string): Promise<AppendTarget> {
  refuseForeignDirectory(location);
  const log = await FileLog.open(location);
  return {
    async append(records) {
      return (await log.appendBatch(records)).first;
    },
    close: () => log.close(),
  };
}

/** What a log may have left before it had a MANIFEST. */
const ownNames = /^(?:LOCK|MANIFEST.*|\d{20}(?:\.g\d+)?\..*|consumers|.*\.tmp|lost\+found)$/;

/** `seqlog append ~ < notes` must not strew a log among somebody's files. */
function refuseForeignDirectory(location: string): void {
  if (nodeStorage.statSync(location)?.kind !== "directory") return;
  const names = nodeStorage.listSync(location);
  const foreign = names.find((name) => !ownNames.test(name));
  if (foreign === undefined || names.includes("MANIFEST")) return;
  throw new UsageError(
    `${location} is not a log, and has other files in it (${foreign}); name a new or empty directory`,
  );
}

async function openFile(location: string): Promise<AppendTarget> {
  const recordIndex = await RecordIndex.open(indexPathOf(location));
  try {
    const writer = await LogWriter.open(location, recordIndex);
    return {
      async append(records) {
        const first = recordIndex.length;
        // Asked for together, they share one write and one fsync.
        await Promise.all(records.map((record) => writer.append(record)));
        return first;
      },
      async close() {
        await writer.close();
        await recordIndex.close();
      },
    };
  } catch (error) {
    await recordIndex.close();
    throw error;
  }
}
