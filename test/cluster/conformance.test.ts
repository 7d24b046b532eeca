/** A log on JetStream keeps the contract of every log: with one replica, and with three on three servers. */
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { type NatsConnection, connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, test } from "vitest";
import { NatsCluster } from "../../scripts/nats/nats-cluster.mjs";
import { type Codec, type Log, openLog } from "../../src/index.ts";
import { logConformance } from "../../src/testing/index.ts";
import { natsServer, onlyWith } from "../machine/needs.ts";

const maxRecordBytes = 500_000;

describe.concurrent.each([1, 3])("%i replicas", (replicas) => {
  let cluster: NatsCluster;
  let connection: NatsConnection;
  let manager: JetStreamManager;

  beforeAll(async () => {
    if (natsServer.missing !== undefined) return;
    cluster = await NatsCluster.start({ servers: replicas });
    connection = await connect({ servers: cluster.addresses });
    manager = await jetstreamManager(connection, { timeout: 60_000 });
    // Cases run side by side and remove their streams: with one that stays, the account's directory does.
    await manager.streams.add({ name: "stays", subjects: ["stays"] });
  });

  afterAll(async () => {
    await connection?.close();
    await cluster?.stop();
  });

  const at = (name: string): string => `${cluster.url}/${name}`;
  const cases = logConformance(
    {
      maxRecordBytes,
      open: (name, options) => openLog(at(name), { ...options, nats: { replicas, maxRecordBytes } }),
      openWithCodec: <In, Out>(name: string, codec: Codec<In, Out>): Promise<Log<In, Out>> =>
        openLog(at(name), { nats: { replicas, maxRecordBytes }, codec }),
      openRetaining: (name, retention) => openLog(at(name), { retention, nats: { replicas, maxRecordBytes } }),
      openReader: (name) => openLog(at(name), { readOnly: true }),
      async destroy(name) {
        for await (const { config } of manager.streams.list()) {
          if (config.name === name || config.name === `SEQLOG_${name}`) await manager.streams.delete(config.name);
        }
      },
    },
    { timeoutMs: 240_000 },
  );
  test.for(cases)("$name", { timeout: 300_000 }, ({ run }, context) => onlyWith([natsServer], run)(context));
});
