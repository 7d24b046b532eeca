/** PUT: makes a stream, or finds it as it is asked for. */
import { mediaTypeOf } from "../streams/content-type.ts";
import { type CreateRequest, defaultContentType } from "../streams/create-stream.ts";
import { contentTypeOf } from "../streams/log-source.ts";
import { offsetToken } from "../streams/offset-token.ts";
import { refuseWhenClosing } from "./closing.ts";
import { createRequestOf } from "./create-request.ts";
import type { HttpAnswer, HttpRequest } from "./exchange.ts";
import { Problem } from "./problem.ts";
import { header } from "./protocol-headers.ts";
import type { Context } from "./routes.ts";

/** Answers a PUT when the stream is durable, with its first body. */
export async function create(
  context: Context,
  request: HttpRequest,
  name: string,
  nameOf: (path: string) => string | undefined,
): Promise<HttpAnswer> {
  const { catalog, limits } = context;
  const asked = createRequestOf(request, name, nameOf);
  const body = await request.body(limits.maxBodyBytes);
  // A body may take its time, and the logs may be closed by now.
  refuseWhenClosing(context.closing);
  const found = catalog.find(name);
  if (found?.kind === "log" || catalog.streams === undefined) {
    return await createdAlready(context, asked, found?.kind === "log" ? contentTypeOf(found.log.codec) : undefined);
  }
  const { streams } = catalog;
  const { entry, isNew } = await streams.create({ ...asked, body, charge: (bytes) => request.charge(bytes) });
  const { stream, release } = await streams.hold(entry);
  try {
    const headers: Record<string, string> = {
      "content-type": entry.meta.contentType,
      "content-length": "0",
      [header.nextOffset]: offsetToken(stream.tail),
    };
    if (stream.isClosed) headers[header.closed] = "true";
    if (isNew) headers["location"] = locationOf(request);
    return { status: isNew ? 201 : 200, headers };
  } finally {
    release();
  }
}

/** A program's log is there as it is, and PUT makes sure of that; it makes none. */
async function createdAlready(
  context: Context,
  asked: Omit<CreateRequest, "body">,
  contentType: string | undefined,
): Promise<HttpAnswer> {
  const name = asked.path;
  if (contentType === undefined) {
    throw new Problem(405, "READ_ONLY", "this server serves the logs of its program, and makes no streams", {
      headers: { allow: "GET, HEAD, OPTIONS" },
    });
  }
  if (mediaTypeOf(asked.contentType ?? defaultContentType) !== mediaTypeOf(contentType)) {
    throw new Problem(409, "EXISTS", `${name} is a log that a program appends to, of ${contentType}`);
  }
  const { ttlSeconds, expiresAt, isClosed, fork } = asked;
  if (ttlSeconds !== undefined || expiresAt !== undefined || isClosed || fork !== undefined) {
    const what = fork !== undefined ? "is no fork" : isClosed ? "is not closed" : "does not expire";
    throw new Problem(409, "EXISTS", `${name} is a log that a program appends to: it ${what}`);
  }
  const { source, release } = await context.catalog.read(name);
  try {
    const headers = {
      "content-type": contentType,
      "content-length": "0",
      [header.nextOffset]: offsetToken(source.tail),
    };
    return { status: 200, headers };
  } finally {
    release();
  }
}

function locationOf(request: HttpRequest): string {
  return `${request.isEncrypted ? "https" : "http"}://${request.header("host") ?? "localhost"}${request.fullPath}`;
}
