/**
 * How a stream that is a log is set up, and how it says which log it is: in its description, since
 * servers before 2.10 keep no metadata of a stream.
 */
import { nanos } from "@nats-io/transport-node";
import { type StreamConfig, StorageType, RetentionPolicy, DiscardPolicy } from "@nats-io/jetstream";

/** Which log a stream is, or is a copy of. */
export interface StreamIdentity {
  /** A UUID. */
  readonly logId: string;
  readonly generation: number;
  /** The name of the codec of its data; null for plain bytes. */
  readonly codec: string | null;
}

/** How long a stream knows message ids, and so keys: what the server does by itself. It keeps each in memory so long. */
export const defaultKeyWindowMs: number = 2 * 60 * 1000;

const mark = "seqlog ";

/** The settings of a new stream. Its one subject is its name. */
export function streamSettings(
  stream: string,
  replicas: number,
  identity: StreamIdentity,
  keyWindowMs: number = defaultKeyWindowMs,
): Partial<StreamConfig> & { name: string } {
  const { logId, generation, codec } = identity;
  return {
    name: stream,
    subjects: [stream],
    description: `${mark}${JSON.stringify({ format: 1, logId, generation, codec })}`,
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    num_replicas: replicas,
    allow_direct: true,
    duplicate_window: nanos(keyWindowMs),
  };
}

/** Which log a stream says that it is; undefined when it is none of ours. */
export function streamIdentity(description: string | undefined): StreamIdentity | undefined {
  if (description?.startsWith(mark) !== true) return undefined;
  try {
    const { format, logId, generation, codec } = JSON.parse(description.slice(mark.length)) as Record<string, unknown>;
    if (format !== 1 || typeof logId !== "string" || typeof generation !== "number") return undefined;
    return { logId, generation, codec: typeof codec === "string" ? codec : null };
  } catch {
    return undefined;
  }
}
