/** What a PUT says in its headers. */
import { isContentType } from "../streams/content-type.ts";
import type { CreateRequest, ForkRequest } from "../streams/create-stream.ts";
import { parseOffsetToken } from "../streams/offset-token.ts";
import { checkLength, isTrue } from "./append-request.ts";
import type { HttpRequest } from "./exchange.ts";
import { Problem } from "./problem.ts";
import { header } from "./protocol-headers.ts";

/** From RFC 3339, section 5.6. */
const timestamp =
  /^(\d{4}-\d{2}-\d{2})[Tt](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;
const wholeNumber = /^(?:0|[1-9]\d{0,14})$/;

/** Three thousand years: milliseconds of then are whole numbers still. */
const maxTtlSeconds = 99_999_999_999;

/**
 * Reads them.
 * @param nameOf the name of the stream that a path of this server stands for; undefined for other paths
 * @throws {Problem}
 */
export function createRequestOf(
  request: HttpRequest,
  path: string,
  nameOf: (path: string) => string | undefined,
): Omit<CreateRequest, "body"> {
  const fork = forkOf(request, nameOf);
  const contentType = request.header("content-type");
  checkLength("Content-Type", contentType);
  // What is no content type at all means the same as none, as most servers have it.
  const isUsable = contentType !== undefined && isContentType(contentType);
  return {
    path,
    contentType: isUsable ? contentType.trim() : undefined,
    ...expiryOf(request),
    isClosed: isTrue(request.header(header.closed)),
    fork,
  };
}

function expiryOf(request: HttpRequest): Pick<CreateRequest, "ttlSeconds" | "expiresAt"> {
  const ttl = request.header(header.ttl);
  const expiresAt = request.header(header.expiresAt);
  checkLength("Stream-Expires-At", expiresAt);
  if (ttl !== undefined && expiresAt !== undefined) {
    throw new Problem(400, "EXPIRY", "Stream-TTL and Stream-Expires-At exclude each other");
  }
  if (ttl !== undefined && (!wholeNumber.test(ttl) || Number(ttl) > maxTtlSeconds)) {
    const what = `a whole number of seconds up to ${maxTtlSeconds}, without sign or leading zeros`;
    throw new Problem(400, "EXPIRY", `Stream-TTL must be ${what}`);
  }
  if (expiresAt !== undefined && !isTimestamp(expiresAt)) {
    throw new Problem(400, "EXPIRY", "Stream-Expires-At must be a timestamp of RFC 3339, as 2030-01-31T12:00:00Z");
  }
  return { ttlSeconds: ttl === undefined ? undefined : Number(ttl), expiresAt };
}

/** JavaScript takes the 31st of February for the 3rd of March: a day is there when it is the same again. */
function isTimestamp(text: string): boolean {
  const day = timestamp.exec(text)?.[1];
  const at = day === undefined ? NaN : Date.parse(`${day}T00:00:00Z`);
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(`${day}T`) && !Number.isNaN(Date.parse(text));
}

function forkOf(request: HttpRequest, nameOf: (path: string) => string | undefined): ForkRequest | undefined {
  const from = request.header(header.forkedFrom);
  const offset = request.header(header.forkOffset);
  const subOffset = request.header(header.forkSubOffset);
  if (from === undefined) {
    if (subOffset === undefined) return undefined;
    throw new Problem(400, "FORK", "Stream-Fork-Sub-Offset needs Stream-Forked-From");
  }
  const path = nameOf(from);
  if (path === undefined) {
    throw new Problem(
      404,
      "NOT_FOUND",
      `Stream-Forked-From: ${JSON.stringify(from)} is no path of a stream of this server`,
    );
  }
  const seq = offset === undefined ? undefined : parseOffsetToken(offset);
  if (offset !== undefined && seq === undefined) {
    throw new Problem(400, "FORK_OFFSET", "Stream-Fork-Offset is not an offset that this server gave");
  }
  if (subOffset !== undefined && !wholeNumber.test(subOffset)) {
    throw new Problem(
      400,
      "FORK_SUB_OFFSET",
      "Stream-Fork-Sub-Offset must be a whole number without sign or leading zeros",
    );
  }
  return { path, seq, subOffset: subOffset === undefined ? 0 : Number(subOffset) };
}
