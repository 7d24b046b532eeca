/** What is said when the server, or a log, is closed under a request: that nothing was appended, wherever that is known. */
import { SeqlogError } from "../../errors.ts";
import { Problem } from "./problem.ts";
import type { Context } from "./routes.ts";

/** @throws {Problem} when the server is closing; for requests that have changed nothing so far */
export function refuseWhenClosing(closing: AbortSignal): void {
  if (!closing.aborted) return;
  throw new Problem(503, "CLOSING", "the server is closing; nothing was appended", {
    hint: "try again",
    headers: { "retry-after": "1" },
  });
}

/** Waits for work on a stream that changes nothing. @throws {Problem}, {Refusal} also for a log that was closed under it */
export async function whileOpen<T>({ closing, catalog }: Context, name: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!SeqlogError.is(error, "SEQLOG_CLOSED")) throw error;
    refuseWhenClosing(closing);
    // Mostly it was deleted.
    catalog.check(name);
    throw error;
  }
}
