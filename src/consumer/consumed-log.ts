/** What a consumer needs of the log that it consumes: the seam to `FileLog`. */
import { headerAt } from "../format/record.ts";
import { formatId, idLength } from "../format/uuid.ts";
import type { Checkpoint } from "../log/consumer-contract.ts";
import type { Manifest } from "../log/manifest.ts";
import type { SealedSegment } from "../log/recover-directory.ts";
import { asSeq } from "../numbers.ts";
import type { Decode, Run } from "../segment/log-record.ts";
import type { LogView } from "../segment/log-view.ts";
import { get } from "../segment/positions.ts";
import type { Machine } from "../storage/storage.ts";
import type { LockKind } from "../storage/writer-lock.ts";

/** A directory log as its readers see it. */
export interface ConsumedView extends LogView {
  readonly manifest: Manifest;
  /** As they may be read now, oldest first. */
  readonly segments: readonly SealedSegment[];
}

/** A log whose records are consumed. */
export interface ConsumedLog<Out> {
  readonly machine: Machine;
  readonly view: ConsumedView;
  readonly decode: Decode<Out>;
  /** How consumers are kept apart. */
  readonly lock: LockKind;
  /** Makes all that was written durable; undefined where another process writes. */
  readonly flush: (() => Promise<void>) | undefined;
}

/** The bytes of the id of record `index` of a run; its own memory. */
export function idAt(run: Run, index: number): Uint8Array {
  const at = (run.starts[index] as number) + headerAt.id;
  return run.chunk.bytes.slice(at, at + idLength);
}

/** The id of the record before `seq`; null when there is none, or it was removed, or is not there yet. */
export async function idBefore(view: LogView, seq: number): Promise<Uint8Array | null> {
  if (seq <= view.firstSeq) return null;
  const run = await get(view, seq - 1);
  return run === undefined ? null : idAt(run, 0);
}

/** The checkpoint before record `nextSeq` of the log as it is now. */
export function checkpointOf(manifest: Manifest, nextSeq: number, lastId: Uint8Array | null): Checkpoint {
  return {
    logId: manifest.logId,
    generation: manifest.generation,
    nextSeq: asSeq(nextSeq),
    lastId: lastId === null ? null : formatId(lastId, 0),
  };
}
