/**
 * The making of a stream: what a PUT asks for, checked against what is there, and the directory that
 * comes into being whole or not at all.
 */
import type { Machine } from "../../storage/storage.ts";
import { createLog } from "../../log/create-log.ts";
import { type Frame, encodeFrame, frameCodecName } from "../frame/frame.ts";
import { isJsonType, mediaTypeOf } from "./content-type.ts";
import { frameOf } from "./new-frame.ts";
import { Refusal } from "./refusal.ts";
import { type StreamMeta, storeMeta } from "./stream-meta.ts";

/** Where a fork is to leave its source. */
export interface ForkRequest {
  readonly path: string;
  /** The first record that is not the source's any more; undefined: where the source ends. */
  readonly seq: number | "beyond" | undefined;
  /** Messages, or bytes, of that record to begin with. */
  readonly subOffset: number;
}

/** What a PUT asks for. */
export interface CreateRequest {
  readonly path: string;
  /** Undefined: that of the source, or plain bytes. */
  readonly contentType: string | undefined;
  readonly ttlSeconds: number | undefined;
  readonly expiresAt: string | undefined;
  readonly isClosed: boolean;
  readonly body: Uint8Array;
  /** Told what the body takes in memory beside its bytes; what it throws refuses the request. */
  readonly charge?: (bytes: number) => void;
  readonly fork: ForkRequest | undefined;
}

/** Of a stream without another type. */
export const defaultContentType = "application/octet-stream";

/** Whether a stream that is there is what a PUT asks for. */
export function isSame(meta: StreamMeta, isClosed: boolean, request: CreateRequest): boolean {
  const { contentType, ttlSeconds, expiresAt, fork } = request;
  const isSameType =
    (contentType === undefined && fork !== undefined) ||
    mediaTypeOf(contentType ?? defaultContentType) === mediaTypeOf(meta.contentType);
  const asksForNoExpiry = ttlSeconds === undefined && expiresAt === undefined;
  const isSameExpiry =
    (meta.isExpiryInherited && asksForNoExpiry) ||
    ((ttlSeconds ?? null) === meta.ttlSeconds && isSameTime(expiresAt, meta.expiresAt));
  return isSameType && isSameExpiry && request.isClosed === isClosed && isSameFork(meta, fork);
}

/** A time can be written in several ways. */
function isSameTime(asked: string | undefined, expiresAt: string | null): boolean {
  if (asked === undefined || expiresAt === null) return asked === undefined && expiresAt === null;
  return Date.parse(asked) === Date.parse(expiresAt);
}

function isSameFork({ fork: point }: StreamMeta, fork: ForkRequest | undefined): boolean {
  if (point === null || fork === undefined) return point === null && fork === undefined;
  const isSameSeq = fork.seq === undefined || fork.seq === point.seq;
  return fork.path === point.path && isSameSeq && fork.subOffset === point.subOffset;
}

/** The frames that a new stream begins with. @throws {Refusal} when the body is not what the content type says */
export function firstFrames(request: CreateRequest, contentType: string, cut: Frame | undefined): Frame[] {
  const frames = cut === undefined ? [] : [cut];
  const { body, charge, isClosed } = request;
  const frame = frameOf(body, contentType, { close: isClosed }, charge);
  // The empty array of a JSON stream is no message.
  if (frame.payload.length > 0 || isClosed) frames.push(frame);
  return frames;
}

/**
 * The beginning of a record: so many messages of it, or bytes.
 * @throws {Refusal} when it has not so many
 */
export function cutFrame(frame: Frame | undefined, contentType: string, count: number): Frame {
  const has = frame === undefined ? 0 : isJsonType(contentType) ? (frame.lengths?.length ?? 0) : frame.payload.length;
  if (frame === undefined || count > has) {
    const what = isJsonType(contentType) ? "messages" : "bytes";
    throw new Refusal(
      "bad-request",
      "FORK_SUB_OFFSET",
      `the record at the fork's offset has ${has} ${what}, not ${count}`,
    );
  }
  const none = { close: false, producer: undefined, streamSeq: undefined };
  if (frame.lengths === undefined) return { ...none, lengths: undefined, payload: frame.payload.slice(0, count) };
  const lengths = frame.lengths.slice(0, count);
  const end = lengths.reduce((sum, length) => sum + length + 1, -1);
  return { ...none, lengths, payload: frame.payload.slice(0, end) };
}

/**
 * Makes a stream's directory: under a name that nobody looks at, and then, when everything in it is
 * durable, under its own. What a crash leaves is the one or the other.
 */
export async function makeStreamDirectory(
  machine: Machine,
  places: { readonly parent: string; readonly draft: string; readonly directory: string },
  meta: StreamMeta,
  log: { readonly firstSeq: number; readonly frames: readonly Frame[] },
): Promise<void> {
  const { storage } = machine;
  storage.makeDirectorySync(places.draft);
  storeMeta(storage, places.draft, meta);
  await createLog(machine, places.draft, {
    firstSeq: log.firstSeq,
    codec: frameCodecName,
    records: log.frames.map(encodeFrame),
  });
  storage.renameSync(places.draft, places.directory);
  storage.fsyncDirectorySync(places.parent);
}
