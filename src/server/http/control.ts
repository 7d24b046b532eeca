/** The protocol's own paths, below `/v1/stream/__ds/`: subscriptions, what they are answered with, and public keys. */
import { Refusal } from "../streams/refusal.ts";
import { decodePath } from "../streams/stream-path.ts";
import type { AckKind } from "../subscriptions/active-subscription.ts";
import type { TokenOf } from "../subscriptions/keys.ts";
import {
  ackRequestOf,
  checkedId,
  checkedPath,
  checkedStreams,
  configOf,
  objectOf,
  workerOf,
} from "../subscriptions/subscription-request.ts";
import type { Subscriptions } from "../subscriptions/subscriptions.ts";
import type { HttpAnswer, HttpRequest } from "./exchange.ts";
import { Problem } from "./problem.ts";
import type { Context } from "./routes.ts";

const prefix = "__ds/";
const subscriptionPath = /^__ds\/subscriptions\/([^/]+)(?:\/(callback|claim|ack|release|streams)(?:\/(.+))?)?$/;

/** Bodies here are small. */
const maxBodyBytes = 1024 * 1024;

/** What such a path stands for; parts are as they were sent. */
export type ControlRoute =
  | { readonly kind: "jwks" }
  | { readonly kind: "subscription" | "streams" | "claim" | AckKind; readonly id: string }
  | { readonly kind: "stream"; readonly id: string; readonly stream: string };

/** The route of a path behind `/v1/stream/`; undefined when it is none of these. */
export function controlRouteOf(rest: string): ControlRoute | undefined {
  if (!rest.startsWith(prefix)) return undefined;
  if (rest === "__ds/jwks.json") return { kind: "jwks" };
  const [, id, action = "subscription", stream] = subscriptionPath.exec(rest) ?? [];
  if (id === undefined) return undefined;
  if (stream === undefined) return { kind: action as "subscription", id };
  return action === "streams" ? { kind: "stream", id, stream } : undefined;
}

/** Whether a route is for those who have no token of the server: it has secrets of its own, or none. */
export function isOpenRoute(route: ControlRoute | undefined): boolean {
  return route !== undefined && ["jwks", "callback", "ack", "release"].includes(route.kind);
}

const methodsOf: Readonly<Record<ControlRoute["kind"], readonly string[]>> = {
  jwks: ["GET", "HEAD"],
  subscription: ["GET", "HEAD", "PUT", "DELETE"],
  streams: ["POST"],
  stream: ["DELETE"],
  claim: ["POST"],
  callback: ["POST"],
  ack: ["POST"],
  release: ["POST"],
};

/** @param path the request's, without its query and what is in front */
export async function answerControl(
  context: Context,
  request: HttpRequest,
  route: ControlRoute,
  path: string,
): Promise<HttpAnswer> {
  const { method } = request;
  const allowed = methodsOf[route.kind];
  if (!allowed.includes(method)) {
    throw new Problem(405, "METHOD", `${method} means nothing here`, {
      headers: { allow: [...allowed, "OPTIONS"].join(", ") },
    });
  }
  const subscriptions = subscriptionsOf(context, method);
  if (route.kind === "jwks") return keysAnswer(subscriptions);
  const id = checkedId(decodePath(route.id));
  switch (route.kind) {
    case "subscription":
      return await answerSubscription(subscriptions, request, id, path);
    case "streams": {
      const streams = checkedStreams(objectOf(await request.body(maxBodyBytes))["streams"]);
      await (await subscriptions.get(id)).link(streams);
      return done;
    }
    case "stream": {
      const stream = checkedPath(decodePath(route.stream), "the stream");
      await (await subscriptions.get(id)).unlink(stream);
      return done;
    }
    case "claim": {
      const worker = workerOf(await request.body(maxBodyBytes));
      return json(200, await (await subscriptions.get(id)).claim(worker));
    }
    case "callback":
    case "ack":
    case "release":
      return await answerAck(subscriptions, request, id, route.kind);
  }
}

/** Where the logs of a program are served there are none. */
function subscriptionsOf({ subscriptions }: Context, method: string): Subscriptions {
  if (subscriptions !== undefined) return subscriptions;
  if (method === "GET" || method === "HEAD") {
    throw new Refusal("not-found", "NOT_FOUND", "this server serves the logs of its program, and has no subscriptions");
  }
  throw new Problem(405, "READ_ONLY", "this server serves the logs of its program, and has no subscriptions", {
    headers: { allow: "GET, HEAD, OPTIONS" },
  });
}

async function answerSubscription(
  subscriptions: Subscriptions,
  request: HttpRequest,
  id: string,
  path: string,
): Promise<HttpAnswer> {
  switch (request.method) {
    case "PUT": {
      const config = configOf(id, await request.body(maxBodyBytes));
      const { subscription, isNew } = await subscriptions.put(config, baseUrlOf(request, path));
      return json(isNew ? 201 : 200, await subscription.describe());
    }
    case "DELETE":
      await subscriptions.delete(id);
      return done;
    default:
      return json(200, await (await subscriptions.get(id)).describe());
  }
}

/** The token is looked at before anything else: who has none learns nothing, and has no body read. */
async function answerAck(
  subscriptions: Subscriptions,
  request: HttpRequest,
  id: string,
  kind: AckKind,
): Promise<HttpAnswer> {
  const token: TokenOf | undefined = subscriptions.keys?.check(request.header("authorization"));
  if (token === undefined) {
    throw new Problem(401, "TOKEN_INVALID", "Authorization holds no token of a wake", {
      headers: { "www-authenticate": "Bearer" },
      hint: "send Authorization: Bearer <token>, with the token that came with the wake",
    });
  }
  const asked = ackRequestOf(await request.body(maxBodyBytes));
  const subscription = await subscriptions.ofToken(id, token);
  const isNext = await subscription.acknowledge(kind, token.generation, asked);
  return kind === "release" ? done : json(200, { ok: true, next_wake: isNext });
}

function keysAnswer(subscriptions: Subscriptions): HttpAnswer {
  const headers = { "content-type": "application/jwk-set+json", "cache-control": "public, max-age=300" };
  return { status: 200, headers, body: [Buffer.from(JSON.stringify({ keys: subscriptions.publicKeys }))] };
}

/** What is in front of `/v1/stream/`, as the client knows it. */
function baseUrlOf(request: HttpRequest, path: string): string {
  const { fullPath } = request;
  const front = fullPath.endsWith(path) ? fullPath.slice(0, -path.length) : "";
  return `${request.isEncrypted ? "https" : "http"}://${request.header("host") ?? "localhost"}${front}`;
}

const done: HttpAnswer = { status: 204, headers: {} };

function json(status: number, value: unknown): HttpAnswer {
  const headers = { "content-type": "application/json", "cache-control": "no-store" };
  return { status, headers, body: [Buffer.from(JSON.stringify(value))] };
}
