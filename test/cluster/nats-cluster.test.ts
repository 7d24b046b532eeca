/** The cluster that other tests here stand on, and that `npm run cluster` gives to try things on. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect as natsConnect } from "@nats-io/transport-node";
import { expect, test } from "vitest";
import { NatsCluster } from "../../scripts/nats/nats-cluster.mjs";
import { natsServer, networkNamespaces, onlyWith } from "../machine/needs.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The id of the NATS server at a port, which it greets with; undefined where none is. Another test's may have come by the port since. */
function serverAt(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const end = (id?: string): void => {
      socket.destroy();
      resolve(id);
    };
    socket.once("data", (greeting) => end(/"server_id":"(\w+)"/.exec(greeting.toString())?.[1]));
    socket.once("error", () => end());
    socket.once("close", () => end());
    // What says nothing first is no NATS server.
    socket.setTimeout(10_000, () => end());
  });
}

test(
  "npm run cluster prints where it is, and Ctrl-C ends its servers",
  onlyWith([natsServer], async () => {
    const child = spawn(process.execPath, ["scripts/cluster.mjs"], { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
    const exited = once(child, "exit");
    try {
      const [line] = (await once(createInterface(child.stdout), "line")) as [string];
      const ports = [...line.matchAll(/127\.0\.0\.1:(\d+)/g)].map(([, port]) => Number(port));
      expect(line).toMatch(/^nats:\/\/.*\/my-log$/);
      expect(ports).toHaveLength(3);
      const servers = await Promise.all(ports.map(serverAt));
      expect(servers).not.toContain(undefined);
      child.kill("SIGINT");
      await exited;
      const left = await Promise.all(ports.map(serverAt));
      expect(left.filter((id) => id !== undefined && servers.includes(id))).toEqual([]);
    } finally {
      child.kill("SIGKILL");
    }
  }),
);

test(
  "a killed server is gone, the others have a leader, and it comes back",
  onlyWith([natsServer], async () => {
    const cluster = await NatsCluster.start();
    try {
      await cluster.kill(1);
      expect(cluster.servers.map(({ isRunning }) => isRunning)).toEqual([true, false, true]);
      await expect(cluster.servers[1]?.ask("/varz")).rejects.toThrow("fetch failed");
      await cluster.restart(1);
      await cluster.isWhole();
    } finally {
      await cluster.stop();
    }
    await expect(cluster.servers[0]?.ask("/varz")).rejects.toThrow("fetch failed");
  }),
);

test(
  "a stream of three replicas has a leader, and another one when that is killed",
  onlyWith([natsServer], async () => {
    const cluster = await NatsCluster.start();
    const connection = await natsConnect({ servers: cluster.addresses });
    try {
      const manager = await jetstreamManager(connection, { timeout: 60_000 });
      await manager.streams.add({ name: "orders", subjects: ["orders"], num_replicas: 3 });
      const first = await cluster.leaderOf("orders");
      await cluster.kill(first);
      expect(await cluster.leaderOf("orders")).not.toBe(first);
    } finally {
      await connection.close();
      await cluster.stop();
    }
  }),
);

test(
  "a server whose cable is pulled cannot be reached until it is back",
  onlyWith(
    [natsServer, networkNamespaces],
    async () => {
      const cluster = await NatsCluster.start({ withNetworks: true });
      try {
        cluster.cut(2);
        await expect(cluster.servers[2]?.ask("/varz")).rejects.toThrow("timeout");
        await expect(cluster.servers[0]?.ask("/varz")).resolves.toHaveProperty("server_name", "n1");
        cluster.heal(2);
        await cluster.isWhole();
      } finally {
        await cluster.stop();
      }
    },
    { name: "servers are paused with SIGSTOP where they cannot be cut", needs: [natsServer] },
  ),
);
