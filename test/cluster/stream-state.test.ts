/** What a log on three servers keeps beside its records is on three servers as well, whoever opened it with which options. */
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { type NatsConnection, connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { NatsCluster } from "../../scripts/nats/nats-cluster.mjs";
import { openLog } from "../../src/index.ts";
import { runInProcess } from "../cli/run-in-process.ts";
import { natsServer, onlyWith } from "../machine/needs.ts";

const timeout = 180_000;
let cluster: NatsCluster;
let connection: NatsConnection;
let manager: JetStreamManager;

beforeAll(async () => {
  if (natsServer.missing !== undefined) return;
  cluster = await NatsCluster.start();
  connection = await connect({ servers: cluster.addresses });
  manager = await jetstreamManager(connection, { timeout: 30_000 });
}, timeout);

afterAll(async () => {
  await connection?.close();
  await cluster?.stop();
});

async function replicasOf(stream: string): Promise<number> {
  return (await manager.streams.info(stream)).config.num_replicas;
}

test(
  "also when the log is opened by its location alone",
  { timeout },
  onlyWith([natsServer], async () => {
    const made = await openLog(`${cluster.url}/alone`, { nats: { replicas: 3 } });
    await made.close();
    await using log = await openLog(`${cluster.url}/alone`);
    await using _consumer = await log.consumer("billing");
    expect(await replicasOf("SEQLOG_alone")).toBe(3);
    // And who gives the option finds what the other has made.
    await using other = await openLog(`${cluster.url}/alone`, { nats: { replicas: 3 } });
    await using _other = await other.consumer("report");
    await other.reset();
    expect([await replicasOf("SEQLOG_alone"), await replicasOf("alone")]).toEqual([3, 3]);
  }),
);

test(
  "and append and import at a shell make a log of as many as they are told",
  { timeout },
  onlyWith([natsServer], async () => {
    const appended = await runInProcess(["append", `${cluster.url}/shell`, "--replicas", "3"], { input: "a\n" });
    expect([appended.code, await replicasOf("shell")]).toEqual([0, 3]);
    const importing = ["import", `${cluster.url}/shell-2`, "--format", "ndjson", "--replicas", "3"];
    expect([(await runInProcess(importing, { input: "1\n" })).code, await replicasOf("shell-2")]).toEqual([0, 3]);
    for (const command of ["append", "import"]) {
      const format = command === "import" ? ["--format", "ndjson"] : [];
      const refused = await runInProcess([command, "./nowhere", ...format, "--replicas", "3"], { input: "" });
      expect([refused.code, refused.stderr]).toEqual([
        2,
        expect.stringContaining("--replicas is for a log on servers"),
      ]);
    }
  }),
);

test(
  "and one that has fewer gets as many, and keeps what is in it",
  { timeout },
  onlyWith([natsServer], async () => {
    const made = await openLog(`${cluster.url}/raised`);
    await made.append("a");
    await made.seekConsumer("billing", 1);
    await made.close();
    expect(await replicasOf("SEQLOG_raised")).toBe(1);
    await manager.streams.update("raised", { num_replicas: 3 });
    await using log = await openLog(`${cluster.url}/raised`, { nats: { replicas: 3 } });
    await using consumer = await log.consumer("billing");
    expect(consumer.nextSeq).toBe(1);
    expect(await replicasOf("SEQLOG_raised")).toBe(3);
  }),
);
