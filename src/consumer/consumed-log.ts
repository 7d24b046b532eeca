/** What a consumer needs of the log that it consumes, on whatever that is kept: the seam to the logs. */
import { SeqlogError } from "../errors.ts";
import { headerAt } from "../format/record.ts";
import { formatId, idLength } from "../format/uuid.ts";
import type { Checkpoint, ConsumerLag } from "../log/consumer-contract.ts";
import { asSeq } from "../numbers.ts";
import type { Decode, Run } from "../segment/log-record.ts";
import type { Position } from "../segment/positions.ts";
import type { Machine } from "../storage/storage.ts";

/** A log as its consumers see it. */
export interface ConsumedView extends Pick<Checkpoint, "logId" | "generation"> {
  readonly location: string;
  /** The name of its codec; null for plain bytes. */
  readonly codec: string | null;
  readonly firstSeq: number;
  readonly nextSeq: number;
  readonly isClosed: boolean;
  /** Whether its writer may still bring records into order that this view does not show yet. */
  readonly mayReachFurther: boolean;
  /** Brings the view up to date with what other processes did. */
  refresh(): Promise<void>;
  /** The run of one record; undefined where there is none yet. @throws SEQLOG_TRIMMED */
  get(seq: number): Promise<Run | undefined>;
  /** Records from `from` on, in runs, and then what comes; ends when the log is closed. */
  readLive(from: number, maxBytes: number, signal: AbortSignal): AsyncGenerator<Run>;
  /** The seq that a position names. */
  resolve(position: Position, name: string): Promise<number>;
  /** What lies from record `seq`, which was not removed, to the end. */
  lag(seq: number): Promise<ConsumerLag>;
}

/** A log whose records are consumed. */
export interface ConsumedLog<Out> {
  readonly machine: Pick<Machine, "clock" | "random">;
  readonly view: ConsumedView;
  readonly decode: Decode<Out>;
}

/** How far a log is durable: no checkpoint may pass that. */
export interface Mark {
  /** Resolves when the records before `seq` are durable. @throws SEQLOG_CLOSED when `stop`, or the signal, ends the wait */
  reach(seq: number, signal?: AbortSignal): Promise<void>;
  /** How far the log is durable now. */
  end(): Promise<number>;
  /** Whether all that can be read is durable, without waiting for anything. */
  readonly isReached: boolean;
  /** From here on nothing is waited for. */
  stop(): void;
}

/** Where one consumer's checkpoint is kept durably. */
export interface CheckpointPlace {
  /** Writes a checkpoint; resolves when it is durable. One at a time. */
  write(checkpoint: Checkpoint): Promise<void>;
  /** As `write`, blocking; where that can be done. */
  writeSync?(checkpoint: Checkpoint): void;
  /** Called once, after the last write. */
  close(): void;
}

/** The bytes of the id of record `index` of a run; its own memory. */
export function idAt(run: Run, index: number): Uint8Array {
  const at = (run.starts[index] as number) + headerAt.id;
  return run.chunk.bytes.slice(at, at + idLength);
}

/** The id of the record before `seq`; null when there is none, or it was removed, or is not there yet. */
export async function idBefore(view: ConsumedView, seq: number): Promise<Uint8Array | null> {
  if (seq <= view.firstSeq) return null;
  try {
    const run = await view.get(seq - 1);
    return run === undefined ? null : idAt(run, 0);
  } catch (error) {
    // Another process has removed it meanwhile; that leaves the record at `seq` where it is.
    if (SeqlogError.is(error, "SEQLOG_TRIMMED")) return null;
    throw error;
  }
}

/** The checkpoint before record `nextSeq` of the log as it is now. */
export function checkpointOf(
  { logId, generation }: Pick<Checkpoint, "logId" | "generation">,
  nextSeq: number,
  lastId: Uint8Array | null,
): Checkpoint {
  return { logId, generation, nextSeq: asSeq(nextSeq), lastId: lastId === null ? null : formatId(lastId, 0) };
}
