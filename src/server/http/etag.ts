/** ETags: which stream, from where to where, and whether it ends there. */
import { offsetToken } from "../streams/offset-token.ts";
import type { Source } from "../streams/source.ts";

/** The ETag of an answer. */
export function etagOf(source: Source, from: string, next: number, isClosed: boolean): string {
  return `"${source.tag}:${from}:${offsetToken(next)}${isClosed ? ":c" : ""}"`;
}

/** Whether `If-None-Match` names it. */
export function isMatch(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(",").some((each) => each.trim().replace(/^W\//, "") === etag || each.trim() === "*");
}
