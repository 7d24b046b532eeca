/** GET: what is there, the next that comes, or all that comes as events. */
import { offsetToken } from "../streams/offset-token.ts";
import { type Piece, type Source, emptyPiece } from "../streams/source.ts";
import type { SourceInUse } from "../streams/catalog.ts";
import { nextCursor } from "./cursor.ts";
import { etagOf, isMatch } from "./etag.ts";
import { runEventSession } from "./event-session.ts";
import { eventFormOf } from "./event-text.ts";
import type { HttpAnswer, HttpRequest } from "./exchange.ts";
import { Problem } from "./problem.ts";
import { header } from "./protocol-headers.ts";
import { type ReadRequest, readRequestOf } from "./read-request.ts";
import type { Context } from "./routes.ts";
import { nextChange } from "./wait.ts";

const bracket = { open: Buffer.from("["), comma: Buffer.from(","), close: Buffer.from("]") } as const;

/** Answers a GET. */
export async function read(context: Context, request: HttpRequest, name: string): Promise<HttpAnswer> {
  const query = request.target.indexOf("?");
  const asked = readRequestOf(new URLSearchParams(query < 0 ? "" : request.target.slice(query + 1)));
  const used = await context.catalog.read(name);
  let isHandedOn = false;
  try {
    const { source } = used;
    const from = placeOf(asked, source);
    used.touch();
    if (asked.live === "sse") {
      isHandedOn = true;
      return events(context, asked, used, from);
    }
    if (asked.from === "now" && asked.live === undefined) return tailOnly(source);
    let piece: Piece = await source.read(from, context.limits.maxChunkBytes);
    if (asked.live === "long-poll" && piece.parts.length === 0) {
      piece = await longPoll(context, request, used, piece);
      if (piece.parts.length === 0) {
        // It may have been removed meanwhile.
        context.catalog.check(name);
        return nothingNew(context, asked, source, piece);
      }
    }
    return data(context, request, asked, source, piece);
  } finally {
    if (!isHandedOn) used.release();
  }
}

/** @throws {Problem} for a place that the stream does not have, or has no more */
function placeOf({ from }: ReadRequest, source: Source): number {
  if (from === "start") return source.first;
  if (from === "now") return source.tail;
  if (from === "beyond") throw beyond();
  if (from > source.tail) throw source.mayGoFurther ? notYet() : beyond();
  if (from < source.first) {
    throw new Problem(410, "SEQLOG_TRIMMED", "the records at this offset were removed", {
      hint: "read again from offset=-1, the first that is still there",
    });
  }
  return from;
}

/** A reader that is right must not be told that its stream has gone. */
function notYet(): Problem {
  return new Problem(503, "BUSY", "another process writes this stream, and may not have recovered it so far", {
    headers: { "retry-after": "1" },
    hint: "try again",
  });
}

function beyond(): Problem {
  const message = "the stream does not go as far as this offset; it is another one than before";
  return new Problem(410, "OFFSET_BEYOND", message, { hint: "read again from offset=-1" });
}

function closedHeader(source: Source, next: number): Record<string, string> {
  return source.isClosed && next >= source.tail ? { [header.closed]: "true" } : {};
}

/** `offset=now` alone: where the stream ends, and no data. */
function tailOnly(source: Source): HttpAnswer {
  const headers = {
    "content-type": source.contentType,
    "cache-control": "no-store",
    [header.nextOffset]: offsetToken(source.tail),
    [header.upToDate]: "true",
    ...closedHeader(source, source.tail),
  };
  return { status: 200, headers, body: bodyOf(source, emptyPiece(source.tail)) };
}

function bodyOf(source: Source, { parts }: Piece): Uint8Array[] {
  if (!source.isJson) return [...parts];
  const body: Uint8Array[] = [bracket.open];
  for (const [i, part] of parts.entries()) {
    if (i > 0) body.push(bracket.comma);
    body.push(part);
  }
  body.push(bracket.close);
  return body;
}

function data(
  { machine }: Context,
  request: HttpRequest,
  asked: ReadRequest,
  source: Source,
  piece: Piece,
): HttpAnswer {
  const isUpToDate = piece.next >= source.tail;
  const etag = etagOf(source, piece.from, piece.next, isUpToDate && source.isClosed);
  const headers: Record<string, string> = {
    "content-type": source.contentType,
    // What lies before the end never changes; at the end there may be more at any time.
    "cache-control":
      isUpToDate && !source.isClosed ? "private, no-cache" : "private, max-age=60, stale-while-revalidate=300",
    etag,
    [header.nextOffset]: offsetToken(piece.next),
    ...(isUpToDate ? { [header.upToDate]: "true" } : {}),
    ...closedHeader(source, piece.next),
  };
  if (asked.live === "long-poll") headers[header.cursor] = nextCursor(machine, asked.cursor);
  if (isMatch(request.header("if-none-match"), etag)) return { status: 304, headers };
  return { status: 200, headers, body: bodyOf(source, piece) };
}

/** Waits at the end until there is more, the stream is at its end, or the time is over. */
async function longPoll(
  { machine, limits, closing }: Context,
  request: HttpRequest,
  { source, touch }: SourceInUse,
  piece: Piece,
): Promise<Piece> {
  const over = new AbortController();
  const end = (): void => over.abort();
  request.onAbort(end);
  closing.addEventListener("abort", end, { once: true });
  const { signal } = over;
  const deadline = machine.clock.now() + limits.longPollTimeoutMs;
  const { tag } = source;
  const unfollow = source.follow();
  try {
    for (;;) {
      const timeoutMs = deadline - machine.clock.now();
      if (piece.parts.length > 0 || source.isClosed || source.isGone || timeoutMs <= 0) return piece;
      if (piece.next >= source.tail) await nextChange(source, { clock: machine.clock, timeoutMs, signal });
      if (signal.aborted) return piece;
      if (source.tag !== tag) throw beyond();
      piece = await source.read(piece.next, limits.maxChunkBytes);
    }
  } finally {
    closing.removeEventListener("abort", end);
    unfollow();
    touch();
  }
}

function nothingNew({ machine }: Context, asked: ReadRequest, source: Source, piece: Piece): HttpAnswer {
  const headers = {
    [header.nextOffset]: offsetToken(piece.next),
    [header.upToDate]: "true",
    [header.cursor]: nextCursor(machine, asked.cursor),
    "cache-control": "no-store",
    ...closedHeader(source, piece.next),
  };
  return { status: 204, headers };
}

function events(context: Context, asked: ReadRequest, used: SourceInUse, from: number): HttpAnswer {
  const { machine, limits, closing } = context;
  const { source, touch, release } = used;
  const form = eventFormOf(source.contentType, source.isJson);
  const headers = {
    "content-type": "text/event-stream",
    "cache-control": "no-cache",
    ...(form === "base64" ? { [header.sseEncoding]: "base64" } : {}),
  };
  const options = { machine, limits, source, form, from, cursor: asked.cursor, closing, touch };
  return {
    status: 200,
    headers,
    stream: (sink) =>
      void runEventSession(options, sink)
        .catch(() => sink.end())
        .finally(release),
  };
}
