/**
 * The leader cut from the other servers, but not from its clients. Not part of `npm test`: a server may
 * take minutes to be well again. `npm run test:cluster` runs it (SEQLOG_CUTS=5).
 */
import { test } from "vitest";
import { NatsCluster } from "../../scripts/nats/nats-cluster.mjs";
import { natsServer, networkNamespaces, onlyWith } from "../machine/needs.ts";
import { cutAgainAndAgain } from "./cut-again.ts";

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
    { name: "network-cut.test.ts pauses the leader with SIGSTOP", needs: [natsServer] },
  ),
);
