/**
 * How a stream that is a log is set up, and how it says which log it is: in its description, since
 * servers before 2.10 keep no metadata of a stream.
 */
import { type StreamConfig, StorageType, RetentionPolicy, DiscardPolicy } from "@nats-io/jetstream";

/** Which log a stream is, or is a copy of. */
export interface StreamIdentity {
  /** A UUID. */
  readonly logId: string;
  readonly generation: number;
  /** The name of the codec of its data; null for plain bytes. */
  readonly codec: string | null;
}

const mark = "seqlog ";

/** The settings of a new stream. Its one subject is its name. */
export function streamSettings(
  stream: string,
  replicas: number,
  identity: StreamIdentity,
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
