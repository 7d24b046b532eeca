/** DELETE. */
import type { HttpAnswer } from "./exchange.ts";
import type { Context } from "./routes.ts";
import type { StreamStore } from "../streams/stream-store.ts";

/** Answers a DELETE when the stream is gone durably. */
export async function remove({ catalog }: Context, name: string): Promise<HttpAnswer> {
  catalog.streamToChange(name);
  await (catalog.streams as StreamStore).delete(name);
  return { status: 204, headers: {} };
}
