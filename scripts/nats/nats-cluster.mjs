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

  /** The number of a server that leads a stream, by its own word: one that was cut off may say so too. */
  leaderOf(stream) {
    return until(`a server leads ${stream}`, async () => {
      const leaders = await this.#leadersOf(stream);
      const found = this.servers.findIndex(({ name }, i) => leaders[i] === name);
      return found < 0 ? undefined : found;
    });
  }

  /** Resolves when one server alone says that it leads a stream, and most name it. */
  agreeOn(stream) {
    return until(`most servers name one leader of ${stream}`, async () => {
      const leaders = await this.#leadersOf(stream);
      const [leader, ...others] = this.servers.filter(({ name }, i) => leaders[i] === name);
      const voices = leaders.filter((name) => name === leader?.name).length;
      if (leader !== undefined && others.length === 0 && voices > leaders.length / 2) return true;
      throw new Error(`they name ${leaders.join(", ")}`);
    });
  }

  /** Whom each server takes for the leader; undefined when it says nothing. */
  #leadersOf(stream) {
    return Promise.all(
      this.servers.map(async (server) => {
        if (!server.isRunning) return undefined;
        // At the same time: one that is paused is silent.
        const { account_details: accounts = [] } = await server
          .ask("/jsz?accounts=true&streams=true")
          .catch(() => ({}));
        const found = accounts
          .flatMap(({ stream_detail: streams = [] }) => streams)
          .find(({ name }) => name === stream);
        return this.servers.length === 1 && found !== undefined ? server.name : found?.cluster?.leader;
      }),
    );
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
