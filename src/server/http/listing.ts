/** What the protocol does not have: a list of what there is, and whether the server is well. */
import type { HttpAnswer, HttpRequest } from "./exchange.ts";
import { Problem } from "./problem.ts";
import type { Context } from "./routes.ts";

const mostListed = 1000;

/** `GET /v1/logs?prefix=&after=&limit=`: names in order; `next` is there when there are more. */
export function listing({ catalog }: Context, request: HttpRequest): HttpAnswer {
  onlyRead(request);
  const query = new URLSearchParams(request.target.split("?")[1]);
  const limit = limitOf(query.get("limit"));
  const prefix = query.get("prefix") ?? "";
  const after = query.get("after");
  const all = catalog.list().filter(({ name }) => name.startsWith(prefix) && (after === null || name > after));
  const logs = all.slice(0, limit);
  const next = all.length > limit ? { next: logs.at(-1)?.name } : {};
  return json({ logs, ...next });
}

/** `GET /v1/health`. */
export function health(request: HttpRequest): HttpAnswer {
  onlyRead(request);
  return json({ status: "ok" });
}

function limitOf(text: string | null): number {
  if (text === null) return mostListed;
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > mostListed) throw new Problem(400, "LIMIT", `limit must be from 1 to ${mostListed}`);
  return limit;
}

function onlyRead({ method }: HttpRequest): void {
  if (method === "GET" || method === "HEAD") return;
  throw new Problem(405, "METHOD", `${method} means nothing here`, { headers: { allow: "GET, HEAD, OPTIONS" } });
}

function json(value: unknown): HttpAnswer {
  const headers = { "content-type": "application/json", "cache-control": "no-store" };
  return { status: 200, headers, body: [Buffer.from(JSON.stringify(value))] };
}
