/**
 * Redis Streams with appendfsync always, where there is a redis-server: on PATH, or named by
 * SEQLOG_BENCH_REDIS. A server of our own on 127.0.0.1 with its files in the measured directory.
 * ioredis pipelines what one turn of the event loop sends.
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import Redis from "ioredis";

const program = process.env.SEQLOG_BENCH_REDIS ?? "redis-server";

/** @throws where there is no redis-server */
export function probe() {
  try {
    const told = execFileSync(program, ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    about.version = /v=(\S+)/u.exec(told)?.[1] ?? "unknown";
  } catch {
    throw new Error("no redis-server on this machine (on PATH, or named by SEQLOG_BENCH_REDIS)");
  }
}

export const about = {
  name: "redis",
  version: "unknown",
  guarantee: "appendfsync always: one fsync for all commands of a turn of the server, before their replies",
  isDurable: true,
};

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

const page = 1000;

export async function open(dir) {
  const folder = join(dir, "redis");
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const settings = ["--bind", "127.0.0.1", "--port", `${port}`, "--dir", folder, "--save", ""];
  const server = spawn(program, [...settings, "--appendonly", "yes", "--appendfsync", "always"], { stdio: "ignore" });
  const ended = new Promise((resolve) => server.on("exit", resolve));
  const killServer = () => server.kill("SIGKILL");
  process.on("exit", killServer);
  const redis = new Redis({ host: "127.0.0.1", port, enableAutoPipelining: true, retryStrategy: () => 20 });
  // Until the server listens the connection is refused, and tried again.
  redis.on("error", () => {});
  await redis.ping();
  const appendMany = async (items) => {
    const pipeline = redis.pipeline();
    for (const item of items) pipeline.xadd("log", "*", "d", item);
    for (const [error] of await pipeline.exec()) if (error) throw error;
  };

  return {
    append: (data) => redis.xadd("log", "*", "d", data),
    appendMany,
    load: appendMany,
    async scanEach() {
      let records = 0;
      let bytes = 0;
      let from = "-";
      for (;;) {
        const entries = await redis.xrangeBuffer("log", from, "+", "COUNT", page);
        for (const [, fields] of entries) bytes += fields[1].length;
        records += entries.length;
        if (entries.length < page) return { records, bytes };
        from = `(${entries.at(-1)[0]}`;
      }
    },
    async get(number) {
      const fromEnd = (await redis.xlen("log")) - number;
      const entries = await redis.xrevrangeBuffer("log", "+", "-", "COUNT", fromEnd);
      return entries.at(-1)?.[1][1];
    },
    count: () => redis.xlen("log"),
    async close() {
      redis.disconnect();
      server.kill("SIGTERM");
      await ended;
      process.off("exit", killServer);
    },
  };
}
