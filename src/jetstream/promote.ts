/** `promote`: a local log becomes a stream. */
import { FileLog } from "../log/file-log.ts";
import { compareStream, differs } from "./compare-stream.ts";
import { CopiedStream } from "./copied-stream.ts";
import { parseJetStreamLocation } from "./jetstream-location.ts";
import type { NatsLogin } from "./nats-open-options.ts";
import { StreamConnection } from "./stream-connection.ts";
import { StreamCopier } from "./stream-copier.ts";

/** How far it is. */
export interface PromoteProgress {
  /** What is being done: first what is in the stream already is compared, then the rest copied, then that compared too. */
  readonly doing: "comparing what is there" | "copying" | "comparing";
  /** Records that this was done with. */
  readonly records: number;
  /** Of how many. */
  readonly total: number;
}

/** Options of `promote`. */
export interface PromoteOptions extends NatsLogin {
  /** Copies of each record in the cluster, of a stream that is made now: 1, 3 or 5. Default 1. */
  readonly replicas?: number;
  /** How long servers may do nothing before it gives up. Default 60,000; it can be run again and goes on. */
  readonly patienceMs?: number;
  readonly signal?: AbortSignal;
  /** Called often. */
  onProgress?(progress: PromoteProgress): void;
}

/** What was done. */
export interface PromoteReport {
  /** Where the stream is, without a password. */
  readonly location: string;
  readonly firstSeq: number;
  readonly nextSeq: number;
  /** Records of the log in the stream; each was compared with it: number, id, CRC and bytes. */
  readonly records: number;
  /** Records that the stream has besides, of an earlier copy: those before `firstSeq`, which the log no longer has. */
  readonly earlier: number;
  /** How many of them were not there before. */
  readonly copied: number;
}

/** Milliseconds without any progress that `promote` and `mirror` bear. */
export const defaultPatienceMs = 60_000;

/**
 * Copies a directory log into a stream of NATS JetStream, record by record, with numbers, ids and times kept,
 * then compares all of it. Only what is in the log when it begins is copied; the log is not changed.
 * Interrupted at any place, on either side, it can be run again and goes on where the stream ends.
 *
 * The stream is made when there is none. One that is there must be empty, or the beginning of this
 * log: the records in it are compared first, and nothing is changed when one differs.
 *
 * @throws SEQLOG_CONFLICT when the stream holds something else
 * @throws SEQLOG_UNSUPPORTED for a record larger than the server's `max_payload`, and for a log whose
 * first records were removed where the server is older than 2.10
 * @throws SEQLOG_IO when the servers cannot be reached or do nothing; SEQLOG_NOT_FOUND, SEQLOG_DAMAGED of the log
 */
export async function promote(
  directory: string | URL,
  location: string,
  options: PromoteOptions = {},
): Promise<PromoteReport> {
  const { replicas = 1, patienceMs = defaultPatienceMs, onProgress = () => {} } = options;
  const signal = options.signal ?? new AbortController().signal;
  const target = parseJetStreamLocation(location);
  const log = await FileLog.open(directory, { readOnly: true });
  try {
    const connection = await StreamConnection.open(target, patienceMs, options, signal);
    try {
      const { firstSeq, nextSeq } = log;
      const stream = await CopiedStream.open(connection, log, replicas);
      const { first, next } = await stream.ends();
      const there = next === 0 ? firstSeq : next;
      if (there > nextSeq) throw differs(target.shown, nextSeq, next, "is in the stream, and not in the log");
      if (next > 0 && first > firstSeq) throw differs(target.shown, firstSeq, next, "was removed from the stream");
      await compareStream(log, connection, firstSeq, there, signal, patienceMs, (seq) =>
        onProgress({ doing: "comparing what is there", records: seq - firstSeq, total: there - firstSeq }),
      );
      const copier = new StreamCopier(log, connection, stream, patienceMs, (seq) =>
        onProgress({ doing: "copying", records: seq - firstSeq, total: nextSeq - firstSeq }),
      );
      await copier.copy({ from: there, to: nextSeq }, signal);
      const from = Math.min(there, copier.lowest);
      await compareStream(log, connection, from, nextSeq, signal, patienceMs, (seq) =>
        onProgress({ doing: "comparing", records: seq - from, total: nextSeq - from }),
      );
      const after = await stream.ends();
      if (after.next !== nextSeq && nextSeq > firstSeq) {
        throw differs(target.shown, nextSeq, after.next, "is in the stream, and was not when it was copied");
      }
      const records = nextSeq - firstSeq;
      const earlier = after.messages === 0 ? 0 : Math.max(0, firstSeq - after.first);
      if (after.messages !== records + earlier) {
        const found = `is one of ${records + earlier} in the log, and ${after.messages} are in the stream`;
        throw differs(target.shown, nextSeq - 1, after.next, found);
      }
      return { location: target.shown, firstSeq, nextSeq, records, earlier, copied: nextSeq - there };
    } finally {
      await connection.close();
    }
  } finally {
    await log.close();
  }
}
