/** What JetStream refuses with, as far as it is acted upon: `err_code` of nats-server's errors.json. */
import { JetStreamApiError } from "@nats-io/jetstream";

export const errorCode = {
  notEnabledForAccount: 10_039,
  messageNotFound: 10_037,
  streamCreate: 10_049,
  nameInUse: 10_058,
  streamNotFound: 10_059,
  notEnabled: 10_076,
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

/** Whether who answered, if anybody, has no JetStream. Of servers that had it before, that passes. */
export function isNotEnabled(error: unknown): boolean {
  if (isCode(error, errorCode.notEnabled) || isCode(error, errorCode.notEnabledForAccount)) return true;
  // The client's word for it when no server listens; it does not export the class.
  return error instanceof Error && error.name === "JetStreamNotEnabled";
}
