/** Holds a stream against the log that it is a copy of, message by message. */
import type { JsMsg } from "@nats-io/jetstream";
import { SeqlogError } from "../errors.ts";
import { crc32 } from "../format/crc32.ts";
import { asSeq } from "../numbers.ts";
import type { LogRecord } from "../segment/log-record.ts";
import type { SourceLog } from "./copied-stream.ts";
import { crcText, header } from "./record-message.ts";
import { ioError, type StreamConnection } from "./stream-connection.ts";

/** Messages that are asked for at once. */
const aheadMessages = 4096;

/**
 * Compares records `from` to `to` (exclusive): each must be in the stream under its number, with its
 * id, its CRC and its bytes.
 *
 * @throws SEQLOG_CONFLICT at the first that differs; SEQLOG_IO when none comes for longer than patience lasts
 */
export async function compareStream(
  log: SourceLog,
  connection: StreamConnection,
  from: number,
  to: number,
  signal: AbortSignal,
  patienceMs: number,
  told: (seq: number) => void,
): Promise<void> {
  signal.throwIfAborted();
  if (from >= to) return;
  const { location, js, clock } = connection;
  const consumer = await connection.ask("compare", () =>
    js.consumers.get(location.stream, { opt_start_seq: from + 1, deliver_policy: "by_start_sequence" as never }),
  );
  const messages = await consumer.consume({ max_messages: aheadMessages });
  let seen = clock.now();
  let isSilent = false;
  const watch = (): void => {
    stopWatching = clock.after(
      Math.min(1000, patienceMs),
      () => {
        isSilent = clock.now() - seen > patienceMs;
        if (isSilent) messages.stop();
        else watch();
      },
      { keepAlive: true },
    );
  };
  let stopWatching: () => void = () => {};
  watch();
  const stop = (): void => messages.stop();
  signal.addEventListener("abort", stop);
  const records = recordsOf(log, from, to);
  let seq = from;
  try {
    for await (const message of messages) {
      const { value: record } = await records.next();
      if (record === undefined) break;
      const difference = differenceOf(record, message);
      if (difference !== undefined) throw differs(location.shown, record.seq, to, difference);
      seen = clock.now();
      told(++seq);
      if (seq === to) break;
    }
  } finally {
    stopWatching();
    signal.removeEventListener("abort", stop);
    messages.stop();
    await records.return(undefined);
    // It would go by itself, after minutes. Servers that do not answer are not waited for.
    const deleted = consumer.delete().catch(() => {});
    if (seq === to) await deleted;
  }
  signal.throwIfAborted();
  if (seq === to) return;
  if (isSilent) throw ioError(location.shown, "compare", new Error(`no message ${seq + 1} for ${patienceMs / 1000} s`));
  const info = await connection.ask("compare", () => connection.manager.streams.info(location.stream));
  if (info.state.last_seq >= to) throw ioError(location.shown, "compare", new Error(`the messages ended with ${seq}`));
  throw differs(location.shown, seq, info.state.last_seq, "is not in the stream");
}

async function* recordsOf(log: SourceLog, from: number, to: number): AsyncGenerator<LogRecord, undefined> {
  for await (const batch of log.readBatches({ from, to })) yield* batch;
  return undefined;
}

function differenceOf(record: LogRecord, message: JsMsg): string | undefined {
  const { bytes } = record;
  if (message.seq !== record.seq + 1) return `is missing: message ${message.seq} follows message ${record.seq}`;
  const id = message.headers?.get(header.id);
  if (id !== record.id) return `has the id ${id || "(none)"} there, and ${record.id} in the log`;
  const crc = crcText(crc32(bytes));
  const told = message.headers?.get(header.crc);
  if (told !== crc) return `has the CRC ${told || "(none)"} there, and ${crc} in the log`;
  return Buffer.compare(bytes, message.data) === 0 ? undefined : "has other bytes there than in the log";
}

/** The stream holds something else than the log from `seq` on. */
export function differs(
  shown: string,
  seq: number,
  nextSeq: number,
  difference: string,
): SeqlogError<"SEQLOG_CONFLICT"> {
  return new SeqlogError(
    "SEQLOG_CONFLICT",
    `${shown}: record ${seq} ${difference}. The stream is no copy of this log: name another one, or remove that one first`,
    { expectedSeq: asSeq(seq), nextSeq: asSeq(nextSeq) },
  );
}
