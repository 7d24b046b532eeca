/**
 * What a log keeps beside its records: a small second stream, `SEQLOG_<name>`, with one message a
 * subject. It outlives a reset, which takes the stream of the records away with all that is in it.
 */
import { DiscardPolicy, RetentionPolicy, StorageType, type StreamInfo } from "@nats-io/jetstream";
import { SeqlogError } from "../errors.ts";
import { addStream } from "./add-stream.ts";
import { errorCode, isCode } from "./server-errors.ts";
import type { StreamConnection } from "./stream-connection.ts";
import { infoOf } from "./stream-view.ts";

/** What is kept under a name, and the number of the message that holds it: 0 when there is none. */
export interface KeptState<T> {
  readonly value: T | undefined;
  readonly revision: number;
}

/** Somebody else has written since. */
export class StateMoved extends Error {}

export class StreamState {
  readonly #connection: StreamConnection;
  readonly #stream: string;
  readonly #replicas: number;
  #isMade = false;

  constructor(connection: StreamConnection, replicas: number) {
    this.#connection = connection;
    this.#stream = `SEQLOG_${connection.location.stream}`;
    this.#replicas = replicas;
  }

  async get<T>(name: string): Promise<KeptState<T>> {
    const { manager } = this.#connection;
    const message = await this.#connection.ask("read what is kept beside the log", async () => {
      try {
        return await manager.streams.getMessage(this.#stream, { last_by_subj: this.#subjectOf(name) });
      } catch (error) {
        if (isCode(error, errorCode.messageNotFound) || isCode(error, errorCode.streamNotFound)) return null;
        throw error;
      }
    });
    if (message === null) return { value: undefined, revision: 0 };
    const value = message.data.length === 0 ? undefined : message.json<T>();
    return { value, revision: message.seq };
  }

  /**
   * Keeps a value if nobody has since `revision`; without a value the name is free again.
   * @returns its revision
   * @throws StateMoved
   */
  async put(name: string, value: unknown, revision: number): Promise<number> {
    await this.#make();
    const subject = this.#subjectOf(name);
    const payload = value === undefined ? "" : JSON.stringify(value);
    let isRepeated = false;
    const kept = await this.#connection.ask("keep what is beside the log", async () => {
      try {
        const { seq } = await this.#connection.js.publish(subject, payload, {
          expect: { lastSubjectSequence: revision },
        });
        return seq;
      } catch (error) {
        if (!isCode(error, errorCode.wrongLastSequence)) {
          isRepeated = true;
          throw error;
        }
        // Perhaps the one before was kept, and its acknowledgement lost.
        const last = isRepeated ? await this.#last(subject) : undefined;
        return last?.payload === payload && last.seq > revision ? last.seq : undefined;
      }
    });
    if (kept === undefined) throw new StateMoved(name);
    return kept;
  }

  /** Names that begin with a prefix. */
  async names(prefix: string): Promise<string[]> {
    const { manager } = this.#connection;
    const subjects = await this.#connection.ask("read what is kept beside the log", async () => {
      try {
        const info = await manager.streams.info(this.#stream, { subjects_filter: `${this.#stream}.${prefix}.*` });
        return Object.keys(info.state.subjects ?? {});
      } catch (error) {
        if (isCode(error, errorCode.streamNotFound)) return [];
        throw error;
      }
    });
    const skipped = this.#stream.length + 1;
    return subjects.map((subject) => decoded(subject.slice(skipped + prefix.length + 1))).sort();
  }

  async #last(subject: string): Promise<{ seq: number; payload: string } | undefined> {
    const message = await this.#connection.manager.streams.getMessage(this.#stream, { last_by_subj: subject });
    return message === null ? undefined : { seq: message.seq, payload: message.string() };
  }

  /** The parts of a name are separated by a slash; dots and others have a meaning in subjects. */
  #subjectOf(name: string): string {
    const [prefix = "", rest] = name.split("/", 2);
    return rest === undefined ? `${this.#stream}.${prefix}` : `${this.#stream}.${prefix}.${encoded(rest)}`;
  }

  async #make(): Promise<void> {
    if (this.#isMade) return;
    const { location } = this.#connection;
    const log = await this.#connection.ask("look at the stream", () => infoOf(this.#connection));
    const replicas = log?.config.num_replicas ?? this.#replicas;
    const doing = "make the stream beside the log";
    const description = `what seqlog keeps beside the log ${location.stream}`;
    const made = await addStream(this.#connection, doing, {
      name: this.#stream,
      subjects: [`${this.#stream}.>`],
      description,
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.Old,
      max_msgs_per_subject: 1,
      num_replicas: replicas,
    });
    if (made === undefined) await this.#adopt(description, replicas);
    this.#isMade = true;
  }

  /** One that was made when the log had fewer copies gets as many as the log. */
  async #adopt(description: string, replicas: number): Promise<void> {
    const { manager, location } = this.#connection;
    const found = await this.#connection.ask("look at the stream beside the log", () =>
      manager.streams.info(this.#stream),
    );
    if (found.config.description === description) return await this.#raise(found, replicas);
    const path = location.shown;
    const reason = `there is a stream ${this.#stream} that is not seqlog's, where it keeps what belongs to the log`;
    throw new SeqlogError("SEQLOG_UNSUPPORTED", `${path}: ${reason}`, { path, reason });
  }

  async #raise({ config }: StreamInfo, replicas: number): Promise<void> {
    const { streams } = this.#connection.manager;
    if (config.num_replicas >= replicas) return;
    // Refused, as while servers are down, it works with those that it has; the next open tries again.
    await this.#connection
      .ask("copy what is kept beside the log", () => streams.update(this.#stream, { num_replicas: replicas }))
      .catch((error: unknown) => {
        if (!SeqlogError.is(error, "SEQLOG_UNSUPPORTED")) throw error;
      });
  }
}

/** As one token of a subject. */
function encoded(name: string): string {
  return Buffer.from(name, "utf8").toString("base64url");
}

function decoded(token: string): string {
  return Buffer.from(token, "base64url").toString("utf8");
}
