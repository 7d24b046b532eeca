/** A nats-server that was started without JetStream: said as it is, and soon. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { openLog } from "../../src/index.ts";
import { natsServer, onlyWith } from "../machine/needs.ts";

test(
  "an open says that there is no JetStream, and what to do",
  { timeout: 120_000 },
  onlyWith([natsServer], async () => {
    const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
    const server = spawn("nats-server", ["-a", "127.0.0.1", "-p", "-1"], { env, stdio: ["ignore", "ignore", "pipe"] });
    try {
      let port = "";
      for await (const line of createInterface(server.stderr)) {
        port = /client connections on 127\.0\.0\.1:(\d+)/.exec(line)?.[1] ?? port;
        if (line.includes("Server is ready")) break;
      }
      await expect(openLog(`nats://127.0.0.1:${port}/events`)).rejects.toMatchObject({
        code: "SEQLOG_UNSUPPORTED",
        message: expect.stringMatching(/JetStream is not enabled there.* start nats-server with -js/) as unknown,
        facts: { reason: "JetStream is not enabled" },
      });
    } finally {
      const exited = once(server, "exit");
      server.kill("SIGKILL");
      await exited;
    }
  }),
);
