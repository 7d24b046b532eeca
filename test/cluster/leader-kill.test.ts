/**
 * The leader of a log's stream, and then any server, killed with SIGKILL under 64 callers: every
 * acknowledged record is there once, in the order of its caller, and the consumer goes on.
 *
 * SEQLOG_LEADER_KILLS=20 for the whole run (`npm run test:cluster`).
 */
import { test } from "vitest";
import { NatsCluster } from "../../scripts/nats/nats-cluster.mjs";
import { natsServer, onlyWith } from "../machine/needs.ts";
import { inWords, KeyedCallers } from "./keyed-callers.ts";

const rounds = Number(process.env["SEQLOG_LEADER_KILLS"] ?? 1);

test(
  "kill -9 of the leader, and of any server",
  { timeout: 3_600_000 },
  onlyWith([natsServer], async () => {
    const cluster = await NatsCluster.start();
    try {
      const callers = await KeyedCallers.start(`${cluster.url}/orders`, 64, 3);
      const leaders: number[] = [];
      const others: number[] = [];
      for (let round = 0; round < rounds; round++) {
        for (const waits of [leaders, others]) {
          await callers.acknowledged(500);
          callers.takeLongestMs();
          const victim = waits === leaders ? await cluster.leaderOf("orders") : Math.floor(Math.random() * 3);
          await cluster.kill(victim);
          await callers.acknowledged(500);
          waits.push(callers.takeLongestMs());
          await cluster.restart(victim);
          await cluster.isWhole();
        }
      }
      await cluster.agreeOn("orders");
      const { count, failures } = callers;
      await callers.check(cluster.addresses, "orders");
      process.stderr.write(
        `kill -9, ${rounds} rounds: ${count} appends acknowledged and there once, ${failures} refused and made again; ` +
          `without acknowledgements after the leader's death: ${inWords(leaders)}; after any server's: ${inWords(others)}\n`,
      );
    } finally {
      await cluster.stop();
    }
  }),
);
