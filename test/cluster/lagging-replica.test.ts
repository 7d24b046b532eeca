/**
 * A replica that was paused and goes on lacks what was acknowledged meanwhile, and nats-server reads
 * from any replica that it likes. Nothing acknowledged may be left out for that.
 */
import { expect, test } from "vitest";
import { NatsCluster } from "../../scripts/nats/nats-cluster.mjs";
import { type Log, openLog } from "../../src/index.ts";
import { natsServer, onlyWith } from "../machine/needs.ts";

const rounds = 4;

/** Reads at once after a pause: enough that some are of the replica that is behind. */
const reads = 12;

const tail = 50;

async function seqsOf(log: Log, options: { from: number; to: number; reverse?: boolean }): Promise<number[]> {
  const found: number[] = [];
  for await (const { seq } of log.read(options)) found.push(seq);
  return found;
}

test(
  "what a replica lacks that is behind is read all the same: forward, backward, by id, and by a consumer",
  onlyWith([natsServer], async () => {
    const cluster = await NatsCluster.start();
    try {
      const made = await openLog(`${cluster.url}/behind`, { nats: { replicas: 3 } });
      await made.append("first");
      await made.close();
      const leader = await cluster.leaderOf("behind");
      const behind = cluster.servers[(leader + 1) % 3];
      // To the leader, so that no connection of these is paused.
      const location = `nats://${cluster.addresses[leader]}/behind`;
      const writer = await openLog(location);
      const reader = await openLog(location);
      const data = Array.from({ length: 3000 }, () => "x".repeat(1000));
      for (let round = 0; round < rounds; round++) {
        behind?.pause();
        for (let i = 0; i < 3; i++) await writer.appendBatch(data);
        const last = await writer.append(`the last of round ${round}`);
        behind?.resume();
        const from = last.seq - tail;
        const wanted = Array.from({ length: tail + 1 }, (_, i) => from + i);
        for (let i = 0; i < reads; i++) {
          expect(await seqsOf(reader, { from, to: last.seq + 1 })).toEqual(wanted);
          expect(await seqsOf(reader, { from, to: last.seq + 1, reverse: true })).toEqual(wanted.toReversed());
          expect((await reader.find(last.id))?.seq).toBe(last.seq);
        }
        const consumer = await reader.consumer(`round-${round}`, { from });
        const consumed: number[] = [];
        for await (const delivery of consumer) {
          consumed.push(delivery.seq);
          if (delivery.seq === last.seq) break;
        }
        expect(consumed).toEqual(wanted);
        await consumer.close();
      }
      await writer.close();
      await reader.close();
    } finally {
      for (const server of cluster.servers) server.resume();
      await cluster.stop();
    }
  }),
);
