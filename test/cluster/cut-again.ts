/** The leader of a stream cut off again and again, under 64 callers; what must hold of it is in keyed-callers.ts. */
import type { NatsCluster } from "../../scripts/nats/nats-cluster.mjs";
import { inWords, KeyedCallers } from "./keyed-callers.ts";

const rounds = Number(process.env["SEQLOG_CUTS"] ?? 1);

export async function cutAgainAndAgain(
  cluster: NatsCluster,
  name: string,
  cut: (victim: number) => void,
  heal: (victim: number) => void,
): Promise<void> {
  try {
    const callers = await KeyedCallers.start(`${cluster.url}/orders`, 64, 3);
    const waits: number[] = [];
    for (let round = 0; round < rounds; round++) {
      await callers.acknowledged(500);
      callers.takeLongestMs();
      const victim = await cluster.leaderOf("orders");
      cut(victim);
      await callers.acknowledged(500);
      waits.push(callers.takeLongestMs());
      heal(victim);
      await callers.acknowledged(500);
      // Until then the one that is back may answer from what it had.
      await cluster.agreeOn("orders");
      // A server may take minutes to be well again; only the next cut has to wait for that.
      if (round < rounds - 1) await cluster.isWhole();
    }
    const { count, failures } = callers;
    await callers.check(cluster.addresses, "orders");
    process.stderr.write(
      `${name}, ${rounds} rounds: ${count} appends acknowledged and there once, ${failures} refused and made again; ` +
        `without acknowledgements: ${inWords(waits)}\n`,
    );
  } finally {
    for (const server of cluster.servers) server.resume();
    await cluster.stop();
  }
}
