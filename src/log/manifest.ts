/**
 * MANIFEST: what a directory log is, and the commit point of reset, trim and close.
 *
 * One line of JSON, then the CRC-32 of that line in hex and a newline. Replaced as a whole: temp,
 * fsync, rename, fsync of the directory; so a reader finds the old one or the new one.
 */
import { join } from "node:path";
import { SeqlogError } from "../errors.ts";
import { decodeCheckedLine, encodeCheckedLine } from "../format/checked-line.ts";
import { asOffset } from "../numbers.ts";
import { type Plan, readAt } from "../storage/plan.ts";
import type { Random, Storage } from "../storage/storage.ts";
import { replaceFileSync } from "../storage/replace-file.ts";
import { createIdSourceV4, formatId, parseId } from "../format/uuid.ts";

/** The version of the directory's format that this code writes. */
const formatVersion = 1;

/** The window of a new log: no write past what is durable is larger until MANIFEST says so. */
export const firstWindow: number = 64 * 1024;

/** No MANIFEST is larger; a file that is, is none. */
const maxLength = 64 * 1024;

/** What MANIFEST says. */
export interface Manifest {
  readonly format: number;
  /** A UUID; goes into every record-index entry, and into checkpoints. */
  readonly logId: string;
  /** 32 bytes in hex, for ids that are made from idempotency keys. */
  readonly secret: string;
  /** Grows by one with each reset. */
  readonly generation: number;
  /** Records before this one were removed. */
  readonly firstSeq: number;
  readonly idVersion: 4 | 7;
  /** The name of the codec that the data was written with; null for plain bytes. */
  readonly codec: string | null;
  /** The largest span that may ever have been written past what was durable, in bytes; null: unbounded. */
  readonly window: number | null;
  readonly state: "open" | { readonly nextSeq: number; readonly activeBytes: number };
}

/** The path of a log's MANIFEST. */
export function manifestPath(directory: string): string {
  return join(directory, "MANIFEST");
}

/** The MANIFEST of a log that begins now. */
export function newManifest(random: Random, generation: number, firstSeq: number): Manifest {
  const id = new Uint8Array(16);
  createIdSourceV4(random).write(id, 0);
  const secret = new Uint8Array(32);
  random.fill(secret);
  return {
    format: formatVersion,
    logId: formatId(id, 0),
    secret: Buffer.from(secret).toString("hex"),
    generation,
    firstSeq,
    idVersion: 7,
    codec: null,
    window: firstWindow,
    state: "open",
  };
}

/** The bytes of a MANIFEST. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  return encodeCheckedLine(manifest);
}

/**
 * Reads the bytes of a MANIFEST.
 * @throws SEQLOG_DAMAGED when they are not one; SEQLOG_UNSUPPORTED when a newer version wrote it
 */
export function decodeManifest(bytes: Uint8Array, path: string): Manifest {
  const decoded = decodeCheckedLine(bytes);
  if ("reason" in decoded) throw badManifest(path, decoded.reason);
  const parsed = decoded.value;
  const format: unknown =
    typeof parsed === "object" && parsed !== null && "format" in parsed ? parsed.format : undefined;
  if (typeof format === "number" && format > formatVersion) {
    const reason = `it has format version ${format}; this seqlog reads up to ${formatVersion}`;
    throw new SeqlogError("SEQLOG_UNSUPPORTED", `${path}: ${reason}. Use a newer seqlog`, { path, reason });
  }
  if (!isManifest(parsed)) throw badManifest(path, "a field is missing or of the wrong kind");
  return parsed;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isManifest(value: unknown): value is Manifest {
  if (typeof value !== "object" || value === null) return false;
  const m = value as { [K in keyof Manifest]?: unknown };
  const state = m.state as { nextSeq?: unknown; activeBytes?: unknown } | "open" | null | undefined;
  return (
    m.format === formatVersion &&
    typeof m.logId === "string" &&
    isUuid(m.logId) &&
    typeof m.secret === "string" &&
    /^[0-9a-f]{64}$/.test(m.secret) &&
    isCount(m.generation) &&
    isCount(m.firstSeq) &&
    (m.idVersion === 4 || m.idVersion === 7) &&
    (m.codec === null || typeof m.codec === "string") &&
    (m.window === null || isCount(m.window)) &&
    (state === "open" ||
      (typeof state === "object" && state !== null && isCount(state.nextSeq) && isCount(state.activeBytes)))
  );
}

function isUuid(text: string): boolean {
  try {
    parseId(text);
    return true;
  } catch {
    return false;
  }
}

function badManifest(path: string, reason: string): SeqlogError<"SEQLOG_DAMAGED"> {
  return new SeqlogError(
    "SEQLOG_DAMAGED",
    `${path}: not a valid MANIFEST: ${reason}. Nothing was changed. \`seqlog repair\` makes a new one from the segments`,
    { file: path, offset: asOffset(0), reason },
  );
}

/** Reads MANIFEST; undefined when there is none. */
export function* loadManifest(storage: Storage, directory: string): Plan<Manifest | undefined> {
  const path = manifestPath(directory);
  const stat = storage.statSync(path);
  if (stat === undefined) return undefined;
  const file = storage.openSync(path, "read");
  try {
    return decodeManifest(yield* readAt(file, 0, Math.min(file.statSync().size, maxLength)), path);
  } finally {
    file.closeSync();
  }
}

/**
 * Whether `storeManifest` failed before it replaced anything, and without an fsync that failed: the
 * old MANIFEST stands, and the disk can be trusted as before.
 */
export function isBeforeCommit(error: unknown): boolean {
  if (SeqlogError.is(error, "SEQLOG_NO_SPACE")) return true;
  if (!SeqlogError.is(error, "SEQLOG_IO")) return false;
  const { path, syscall } = error.facts;
  return path.endsWith("MANIFEST.tmp") && (syscall === "open" || syscall === "write" || syscall === "unlink");
}

/** Replaces MANIFEST, durably and as a whole. */
export function storeManifest(storage: Storage, directory: string, manifest: Manifest): void {
  replaceFileSync(storage, manifestPath(directory), encodeManifest(manifest));
}
