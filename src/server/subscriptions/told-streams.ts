/** Streams as clients are told of them. */
import { offsetToken } from "../streams/offset-token.ts";
import { type StreamInfo, isPending } from "./subscribed-streams.ts";

/** One of them. */
export interface ToldStream {
  readonly path: string;
  readonly link_type: "explicit" | "glob";
  readonly acked_offset: string;
  readonly tail_offset: string;
  readonly has_pending: boolean;
}

/** As it is told. */
export function toldOf({ path, isExplicit, acked, tail }: StreamInfo): ToldStream {
  return {
    path,
    link_type: isExplicit ? "explicit" : "glob",
    acked_offset: acked < 0 ? "-1" : offsetToken(acked),
    tail_offset: offsetToken(tail),
    has_pending: isPending(acked, tail),
  };
}
