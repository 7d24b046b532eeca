/**
 * One reader of server-sent events. It is sent a piece when it has taken the one before, so that what
 * waits for it is bounded; one that takes nothing for too long is dropped, and can go on later from the
 * last offset it was told.
 */
import type { Machine } from "../../storage/storage.ts";
import type { Piece, Source } from "../streams/source.ts";
import { nextCursor } from "./cursor.ts";
import { type EventForm, encodeEvents } from "./event-text.ts";
import type { EventSink } from "./exchange.ts";
import type { Limits } from "./limits.ts";
import { nextChange } from "./wait.ts";

/** Bytes of data in one event, unless a single record is larger: what waits for a slow reader. */
const maxEventBytes = 64 * 1024;

/** What a session needs. */
export interface EventSessionOptions {
  readonly machine: Machine;
  readonly limits: Limits;
  readonly source: Source;
  readonly form: EventForm;
  readonly from: number;
  /** As the client sent it. */
  readonly cursor: string | undefined;
  /** Aborts when the server is closing. */
  readonly closing: AbortSignal;
  /** Called before something is sent, and at the end. */
  readonly touch: () => void;
}

/** Sends events until the stream, the client, the server or the time is at its end. */
export async function runEventSession(options: EventSessionOptions, sink: EventSink): Promise<void> {
  const { machine, limits, source, closing } = options;
  const { clock } = machine;
  const over = new AbortController();
  const end = (): void => over.abort();
  sink.onClose(end);
  closing.addEventListener("abort", end, { once: true });
  const stopTimer = clock.after(limits.maxEventsMs, end, { keepAlive: true });
  const unfollow = source.follow();
  try {
    // It was read until the end, whoever ended it.
    await send(options, sink, over.signal).finally(options.touch);
  } finally {
    unfollow();
    stopTimer();
    closing.removeEventListener("abort", end);
    sink.end();
  }
}

async function send(options: EventSessionOptions, sink: EventSink, over: AbortSignal): Promise<void> {
  const { machine, limits, source, form } = options;
  const { tag } = source;
  let at = options.from;
  let isDue = true;
  // After a reset what follows would be another history.
  while (!over.aborted && !source.isGone && source.tag === tag) {
    let piece: Piece | Promise<Piece> | undefined = source.read(at, Math.min(limits.maxChunkBytes, maxEventBytes));
    if (piece instanceof Promise) piece = await piece;
    at = piece.next;
    const isUpToDate = at >= source.tail;
    const isClosed = isUpToDate && source.isClosed;
    if (isDue || isClosed || piece.parts.length > 0) {
      options.touch();
      const cursor = nextCursor(machine, options.cursor);
      const taken = sink.write(encodeEvents(piece, form, { cursor, isUpToDate, isClosed }));
      // What waits for a slow reader is the event alone.
      piece = undefined;
      if (taken !== true && !(await takenInTime(taken, options, over))) return;
    }
    if (isClosed) return;
    isDue = false;
    // The client may have taken its time.
    if (at >= source.tail && !source.isGone) {
      isDue = !(await nextChange(source, { clock: machine.clock, timeoutMs: limits.heartbeatMs, signal: over }));
    }
  }
}

/** False: it was dropped. */
async function takenInTime(
  taken: Promise<void>,
  { machine, limits }: EventSessionOptions,
  over: AbortSignal,
): Promise<boolean> {
  return await new Promise((resolve) => {
    const stop = machine.clock.after(limits.slowReaderMs, () => end(false), { keepAlive: true });
    const aborted = (): void => end(false);
    const end = (isTaken: boolean): void => {
      stop();
      over.removeEventListener("abort", aborted);
      resolve(isTaken);
    };
    over.addEventListener("abort", aborted, { once: true });
    void taken.then(() => end(true));
  });
}
