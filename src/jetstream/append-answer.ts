/** What a server's answer to an append says, and whether the message may be stored all the same. */
import type { Msg } from "@nats-io/transport-node";
import { errorCode } from "./server-errors.ts";

export type AppendAnswer =
  /** @property duplicate its message id is that of message `seq`; nothing was stored now */
  | { readonly kind: "stored"; readonly seq: number; readonly duplicate: boolean }
  /** Not stored: another message is the last one, `last` if the server says which. */
  | { readonly kind: "misplaced"; readonly last: number | undefined }
  /** Not stored, and a moment later it might be. */
  | { readonly kind: "notNow"; readonly reason: string }
  /** It may be stored, or become so. */
  | { readonly kind: "unknown"; readonly reason: string }
  /** Not stored: there is no room. */
  | { readonly kind: "full"; readonly reason: string }
  /** Not stored, and never will be. */
  | { readonly kind: "refused"; readonly reason: string };

/** There is no room: of the server, of the account, of the stream. */
const full = new Set<number | undefined>([10_023, 10_047, errorCode.streamStoreFailed]);

interface Answer {
  readonly seq: number;
  readonly duplicate?: boolean;
  readonly error?: { readonly code: number; readonly err_code?: number; readonly description?: string };
}

export function answerOf(message: Pick<Msg, "data" | "json">): AppendAnswer {
  // The server found nobody to give the message to.
  if (message.data.length === 0) return { kind: "notNow", reason: "no server leads the stream now" };
  const { seq, duplicate = false, error } = message.json<Answer>();
  if (error === undefined) {
    if (Number.isSafeInteger(seq) && seq >= 1) return { kind: "stored", seq, duplicate };
    // A server of 2.10 so answers a copy of a message that its replicas have not agreed on yet: `duplicate`, and no number.
    return { kind: "unknown", reason: "a copy of it is on its way through the servers" };
  }
  const { code, err_code: number, description: reason = `refused with ${code}` } = error;
  if (number === errorCode.wrongLastSequence) {
    const digits = /\d+/.exec(reason)?.[0];
    return { kind: "misplaced", last: digits === undefined ? undefined : Number(digits) };
  }
  if (number === errorCode.wrongLastMessageId) return { kind: "misplaced", last: undefined };
  // A copy of it is on its way through the servers (2.11 and later).
  if (number === errorCode.messageIdInProcess) return { kind: "unknown", reason };
  if (number === errorCode.tooManyRequests) return { kind: "notNow", reason };
  // A leader that is just ending: the others may have stored it.
  if (number === errorCode.streamStoreFailed && reason.includes("closed")) return { kind: "unknown", reason };
  if (full.has(number)) return { kind: "full", reason };
  return code === 503 ? { kind: "unknown", reason } : { kind: "refused", reason };
}
