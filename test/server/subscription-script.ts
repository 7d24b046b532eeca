/** A script of requests about subscriptions, what was answered to it, and what must be true of that ever after. */
import { header } from "../../src/server/http/protocol-headers.ts";
import type { PostWebhook } from "../../src/server/subscriptions/post-webhook.ts";
import type { SimulatedMachine } from "../../src/testing/simulated-machine.ts";
import { type Reply, type Sent, StreamServer } from "../sim/stream-server.ts";

const sub = "__ds/subscriptions/pull";
const hook = "__ds/subscriptions/hook";

interface Told {
  readonly path: string;
  readonly acked_offset: string;
  readonly tail_offset: string;
  readonly has_pending: boolean;
}

interface Claimed {
  readonly wake_id: string;
  readonly generation: number;
  readonly token: string;
  readonly streams: readonly Told[];
}

interface Described {
  readonly generation: number;
  readonly streams: readonly Told[];
}

/** What clients know. */
export class Answered {
  /** Steps that were answered. */
  steps = 0;
  /** The subscription that is pulled: made, for all they know; undefined while that is being changed. */
  isMade: boolean | undefined = false;
  isHookMade = false;
  /** By stream how far it was acknowledged to be done with. */
  readonly acked = new Map<string, string>();
  /** The highest generation that anybody was told. */
  generation = 0;
  hookGeneration = 0;
  readonly claims: Claimed[] = [];
}

/** A server, and those who talk with it. */
export class Client {
  readonly server: StreamServer;
  readonly #answered: Answered;

