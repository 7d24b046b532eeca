/**
 * The leader's cable pulled, and the leader cut from the other servers but not from its clients, under 64
 * callers: as in leader-kill.test.ts nothing acknowledged is lost or there twice. In network
 * namespaces where they are allowed, else by pausing the server (SIGSTOP).
 *
 * One round of a pause and of a pulled cable; SEQLOG_CUTS=5 for the whole run (`npm run test:cluster`),
 * with the leader that is cut from its peers alone, after which a server may take minutes to be well again.
 */
import { test } from "vitest";
import { NatsCluster } from "../../scripts/nats/nats-cluster.mjs";
import { natsServer, networkNamespaces, onlyWith } from "../machine/needs.ts";
import { inWords, KeyedCallers } from "./keyed-callers.ts";

const isWholeRun = process.env["SEQLOG_CUTS"] !== undefined;
const rounds = Number(process.env["SEQLOG_CUTS"] ?? 1);

async function cutAgainAndAgain(
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

const standIn = { name: "the leader is paused with SIGSTOP", needs: [natsServer] };

test(
  "the leader is paused, and goes on",
  { timeout: 3_600_000 },
  onlyWith([natsServer], async () => {
    const cluster = await NatsCluster.start();
    await cutAgainAndAgain(
      cluster,
      "leader paused",
      (i) => cluster.cut(i),
      (i) => cluster.heal(i),
    );
  }),
);

test(
  "the leader's cable is pulled",
  { timeout: 3_600_000 },
  onlyWith(
    [natsServer, networkNamespaces],
    async () => {
      const cluster = await NatsCluster.start({ withNetworks: true });
      await cutAgainAndAgain(
        cluster,
        "leader's cable pulled",
        (i) => cluster.cut(i),
        (i) => cluster.heal(i),
      );
    },
    standIn,
  ),
);

if (isWholeRun) {
test(
  "the leader is cut from its peers alone",
  { timeout: 3_600_000 },
  onlyWith(
    [natsServer, networkNamespaces],
    async () => {
      const cluster = await NatsCluster.start({ withNetworks: true });
      await cutAgainAndAgain(
        cluster,
        "leader cut from its peers",
        (i) => cluster.cutFromPeers(i),
        (i) => cluster.healPeers(i),
      );
    },
    standIn,
  ),
);
} else {
  process.stderr.write("\n*** LEFT TO npm run test:cluster: the leader is cut from its peers alone\n\n");
}
