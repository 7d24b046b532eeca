/**
 * Deletes a stream and makes it anew. Newer servers remove the files of a deleted stream in the
 * background, and one that is made under the same name meanwhile can come back with what was in it:
 * then it is deleted again. It is told by a record of before, whose id no other record has, so what
 * another program has appended to the new stream is never taken for it.
 */
import type { StreamConfig, StreamInfo } from "@nats-io/jetstream";
import { SeqlogError } from "../errors.ts";
import { addStream } from "./add-stream.ts";
import { errorCode, isCode } from "./server-errors.ts";
import type { StreamConnection } from "./stream-connection.ts";

/** How often a stream is made that comes back with what was in it. */
export const mostTimes = 10;

/** What of a connection is needed. */
type Connection = Pick<StreamConnection, "ask" | "pause" | "clock" | "manager" | "location">;

/**
 * @returns the new stream; undefined when somebody else has made one with other settings meanwhile
 * @throws SEQLOG_IO when no server answers; SEQLOG_UNSUPPORTED when they refuse, or records come back
 * again and again: then there is no stream
 */
export async function recreateStream(
  connection: Connection,
  settings: Partial<StreamConfig> & { readonly name: string },
): Promise<StreamInfo | undefined> {
  const { name } = settings;
  const lastSeq = await lastSeqOf(connection, name);
  const lastId = await idAt(connection, name, lastSeq);
  await deleteStream(connection, name);
  for (let i = 0; i < mostTimes; i++) {
    const made = await addStream(connection, "make the stream", settings);
    if (made === undefined || made.state.last_seq < lastSeq) return made;
    if (lastId === undefined || (await idAt(connection, name, lastSeq)) !== lastId) return made;
    await deleteStream(connection, name);
    await connection.pause();
  }
  const path = connection.location.shown;
  const reason = `the stream came back with the records of before, ${mostTimes} times`;
  const left = "It is deleted now, and the next open for writing makes it";
  throw new SeqlogError("SEQLOG_UNSUPPORTED", `${path}: reset: ${reason}. ${left}`, { path, reason });
}

async function lastSeqOf(connection: Connection, name: string): Promise<number> {
  return await connection.ask("look at the stream", async () => {
    try {
      return (await connection.manager.streams.info(name)).state.last_seq;
    } catch (error) {
      if (isCode(error, errorCode.streamNotFound)) return 0;
      throw error;
    }
  });
}

/** The id of the record in message `seq`; undefined when it is not there, or none of seqlog's. */
async function idAt(connection: Connection, name: string, seq: number): Promise<string | undefined> {
  if (seq === 0) return undefined;
  return await connection.ask("read", async () => {
    try {
      const message = await connection.manager.streams.getMessage(name, { seq });
      return message?.header.get("Seqlog-Id") || undefined;
    } catch (error) {
      if (isCode(error, errorCode.messageNotFound) || isCode(error, errorCode.streamNotFound)) return undefined;
      throw error;
    }
  });
}

async function deleteStream(connection: Connection, name: string): Promise<void> {
  await connection.ask("reset", async () => {
    try {
      await connection.manager.streams.delete(name);
    } catch (error) {
      if (!isCode(error, errorCode.streamNotFound)) throw error;
    }
  });
}
