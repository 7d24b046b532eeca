/**
 * A network namespace for each server, behind one bridge: cables that can be pulled. Linux, as root,
 * with iproute2. The names hold this process's id; everything is taken away by `remove`.
 */
import { execFileSync, spawnSync } from "node:child_process";

const path = `${process.env.PATH}:/usr/sbin:/sbin`;
const nobody = "02:00:00:00:00:01";

function ip(...args) {
  return execFileSync("ip", args, { encoding: "utf8", env: { ...process.env, PATH: path }, stdio: "pipe" });
}

let created = 0;

export class ServerNetworks {
  #bridge;
  #subnet;
  #count;

  /** @throws where namespaces are not allowed */
  constructor(count) {
    const own = `${process.pid.toString(36)}${(created++).toString(36)}`;
    this.#bridge = `sql${own}`;
    this.#subnet = unusedSubnet();
    this.#count = count;
    try {
      ip("link", "add", this.#bridge, "type", "bridge");
      ip("addr", "add", `${this.#subnet}.1/24`, "dev", this.#bridge);
      ip("link", "set", this.#bridge, "up");
      for (let i = 0; i < count; i++) this.#add(i);
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  address(i) {
    return `${this.#subnet}.${10 + i}`;
  }

  /** What a command is put behind to run there. */
  wrapper(i) {
    return ["ip", "netns", "exec", this.#space(i)];
  }

  /** Nothing comes to server `i` or from it. */
  cut(i) {
    ip("link", "set", this.#cable(i), "down");
  }

  heal(i) {
    ip("link", "set", this.#cable(i), "up");
  }

  /** Server `i` and the others send to each other into nowhere; clients reach all. */
  cutFromPeers(i) {
    for (const [from, to] of this.#pairs(i)) {
      ip(
        "-n",
        this.#space(from),
        "neigh",
        "replace",
        this.address(to),
        "lladdr",
        nobody,
        "nud",
        "permanent",
        "dev",
        "eth0",
      );
    }
  }

  healPeers(i) {
    for (const [from, to] of this.#pairs(i)) {
      ip("-n", this.#space(from), "neigh", "del", this.address(to), "dev", "eth0");
    }
  }

  /** For the end of the process too: does not wait, does not throw. */
  remove() {
    const env = { ...process.env, PATH: path };
    for (let i = 0; i < this.#count; i++) spawnSync("ip", ["netns", "del", this.#space(i)], { env });
    spawnSync("ip", ["link", "del", this.#bridge], { env });
  }

  #add(i) {
    const space = this.#space(i);
    ip("netns", "add", space);
    ip("link", "add", this.#cable(i), "type", "veth", "peer", "name", "eth0", "netns", space);
    ip("link", "set", this.#cable(i), "master", this.#bridge, "up");
    ip("-n", space, "addr", "add", `${this.address(i)}/24`, "dev", "eth0");
    ip("-n", space, "link", "set", "eth0", "up");
    ip("-n", space, "link", "set", "lo", "up");
  }

  *#pairs(i) {
    for (let other = 0; other < this.#count; other++) {
      if (other === i) continue;
      yield [i, other];
      yield [other, i];
    }
  }

  #space(i) {
    return `${this.#bridge}-${i}`;
  }

  #cable(i) {
    return `${this.#bridge}n${i}`;
  }
}

function unusedSubnet() {
  const used = ip("-4", "addr");
  for (;;) {
    const subnet = `10.231.${1 + Math.floor(Math.random() * 254)}`;
    if (!used.includes(`${subnet}.`)) return subnet;
  }
}
