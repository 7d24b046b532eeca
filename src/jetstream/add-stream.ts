/**
 * Makes a stream. A server that is asked to while it removes another one may refuse for a moment: with
 * the last stream of an account goes the directory that the new one's store is just being made in.
 */
import { JetStreamApiError, type StreamConfig, type StreamInfo } from "@nats-io/jetstream";
import { SeqlogError } from "../errors.ts";
import { errorCode, isCode } from "./server-errors.ts";
import type { StreamConnection } from "./stream-connection.ts";

/** How long such a refusal is taken for one of a moment. */
export const storeMs = 5000;

/** What of a connection is needed. */
type Connection = Pick<StreamConnection, "ask" | "pause" | "clock" | "manager" | "location">;

/**
 * @returns the stream as it was made; undefined when there is one of this name with other settings
 * @throws SEQLOG_UNSUPPORTED for what the server refuses; SEQLOG_IO when none answers
 */
export async function addStream(
  connection: Connection,
  doing: string,
  settings: Partial<StreamConfig> & { readonly name: string },
): Promise<StreamInfo | undefined> {
  const { clock, manager } = connection;
  const begun = clock.now();
  for (;;) {
    const answer = await connection.ask(doing, async () => {
      try {
        return await manager.streams.add(settings);
      } catch (error) {
        if (isCode(error, errorCode.nameInUse)) return undefined;
        if (isStoreRefusal(error)) return error;
        throw error;
      }
    });
    if (!(answer instanceof JetStreamApiError)) return answer;
    if (clock.now() - begun > storeMs) throw noStore(connection.location.shown, doing, answer);
    await connection.pause();
  }
}

/** Whether the server could not make the files of a stream. */
function isStoreRefusal(error: unknown): error is JetStreamApiError {
  return isCode(error, errorCode.streamCreate) || isCode(error, errorCode.streamStoreFailed);
}

function noStore(path: string, doing: string, cause: JetStreamApiError): SeqlogError<"SEQLOG_UNSUPPORTED"> {
  const reason = cause.message;
  return new SeqlogError(
    "SEQLOG_UNSUPPORTED",
    `${path}: ${doing}: the server refuses, again and again for ${storeMs / 1000} s: ${reason}. The server's own log has the cause`,
    { path, reason },
    { cause },
  );
}
