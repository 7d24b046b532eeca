/**
 * Sends one webhook. The address is checked again when the connection is made, with the one that is
 * connected to: a name may stand for another address than a moment ago. Redirections are not followed.
 */
import { lookup as lookUpName } from "node:dns";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { LookupFunction } from "node:net";
import type { Clock } from "../../storage/storage.ts";
import { isPublicAddress } from "./public-address.ts";
import type { WebhookTargets } from "./webhook-target.ts";

/** Of an answer so much is read. */
const maxAnswerBytes = 64 * 1024;
const maxHeaderBytes = 16 * 1024;

/** What goes out. */
export interface Webhook {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What came back. */
export interface WebhookAnswer {
  readonly status: number;
  /** Undefined when it was longer than anybody reads. */
  readonly body: string | undefined;
}

/** How it goes out. */
export interface PostOptions {
  readonly clock: Clock;
  readonly targets: WebhookTargets;
  /** From the look-up of the name to the end of the answer. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Looks names up; for tests. */
  readonly lookup?: LookupFunction;
}

/** Sends it. @throws when there is no answer, with the reason in words */
export type PostWebhook = (webhook: Webhook, options: PostOptions) => Promise<WebhookAnswer>;

/** Gives only addresses that are public; a name that has another one beside is refused as a whole. */
function publicOnly(lookup: LookupFunction): LookupFunction {
  return (hostname, options, done) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return done(error, []);
      const addresses = typeof found === "string" ? [] : found;
      const [first] = addresses;
      if (first === undefined || !addresses.every(({ address }) => isPublicAddress(address))) {
        return done(new Error(`${hostname} does not lead to the public internet`), []);
      }
      if (options.all === true) done(null, [...addresses]);
      else done(null, first.address, first.family);
    });
  };
}

/** Sends it over HTTP. */
export const postWebhook: PostWebhook = ({ url: text, headers, body }, options) => {
  const { clock, targets, timeoutMs, signal, lookup = lookUpName as LookupFunction } = options;
  return new Promise<WebhookAnswer>((resolve, reject) => {
    const problem = targets.problemOf(text);
    if (problem !== undefined) return reject(new Error(`webhooks may not go to ${text}: ${problem}`));
    if (signal.aborted) return reject(new Error("it was called off"));
    const url = new URL(text);
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    const outgoing = send(url, {
      method: "POST",
      headers: { ...headers, "content-length": String(Buffer.byteLength(body)) },
      // A connection for each: none is left over, and each address was looked at.
      agent: false,
      maxHeaderSize: maxHeaderBytes,
      lookup: targets.isAllowed(url) ? lookup : publicOnly(lookup),
    });
    const settle = (call: () => void): void => {
      stopTimer();
      signal.removeEventListener("abort", abort);
      call();
      outgoing.destroy();
    };
    const fail = (error: Error): void => settle(() => reject(error));
    const abort = (): void => fail(new Error("it was called off"));
    const stopTimer = clock.after(timeoutMs, () => fail(new Error(`no answer within ${timeoutMs} ms`)), {
      keepAlive: false,
    });
    signal.addEventListener("abort", abort, { once: true });
    // Also after it was settled: what a connection that is destroyed says is nobody's.
    outgoing.on("error", fail);
    outgoing.on("response", (answer) => {
      const status = answer.statusCode ?? 0;
      const isTaken = status >= 200 && status < 300;
      const parts: Buffer[] = [];
      let length = 0;
      const done = (text: string | undefined): void => settle(() => resolve({ status, body: text }));
      answer.on("error", fail);
      if (!isTaken) return done(undefined);
      answer.on("data", (part: Buffer) => {
        length += part.length;
        if (length > maxAnswerBytes) done(undefined);
        else parts.push(part);
      });
      answer.on("end", () => done(Buffer.concat(parts).toString("utf8")));
      answer.on("aborted", () => fail(new Error("the answer ended early")));
    });
    outgoing.end(body);
  });
};