  constructor(machine: SimulatedMachine, answered: Answered) {
    this.#answered = answered;
    this.server = new StreamServer(machine, this.#receive);
  }

  /** A receiver that says that it is done; every third time it fails first. */
  readonly #receive: PostWebhook = async ({ body }, { clock }) => {
    const { generation } = JSON.parse(body) as { readonly generation: number };
    if (generation < this.#answered.hookGeneration) throw new Error(`generation ${generation} came back`);
    this.#answered.hookGeneration = generation;
    await clock.turn();
    if (generation % 3 === 0 && this.#failedOnce !== generation) {
      this.#failedOnce = generation;
      return { status: 500, body: undefined };
    }
    return { status: 200, body: '{"done":true}' };
  };
  #failedOnce = 0;

  /** @throws when the answer is another one than it must be; never resolves when the process ended over it */
  async send(method: string, name: string, sent: Sent, ...wanted: readonly number[]): Promise<Reply> {
    const reply = await this.server.send(method, name, sent);
    if (reply === undefined) return await new Promise(() => undefined);
    if (wanted.includes(reply.status)) return reply;
    throw new Error(`${method} ${name}: ${reply.status} ${JSON.stringify(reply.body)}`, { cause: reply.error });
  }

  async claim(worker: string, ...wanted: readonly number[]): Promise<Claimed | undefined> {
    const { status, body } = await this.send("POST", `${sub}/claim`, json({ worker }), 200, ...wanted);
    if (status !== 200) return undefined;
    const claimed = body as Claimed;
    if (claimed.generation <= (this.#answered.claims.at(-1)?.generation ?? 0)) {
      throw new Error(`generation ${claimed.generation} was claimed twice`);
    }
    this.#answered.claims.push(claimed);
    this.#answered.generation = Math.max(this.#answered.generation, claimed.generation);
    return claimed;
  }

  /** Says that so many of the streams of a wake are done with. */
  async ack({ wake_id, generation, token, streams }: Claimed, done: boolean, most = Infinity): Promise<void> {
    const acks = streams
      .filter(({ has_pending }) => has_pending)
      .slice(0, most)
      .map(({ path, tail_offset }) => ({ stream: path, offset: tail_offset }));
    const body = { wake_id, generation, acks, done };
    await this.send("POST", `${sub}/ack`, json(body, token), 200);
    for (const { stream, offset } of acks) this.#answered.acked.set(stream, offset);
  }

  async release({ wake_id, generation, token }: Claimed): Promise<void> {
    await this.send("POST", `${sub}/release`, json({ wake_id, generation }, token), 204);
  }

  async describe(name: string): Promise<Described | undefined> {
    const { status, body } = await this.send("GET", name, {}, 200, 404);
    return status === 200 ? (body as Described) : undefined;
  }

  async tailOf(path: string): Promise<string | undefined> {
    const reply = await this.send("HEAD", path, {}, 200, 404);
    return reply.status === 200 ? reply.headers[header.nextOffset] : undefined;
  }
}

function json(body: unknown, token?: string): Sent {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return { body: JSON.stringify(body), headers };
}

const pull = json({
  type: "pull-wake",
  pattern: "a/**",
  streams: ["x"],
  wake_stream: "a/wakes",
  lease_ttl_ms: 1000,
});
const webhook = json({ type: "webhook", pattern: "a/*", webhook: { url: "http://hook/" }, lease_ttl_ms: 1000 });

type Step = (client: Client, answered: Answered) => Promise<void>;

/** Each may be made again when it is not known whether it was. */
export const script: readonly Step[] = [
  async (client) => void (await client.send("PUT", "a/wakes", {}, 201, 200)),
  async (client) => void (await client.send("PUT", "a/1", {}, 201, 200)),
  async (client) => void (await client.send("POST", "a/1", { body: "[1]" }, 204)),
  async (client, answered) => {
    answered.isMade = undefined;
    await client.send("PUT", sub, pull, 201, 200);
    answered.isMade = true;
  },
  async (client, answered) => {
    await client.send("PUT", hook, webhook, 201, 200);
    answered.isHookMade = true;
  },
  async (client) => void (await client.send("POST", "a/1", { body: "[2]" }, 204)),
  async (client) => void (await client.claim("w1", 409)),
  async (client) => void (await client.send("PUT", "a/2", { body: "[1]" }, 201, 200)),
  async (client) => void (await client.send("PUT", "x", { body: "[1]" }, 201, 200)),
  async (client) => void (await client.claim("w2", 409)),
  async (client, { claims }) => {
    const last = claims.at(-1);
    // It may have ended with the process in between.
    if (last !== undefined) await client.ack(last, false, 1).catch(() => undefined);
  },
  async (client, { claims }) => {
    const last = claims.at(-1);
    if (last !== undefined) await client.ack(last, true).catch(() => undefined);
  },
  async (client) => void (await client.claim("w3", 409)),
  async (client, { claims }) => {
    const last = claims.at(-1);
    if (last !== undefined) await client.release(last).catch(() => undefined);
  },
  async (client, { acked }) => {
    acked.delete("a/1");
    await client.send("DELETE", "a/1", {}, 204, 404);
  },
  async (client) => void (await client.send("PUT", "a/1", { body: "[7]" }, 201, 200)),
  async (client, { claims, acked }) => {
    const claimed = await client.claim("w4", 409);
    if (claimed === undefined) return;
    const found = claimed.streams.find(({ path }) => path === "a/1");
    // Another stream of the name, of which nothing is done with.
    if (!acked.has("a/1") && found?.acked_offset !== "-1") throw new Error(`a/1: ${JSON.stringify(found)}`);
    await client.ack(claims.at(-1) as Claimed, true);
  },
];

/** What must be true in the end, whatever came in between; ends with nothing left to do. */
export async function check(client: Client, answered: Answered): Promise<void> {
  const found = await client.describe(sub);
  if (answered.isMade === true && found === undefined) throw new Error("the subscription is gone");
  if (found !== undefined) await checkPulled(client, answered, found);
  const hooked = await client.describe(hook);
  if (answered.isHookMade && hooked === undefined) throw new Error("the webhook is gone");
  if (hooked !== undefined) await untilDelivered(client, hooked, answered);
}

async function checkPulled(client: Client, answered: Answered, found: Described): Promise<void> {
  const { machine } = client.server;
  if (found.generation < answered.generation)
    throw new Error(`generation ${found.generation} after ${answered.generation}`);
  for (const [path, offset] of answered.acked) {
    const acked = found.streams.find((stream) => stream.path === path)?.acked_offset ?? "none";
    if (!(acked >= offset) || acked === "none") throw new Error(`${path}: acknowledged to ${offset}, found ${acked}`);
  }
  // Whoever is at it is silent from now on.
  for (let i = 0; i < 10; i++) {
    const claimed = await client.claim("last", 409);
    if (claimed !== undefined) {
      await client.ack(claimed, true);
      break;
    }
    await new Promise<void>((resolve) => void machine.clock.after(300, resolve, { keepAlive: true }));
  }
  for (const old of answered.claims.slice(0, -1)) {
    const { wake_id, generation, token } = old;
    const { body } = await client.send(
      "POST",
      `${sub}/ack`,
      json({ wake_id, generation, acks: [], done: true }, token),
      409,
    );
    if ((body as { error: { code: string } }).error.code !== "FENCED") throw new Error(JSON.stringify(body));
  }
  for (const path of ["a/1", "a/2", "x"]) {
    const tail = await client.tailOf(path);
    const acked = (await client.describe(sub))?.streams.find((stream) => stream.path === path)?.acked_offset;
    if (tail === undefined || Number(tail.split("_")[0]) === 0) continue;
    if (acked !== tail) throw new Error(`${path} goes to ${tail}, and is done with to ${acked}`);
  }
}

async function untilDelivered(client: Client, hooked: Described, answered: Answered): Promise<void> {
  const { machine } = client.server;
  if (hooked.generation < answered.hookGeneration) throw new Error(`webhook: generation ${hooked.generation}`);
  for (let i = 0; ; i++) {
    let isDone = true;
    const streams = (await client.describe(hook))?.streams;
    for (const path of ["a/1", "a/2", "a/wakes"]) {
      const tail = await client.tailOf(path);
      const acked = streams?.find((stream) => stream.path === path)?.acked_offset;
      if (tail !== undefined && Number(tail.split("_")[0]) > 0 && acked !== tail) isDone = false;
    }
    if (isDone) return;
    if (i > 100) throw new Error(`the webhook is not done with ${JSON.stringify(streams)}`);
    await new Promise<void>((resolve) => void machine.clock.after(200, resolve, { keepAlive: true }));
  }
}
