/**
 * What appends to a stream with replicas must not ask of the server: that a message id comes before.
 * A replica that was down for longer than the duplicate window would refuse what the others took.
 */
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { expect, test } from "vitest";
import { NatsCluster } from "../../scripts/nats/nats-cluster.mjs";
import { openLog } from "../../src/index.ts";
import { natsServer, onlyWith } from "../machine/needs.ts";

test(
  "with replicas a message names the place before it, and no message id",
  onlyWith([natsServer], async () => {
    const cluster = await NatsCluster.start({ servers: 3 });
    try {
      await using log = await openLog(`${cluster.url}/replicated`, { nats: { replicas: 3 } });
      await Promise.all(Array.from({ length: 50 }, (_, count) => log.append(`${count}`)));
      const connection = await connect({ servers: cluster.addresses });
      const manager = await jetstreamManager(connection, { timeout: 60_000 });
      const message = await manager.streams.getMessage("replicated", { seq: 30 });
      await connection.close();
      expect(message?.header.get("Nats-Expected-Last-Sequence")).toBe("29");
      expect(message?.header.has("Nats-Expected-Last-Msg-Id")).toBe(false);
    } finally {
      await cluster.stop();
    }
  }),
);
