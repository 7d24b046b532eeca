/**
 * What a stream holds, asked of its leader with nothing of seqlog's: a consumer may be given what a
 * replica has that is behind.
 */
import { type StoredMsg, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { until } from "../../scripts/nats/until.mjs";

/** A message as it is stored. */
export interface StoredMessage {
  readonly seq: number;
  readonly id: string;
  readonly crc: string;
  readonly data: Buffer;
}

/** Asked for at once. */
const mostQuestions = 256;

/** How long the leader may take for one, on a busy machine and while it is elected. */
const answerMs = 120_000;

/** All messages of a stream, in its order, with the numbers that it gave them. */
export async function storedMessages(servers: string[], stream: string): Promise<StoredMessage[]> {
  const connection = await connect({ servers });
  try {
    const { streams } = await jetstreamManager(connection, { checkAPI: false, timeout: answerMs });
    // While a leader is elected it is refused.
    const { state } = await until(`${stream} has a leader`, () => streams.info(stream));
    const found: StoredMessage[] = [];
    for (let first = state.first_seq; first <= state.last_seq; first += mostQuestions) {
      const count = Math.min(mostQuestions, state.last_seq - first + 1);
      const seqs = Array.from({ length: count }, (_, i) => first + i);
      const messages = await Promise.all(
        seqs.map((seq) => until(`message ${seq} is told`, () => streams.getMessage(stream, { seq }))),
      );
      for (const message of messages) if (message !== null) found.push(stored(message));
    }
    return found;
  } finally {
    await connection.close();
  }
}

function stored({ seq, header, data }: StoredMsg): StoredMessage {
  return { seq, id: header.get("Seqlog-Id"), crc: header.get("Seqlog-Crc"), data: Buffer.from(data) };
}
