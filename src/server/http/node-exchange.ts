/** Requests and answers of `node:http`. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type BodyBudget, BodyParts } from "./body-reader.ts";
import { type EventSink, type HttpAnswer, type HttpRequest, goneSink } from "./exchange.ts";
import { Problem } from "./problem.ts";
import type { SendBudget } from "./send-budget.ts";

const nothing = new Uint8Array(0);

/** Of a body that is refused so much is read and forgotten. */
const mostDiscarded = 64 * 1024 * 1024;

/** Express says here what the path was before it took off where the handler is mounted. */
type Mounted = IncomingMessage & { readonly originalUrl?: string };

export class NodeRequest implements HttpRequest {
  readonly method: string;
  readonly target: string;
  readonly #request: Mounted;
  readonly #response: ServerResponse;
  readonly #budget: BodyBudget;
  #parts: BodyParts | undefined;

  constructor(request: IncomingMessage, response: ServerResponse, budget: BodyBudget) {
    this.#request = request;
    this.#budget = budget;
    this.#response = response;
    this.method = request.method ?? "GET";
    this.target = targetOf(request.url ?? "/");
  }

  get fullPath(): string {
    return targetOf(this.#request.originalUrl ?? this.#request.url ?? "/").split("?", 1)[0] as string;
  }

  get isEncrypted(): boolean {
    return (this.#request.socket as { readonly encrypted?: boolean }).encrypted === true;
  }

  header(name: string): string | undefined {
    const value = this.#request.headers[name];
    return Array.isArray(value) ? value.join(", ") : value;
  }

  onAbort(call: () => void): void {
    this.#response.once("close", call);
  }

  body(maxBytes: number): Promise<Uint8Array> {
    const request = this.#request;
    const declared = request.headers["content-length"];
    if (declared === "0" || (declared === undefined && request.headers["transfer-encoding"] === undefined)) {
      return Promise.resolve(nothing);
    }
    if (request.readableEnded) {
      return Promise.reject(
        new Problem(500, "BODY_TAKEN", "something in front of this handler has read the body", {
          hint: "mount it before body parsers; docs/server.md shows how",
        }),
      );
    }
    return new Promise((resolve, reject) => {
      const parts = new BodyParts(this.#budget, maxBytes);
      this.#parts = parts;
      this.#response.once("close", () => parts.done());
      const refuse = (error: unknown): void => {
        parts.done();
        request.removeAllListeners("data");
        this.#discard();
        reject(error as Error);
      };
      request.on("data", (part: Buffer) => {
        try {
          parts.add(part);
        } catch (error) {
          refuse(error);
        }
      });
      try {
        parts.check(Number(declared ?? 0));
      } catch (error) {
        return refuse(error);
      }
      request.on("end", () => resolve(parts.whole()));
      const endedEarly = (): void => reject(new Problem(400, "BODY", "the body ended early"));
      request.on("error", endedEarly);
      request.on("aborted", endedEarly);
    });
  }

  charge(bytes: number): void {
    this.#parts?.charge(bytes);
  }

  /** A client that is still sending would not see the answer if its connection were cut at once. */
  #discard(): void {
    let left = mostDiscarded;
    this.#request.on("data", (part: Buffer) => {
      left -= part.length;
      if (left < 0) this.#request.destroy();
    });
  }
}

/** The absolute form is what proxies are sent; a server takes it too. */
function targetOf(url: string): string {
  return url.replace(/^https?:\/\/[^/?]*/i, "") || "/";
}

/**
 * Sends an answer, or, when it cannot be sent, the one that `answerOfError` has for what was thrown. Whoever
 * came in front of the handler may have answered already, and then it drops the connection.
 */
export function sendAnswer(
  answer: HttpAnswer,
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
  unsent: SendBudget,
  answerOfError: (error: unknown) => HttpAnswer,
): void {
  try {
    send(answer, request, response, unsent);
  } catch (error) {
    answer.stream?.(goneSink);
    const other = answerOfError(error);
    if (response.headersSent) return void request.destroy();
    // Node keeps the words of the status that it could not send.
    response.statusMessage = "";
    send(other, request, response, unsent);
  }
}

function send(answer: HttpAnswer, request: IncomingMessage, response: ServerResponse, unsent: SendBudget): void {
  const { status, headers, body, stream } = answer;
  if (response.destroyed) return stream?.(goneSink);
  if (stream !== undefined) {
    response.writeHead(status, headers);
    response.flushHeaders();
    if (request.method === "HEAD") response.end();
    return stream(new NodeSink(response, unsent));
  }
  if (body === undefined) {
    response.writeHead(status, headers).end();
  } else {
    // One write: a call for each of many small messages would take longer than to copy them.
    const whole = body.length === 1 ? (body[0] as Uint8Array) : Buffer.concat(body);
    response.writeHead(status, { ...headers, "content-length": String(whole.length) }).end(whole);
    if (response.writableLength > 0) response.once("close", hold(unsent, whole, response));
  }
}

/** @returns what to call when it was taken */
function hold(unsent: SendBudget, bytes: Uint8Array, response: ServerResponse): () => void {
  return unsent.hold(bytes, () => response.destroy());
}

class NodeSink implements EventSink {
  readonly #response: ServerResponse;
  readonly #unsent: SendBudget;

  constructor(response: ServerResponse, unsent: SendBudget) {
    this.#response = response;
    this.#unsent = unsent;
  }

  write(bytes: Uint8Array): true | Promise<void> {
    const response = this.#response;
    if (response.write(bytes) || response.writableLength === 0) return true;
    return new Promise((resolve) => {
      const release = hold(this.#unsent, bytes, response);
      response.once("close", release);
      response.once("drain", () => {
        response.off("close", release);
        release();
        resolve();
      });
    });
  }

  end(): void {
    if (this.#response.writableNeedDrain) this.#response.destroy();
    else this.#response.end();
  }

  onClose(call: () => void): void {
    if (this.#response.destroyed) call();
    else this.#response.once("close", call);
  }
}
