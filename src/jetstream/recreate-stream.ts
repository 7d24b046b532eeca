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

/** What a stream was longer ago than this is no reason to delete it. */
const freshMs = 2000;

/** What of a connection is needed. */
type Connection = Pick<StreamConnection, "ask" | "pause" | "clock" | "manager" | "location">;

/**
 * @param isOld whether a stream of this name is the one to be deleted; asked right before each delete
 * @returns the new stream, or the one that is there in its place already; undefined when somebody else
 * has made one with other settings meanwhile
 * @throws SEQLOG_IO when no server answers; SEQLOG_UNSUPPORTED when they refuse, or records come back
 * again and again: then there is no stream
 */
export async function recreateStream(
  connection: Connection,
  settings: Partial<StreamConfig> & { readonly name: string },
  isOld: (info: StreamInfo) => boolean,
): Promise<StreamInfo | undefined> {
  const { name } = settings;
  const before = await connection.ask("look at the stream", () => infoOf(connection, name));
  if (before !== undefined && !isOld(before)) return before;
  const lastSeq = before?.state.last_seq ?? 0;
  const lastId = await connection.ask("read", () => idAt(connection, name, lastSeq));
  const stays = await removeOld(connection, name, isOld);
  if (stays !== undefined) return stays;
  const isBack = async (): Promise<boolean> => (await idAt(connection, name, lastSeq)) === lastId;
  for (let i = 0; i < mostTimes; i++) {
    const made = await addStream(connection, "make the stream", settings);
    if (made === undefined || made.state.last_seq < lastSeq || lastId === undefined) return made;
    const wasBack = await connection.ask("reset", async () => {
      const lookedAt = connection.clock.now();
      if (!(await isBack())) return false;
      checkFresh(connection, lookedAt);
      await remove(connection, name);
      return true;
    });
    if (!wasBack) return made;
    await connection.pause();
  }
  const path = connection.location.shown;
  const reason = `the stream came back with the records of before, ${mostTimes} times`;
  const left = "It is deleted now, and the next open for writing makes it";
  throw new SeqlogError("SEQLOG_UNSUPPORTED", `${path}: reset: ${reason}. ${left}`, { path, reason });
}

/** @returns the stream when it is not the old one */
async function removeOld(
  connection: Connection,
  name: string,
  isOld: (info: StreamInfo) => boolean,
): Promise<StreamInfo | undefined> {
  const { clock } = connection;
  return await connection.ask("reset", async () => {
    const lookedAt = clock.now();
    const found = await infoOf(connection, name);
    if (found === undefined || !isOld(found)) return found;
    checkFresh(connection, lookedAt);
    await remove(connection, name);
    return undefined;
  });
}

/** The process may have been stopped since it looked. @throws {Error} so that it looks again */
function checkFresh({ clock }: Connection, lookedAt: number): void {
  if (clock.now() - lookedAt > freshMs) throw new Error("the servers' answer is too old to act upon");
}

async function infoOf({ manager }: Connection, name: string): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(name);
  } catch (error) {
    if (isCode(error, errorCode.streamNotFound)) return undefined;
    throw error;
  }
}

async function remove({ manager }: Connection, name: string): Promise<void> {
  try {
    await manager.streams.delete(name);
  } catch (error) {
    if (!isCode(error, errorCode.streamNotFound)) throw error;
  }
}

/** The id of the record in message `seq`; undefined when it is not there, or none of seqlog's. */
async function idAt({ manager }: Connection, name: string, seq: number): Promise<string | undefined> {
  if (seq === 0) return undefined;
  try {
    const message = await manager.streams.getMessage(name, { seq });
    return message?.header.get("Seqlog-Id") || undefined;
  } catch (error) {
    if (isCode(error, errorCode.messageNotFound) || isCode(error, errorCode.streamNotFound)) return undefined;
    throw error;
  }
}
