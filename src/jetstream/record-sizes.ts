/** How large the records of a stream are, by their headers alone: their data stays at the server. */
import type { MessageHeaders } from "./stream-run.ts";
import { timeInHeaders } from "./stream-run.ts";
import { type Pulled, StreamPuller } from "./stream-puller.ts";
import type { StreamView } from "./stream-view.ts";

/** A record without its data. */
export interface SizedRecord {
  readonly seq: number;
  /** What the server counts for it in the bytes of a stream of file storage. */
  readonly bytes: number;
  /** The time in its id. @throws SEQLOG_DAMAGED where it has none */
  readonly ms: () => number;
}

/** Said by the server where it leaves the data out. */
const sizeHeader = "Nats-Msg-Size";

/** What a message's file has beside subject, headers and data: lengths, sequence, time and checksum. */
const frameBytes = 22 + 4 + 8;

/** Headers that are asked for at once. */
const pieceBytes = 1024 * 1024;

function pulledSizes(stream: string): Pulled<SizedRecord> {
  return {
    headersOnly: true,
    read: (location, seq, headers) => ({
      seq,
      bytes: frameBytes + stream.length + headerBytes(headers) + Number(headers?.get(sizeHeader) || 0),
      ms: () => timeInHeaders(location, seq, headers),
    }),
  };
}

/** Of the block that the message was published with. */
function headerBytes(headers: MessageHeaders | undefined): number {
  let bytes = "NATS/1.0\r\n\r\n".length;
  for (const [name, values] of headers ?? []) {
    if (name === sizeHeader) continue;
    for (const value of values) bytes += Buffer.byteLength(`${name}: ${value}\r\n`);
  }
  return bytes;
}

/**
 * From one record up to another, in order; those that were removed meanwhile are passed over, and
 * those that the replica lacks which is asked. So there may be more than it tells, never less.
 */
export async function* recordSizes(
  { connection }: StreamView,
  from: number,
  to: number,
  signal: AbortSignal,
): AsyncGenerator<SizedRecord> {
  let next = from;
  let puller: StreamPuller<SizedRecord> | undefined;
  const nudge = (): void => puller?.nudge();
  signal.addEventListener("abort", nudge);
  try {
    while (next < to) {
      signal.throwIfAborted();
      if (puller?.isBroken === true) {
        puller.close();
        puller = undefined;
        await connection.pause();
      }
      puller ??= await StreamPuller.open(connection, next, false, pieceBytes, pulledSizes(connection.location.stream));
      // The stream is not there now.
      if (puller === undefined) return;
      const taken = await puller.take();
      if (taken.length === 0 && !puller.isBroken && !signal.aborted) return;
      for (const record of taken) {
        if (record.seq >= to) return;
        next = record.seq + 1;
        yield record;
      }
    }
  } finally {
    signal.removeEventListener("abort", nudge);
    puller?.close();
  }
}
