/** Errors as HTTP tells them: a status, and JSON with a stable code, what happened, and what to do. */
import { SeqlogError } from "../../errors.ts";
import { Refusal, type RefusalKind } from "../streams/refusal.ts";
import type { HttpAnswer } from "./exchange.ts";

/** An answer that is no success. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly status: number;
  /** Stable, for programs. */
  readonly code: string;
  /** What to do. */
  readonly hint: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(
    status: number,
    code: string,
    message: string,
    more: {
      readonly hint?: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly facts?: Readonly<Record<string, unknown>>;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, more.cause === undefined ? {} : { cause: more.cause });
    this.status = status;
    this.code = code;
    this.hint = more.hint;
    this.headers = more.headers ?? {};
    this.facts = more.facts ?? {};
  }
}

const statusOf: Readonly<Record<RefusalKind, number>> = {
  "not-found": 404,
  gone: 410,
  conflict: 409,
  "bad-request": 400,
  "not-allowed": 405,
};

/** What the client is told of whatever was thrown. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof Refusal) {
    const headers = error.kind === "not-allowed" ? { headers: { allow: "GET, HEAD, OPTIONS" } } : {};
    return new Problem(statusOf[error.kind], error.code, error.message, headers);
  }
  if (error instanceof SeqlogError) return problemOfLog(error);
  return new Problem(500, "INTERNAL", "something went wrong in the server; its log says more", { cause: error });
}

function problemOfLog(error: SeqlogError): Problem {
  const { code, message } = error;
  const more = { cause: error };
  if (SeqlogError.is(error, "SEQLOG_LOCKED")) {
    const { pid, host, since } = error.facts;
    return new Problem(423, code, `process ${pid} on ${host} is writing this, since ${since.toISOString()}`, {
      ...more,
      hint: "reading works; append through that process, or when it has ended",
      facts: { holder: { pid, host, since: since.toISOString() } },
    });
  }
  if (SeqlogError.is(error, "SEQLOG_TRIMMED")) {
    return new Problem(410, code, `the records at this offset were removed`, {
      ...more,
      hint: "read again from offset=-1, the first that is still there",
      facts: { firstSeq: error.facts.firstSeq },
    });
  }
  if (SeqlogError.is(error, "SEQLOG_RESET")) {
    return new Problem(410, code, "the log was reset", { ...more, hint: "read again from offset=-1" });
  }
  switch (code) {
    case "SEQLOG_QUEUE_FULL":
    case "SEQLOG_CONFLICT":
      return tryAgain(error, "too much waits for the disk, or an append before this one failed; nothing was appended");
    case "SEQLOG_POISONED":
    case "SEQLOG_CLOSED":
      return tryAgain(error, "the append may or may not be durable; with producer headers it is safe to send it again");
    case "SEQLOG_NO_SPACE":
      return new Problem(507, code, "the disk is full; nothing was appended", {
        ...more,
        hint: "free space, then try again",
      });
    case "SEQLOG_NOT_FOUND":
      // It went while the request was under way; who comes later is told the same.
      return new Problem(404, "NOT_FOUND", "there is no such stream or log any more", more);
    case "SEQLOG_DAMAGED":
    case "SEQLOG_INVALID_DATA":
      return new Problem(500, code, message, {
        ...more,
        hint: "`seqlog verify` says more; docs/salvage.md what to do",
      });
    default:
      return new Problem(500, code, message, more);
  }
}

function tryAgain(error: SeqlogError, message: string): Problem {
  return new Problem(503, error.code, message, {
    headers: { "retry-after": "1" },
    hint: "try again",
    cause: error,
  });
}

/** The answer that tells of a problem. */
export function answerOf({ status, code, message, hint, headers, facts }: Problem): HttpAnswer {
  const error = { code, message, ...(hint === undefined ? {} : { hint }), ...facts };
  return {
    status,
    headers: { "content-type": "application/json", "cache-control": "no-store", ...headers },
    body: [Buffer.from(JSON.stringify({ error }))],
  };
}
