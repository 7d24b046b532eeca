/** One record between its first delivery and the checkpoint. */
import { headerAt } from "../format/record.ts";
import { idLength } from "../format/uuid.ts";
import type { Run } from "../segment/log-record.ts";
import { chunkOf } from "../segment/verify-chunk.ts";
import { idAt } from "./consumed-log.ts";

/** Records that were read at once, and what a checkpoint before the first of them says. */
export interface Source {
  readonly run: Run;
  /** The id of the record before the first; null when it is not known. */
  readonly beforeId: Uint8Array | null;
}

/** What may become of a delivered record. */
export const entryState = {
  /** With whoever took it. */
  out: 0,
  /** To be delivered again after a wait. */
  waiting: 1,
  /** To be delivered again now. */
  due: 2,
  /** On its way into the dead letters. */
  burying: 3,
  /** Acknowledged, or a dead letter. */
  done: 4,
  /** Given back by `seek` or `close`: it is no business of this consumer any more. */
  void: 5,
} as const;

/** One of {@link entryState}. */
export type EntryState = (typeof entryState)[keyof typeof entryState];

/** A delivered record; written by `InFlight` and by the consumer. */
export class Entry {
  readonly source: Source;
  readonly index: number;
  readonly seq: number;
  /** Bytes of the record. */
  readonly bytes: number;
  state: EntryState = entryState.out;
  /** How often it was delivered. */
  attempt = 0;
  /** The tick at which it counts as not acknowledged; see `InFlight`. */
  deadline = 0;
  /** Why it is delivered again. */
  failure: unknown = undefined;
  /** Takes back the timer of its wait. */
  cancel: (() => void) | undefined = undefined;
  /** Tells its handler that its time is up; of a record that `run` handles. */
  controller: AbortController | undefined = undefined;
  /** Its handler gave it back, and has not ended. */
  refusal: { readonly delayMs: number; readonly error: unknown } | undefined = undefined;

  constructor(source: Source, index: number) {
    const { run } = source;
    this.source = source;
    this.index = index;
    this.seq = run.firstSeq + index;
    this.bytes = (run.starts[index + 1] ?? run.end) - (run.starts[index] as number);
  }
}

/** The id of the record before record `index` of a source; null when it is not known. A view. */
export function idBeforeIndex({ run, beforeId }: Source, index: number): Uint8Array | null {
  if (index === 0) return beforeId;
  const at = (run.starts[index - 1] as number) + headerAt.id;
  return run.chunk.bytes.subarray(at, at + idLength);
}

/** A record with memory of its own: of a run that a filter thins out, the rest is let go. */
export function alone({ run, beforeId }: Source, index: number): Source {
  const start = run.starts[index] as number;
  const end = run.starts[index + 1] ?? run.end;
  const chunk = chunkOf(run.chunk.bytes.slice(start, end), run.chunk.position + start);
  return {
    run: { chunk, starts: [0], end: end - start, firstSeq: run.firstSeq + index, segment: run.segment },
    beforeId: index === 0 ? beforeId : idAt(run, index - 1),
  };
}
