/**
 * The leader paused, and the leader's cable pulled, under 64 callers: as in leader-kill.test.ts nothing
 * acknowledged is lost or there twice. In network namespaces where they are allowed, else the pause
 * alone (SIGSTOP). One round of each; SEQLOG_CUTS=5 for the whole run (`npm run test:cluster`).
 */
import { test } from "vitest";
import { NatsCluster } from "../../scripts/nats/nats-cluster.mjs";
import { natsServer, networkNamespaces, onlyWith } from "../machine/needs.ts";
import { cutAgainAndAgain } from "./cut-again.ts";

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
