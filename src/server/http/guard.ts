/**
 * Who may come in. Checked before anything else, for every request:
 * - Host must be one of the server's names: a page that made its own name point to this machine (DNS
 *   rebinding) sends another one.
 * - Origin, which browsers send, must be the server itself or one that was allowed: else any page could
 *   append to a server on its reader's machine.
 * - With tokens, Authorization must hold one, but for the question whether the server is well.
 */
import { allowedHost, allowedOrigin, hostNameOf } from "./allowed-names.ts";
import type { HttpAnswer, HttpRequest } from "./exchange.ts";
import { Problem } from "./problem.ts";
import { header } from "./protocol-headers.ts";
import type { Tokens } from "./tokens.ts";

/** Who is let in. */
export interface GuardOptions {
  /** Names, without ports, that the server is reached by. */
  readonly hosts: readonly string[];
  /** Whether any address of numbers is one too. */
  readonly allowsAddresses: boolean;
  /** Origins of pages that may use the server, as `https://app.example.com`. */
  readonly origins: readonly string[];
  readonly tokens: Tokens | undefined;
}

const loopbackNames = ["localhost", "127.0.0.1", "[::1]"];
const address = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]+\])$/;

const allowedMethods = "GET, HEAD, POST, PUT, DELETE, OPTIONS";
const allowedHeaders = [
  "content-type",
  "authorization",
  "if-none-match",
  header.seq,
  header.ttl,
  header.expiresAt,
  header.closed,
  header.producerId,
  header.producerEpoch,
  header.producerSeq,
  header.forkedFrom,
  header.forkOffset,
  header.forkSubOffset,
].join(", ");
const exposedHeaders = [
  header.nextOffset,
  header.cursor,
  header.upToDate,
  header.closed,
  header.sseEncoding,
  header.ttl,
  header.expiresAt,
  header.producerEpoch,
  header.producerSeq,
  header.producerExpected,
  header.producerReceived,
  "etag",
  "location",
].join(", ");

export class Guard {
  readonly #hosts: ReadonlySet<string>;
  readonly #allowsAddresses: boolean;
  readonly #origins: ReadonlySet<string>;
  readonly #tokens: Tokens | undefined;
  /** What every answer has. */
  readonly #always: Readonly<Record<string, string>>;

  /** @throws {TypeError} for a host or an origin that no request could have */
  constructor({ hosts, allowsAddresses, origins, tokens }: GuardOptions) {
    this.#hosts = new Set([...loopbackNames, ...hosts.map(allowedHost)]);
    this.#allowsAddresses = allowsAddresses;
    this.#origins = new Set(origins.map(allowedOrigin));
    this.#tokens = tokens;
    this.#always = {
      "x-content-type-options": "nosniff",
      "cross-origin-resource-policy": origins.length === 0 ? "same-origin" : "cross-origin",
      ...(origins.length === 0 ? {} : { vary: "origin" }),
    };
  }

  /**
   * The answer to a preflight; undefined: go on.
   * @param isPublic whether what is asked for needs no token
   * @throws {Problem} for who may not come in
   */
  check(request: HttpRequest, isPublic: boolean): HttpAnswer | undefined {
    const host = request.header("host");
    if (host === undefined || !this.#isOurs(hostNameOf(host))) {
      throw new Problem(421, "HOST", `this server is not known as ${JSON.stringify(host ?? "")}`, {
        hint: "allow the name with --allow-host, or with the option `hosts` of createHandler",
      });
    }
    if (request.method === "OPTIONS") return preflight;
    const origin = request.header("origin");
    if (origin !== undefined && !this.#isSameOrigin(origin, host) && !this.#isAllowed(origin)) {
      throw new Problem(403, "ORIGIN", `pages of ${JSON.stringify(origin)} may not use this server`, {
        hint: "allow the origin with --allow-origin, or with the option `origins` of createHandler",
      });
    }
    if (!isPublic && this.#tokens?.accepts(request.header("authorization")) === false) {
      throw new Problem(401, "TOKEN", "Authorization holds none of the server's tokens", {
        headers: { "www-authenticate": "Bearer" },
        hint: "send Authorization: Bearer <token>",
      });
    }
    return undefined;
  }

  #isOurs(name: string): boolean {
    return this.#hosts.has(name) || (this.#allowsAddresses && address.test(name));
  }

  #isAllowed(origin: string): boolean {
    return this.#origins.has(origin.toLowerCase());
  }

  #isSameOrigin(origin: string, host: string): boolean {
    return /^https?:\/\/(.*)$/i.exec(origin)?.[1]?.toLowerCase() === host.toLowerCase();
  }

  /** The headers of an answer with those that every answer has. */
  dress(request: HttpRequest, headers: Readonly<Record<string, string>>): Record<string, string> {
    // Not by spreading, which V8 does ten times slower for objects of many shapes.
    const dressed: Record<string, string> = Object.assign({}, headers, this.#always);
    const origin = this.#origins.size === 0 ? undefined : request.header("origin");
    if (origin !== undefined && this.#isAllowed(origin)) {
      dressed["access-control-allow-origin"] = origin;
      dressed["access-control-expose-headers"] = exposedHeaders;
    }
    return dressed;
  }
}

/** Without `access-control-allow-origin`, which `dress` adds for origins that are allowed, it allows nothing. */
const preflight: HttpAnswer = {
  status: 204,
  headers: {
    "access-control-allow-methods": allowedMethods,
    "access-control-allow-headers": allowedHeaders,
    "access-control-max-age": "600",
  },
};
