/** The stream that a local log is copied to: made when it is not there, refused when it is another log's. */
import { SeqlogError } from "../errors.ts";
import type { FileLog } from "../log/file-log.ts";
import { loadManifest } from "../log/manifest.ts";
import { asSeq } from "../numbers.ts";
import { nodeStorage } from "../storage/node-storage.ts";
import { runSync } from "../storage/plan.ts";
import { addStream } from "./add-stream.ts";
import type { StreamConnection } from "./stream-connection.ts";
import { type StreamIdentity, streamIdentity, streamSettings } from "./stream-settings.ts";
import { infoOf } from "./stream-view.ts";

/** The bytes of a record's headers, at most. */
const headerBytes = 256;

/** A log that is only read here, whatever its data is. */
export type SourceLog = FileLog<Uint8Array | string, Uint8Array>;

export class CopiedStream {
  readonly #connection: StreamConnection;
  readonly #log: SourceLog;

  private constructor(connection: StreamConnection, log: SourceLog) {
    this.#connection = connection;
    this.#log = log;
  }

  /**
   * Finds the stream, or makes it. One that is there and holds something must say that it is a copy of
   * this log; nothing is changed of another.
   *
   * @throws SEQLOG_CONFLICT, SEQLOG_UNSUPPORTED, SEQLOG_IO
   */
  static async open(connection: StreamConnection, log: SourceLog, replicas: number): Promise<CopiedStream> {
    const { location, manager } = connection;
    const { stream, shown } = location;
    const own = identityOf(log);
    const info = await connection.ask("look at the stream", () => infoOf(connection));
    if (info === undefined) {
      const settings = { ...streamSettings(stream, replicas, own), ...firstMessage(connection, log) };
      // What somebody else has made meanwhile is looked at as one that was there.
      if ((await addStream(connection, "make the stream", settings)) === undefined) {
        return await CopiedStream.open(connection, log, replicas);
      }
      return new CopiedStream(connection, log);
    }
    const identity = streamIdentity(info.config.description);
    const { messages, last_seq: last } = info.state;
    if (identity === undefined) {
      throw conflict(shown, last, `there is a stream of this name that is no log of seqlog (${messages} messages)`);
    }
    if (identity.logId !== own.logId || identity.generation !== own.generation) {
      if (last > 0) {
        throw conflict(shown, last, `this stream holds ${messages} records of another log, or of before a reset`);
      }
      // Made by somebody who opened it, and empty: it becomes this log.
      const { description } = streamSettings(stream, replicas, own) as { readonly description: string };
      await connection.ask("name the stream", () => manager.streams.update(stream, { description }));
    }
    if (info.state.num_deleted !== undefined && info.state.num_deleted > 0) {
      throw conflict(shown, last, `${info.state.num_deleted} messages were deleted from this stream`);
    }
    // No update lets a stream begin at another number.
    if (last === 0 && firstMessage(connection, log).first_seq !== undefined) {
      const found = `this stream is empty and begins with 0, and ${log.location} begins with ${log.firstSeq}`;
      throw conflict(shown, last, `${found}, where only a new stream can begin`);
    }
    return new CopiedStream(connection, log);
  }

  /** The record that the stream has first, the one it is to get next, and how many it has. */
  async ends(): Promise<{ readonly first: number; readonly next: number; readonly messages: number }> {
    const info = await this.#connection.ask("look at the stream", () => infoOf(this.#connection));
    const { shown } = this.#connection.location;
    if (info === undefined) throw conflict(shown, 0, "the stream was removed meanwhile");
    const { first_seq: first, last_seq: next, messages } = info.state;
    // Where the local log begins an empty stream begins too, whatever its numbers say.
    return { first: Math.max(0, first - 1), next, messages };
  }

  /** @throws SEQLOG_UNSUPPORTED for a record that no message can hold */
  checkSize(seq: number, bytes: number): void {
    const { maxPayload, location } = this.#connection;
    if (bytes + headerBytes <= maxPayload) return;
    throw new SeqlogError(
      "SEQLOG_UNSUPPORTED",
      `${this.#log.location}: record ${seq} has ${bytes} bytes, and ${location.shown} takes ${maxPayload - headerBytes} in a message: raise max_payload there`,
      { path: location.shown, reason: "max_payload" },
    );
  }
}

function identityOf(log: SourceLog): StreamIdentity {
  const manifest = runSync(loadManifest(nodeStorage, log.location));
  if (manifest === undefined) {
    throw new SeqlogError("SEQLOG_NOT_FOUND", `${log.location}: there is no log any more`, { path: log.location });
  }
  return { logId: manifest.logId, generation: log.generation, codec: manifest.codec };
}

/** A log that was trimmed begins later, which streams can since 2.10. */
function firstMessage({ version, location }: StreamConnection, log: SourceLog): { first_seq?: number } {
  if (log.firstSeq === 0) return {};
  const [major = 0, minor = 0] = version;
  if (major > 2 || (major === 2 && minor >= 10)) return { first_seq: log.firstSeq + 1 };
  throw new SeqlogError(
    "SEQLOG_UNSUPPORTED",
    `${log.location}: the records before seq ${log.firstSeq} were removed, and a stream can begin there only with nats-server 2.10 or later; ${location.shown} is ${version.join(".")}`,
    { path: location.shown, reason: "first_seq" },
  );
}

function conflict(shown: string, nextSeq: number, found: string): SeqlogError<"SEQLOG_CONFLICT"> {
  return new SeqlogError(
    "SEQLOG_CONFLICT",
    `${shown}: ${found}; nothing was changed. Name another stream, or remove that one first`,
    { expectedSeq: asSeq(0), nextSeq: asSeq(nextSeq) },
  );
}
