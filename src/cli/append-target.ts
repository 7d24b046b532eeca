/** Where `append` puts records: a directory log or a single file, opened as the one writer. */
import { type Codec, FileLog, LogWriter, RecordIndex, type RecoveryReport } from "../index.ts";
import { indexPathOf } from "../segment/log-reader.ts";
import { nodeStorage } from "../storage/node-storage.ts";
import { frameCodecName } from "../server/frame/frame.ts";
import { kindOfLog, openStream } from "./log-argument.ts";
import { codecOf } from "./log-codec.ts";
import type { Output } from "./output.ts";
import { printableLine } from "./printable.ts";
import { refuseOtherFile } from "./single-file.ts";
import { UsageError } from "./usage-error.ts";

/** Takes batches, one at a time. */
export interface AppendTarget {
  /** Resolves with the seq of the first one when all are durable; if it rejects, any number of them, from the first on, may be. */
  append(records: readonly Uint8Array[]): Promise<number>;
  close(): Promise<void>;
}

/** What was stored since the log was opened. */
export interface StoredRecords {
  /** The seq of the first; undefined where there is none, and where others append too and came in between. */
  readonly first: number | undefined;
  readonly count: number;
}

/** An open log. */
export interface OpenTarget extends AppendTarget {
  /** What is durable of what was appended, also after an append that failed. */
  readonly stored: StoredRecords;
}

/**
 * Opens LOG for appending, and makes it when there is none.
 * @param settings.codec kept in MANIFEST where there is none yet, and compared with the one that is there
 * @param settings.replicas of a stream that is made
 */
export async function openForAppending(
  location: string,
  notes: Output,
  { codec, replicas }: { readonly codec?: string | undefined; readonly replicas?: number | undefined },
): Promise<OpenTarget> {
  const kind = kindOfLog(location);
  if (kind === "stream") return openServers(location, replicas);
  if (replicas !== undefined) throw new UsageError("--replicas is for a log on servers, nats://host:port/name");
  return kind === "file" ? openFile(location, notes) : openDirectory(location, notes, codec);
}

async function openServers(location: string, replicas: number | undefined): Promise<OpenTarget> {
  const log = await openStream(location, replicas === undefined ? {} : { replicas });
  let stored: StoredRecords = { first: undefined, count: 0 };
  return {
    // Only what was acknowledged here: the stream's end is where everybody's records are.
    get stored() {
      return stored;
    },
    async append(records) {
      const { first, last, count } = await log.appendBatch(records);
      const isRun = last - first + 1 === count && (stored.count === 0 || stored.first === first - stored.count);
      stored = { first: isRun ? (stored.first ?? first) : undefined, count: stored.count + count };
      return first;
    },
    close: () => log.close(),
  };
}

/** What opening found and set right is told of, not only done. */
function tellRecovery(recovery: RecoveryReport, location: string, notes: Output): void {
  const { tornBytes, tornOffset, savedAs, redone, indexRebuilt } = recovery;
  const told = [
    ...(tornBytes > 0
      ? [`${tornBytes} bytes of an interrupted write at offset ${tornOffset} were set aside in ${savedAs}`]
      : []),
    ...(redone > 0 ? [`${redone} records that were on their way were made durable`] : []),
    ...(indexRebuilt ? ["the record index was made anew"] : []),
  ];
  if (told.length > 0) notes.line(printableLine(`seqlog: note: ${location}: ${told.join("; ")}`));
}

async function openDirectory(location: string, notes: Output, codec: string | undefined): Promise<OpenTarget> {
  refuseForeignDirectory(location);
  refuseStream(location);
  const log: FileLog<Uint8Array, Uint8Array> =
    codec === undefined ? await FileLog.open(location) : await FileLog.open(location, { codec: bytesUnder(codec) });
  tellRecovery(log.recovery, location, notes);
  const first = log.nextSeq;
  return {
    get stored() {
      return { first, count: log.nextSeq - first };
    },
    async append(records) {
      return (await log.appendBatch(records)).first;
    },
    close: () => log.close(),
  };
}

/** Data that was encoded elsewhere, in a log of that codec. */
function bytesUnder(name: string): Codec<Uint8Array> {
  return { name, encode: (bytes) => bytes, decode: (bytes) => bytes };
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

/** A record that is no frame would be one that the server cannot read. */
function refuseStream(location: string): void {
  if (codecOf(location) !== frameCodecName) return;
  throw new UsageError(`${location} is the log of a stream: append to it over HTTP (docs/server.md)`);
}

async function openFile(location: string, notes: Output): Promise<OpenTarget> {
  refuseOtherFile(location);
  const recordIndex = await RecordIndex.open(indexPathOf(location));
  try {
    const writer = await LogWriter.open(location, recordIndex);
    tellRecovery(writer.recovery, location, notes);
    const start = recordIndex.length;
    return {
      get stored() {
        return { first: start, count: recordIndex.length - start };
      },
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
