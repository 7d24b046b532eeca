/** What JetStream refuses with, as far as it is acted upon: `err_code` of nats-server's errors.json. */
import { JetStreamApiError } from "@nats-io/jetstream";

export const errorCode = {
  messageNotFound: 10_037,
  streamCreate: 10_049,
  nameInUse: 10_058,
  streamNotFound: 10_059,
  wrongLastMessageId: 10_070,
  wrongLastSequence: 10_071,
  streamStoreFailed: 10_077,
  messageIdInProcess: 10_158,
  tooManyRequests: 10_167,
} as const;

/** Whether the server refused with this code. */
export function isCode(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.code === code;
}
