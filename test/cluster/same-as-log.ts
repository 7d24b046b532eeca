/** Holds a stream against the log that it is a copy of, with nothing of what copied it. */
import { crc32 } from "node:zlib";
import { FileLog } from "../../src/index.ts";
import { storedMessages } from "./stored-messages.ts";

/**
 * What differs, in words; undefined when the stream is the log, or, with `atLeast`, a beginning of it with so
 * many records or more: what a killed process had on its way may still be coming.
 */
export async function differenceFromLog(
  directory: string,
  servers: string[],
  stream: string,
  atLeast?: number,
): Promise<string | undefined> {
  const messages = await storedMessages(servers, stream);
  const log = await FileLog.open(directory, { readOnly: true });
  try {
    const records = log.nextSeq - log.firstSeq;
    const least = atLeast ?? records;
    if (messages.length < least || messages.length > records)
      return `${messages.length} messages, not ${least} to ${records}`;
    let i = 0;
    for await (const { seq, id, bytes } of log.read({ limit: messages.length })) {
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
