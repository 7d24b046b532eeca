/** What a GET says in its query. */
import { parseOffsetToken } from "../streams/offset-token.ts";
import { Problem } from "./problem.ts";

/** A GET. */
export interface ReadRequest {
  readonly live: "long-poll" | "sse" | undefined;
  /** Where to begin; `"beyond"` lies behind all there can be. */
  readonly from: number | "start" | "now" | "beyond";
  /** As it was sent; of a read without one the start. */
  readonly offset: string;
  readonly cursor: string | undefined;
}

/** Reads it. What it does not know it passes over, as the protocol wants. @throws {Problem} */
export function readRequestOf(query: URLSearchParams): ReadRequest {
  const offsets = query.getAll("offset");
  const live = liveOf(query.get("live"));
  if (offsets.length > 1) throw new Problem(400, "OFFSET", "there is more than one offset");
  const [offset] = offsets;
  if (offset === undefined && live !== undefined) {
    throw new Problem(400, "OFFSET", `live=${live} needs an offset; -1 is the start, now the end`);
  }
  return { live, from: fromOf(offset ?? "-1"), offset: offset ?? "-1", cursor: query.get("cursor") ?? undefined };
}

function liveOf(live: string | null): ReadRequest["live"] {
  if (live === null) return undefined;
  if (live === "long-poll" || live === "sse") return live;
  throw new Problem(400, "LIVE", "live must be long-poll or sse");
}

function fromOf(offset: string): ReadRequest["from"] {
  if (offset === "-1") return "start";
  if (offset === "now") return "now";
  const seq = parseOffsetToken(offset);
  if (seq === undefined) throw new Problem(400, "OFFSET", "the offset is not one that this server gave, nor -1 or now");
  return seq;
}
