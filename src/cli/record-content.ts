/** What a record holds for people and other programs: its bytes, or the messages in the frame that they are. */
import type { LogRecord } from "../index.ts";
import { decodeFrame, frameCodecName } from "../server/frame/frame.ts";
import { codecOf } from "./log-codec.ts";

/** The bytes to show of a record. */
export type RecordContent = (record: LogRecord) => Uint8Array;

/** As they are stored. */
const storedContent: RecordContent = (record) => record.bytes;

/** How the records of a log are shown. */
export function contentOf(location: string): RecordContent {
  return codecOf(location) === frameCodecName ? messagesOf : storedContent;
}

/** A frame's one message, or the array of them; of a stream of bytes, the bytes. What is no frame stays as it is. */
function messagesOf({ bytes }: LogRecord): Uint8Array {
  try {
    const { lengths, payload } = decodeFrame(bytes);
    if (lengths === undefined || lengths.length < 2) return payload;
    return Buffer.concat([Buffer.from("["), payload, Buffer.from("]")]);
  } catch {
    return bytes;
  }
}
