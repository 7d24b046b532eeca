/**
 * Which generation a log on JetStream is in, and how it comes into the next one: its stream is
 * deleted and made anew, since a purge would keep its numbers.
 *
 * The generation that is to come is kept beside the log first, with who brings it about, so that a
 * reset which a crash interrupts is completed by the next open for writing.
 *
 * Invariant: a reset deletes only an older generation of its own log. The servers delete a stream by
 * its name, whatever became of it meanwhile; so it is looked at right before each delete, and who
 * finds another's reset under way waits for it, or until every delete of that one has long arrived.
 */
import type { StreamInfo } from "@nats-io/jetstream";
import { formatId, idLength, sealId } from "../format/uuid.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { addStream } from "./add-stream.ts";
import { recreateStream } from "./recreate-stream.ts";
import type { StreamConnection } from "./stream-connection.ts";
import { streamIdentity, streamSettings } from "./stream-settings.ts";
import { StateMoved, type StreamState } from "./stream-state.ts";
import { infoOf } from "./stream-view.ts";

/** What a stream that is made has. */
export interface NewStream {
  readonly replicas: number;
  readonly keyWindowMs: number;
  readonly logId: string;
  readonly codec: string | null;
}

/** The last generation that a reset began, of which log. */
interface KeptGeneration {
  readonly generation: number;
  readonly logId: string;
  /** Which reset brings it about; left out when that is done. */
  readonly resetBy?: string;
}

/** What there is of a log. */
interface Found {
  readonly stream: StreamInfo | undefined;
  readonly kept: KeptGeneration | undefined;
  readonly revision: number;
}

/** A reset of another program that got no further for so long is completed by whoever finds it. */
const resetMs = 5000;

/**
 * Removes all records: a later generation than any before.
 * @param least the generation that the caller knows of
 */
export async function resetStream(
  connection: StreamConnection,
  state: StreamState,
  config: NewStream,
  least: number,
): Promise<StreamInfo> {
  for (;;) {
    const { stream, kept, revision } = await settled(connection, state);
    const known = streamIdentity(stream?.config.description)?.generation ?? 0;
    const generation = Math.max(least, known, kept?.generation ?? 0) + 1;
    const made = await bringAbout(connection, state, config, generation, revision);
    if (made !== undefined) return made;
  }
}

/**
 * The log's stream, as one that writes finds it: a reset that was interrupted is completed first.
 * @param fresh of a stream that is made; undefined when none is to be made
 * @returns undefined when there is none
 */
export async function streamForWriting(
  connection: StreamConnection,
  state: StreamState,
  fresh: Omit<NewStream, "logId"> | undefined,
): Promise<StreamInfo | undefined> {
  for (;;) {
    const { stream, kept, revision } = await settled(connection, state);
    if (stream === undefined) {
      if (fresh === undefined) return undefined;
      if (kept === undefined) return await makeStream(connection, { ...fresh, logId: newUuid() }, 0);
      // A log that was reset, and then removed, is not there again: what comes is another generation of it.
      const config = { ...fresh, logId: kept.logId };
      const made = await bringAbout(connection, state, config, kept.generation + 1, revision);
      if (made !== undefined) return made;
      continue;
    }
    const identity = streamIdentity(stream.config.description);
    if (identity === undefined || kept === undefined || !isOlder(stream, kept)) return stream;
    const { num_replicas: replicas, duplicate_window: window } = stream.config;
    const config = { replicas, keyWindowMs: window / 1e6, logId: identity.logId, codec: identity.codec };
    const made = await bringAbout(connection, state, config, kept.generation, revision);
    if (made !== undefined) return made;
  }
}

/** What is there when no reset is under way, or the one that is was given up. */
async function settled(connection: StreamConnection, state: StreamState): Promise<Found> {
  const { clock } = connection;
  let seen = -1;
  let since = 0;
  for (;;) {
    const { value: kept, revision } = await state.get<KeptGeneration>("generation");
    const stream = await connection.ask("look at the stream", () => infoOf(connection));
    const found = { stream, kept, revision };
    if (kept?.resetBy === undefined || (stream !== undefined && !isOlder(stream, kept))) return found;
    if (revision !== seen) {
      seen = revision;
      since = clock.now();
    } else if (clock.now() - since > resetMs) return found;
    await connection.pause();
  }
}

/** @returns undefined when another reset came before */
async function bringAbout(
  connection: StreamConnection,
  state: StreamState,
  config: NewStream,
  generation: number,
  revision: number,
): Promise<StreamInfo | undefined> {
  const next: KeptGeneration = { generation, logId: config.logId };
  let held: number;
  try {
    held = await state.put("generation", { ...next, resetBy: newUuid() }, revision);
  } catch (error) {
    if (error instanceof StateMoved) return undefined;
    throw error;
  }
  for (;;) {
    const made = await recreateStream(connection, settingsOf(connection, config, generation), (found) =>
      isOlder(found, next),
    );
    const stream = made ?? (await connection.ask("look at the stream", () => infoOf(connection)));
    if (stream === undefined || isOlder(stream, next)) continue;
    // Where that cannot be said, an open that finds no stream waits for nothing.
    await state.put("generation", next, held).catch(() => undefined);
    return stream;
  }
}

/** Whether a stream is the same log in an earlier generation. */
function isOlder({ config }: StreamInfo, { logId, generation }: KeptGeneration): boolean {
  const identity = streamIdentity(config.description);
  return identity !== undefined && identity.logId === logId && identity.generation < generation;
}

/** Makes the stream; one that somebody else has made meanwhile is taken as it is. */
async function makeStream(connection: StreamConnection, config: NewStream, generation: number): Promise<StreamInfo> {
  for (;;) {
    const made = await addStream(connection, "make the stream", settingsOf(connection, config, generation));
    const found = made ?? (await connection.ask("look at the stream", () => infoOf(connection)));
    // One that was there may have gone since.
    if (found !== undefined) return found;
  }
}

function settingsOf(
  { location }: StreamConnection,
  { replicas, keyWindowMs, logId, codec }: NewStream,
  generation: number,
): ReturnType<typeof streamSettings> {
  return streamSettings(location.stream, replicas, { logId, generation, codec }, keyWindowMs);
}

function newUuid(): string {
  const id = new Uint8Array(idLength);
  nodeMachine.random.fill(id);
  sealId(id, 0, 4);
  return formatId(id, 0);
}
