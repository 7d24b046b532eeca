/** What the answers of the HTTP server say. */
import { header } from "../../src/server/http/protocol-headers.ts";
import type { Place } from "./stream-life.ts";
import type { Reply } from "./stream-server.ts";

/** Whether an answer says that nothing was appended. */
export function isRefusal({ status, code }: Reply): boolean {
  return (
    status === 423 ||
    code === "SEQLOG_NO_SPACE" ||
    code === "SEQLOG_CONFLICT" ||
    code === "SEQLOG_QUEUE_FULL" ||
    code === "CLOSING"
  );
}

const expectedCodes = new Set([
  "SEQLOG_IO",
  "SEQLOG_LOCK_UNAVAILABLE",
  "SEQLOG_NO_SPACE",
  "SEQLOG_POISONED",
  "SEQLOG_CLOSED",
  "SEQLOG_CONFLICT",
  "CLOSING",
]);

/** What a disk with errors may make of any request. Damage is never among it. */
export function isExpectedCode(code: string): boolean {
  return expectedCodes.has(code);
}

/** The answer to an append, in the words of `StreamLife.allowed`. */
export function verdictOf(reply: Reply, producer: Place | undefined): string {
  const { status, code, headers } = reply;
  if (status === 200) return "appended";
  if (status === 204 && producer === undefined) return "appended";
  if (status === 204) return `duplicate, at ${headers[header.producerSeq]}`;
  if (code === "CLOSED") return "closed";
  if (code === "STALE_EPOCH") return `stale, at epoch ${headers[header.producerEpoch]}`;
  if (code === "EPOCH_START") return "an epoch begins with 0";
  if (code === "PRODUCER_GAP") return `gap, expected ${headers[header.producerExpected]}`;
  if (code === "STREAM_SEQ") return "Stream-Seq";
  throw unexpected("POST", reply);
}

/** An answer that nobody may be given. */
export function unexpected(what: string, { status, code, body, error }: Reply): Error {
  return new Error(`${what}: ${status} ${code} ${JSON.stringify(body)}`, { cause: error });
}
