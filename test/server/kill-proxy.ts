/**
 * A proxy in front of a server that is killed again and again: every so many requests it holds one,
 * kills the server with SIGKILL as soon as no other request is under way, starts it again on the same
 * directory, and then lets the held request and all that came meanwhile go on. Whoever sits behind
 * the proxy must not notice.
 *
 * No kill falls into a live read, which would notice of course, nor into the seconds in which a test
 * waits for a short-lived stream to end, which it would lengthen.
 */
import { Agent, type IncomingMessage, type Server, type ServerResponse, createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import type { ServerProcess } from "./server-process.ts";

/** Streams that live longer than this outlive any start of a server. */
const shortLifeMs = 10_000;

/** What a test may do with a short-lived stream beyond its first life. */
const marginMs = 2000;

export class KillProxy {
  readonly url: string;
  kills = 0;
  requests = 0;
  readonly #start: () => Promise<ServerProcess>;
  readonly #every: number;
  readonly #listener: Server;
  #server: ServerProcess;
  /** Connections to a server that was killed are never used again. */
  #agent = new Agent({ keepAlive: true });
  #sinceKill = 0;
  #underWay = 0;
  #live = 0;
  #quietUntil = 0;
  #restart: Promise<void> | undefined;
  #idle: (() => void) | undefined;

  private constructor(listener: Server, server: ServerProcess, start: () => Promise<ServerProcess>, every: number) {
    this.url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`;
    this.#listener = listener;
    this.#server = server;
    this.#start = start;
    this.#every = every;
    listener.on("request", (incoming, response) => void this.#answer(incoming, response));
  }

  /** @param every how many requests there are to a kill */
  static async start(every: number, start: () => Promise<ServerProcess>): Promise<KillProxy> {
    const server = await start();
    const listener = createServer({ keepAliveTimeout: 60_000 });
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    return new KillProxy(listener, server, start, every);
  }

  async close(): Promise<void> {
    this.#listener.closeAllConnections();
    await new Promise((resolve) => this.#listener.close(resolve));
    await this.#restart;
    this.#agent.destroy();
    await this.#server.kill();
  }

  async #answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests++;
    this.#sinceKill++;
    const isLive = incoming.url?.includes("live=") === true;
    this.#noteLife(incoming);
    if (this.#restart === undefined && !isLive && this.#isKillDue()) {
      this.#sinceKill = 0;
      this.#restart = this.#killAndStart().finally(() => (this.#restart = undefined));
    }
    while (this.#restart !== undefined) await this.#restart;
    this.#underWay++;
    if (isLive) this.#live++;
    try {
      await this.#forward(incoming, response);
    } catch {
      // The client went away, or is told so.
      response.destroy();
    } finally {
      this.#underWay--;
      if (isLive) this.#live--;
      if (this.#underWay === 0) this.#idle?.();
    }
  }

  #isKillDue(): boolean {
    return this.#sinceKill >= this.#every && this.#live === 0 && Date.now() >= this.#quietUntil;
  }

  #noteLife({ headers }: IncomingMessage): void {
    const ttlMs = Number(headers["stream-ttl"] ?? Infinity) * 1000;
    const lifeMs = Math.min(ttlMs, Date.parse(String(headers["stream-expires-at"])) - Date.now() || Infinity);
    if (lifeMs < shortLifeMs) this.#quietUntil = Math.max(this.#quietUntil, Date.now() + lifeMs + marginMs);
  }

  async #killAndStart(): Promise<void> {
    if (this.#underWay > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    this.#idle = undefined;
    await this.#server.kill();
    this.#agent.destroy();
    this.#agent = new Agent({ keepAlive: true });
    this.#server = await this.#start();
    this.kills++;
  }

  async #forward(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const outgoing = request(this.#server.url + incoming.url, {
      method: incoming.method,
      headers: incoming.headers,
      agent: this.#agent,
    });
    response.once("close", () => outgoing.destroy());
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.once("response", resolve);
      outgoing.once("error", reject);
    });
    const [answer] = await Promise.all([answered, pipeline(incoming, outgoing)]);
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    response.flushHeaders();
    await pipeline(answer, response);
  }
}
