/** A look at the stream for what became of a record that was sent and not answered. */
import type { StreamInfo } from "@nats-io/jetstream";
import type { Attempt } from "./append-attempt.ts";
import { header } from "./record-message.ts";
import { errorCode, isCode } from "./server-errors.ts";
import type { StreamConnection } from "./stream-connection.ts";
import { infoOf } from "./stream-view.ts";

/**
 * - `stored`: it is there, at its place.
 * - `absent`: another is there, and it never will be.
 * - `removed`: what was there is deleted; whether it was this one cannot be known.
 * - `again`: the one who answered does not know of that message yet.
 */
export type Fate = "stored" | "absent" | "removed" | "again";

/** The stream now; undefined when there is none. */
export function lookAt(connection: StreamConnection, patienceMs: number): Promise<StreamInfo | undefined> {
  return connection.ask("append", () => infoOf(connection), patienceMs);
}

/**
 * Asks the stream's leader for the messages that attempts may have become. The stream must be past
 * each of their places: then no copy of theirs that is still on its way can be stored, since it
 * expects a message to be the last one that no longer is.
 */
export function fatesOf(
  connection: StreamConnection,
  attempts: readonly Attempt[],
  patienceMs: number,
): Promise<Fate[]> {
  const asked = new Map<number, Promise<string | undefined>>();
  const idAt = (seq: number): Promise<string | undefined> => {
    const asking = asked.get(seq) ?? storedId(connection, seq, patienceMs);
    asked.set(seq, asking);
    return asking;
  };
  return Promise.all(
    attempts.map(async ({ place, expected }): Promise<Fate> => {
      const seq = expected + 1;
      let id = await idAt(seq);
      if (id === undefined) {
        // A new leader may not have gone through all that it holds: only after it says that it is past
        // the place does a message that is not there mean one that was removed.
        const info = await lookAt(connection, patienceMs);
        if (info === undefined || info.state.last_seq < seq) return "again";
        id = await storedId(connection, seq, patienceMs);
      }
      if (id === undefined) return "removed";
      return id === place.item.id ? "stored" : "absent";
    }),
  );
}

/** The id of the record in a message; undefined when there is no message, empty when it is no record. */
async function storedId(connection: StreamConnection, seq: number, patienceMs: number): Promise<string | undefined> {
  const { manager, location } = connection;
  const question = async (): Promise<string | undefined> => {
    try {
      const message = await manager.streams.getMessage(location.stream, { seq });
      return message === null ? undefined : (message.header?.get(header.id) ?? "");
    } catch (error) {
      if (isCode(error, errorCode.messageNotFound) || isCode(error, errorCode.streamNotFound)) return undefined;
      throw error;
    }
  };
  return await connection.ask("append", question, patienceMs);
}
