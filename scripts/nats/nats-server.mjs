/** One nats-server with JetStream on a directory of its own: started, asked, paused, killed. */
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { until } from "./until.mjs";

/** Debian has it where not everybody's PATH goes. */
const path = `${process.env.PATH}:/usr/sbin:/sbin`;

/** One whose cable is pulled or that is paused does not answer; on a busy machine others take a while, too. */
const answerMs = 10_000;

function accepts(host, port) {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

export class NatsServer {
  name;
  host;
  /** `{ client, monitor, route }` */
  ports;
  #directory;
  #clusterName;
  /** Of all servers of the cluster; set before the start. */
  routes = [];
  /** What its configuration has besides: who may log in, and how. For the next start. */
  more = "";
  /** What the command is put behind, to run it in a network of its own. */
  #wrapper;
  #process;
  #output = "";

  constructor({ name, host, ports, directory, clusterName, wrapper = [] }) {
    this.name = name;
    this.host = host;
    this.ports = ports;
    this.#directory = directory;
    this.#clusterName = clusterName;
    this.#wrapper = wrapper;
  }

  get url() {
    return `nats://${this.host}:${this.ports.client}`;
  }

  get route() {
    return `nats://${this.host}:${this.ports.route}`;
  }

  get isRunning() {
    return this.#process !== undefined;
  }

  /** Starts it and waits until it answers. With others it may need them before it is of use. */
  async start() {
    mkdirSync(this.#directory, { recursive: true });
    const config = join(this.#directory, "nats.conf");
    writeFileSync(config, this.#config());
    const [program, ...args] = [...this.#wrapper, "nats-server", "-c", config];
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, PATH: path } });
    const keep = (text) => {
      this.#output = (this.#output + text).slice(-8192);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    let failure;
    child.once("error", (error) => {
      failure = error.message;
      if (this.#process === child) this.#process = undefined;
    });
    child.once("exit", (code, signal) => {
      failure = `it ended with ${code ?? signal}`;
      if (this.#process === child) this.#process = undefined;
    });
    this.#process = child;
    await until(`${this.name} answers`, async () => {
      if (failure !== undefined) return true;
      // Clients are let in last, when what is stored was looked through.
      return (await this.ask("/varz")) !== undefined && (await accepts(this.host, this.ports.client));
    });
    if (failure !== undefined) throw new Error(`nats-server ${this.name}: ${failure}\n${this.#output}`);
  }

  /** The answer of its monitoring port, also when it says that it is not well. */
  async ask(what) {
    const response = await fetch(`http://${this.host}:${this.ports.monitor}${what}`, {
      signal: AbortSignal.timeout(answerMs),
    });
    return response.json();
  }

  /** SIGKILL; resolves when it is gone. */
  kill() {
    return this.#end("SIGKILL");
  }

  /** SIGTERM; resolves when it is gone. */
  stop() {
    return this.#end("SIGTERM");
  }

  /** Not a step further until `resume`; its connections stay. */
  pause() {
    this.#process?.kill("SIGSTOP");
  }

  resume() {
    this.#process?.kill("SIGCONT");
  }

  /** For the end of the process that started it. */
  killNow() {
    this.#process?.kill("SIGKILL");
  }

  /** The last of what it said. */
  get output() {
    return this.#output;
  }

  async #end(signal) {
    const child = this.#process;
    if (child === undefined) return;
    const ended = new Promise((resolve) => {
      child.once("exit", resolve);
    });
    child.kill(signal);
    // One that is paused does not hear SIGTERM.
    if (signal !== "SIGKILL") child.kill("SIGCONT");
    await ended;
  }

  #config() {
    const { client, monitor, route } = this.ports;
    const cluster =
      this.#clusterName === undefined
        ? ""
        : `cluster { name: ${this.#clusterName}, listen: "${this.host}:${route}", routes: ${JSON.stringify(this.routes)} }`;
    return `
server_name: ${this.name}
listen: "${this.host}:${client}"
http: "${this.host}:${monitor}"
jetstream { store_dir: ${JSON.stringify(join(this.#directory, "store"))}, max_memory_store: 256MB, max_file_store: 64GB }
${cluster}
${this.more}
`;
  }
}
