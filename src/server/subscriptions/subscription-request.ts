/** What the bodies of requests about subscriptions say. */
import { parseOffsetToken } from "../streams/offset-token.ts";
import { Refusal } from "../streams/refusal.ts";
import { problemOfPath } from "../streams/stream-path.ts";
import { problemOfPattern } from "./pattern.ts";
import type { SubscriptionConfig } from "./subscription-state.ts";

/** How long whoever was woken may be silent. */
const lease = { leastMs: 1000, mostMs: 600_000, defaultMs: 30_000 } as const;

/** Streams that are named, of one subscription. */
export const maxExplicitStreams = 1000;

const maxTextBytes = 1024;
const maxIdBytes = 256;

/** How far one stream is done with. */
export interface Ack {
  readonly path: string;
  readonly seq: number;
}

/** What a callback, an ack or a release says. */
export interface AckRequest {
  readonly wakeId: unknown;
  readonly generation: unknown;
  readonly acks: readonly Ack[];
  readonly isDone: boolean;
}

// C0, DEL and C1.
// oxlint-disable-next-line no-control-regex
const control = /[\u0000-\u001f\u007f-\u009f]/;

function invalid(message: string): Refusal {
  return new Refusal("bad-request", "INVALID_REQUEST", message);
}

/** The value in a body; an empty one is an empty object. @throws {Refusal} */
export function objectOf(body: Uint8Array): Readonly<Record<string, unknown>> {
  if (body.length === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    throw invalid("the body is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid("the body is no JSON object");
  return value as Record<string, unknown>;
}

/** The id in a URL, decoded. @throws {Refusal} */
export function checkedId(id: string | undefined): string {
  if (id === undefined || !isText(id, maxIdBytes)) {
    throw invalid(`the id of a subscription is text of 1 to ${maxIdBytes} bytes, without control characters`);
  }
  return id;
}

function isText(value: unknown, mostBytes: number): value is string {
  return (
    typeof value === "string" &&
    value !== "" &&
    value.isWellFormed() &&
    Buffer.byteLength(value) <= mostBytes &&
    !control.test(value)
  );
}

/** A stream's name, with or without slashes around it. @throws {Refusal} */
export function checkedPath(value: unknown, what: string): string {
  if (typeof value !== "string") throw invalid(`${what} must be text`);
  const path = value.replaceAll(/^\/+|\/+$/g, "");
  const problem = problemOfPath(path);
  if (problem !== undefined)
    throw invalid(`${what}: ${JSON.stringify(value)} cannot be the name of a stream: ${problem}`);
  return path;
}

/** Names of streams, sorted, each once. @throws {Refusal} */
export function checkedStreams(value: unknown): string[] {
  if (!Array.isArray(value)) throw invalid("streams must be an array of names");
  if (value.length > maxExplicitStreams) throw tooManyStreams();
  return [...new Set(value.map((each) => checkedPath(each, "streams")))].sort();
}

/** The refusal for too many names. */
export function tooManyStreams(): Refusal {
  return new Refusal(
    "conflict",
    "TOO_MANY_STREAMS",
    `a subscription names ${maxExplicitStreams} streams at most; a pattern may stand for more`,
  );
}

/** What a PUT asks for; whether webhooks may go to its URL is not looked at here. @throws {Refusal} */
export function configOf(id: string, body: Uint8Array): SubscriptionConfig {
  const asked = objectOf(body);
  const { type, description = null } = asked;
  if (type !== "webhook" && type !== "pull-wake") throw invalid('type must be "webhook" or "pull-wake"');
  const pattern = patternOf(asked["pattern"]);
  const streams = asked["streams"] === undefined ? [] : checkedStreams(asked["streams"]);
  if (pattern === null && streams.length === 0) throw invalid("it needs a pattern, or streams, or both");
  if (description !== null && (typeof description !== "string" || !isText(`-${description}`, maxTextBytes + 1))) {
    throw invalid(`description must be text of at most ${maxTextBytes} bytes, without control characters`);
  }
  const wakeStream = type === "pull-wake" ? checkedPath(asked["wake_stream"], "wake_stream") : null;
  if (wakeStream !== null && streams.includes(wakeStream)) {
    throw invalid("wake_stream cannot be one of its streams: each wake would be followed by another");
  }
  return {
    id,
    type,
    pattern,
    streams,
    webhookUrl: type === "webhook" ? webhookUrlOf(asked["webhook"]) : null,
    wakeStream,
    leaseMs: leaseOf(asked["lease_ttl_ms"]),
    description,
  };
}

function patternOf(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  const pattern = checkedPath(value, "pattern");
  const problem = problemOfPattern(pattern);
  if (problem !== undefined) throw invalid(`pattern: ${problem}`);
  return pattern;
}

function webhookUrlOf(value: unknown): string {
  const url = (value as { readonly url?: unknown } | null | undefined)?.url;
  if (typeof url !== "string" || url === "") throw invalid("a webhook subscription needs webhook.url");
  return url;
}

function leaseOf(value: unknown): number {
  if (value === undefined) return lease.defaultMs;
  if (typeof value === "number" && Number.isInteger(value) && value >= lease.leastMs && value <= lease.mostMs) {
    return value;
  }
  throw invalid(`lease_ttl_ms must be a whole number from ${lease.leastMs} to ${lease.mostMs}`);
}

/** Who claims. @throws {Refusal} */
export function workerOf(body: Uint8Array): string {
  const { worker } = objectOf(body);
  if (isText(worker, maxIdBytes)) return worker;
  throw invalid(`worker must be text of 1 to ${maxIdBytes} bytes, without control characters`);
}

/** What is done with. @throws {Refusal} */
export function ackRequestOf(body: Uint8Array): AckRequest {
  const { wake_id: wakeId, generation, acks = [], done = false } = objectOf(body);
  if (!Array.isArray(acks)) throw invalid("acks must be an array of { stream, offset }");
  if (typeof done !== "boolean") throw invalid("done must be true or false");
  return { wakeId, generation, acks: acks.map(ackOf), isDone: done };
}

function ackOf(value: unknown): Ack {
  const { stream, path, offset } = (value ?? {}) as { readonly [name: string]: unknown };
  const seq = typeof offset === "string" ? parseOffsetToken(offset) : undefined;
  if (typeof seq !== "number") throw invalidOffset(`${JSON.stringify(offset)} is not an offset of a stream`);
  return { path: checkedPath(stream ?? path, "acks"), seq };
}

/** The refusal for what cannot be acknowledged. */
export function invalidOffset(message: string): Refusal {
  return new Refusal("conflict", "INVALID_OFFSET", message);
}
