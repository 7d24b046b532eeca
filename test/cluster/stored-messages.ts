/** What a stream holds, read with nothing of seqlog's. */
import { type JsMsg, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

/** A message as it is stored. */
export interface StoredMessage {
  readonly seq: number;
  readonly id: string;
  readonly crc: string;
  readonly data: Buffer;
}

/** All messages of a stream, in its order, with the numbers that it gave them. */
export async function storedMessages(servers: string[], stream: string): Promise<StoredMessage[]> {
  const connection = await connect({ servers });
  try {
    const { state } = await (await jetstreamManager(connection, { timeout: 60_000 })).streams.info(stream);
    const found: StoredMessage[] = [];
    if (state.messages === 0) return found;
    const consumer = await jetstream(connection).consumers.get(stream);
    const messages = await consumer.consume({ max_messages: 2000 });
    for await (const message of messages) {
      found.push(stored(message));
      if (message.seq === state.last_seq) break;
    }
    return found;
  } finally {
    await connection.close();
  }
}

function stored({ seq, headers, data }: JsMsg): StoredMessage {
  return { seq, id: headers?.get("Seqlog-Id") ?? "", crc: headers?.get("Seqlog-Crc") ?? "", data: Buffer.from(data) };
}
