/** `mirror`: a stream follows a log that is being written. */
import type { Consumer } from "../log/consumer-contract.ts";
import { SeqlogError } from "../errors.ts";
import { FileLog } from "../log/file-log.ts";
import { asSeq } from "../numbers.ts";
import { compareStream, differs } from "./compare-stream.ts";
import { CopiedStream, type SourceLog } from "./copied-stream.ts";
import { parseJetStreamLocation } from "./jetstream-location.ts";
import { defaultPatienceMs } from "./promote.ts";
import type { NatsLogin } from "./nats-open-options.ts";
import { StreamConnection } from "./stream-connection.ts";
import { StreamCopier } from "./stream-copier.ts";

/** Options of `mirror`. */
export interface MirrorOptions extends NatsLogin {
  /** The name of its consumer in the log, and so of its checkpoint. Default `"mirror"`. */
  readonly consumer?: string;
  /** Copies of each record in the cluster, of a stream that is made now: 1, 3 or 5. Default 1. */
  readonly replicas?: number;
  /** How long servers may do nothing before it gives up. Default 60,000. */
  readonly patienceMs?: number;
  /** Ends it: it then rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
  /** Called often, with the seq below which all records are in the stream. */
  onProgress?(nextSeq: number): void;
}

/** How much of the stream's end is compared with the log before it goes on. */
const comparedRecords = 1000;

/** How often the checkpoint follows. */
const checkpointMs = 1000;

/**
 * Keeps a stream of NATS JetStream in step with a directory log that any process writes, until the signal.
 * The log stays what counts: whatever happens to either side, the stream is a beginning of the log, each
 * record once and at its own number. Where to go on is asked of the stream itself.
 *
 * It is a durable consumer of the log: `consumers()` shows how far it is behind, and with retention's
 * `protect: "consumers"` what is not in the stream yet stays. Its checkpoint only ever holds records
 * back: none is removed because the stream has it.
 *
 * @throws as `promote`; SEQLOG_LOCKED when the consumer is open elsewhere; SEQLOG_TRIMMED when records that the
 * stream lacks were removed from the log; SEQLOG_RESET when the log was reset: what follows is another log
 */
export async function mirror(directory: string | URL, location: string, options: MirrorOptions = {}): Promise<never> {
  const { consumer: name = "mirror", replicas = 1, patienceMs = defaultPatienceMs, onProgress = () => {} } = options;
  const target = parseJetStreamLocation(location);
  const signal = options.signal ?? new AbortController().signal;
  const log = await FileLog.open(directory, { readOnly: true });
  try {
    const consumer = await log.consumer(name, { from: "start" });
    const connection = await StreamConnection.open(target, patienceMs, options, signal);
    try {
      const stream = await CopiedStream.open(connection, log, replicas);
      const from = await placeToGoOn(log, connection, stream, patienceMs, signal);
      const checkpoint = new FollowingCheckpoint(consumer, connection, from);
      const copier = new StreamCopier(log, connection, stream, patienceMs, (seq) => {
        checkpoint.follow(seq);
        onProgress(seq);
      });
      try {
        onProgress(from);
        await copier.copy({ from }, signal);
      } finally {
        await checkpoint.stop();
      }
      throw new Error("the log was closed under its mirror");
    } finally {
      await connection.close();
    }
  } finally {
    await log.close();
  }
}

/** Where the stream ends, when its end is that of a beginning of the log. */
async function placeToGoOn(
  log: SourceLog,
  connection: StreamConnection,
  stream: CopiedStream,
  patienceMs: number,
  signal: AbortSignal,
): Promise<number> {
  const { shown } = connection.location;
  const { first, next } = await stream.ends();
  if (next === 0) return log.firstSeq;
  if (next > log.nextSeq) throw differs(shown, log.nextSeq, next, "is in the stream, and not in the log");
  if (next < log.firstSeq) {
    throw new SeqlogError(
      "SEQLOG_TRIMMED",
      `${log.location}: records ${next} to ${log.firstSeq - 1} were removed before ${shown} had them; protect: "consumers" in the log's retention keeps what a mirror still needs`,
      { firstSeq: asSeq(log.firstSeq) },
    );
  }
  const from = Math.max(first, log.firstSeq, next - comparedRecords);
  await compareStream(log, connection, from, next, signal, patienceMs, () => {});
  return next;
}

/** Moves the consumer's checkpoint on to what the stream has, now and then. */
class FollowingCheckpoint {
  readonly #consumer: Consumer;
  readonly #connection: StreamConnection;
  #wanted: number;
  #timer: (() => void) | undefined;
  #saving: Promise<void> = Promise.resolve();

  constructor(consumer: Consumer, connection: StreamConnection, from: number) {
    this.#consumer = consumer;
    this.#connection = connection;
    this.#wanted = from;
    this.#save();
  }

  follow(seq: number): void {
    this.#wanted = seq;
    this.#timer ??= this.#connection.clock.after(checkpointMs, () => this.#save(), { keepAlive: false });
  }

  async stop(): Promise<void> {
    this.#timer?.();
    this.#save();
    await this.#saving;
  }

  #save(): void {
    this.#timer = undefined;
    this.#saving = this.#saving.then(async () => {
      if (this.#consumer.nextSeq === this.#wanted) return;
      // One that fails is tried again with the next; until then it holds more records back than it needs to.
      await this.#consumer.seek(this.#wanted).catch(() => {});
    });
  }
}
