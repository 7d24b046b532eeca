/**
 * A JetStream cluster of `nats-server` processes on this machine, for tests and for `npm run
 * cluster`. It ends only what it started.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "./free-ports.mjs";
import { NatsServer } from "./nats-server.mjs";
import { ServerNetworks } from "./server-networks.mjs";
import { until } from "./until.mjs";

const localhost = "127.0.0.1";

/** Servers that were cut off take long to find each other again, on a busy machine longer. */
const healMs = 240_000;

/** Of this process, also those that were stopped: who tells of a failure wants to know what they said. */
const started = [];

/** What each server said last, of all clusters that this process started. */
export function lastWords() {
  return started
    .flatMap(({ servers }) => servers)
    .map(({ name, url, output }) => `--- nats-server ${name} (${url}) said last:\n${output}`)
    .join("\n");
}

export class NatsCluster {
  /** By number; `servers[i].name` is what JetStream calls it. */
  servers;
  #networks;
  #directory;
  #keepsData;
  #atExit = () => {
    for (const server of this.servers) server.killNow();
    this.#networks?.remove();
    if (!this.#keepsData) rmSync(this.#directory, { recursive: true, force: true });
  };

  constructor(servers, networks, directory, keepsData) {
    this.servers = servers;
    this.#networks = networks;
    this.#directory = directory;
    this.#keepsData = keepsData;
    process.once("exit", this.#atExit);
  }

  /**
   * Starts `servers` of them (one alone is no cluster) and waits until they have a meta leader.
   * Without `directory` the data is in a temporary one, which goes when the cluster is stopped.
   * `withNetworks` gives each a network namespace, for `cut`. `more` is put into each configuration.
   */
  static async start({ servers: count = 3, directory, withNetworks = false, more = "" } = {}) {
    const networks = withNetworks ? new ServerNetworks(count) : undefined;
    const at = directory ?? mkdtempSync(join(tmpdir(), "seqlog-nats-"));
    const ports = networks === undefined ? await freePorts(localhost, 3 * count) : undefined;
    const servers = Array.from({ length: count }, (_, i) => {
      const [client = 4222, monitor = 8222, route = 6222] = ports?.slice(3 * i, 3 * i + 3) ?? [];
      return new NatsServer({
        name: `n${i + 1}`,
        host: networks?.address(i) ?? localhost,
        ports: { client, monitor, route },
        directory: join(at, `n${i + 1}`),
        clusterName: count > 1 ? "seqlog" : undefined,
        wrapper: networks?.wrapper(i),
      });
    });
    for (const server of servers) {
      server.routes = servers.map(({ route }) => route);
      server.more = more;
    }
    const cluster = new NatsCluster(servers, networks, at, directory !== undefined);
    started.push(cluster);
    try {
      await Promise.all(servers.map((server) => server.start()));
      await cluster.isWhole();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** `nats://host:port,host:port,host:port`, for `openLog` and `seqlog` with a stream's name behind it. */
  get url() {
    return `nats://${this.addresses.join(",")}`;
  }

  /** `host:port` of each server, for a client of NATS. */
  get addresses() {
    return this.servers.map(({ host, ports }) => `${host}:${ports.client}`);
  }

  /** Resolves when all servers run, agree on a meta leader, and have caught up with it. */
  isWhole() {
    return until(
      "all servers are well, and have a meta leader",
      async () => {
        for (const server of this.servers) {
          const health = await server.ask("/healthz");
          if (health.status !== "ok") throw new Error(`${server.name} is not well: ${JSON.stringify(health)}`);
        }
        if (this.servers.length === 1) return true;
        const views = await Promise.all(this.servers.map((server) => server.ask("/jsz")));
        const metas = views.map(({ meta_cluster: meta }) => meta);
        // Only the leader's own count is true for sure: nats-server 2.9 may show less at others for ever.
        const leader = metas.find((meta, i) => meta?.leader === this.servers[i].name);
        const isAgreed = metas.every((meta) => meta?.leader !== undefined && meta.leader === leader?.leader);
        const followers = leader?.replicas?.filter(({ current, offline }) => current && !offline) ?? [];
        if (isAgreed && followers.length === metas.length - 1) return true;
        throw new Error(`no meta leader that all agree on: ${JSON.stringify(metas)}`);
      },
      healMs,
    );
  }

  /** The number of the server that leads a stream, by its own word. */
  leaderOf(stream) {
    return until(`a server leads ${stream}`, async () => {
      // All at once: one that is paused is silent.
      const streams = "/jsz?accounts=true&streams=true";
      const told = await Promise.all(
        this.servers.map((server) => (server.isRunning ? server.ask(streams).catch(() => ({})) : {})),
      );
      for (const [i, server] of this.servers.entries()) {
        const { account_details: accounts = [] } = told[i];
        for (const { stream_detail: streams = [] } of accounts) {
          const found = streams.find(({ name }) => name === stream);
          if (found?.cluster?.leader === server.name || (found !== undefined && this.servers.length === 1)) return i;
        }
      }
      return undefined;
    });
  }

  /** kill -9, and gone. */
  kill(i) {
    return this.servers[i].kill();
  }

  /** Starts one again that was killed; it answers, and may still have to catch up. */
  restart(i) {
    return this.servers[i].start();
  }

  /** Pulls the cable of one: with network namespaces for real, else it is paused (SIGSTOP). */
  cut(i) {
    if (this.#networks === undefined) this.servers[i].pause();
    else this.#networks.cut(i);
  }

  heal(i) {
    if (this.#networks === undefined) this.servers[i].resume();
    else this.#networks.heal(i);
  }

  /** Cuts one from the other servers, but not from clients; only with network namespaces. */
  cutFromPeers(i) {
    this.#networks.cutFromPeers(i);
  }

  healPeers(i) {
    this.#networks.healPeers(i);
  }

  /** Ends all servers, and takes temporary data away. */
  async stop() {
    await Promise.all(this.servers.map((server) => server.kill()));
    process.off("exit", this.#atExit);
    this.#atExit();
  }
}
