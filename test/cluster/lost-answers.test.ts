/** Appends whose answers are lost with the connection, and whose copies come after they were sent again: each record once. */
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { type NatsConnection, connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { NatsCluster } from "../../scripts/nats/nats-cluster.mjs";
import { type Log, openLog, text } from "../../src/index.ts";
import { natsServer, onlyWith } from "../machine/needs.ts";
import { NatsProxy } from "./nats-proxy.ts";

const timeout = 240_000;
const waiting = { timeout: 120_000 };
const count = 300;

describe.each([1, 3])("%i replicas", (replicas) => {
  let cluster: NatsCluster;
  let connection: NatsConnection;
  let manager: JetStreamManager;

  beforeAll(async () => {
    if (natsServer.missing !== undefined) return;
    cluster = await NatsCluster.start({ servers: replicas });
    connection = await connect({ servers: cluster.addresses });
    manager = await jetstreamManager(connection, { timeout: 30_000 });
  }, timeout);

  afterAll(async () => {
    await connection?.close();
    await cluster?.stop();
  });

  async function open(name: string, proxy: NatsProxy): Promise<Log<string>> {
    const log = await openLog(`${proxy.url}/${name}`, { codec: text(), nats: { replicas } });
    await log.append("first");
    return log;
  }

  const start = (): Promise<NatsProxy> => NatsProxy.start(Number(new URL(`http://${cluster.addresses[0]}`).port));

  function appendMany(log: Log<string>): Promise<{ readonly seq: number; readonly duplicate: boolean }[]> {
    return Promise.all(Array.from({ length: count }, (_, i) => log.append(`${i}`, { key: `${i}` })));
  }

  async function isStored(name: string, messages: number): Promise<boolean> {
    const { state } = await manager.streams.info(name);
    return state.last_seq === messages;
  }

  /** Messages that the server behind the proxy took from clients. */
  async function taken(): Promise<number> {
    const [server] = cluster.servers;
    if (server === undefined) throw new Error("there is no server");
    return ((await server.ask("/varz")) as { in_msgs: number }).in_msgs;
  }

  async function checkAll(log: Log<string>): Promise<void> {
    const texts: string[] = [];
    for await (const { data } of log.read()) texts.push(data);
    expect(texts).toEqual(["first", ...Array.from({ length: count }, (_, i) => `${i}`)]);
  }

  test(
    "what was stored is found in the stream",
    { timeout },
    onlyWith([natsServer], async () => {
      await using proxy = await start();
      await using log = await open("deaf", proxy);
      for (const link of proxy.links) link.isDeaf = true;
      const appends = appendMany(log);
      await vi.waitUntil(() => isStored("deaf", count + 1), waiting);
      for (const link of proxy.links) link.cut();
      const answers = await appends;
      expect(answers.map(({ seq }) => seq)).toEqual(Array.from({ length: count }, (_, i) => i + 1));
      expect(answers.some(({ duplicate }) => duplicate)).toBe(false);
      await checkAll(log);
    }),
  );

  test(
    "what comes after it was sent again changes nothing",
    { timeout },
    onlyWith([natsServer], async () => {
      await using proxy = await start();
      await using log = await open("late", proxy);
      const before = proxy.links.slice();
      for (const link of before) link.hold();
      let isSent = false;
      proxy.said = (said) => {
        if (said.includes("PUB late ")) isSent = true;
      };
      const appends = appendMany(log);
      await vi.waitUntil(() => isSent, waiting);
      for (const link of before) link.cut();
      await appends;
      const had = await taken();
      for (const link of before) link.release();
      await vi.waitUntil(async () => (await taken()) >= had + count, waiting);
      expect(await isStored("late", count + 1)).toBe(true);
      await checkAll(log);
    }),
  );

  test(
    "what is appended while there is no server waits for it",
    { timeout },
    onlyWith([natsServer], async () => {
      await using log = await openLog(`${cluster.url}/down`, { codec: text(), nats: { replicas } });
      await log.append("first");
      const appends: Promise<{ readonly seq: number }>[] = [];
      const timer = setInterval(() => appends.push(log.append(`${appends.length}`)), 5);
      try {
        const leader = await cluster.leaderOf("down");
        await cluster.kill(leader);
        await cluster.restart(leader);
      } finally {
        clearInterval(timer);
      }
      const answers = await Promise.all(appends);
      expect(answers.map(({ seq }) => seq)).toEqual(Array.from({ length: appends.length }, (_, i) => i + 1));
      const texts: string[] = [];
      for await (const { data } of log.read()) texts.push(data);
      expect(texts).toEqual(["first", ...Array.from({ length: appends.length }, (_, i) => `${i}`)]);
    }),
  );
});
