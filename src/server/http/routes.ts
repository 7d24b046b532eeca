/** From a request to the route that answers it; whatever a route throws becomes an answer too. */
import type { Machine } from "../../storage/storage.ts";
import type { Catalog } from "../streams/catalog.ts";
import { decodePath, problemOfPath } from "../streams/stream-path.ts";
import { append } from "./append.ts";
import { refuseWhenClosing, whileOpen } from "./closing.ts";
import { create } from "./create.ts";
import type { HttpAnswer, HttpRequest } from "./exchange.ts";
import type { Guard } from "./guard.ts";
import { head } from "./head.ts";
import { health, listing } from "./listing.ts";
import type { Limits } from "./limits.ts";
import { Problem, answerOf, problemOf } from "./problem.ts";
import { read } from "./read.ts";
import { remove } from "./remove.ts";

/** What all routes work with. */
export interface Context {
  readonly machine: Machine;
  readonly catalog: Catalog;
  readonly limits: Limits;
  readonly guard: Guard;
  /** In front of every path. */
  readonly basePath: string;
  /** Aborts when the server is closing. */
  readonly closing: AbortSignal;
  /** Told of errors that are the server's own. */
  readonly report: (error: unknown, request: HttpRequest) => void;
}

const streams = "/v1/stream/";
const listPath = "/v1/logs";
const healthPath = "/v1/health";

/** Whether a request is for this server at all. */
export function isOurs(basePath: string, target: string): boolean {
  const path = pathBelow(basePath, target);
  return path.startsWith(streams) || path === listPath || path === healthPath;
}

/** The path without the base path and the query; empty when it is of somebody else. */
function pathBelow(basePath: string, target: string): string {
  return target.startsWith(`${basePath}/`) ? pathOf(target).slice(basePath.length) : "";
}

/** Answers a request; never rejects. */
export async function answer(context: Context, request: HttpRequest): Promise<HttpAnswer> {
  let answered: HttpAnswer;
  try {
    const path = pathBelow(context.basePath, request.target);
    answered = context.guard.check(request, path === healthPath) ?? (await route(context, request, path));
  } catch (error) {
    return answerOfError(context, request, error);
  }
  return dressed(context, request, answered);
}

/** What a request is answered when this was thrown. */
export function answerOfError(context: Context, request: HttpRequest, error: unknown): HttpAnswer {
  const problem = problemOf(error);
  if (problem.status === 500) context.report(error, request);
  return dressed(context, request, answerOf(problem));
}

/** With the headers that every answer has. */
function dressed(context: Context, request: HttpRequest, answered: HttpAnswer): HttpAnswer {
  const headers = context.guard.dress(request, answered.headers);
  // The client is to look for another server, or for this one when it is back.
  if (context.closing.aborted) headers["connection"] = "close";
  return { ...answered, headers };
}

async function route(context: Context, request: HttpRequest, path: string): Promise<HttpAnswer> {
  refuseWhenClosing(context.closing);
  if (path === healthPath) return health(request);
  if (path === listPath) return listing(context, request);
  if (!path.startsWith(streams)) {
    throw new Problem(404, "NO_ROUTE", "there is nothing here", {
      hint: `streams are at ${context.basePath}${streams}<name>, their list at ${context.basePath}/v1/logs`,
    });
  }
  const name = nameOf(path.slice(streams.length));
  const encoding = request.header("content-encoding");
  if (encoding !== undefined && encoding.toLowerCase() !== "identity") {
    throw new Problem(415, "CONTENT_ENCODING", `bodies are taken as they are, not in ${encoding}`);
  }
  switch (request.method) {
    case "POST":
      return await append(context, request, name);
    case "GET":
      return await whileOpen(context, name, read(context, request, name));
    case "HEAD":
      return await whileOpen(context, name, head(context, name));
    case "PUT":
      return await create(context, request, name, (full) => nameOfPath(request, path, full));
    case "DELETE":
      return await remove(context, name);
    default:
      throw new Problem(405, "METHOD", `${request.method} means nothing here`, {
        headers: { allow: "GET, HEAD, POST, PUT, DELETE, OPTIONS" },
      });
  }
}

function pathOf(target: string): string {
  const end = target.indexOf("?");
  return end < 0 ? target : target.slice(0, end);
}

/** @throws {Problem} for what cannot be the name of a stream */
function nameOf(encoded: string): string {
  const name = decodePath(encoded);
  const problem = name === undefined ? "it is not the percent-encoded UTF-8 of one" : problemOfPath(name);
  if (problem !== undefined) throw new Problem(400, "PATH", `this cannot be the name of a stream: ${problem}`);
  return name as string;
}

/** The name in another path of this server, with or without what the handler is mounted at. */
function nameOfPath(request: HttpRequest, own: string, other: string): string | undefined {
  const mount = request.fullPath.endsWith(own) ? request.fullPath.slice(0, -own.length) : "";
  const path = pathOf(other);
  for (const prefix of [mount + streams, streams]) {
    if (path.startsWith(prefix)) return nameOf(path.slice(prefix.length));
  }
  return undefined;
}
