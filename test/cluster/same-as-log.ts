/** Holds a stream against the log that it is a copy of, with nothing of what copied it. */
import { crc32 } from "node:zlib";
import { FileLog } from "../../src/index.ts";
import { storedMessages } from "./stored-messages.ts";

/** What differs, in words; undefined when the stream is the log, or the beginning of it that has `count` records. */
export async function differenceFromLog(
  directory: string,
  servers: string[],
  stream: string,
  count?: number,
): Promise<string | undefined> {
  const log = await FileLog.open(directory, { readOnly: true });
  try {
    const messages = await storedMessages(servers, stream);
    const wanted = count ?? log.nextSeq - log.firstSeq;
    if (messages.length !== wanted) return `${messages.length} messages, and ${wanted} records`;
    let i = 0;
    for await (const { seq, id, bytes } of log.read({ limit: wanted })) {
      const message = messages[i++];
      if (message === undefined) return `no message for record ${seq}`;
      if (message.seq !== seq + 1) return `record ${seq} is message ${message.seq}`;
      if (message.id !== id) return `record ${seq} has the id ${message.id}, not ${id}`;
      if (Number.parseInt(message.crc, 16) !== crc32(bytes)) return `record ${seq} has the CRC ${message.crc}`;
      if (!message.data.equals(bytes)) return `record ${seq} has other bytes`;
    }
    return undefined;
  } finally {
    await log.close();
  }
}
