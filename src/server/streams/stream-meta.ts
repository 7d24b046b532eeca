/**
 * STREAM: what a stream is, beside the log that holds its records. One line of JSON with a CRC,
 * replaced as a whole. STREAMS.md has the fields.
 */
import { join } from "node:path";
import { SeqlogError } from "../../errors.ts";
import { decodeCheckedLine, encodeCheckedLine } from "../../format/checked-line.ts";
import { asOffset } from "../../numbers.ts";
import { replaceFileSync } from "../../storage/replace-file.ts";
import type { Storage } from "../../storage/storage.ts";

/** The version of the file that this code writes; it reads no later one. */
const metaVersion = 1;

/** Where a fork left its source. */
export interface ForkPoint {
  /** The internal id of the source. */
  readonly source: string;
  /** The name that it was forked from; for a repeated PUT. */
  readonly path: string;
  /** Records before this one are the source's. */
  readonly seq: number;
  /** As it was asked for: messages, or bytes, of the record `seq` that the fork begins with. */
  readonly subOffset: number;
}

/** What STREAM says. */
export interface StreamMeta {
  readonly format: number;
  /** A UUID, and the name of the directory. */
  readonly id: string;
  readonly path: string;
  readonly contentType: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** How long it lives after it was last read or appended to. */
  readonly ttlSeconds: number | null;
  /** When it ends, as it was given (RFC 3339). */
  readonly expiresAt: string | null;
  /** Whether the two above were taken from the source of a fork. */
  readonly isExpiryInherited: boolean;
  /** With a TTL: it lives until then at least, in milliseconds since 1970. Written ahead of its use. */
  readonly aliveUntil: number | null;
  /** Deleted, and kept for its forks. */
  readonly isDeleted: boolean;
  readonly fork: ForkPoint | null;
}

/** The STREAM of a new stream. */
export function newMeta(meta: Omit<StreamMeta, "format" | "isDeleted">): StreamMeta {
  return { format: metaVersion, isDeleted: false, ...meta };
}

/** The path of a stream's STREAM. */
function metaPath(directory: string): string {
  return join(directory, "STREAM");
}

/** A STREAM is never longer: what comes from a request is bounded long before that. */
const maxMetaBytes = 64 * 1024;

/**
 * Replaces STREAM, durably and as a whole.
 * @throws {RangeError} for one that could not be read again
 */
export function storeMeta(storage: Storage, directory: string, meta: StreamMeta): void {
  const bytes = encodeCheckedLine(meta);
  if (bytes.length > maxMetaBytes) throw new RangeError(`a STREAM of ${bytes.length} bytes`);
  replaceFileSync(storage, metaPath(directory), bytes);
}

/** Reads STREAM. @throws SEQLOG_DAMAGED, SEQLOG_UNSUPPORTED, SEQLOG_NOT_FOUND */
export function loadMeta(storage: Storage, directory: string): StreamMeta {
  const path = metaPath(directory);
  const file = storage.openSync(path, "read");
  try {
    const bytes = new Uint8Array(Math.min(file.statSync().size, maxMetaBytes));
    return decodeMeta(bytes.subarray(0, file.readSync(bytes, 0)), path);
  } finally {
    file.closeSync();
  }
}

/** The bytes of a STREAM. */
function decodeMeta(bytes: Uint8Array, path: string): StreamMeta {
  const decoded = decodeCheckedLine(bytes);
  if ("reason" in decoded) throw badMeta(path, decoded.reason);
  const { value } = decoded;
  const format: unknown = typeof value === "object" && value !== null && "format" in value ? value.format : undefined;
  if (typeof format === "number" && format > metaVersion) {
    const reason = `it has version ${format}; this seqlog reads up to ${metaVersion}`;
    throw new SeqlogError("SEQLOG_UNSUPPORTED", `${path}: ${reason}. Use a newer seqlog`, { path, reason });
  }
  if (!isMeta(value)) throw badMeta(path, "a field is missing or of the wrong kind");
  return value;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isNullOr<T>(value: unknown, is: (value: unknown) => value is T): value is T | null {
  return value === null || is(value);
}

const isText = (value: unknown): value is string => typeof value === "string";

function isFork(value: unknown): value is ForkPoint {
  if (typeof value !== "object" || value === null) return false;
  const f = value as { [K in keyof ForkPoint]?: unknown };
  return isText(f.source) && isText(f.path) && isCount(f.seq) && isCount(f.subOffset);
}

function isMeta(value: unknown): value is StreamMeta {
  if (typeof value !== "object" || value === null) return false;
  const m = value as { [K in keyof StreamMeta]?: unknown };
  return (
    m.format === metaVersion &&
    isText(m.id) &&
    isText(m.path) &&
    isText(m.contentType) &&
    isCount(m.createdAt) &&
    isNullOr(m.ttlSeconds, isCount) &&
    isNullOr(m.expiresAt, isText) &&
    typeof m.isExpiryInherited === "boolean" &&
    isNullOr(m.aliveUntil, isCount) &&
    typeof m.isDeleted === "boolean" &&
    isNullOr(m.fork, isFork)
  );
}

function badMeta(path: string, reason: string): SeqlogError<"SEQLOG_DAMAGED"> {
  return new SeqlogError(
    "SEQLOG_DAMAGED",
    `${path}: not a valid STREAM: ${reason}. Nothing was changed; the stream's records are in the log beside it`,
    { file: path, offset: asOffset(0), reason },
  );
}
