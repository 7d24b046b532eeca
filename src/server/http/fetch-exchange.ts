/** Requests and answers of the web's `fetch`. */
import { type BodyBudget, BodyParts } from "./body-reader.ts";
import { type EventSink, type HttpAnswer, type HttpRequest, goneSink } from "./exchange.ts";

export class FetchRequest implements HttpRequest {
  readonly method: string;
  readonly target: string;
  readonly fullPath: string;
  readonly isEncrypted: boolean;
  readonly #request: Request;
  readonly #url: URL;
  readonly #budget: BodyBudget;
  #parts: BodyParts | undefined;

  constructor(request: Request, budget: BodyBudget) {
    this.#request = request;
    this.#budget = budget;
    this.#url = new URL(request.url);
    this.method = request.method;
    this.target = this.#url.pathname + this.#url.search;
    this.fullPath = this.#url.pathname;
    this.isEncrypted = this.#url.protocol === "https:";
  }

  header(name: string): string | undefined {
    const value = this.#request.headers.get(name);
    if (value !== null) return value;
    // Where a program makes the request itself it cannot set Host.
    return name === "host" ? this.#url.host : undefined;
  }

  onAbort(call: () => void): void {
    this.#request.signal.addEventListener("abort", call, { once: true });
  }

  async body(maxBytes: number): Promise<Uint8Array> {
    const parts = new BodyParts(this.#budget, maxBytes);
    this.#parts = parts;
    for await (const part of this.#request.body ?? []) parts.add(part);
    return parts.whole();
  }

  charge(bytes: number): void {
    this.#parts?.charge(bytes);
  }

  /** The request was answered: its body is not needed any more. */
  done(): void {
    this.#parts?.done();
  }
}

/** The answer as a `Response`; when it cannot be one, that which `answerOfError` has for what was thrown. */
export function responseOf(
  answer: HttpAnswer,
  method: string,
  answerOfError: (error: unknown) => HttpAnswer,
): Response {
  try {
    return asResponse(answer, method);
  } catch (error) {
    answer.stream?.(goneSink);
    return asResponse(answerOfError(error), method);
  }
}

function asResponse(answer: HttpAnswer, method: string): Response {
  const { status, stream } = answer;
  // Checked before a stream begins.
  const headers = new Headers(answer.headers);
  // It is worked out from the body; a null body has none.
  headers.delete("content-length");
  headers.delete("connection");
  const hasBody = method !== "HEAD" && status !== 204 && status !== 304;
  if (stream !== undefined) return new Response(eventStream(stream), { status, headers });
  const bytes = hasBody && answer.body !== undefined ? Buffer.concat(answer.body) : null;
  return new Response(bytes, { status, headers });
}

function eventStream(begin: (sink: EventSink) => void): ReadableStream<Uint8Array> {
  const closers: (() => void)[] = [];
  let taken: (() => void) | undefined;
  let isOver = false;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      begin({
        write(bytes) {
          if (isOver) return new Promise(() => undefined);
          controller.enqueue(bytes);
          if ((controller.desiredSize ?? 0) > 0) return true;
          return new Promise((resolve) => (taken = resolve));
        },
        end() {
          if (!isOver) controller.close();
          isOver = true;
        },
        onClose: (call) => void closers.push(call),
      });
    },
    pull() {
      taken?.();
      taken = undefined;
    },
    cancel() {
      isOver = true;
      for (const call of closers) call();
    },
  });
}
