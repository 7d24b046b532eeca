/** ETags: which stream, from where to where, and whether it ends there. */
import { offsetToken } from "../streams/offset-token.ts";
import type { Source } from "../streams/source.ts";

/** The ETag of an answer with the records from `from` on, however they were asked for: the first one may be another tomorrow. */
export function etagOf(source: Source, from: number, next: number, isClosed: boolean): string {
  return `"${source.tag}:${offsetToken(from)}:${offsetToken(next)}${isClosed ? ":c" : ""}"`;
}

/** Whether `If-None-Match` names it. */
export function isMatch(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(",").some((each) => each.trim().replace(/^W\//, "") === etag || each.trim() === "*");
}
