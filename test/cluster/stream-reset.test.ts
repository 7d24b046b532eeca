/** Resets that meet: of two programs, with an open for writing, with a lost answer, with a stream that somebody else made. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { type NatsConnection, connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { NatsCluster } from "../../scripts/nats/nats-cluster.mjs";
import { FileLog, type Log, openLog, text } from "../../src/index.ts";
import { promote } from "../../src/jetstream/index.ts";
import { natsServer, onlyWith } from "../machine/needs.ts";
import { NatsProxy } from "./nats-proxy.ts";

const timeout = 180_000;
const waiting = { timeout: 120_000 };
let cluster: NatsCluster;
let connection: NatsConnection;
let manager: JetStreamManager;

beforeAll(async () => {
  if (natsServer.missing !== undefined) return;
  cluster = await NatsCluster.start({ servers: 1 });
  connection = await connect({ servers: cluster.addresses });
  manager = await jetstreamManager(connection);
});

afterAll(async () => {
  await connection?.close();
  await cluster?.stop();
});

const onServer = (body: () => Promise<void>) => onlyWith([natsServer], body);

function port(): number {
  return Number(new URL(`http://${cluster.addresses[0]}`).port);
}

function open(name: string, url = cluster.url): Promise<Log<string>> {
  return openLog(`${url}/${name}`, { codec: text() });
}

/** How a live read of all ends, and what it found before. */
async function liveRead(log: Log<string>, found: string[]): Promise<unknown> {
  try {
    for await (const { data } of log.read({ from: "start", live: true })) found.push(data);
    return undefined;
  } catch (error) {
    return error;
  }
}

async function textsOf(log: Log<string>): Promise<string[]> {
  const found: string[] = [];
  for await (const { data } of log.read()) found.push(data);
  return found;
}

test(
  "by a program that knows of an older generation is a later one than all before, and ends live reads",
  { timeout },
  onServer(async () => {
    await using one = await open("stale");
    await using other = await open("stale");
    await one.append("x");
    await one.reset();
    await one.appendBatch(["1", "2", "3", "4", "5"]);
    const found: string[] = [];
    const reading = liveRead(one, found);
    await vi.waitUntil(() => found.length === 5, waiting);
    await other.reset();
    expect([one.generation, other.generation]).toEqual([1, 2]);
    await other.appendBatch(["A", "B", "C", "D", "E", "F", "G", "H"]);
    expect(await reading).toMatchObject({ code: "SEQLOG_RESET" });
    expect(found).toEqual(["1", "2", "3", "4", "5"]);
  }),
);

test(
  "at the same time as others: each is a generation of its own",
  { timeout },
  onServer(async () => {
    const logs = await Promise.all(Array.from({ length: 4 }, () => open("together")));
    await Promise.all(logs.map((log) => log.reset()));
    const generations = logs.map((log) => log.generation);
    expect(Math.max(...generations)).toBe(4);
    await using after = await open("together");
    expect([after.generation, after.nextSeq]).toEqual([4, 0]);
    for (const log of logs) await log.close();
  }),
);

test(
  "a stream that is made anew with the same words is another one",
  { timeout },
  onServer(async () => {
    await using log = await open("again");
    await log.append("a");
    const found: string[] = [];
    const reading = liveRead(log, found);
    await vi.waitUntil(() => found.length === 1, waiting);
    const { config } = await manager.streams.info("again");
    await manager.streams.delete("again");
    await manager.streams.add({
      name: "again",
      subjects: ["again"],
      description: config.description as string,
      duplicate_window: config.duplicate_window,
    });
    await using other = await open("again");
    await other.appendBatch(["b", "c", "d"]);
    expect(await reading).toMatchObject({ code: "SEQLOG_RESET" });
    expect(found).toEqual(["a"]);
  }),
);

test(
  "an open for writing waits for one that is under way, so that its delete takes nothing that was acknowledged",
  { timeout },
  onServer(async () => {
    await using slow = await NatsProxy.start(port());
    await using quick = await NatsProxy.start(port());
    await using resetting = await open("race", slow.url);
    await resetting.append("old");
    const held = new Promise<() => void>((resolve) => {
      slow.said = (said, link) => {
        if (!said.includes("STREAM.DELETE.race ")) return;
        link.hold();
        resolve(() => link.release());
      };
    });
    const reset = resetting.reset();
    const release = await held;
    let looks = 0;
    const looking = new Promise<void>((resolve) => {
      quick.said = (said) => {
        if (said.includes("STREAM.INFO.race ") && ++looks === 3) resolve();
      };
    });
    const opening = open("race", quick.url);
    // Without waiting it opens, appends, and loses what it appended.
    const early = await Promise.race([looking.then(() => undefined), opening]);
    const appendedEarly = await early?.append("new");
    release();
    await using opened = await opening;
    const { seq } = appendedEarly ?? (await opened.append("new"));
    await reset;
    expect([opened.generation, resetting.generation, seq]).toEqual([1, 1, 0]);
    expect((await opened.get(seq))?.data).toBe("new");
    expect(await textsOf(resetting)).toEqual(["new"]);
  }),
);

test(
  "whose delete is done and its answer lost takes nothing that was appended since",
  { timeout },
  onServer(async () => {
    await using proxy = await NatsProxy.start(port());
    await using resetting = await open("lost", proxy.url);
    await resetting.append("old");
    let isOut = false;
    proxy.said = (said, link) => {
      // Those that come meanwhile get no word through.
      if (said.includes("STREAM.DELETE.lost ")) isOut = true;
      if (isOut) link.isDeaf = true;
    };
    const reset = resetting.reset();
    await vi.waitUntil(async () => isOut && !(await isThere("lost")), waiting);
    await using opened = await open("lost");
    const { seq } = await opened.append("new");
    isOut = false;
    for (const link of proxy.links) link.cut();
    await reset;
    expect((await opened.get(seq))?.data).toBe("new");
    expect(await textsOf(resetting)).toEqual(["new"]);
    expect(resetting.generation).toBe(opened.generation);
  }),
);

test(
  "of before leaves another log of the same name alone",
  { timeout },
  onServer(async () => {
    const directory = mkdtempSync(join(tmpdir(), "seqlog-reset-"));
    try {
      const before = await open("taken");
      await before.reset();
      await before.close();
      await manager.streams.delete("taken");
      const file = await FileLog.open(join(directory, "log"));
      await file.appendBatch(["a", "b"]);
      await file.close();
      await promote(join(directory, "log"), `${cluster.url}/taken`);
      await using log = await open("taken");
      expect(await textsOf(log)).toEqual(["a", "b"]);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }),
);

async function isThere(name: string): Promise<boolean> {
  return await manager.streams.info(name).then(
    () => true,
    () => false,
  );
}
