/** HEAD: where a stream ends, without its data. */
import { offsetToken } from "../streams/offset-token.ts";
import { etagOf } from "./etag.ts";
import type { HttpAnswer } from "./exchange.ts";
import { header } from "./protocol-headers.ts";
import type { Context } from "./routes.ts";

/** Answers a HEAD. It does not count as reading. */
export async function head({ catalog }: Context, name: string): Promise<HttpAnswer> {
  const found = catalog.find(name);
  const { source, release } = await catalog.read(name);
  try {
    const headers: Record<string, string> = {
      "content-type": source.contentType,
      "cache-control": "no-store",
      [header.nextOffset]: offsetToken(source.tail),
      etag: etagOf(source, source.first, source.tail, source.isClosed),
    };
    if (source.isClosed) headers[header.closed] = "true";
    if (found?.kind === "stream") {
      const { ttlSeconds, expiresAt } = found.entry.meta;
      if (ttlSeconds !== null) headers[header.ttl] = String(ttlSeconds);
      if (expiresAt !== null) headers[header.expiresAt] = expiresAt;
    }
    return { status: 200, headers };
  } finally {
    release();
  }
}
