/**
 * PRODUCERS: the state of a stream after so many records, so that opening it replays only newer
 * ones. It holds nothing that the records do not: where it is missing, damaged or of another log, all
 * records are replayed.
 */
import { join } from "node:path";
import { SeqlogError } from "../../errors.ts";
import { decodeCheckedLine, encodeCheckedLine } from "../../format/checked-line.ts";
import { replaceFileSync } from "../../storage/replace-file.ts";
import type { Storage } from "../../storage/storage.ts";
import { StreamState } from "./stream-state.ts";

const snapshotVersion = 1;

interface Snapshot {
  readonly format: number;
  /** Of the log that it is of. */
  readonly logId: string;
  readonly nextSeq: number;
  readonly tail: number;
  readonly isClosed: boolean;
  readonly streamSeq: string | null;
  /** Id, epoch, last seq. */
  readonly producers: readonly (readonly [string, number, number])[];
}

function snapshotPath(directory: string): string {
  return join(directory, "PRODUCERS");
}

/** Replaces the snapshot. */
export function storeSnapshot(storage: Storage, directory: string, logId: string, state: StreamState): void {
  const snapshot: Snapshot = {
    format: snapshotVersion,
    logId,
    nextSeq: state.nextSeq,
    tail: state.tail,
    isClosed: state.isClosed,
    streamSeq: state.streamSeq ?? null,
    producers: [...state.producers].map(([id, { epoch, lastSeq }]) => [id, epoch, lastSeq]),
  };
  replaceFileSync(storage, snapshotPath(directory), encodeCheckedLine(snapshot));
}

/** Whether there is one, of whatever kind. */
export function hasSnapshot(storage: Storage, directory: string): boolean {
  return storage.statSync(snapshotPath(directory)) !== undefined;
}

/** The state that was stored, if it is one of this log. */
export function loadSnapshot(
  storage: Storage,
  directory: string,
  log: { readonly logId: string; readonly firstSeq: number; readonly nextSeq: number },
): StreamState | undefined {
  const bytes = readWhole(storage, snapshotPath(directory));
  const decoded = bytes === undefined ? undefined : decodeCheckedLine(bytes);
  if (decoded === undefined || "reason" in decoded || !isSnapshot(decoded.value)) return undefined;
  const { logId, nextSeq, tail, isClosed, streamSeq, producers } = decoded.value;
  if (logId !== log.logId || nextSeq < log.firstSeq || nextSeq > log.nextSeq) return undefined;
  const state = new StreamState(nextSeq);
  state.tail = tail;
  state.isClosed = isClosed;
  state.streamSeq = streamSeq ?? undefined;
  for (const [id, epoch, lastSeq] of producers) state.producers.set(id, { epoch, lastSeq });
  return state;
}

function readWhole(storage: Storage, path: string): Uint8Array | undefined {
  if (storage.statSync(path) === undefined) return undefined;
  try {
    const file = storage.openSync(path, "read");
    try {
      const bytes = new Uint8Array(file.statSync().size);
      return bytes.subarray(0, file.readSync(bytes, 0));
    } finally {
      file.closeSync();
    }
  } catch (error) {
    // The records say the same.
    if (error instanceof SeqlogError) return undefined;
    throw error;
  }
}

function isSnapshot(value: unknown): value is Snapshot {
  if (typeof value !== "object" || value === null) return false;
  const s = value as { [K in keyof Snapshot]?: unknown };
  return (
    s.format === snapshotVersion &&
    typeof s.logId === "string" &&
    Number.isSafeInteger(s.nextSeq) &&
    Number.isSafeInteger(s.tail) &&
    typeof s.isClosed === "boolean" &&
    (s.streamSeq === null || typeof s.streamSeq === "string") &&
    Array.isArray(s.producers) &&
    s.producers.every(
      (each: unknown) =>
        Array.isArray(each) &&
        typeof each[0] === "string" &&
        Number.isSafeInteger(each[1]) &&
        Number.isSafeInteger(each[2]),
    )
  );
}
