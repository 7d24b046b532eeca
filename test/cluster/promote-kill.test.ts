/**
 * `promote` killed again and again, it and the server that it writes to, each time somewhere else: at the
 * end the stream is the log. When is chosen by how far it says that it is, never by time.
 *
 * SEQLOG_PROMOTE_KILLS=50 for the whole run (`npm run test:cluster`).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { NatsCluster } from "../../scripts/nats/nats-cluster.mjs";
import { FileLog } from "../../src/index.ts";
import { natsServer, onlyWith } from "../machine/needs.ts";
import { differenceFromLog } from "./same-as-log.ts";

const kills = Number(process.env["SEQLOG_PROMOTE_KILLS"] ?? 4);
const script = fileURLToPath(new URL("promote-child.mjs", import.meta.url));

/** About so many records are to be copied between two kills. */
const stepRecords = 2000;

async function fill(directory: string, records: number): Promise<void> {
  const log = await FileLog.open(directory);
  for (let i = 0; i < records; i += 1000) {
    await log.appendBatch(Array.from({ length: 1000 }, (_, j) => `record ${i + j} ${"x".repeat((i + j) % 500)}`));
  }
  await log.close();
}

/** Calls `act` once, when the child says that it has come so far. */
async function whenItHas(child: ChildProcess, records: number, act: () => Promise<void>): Promise<string> {
  let acted: Promise<void> | undefined;
  let last = "";
  const stdout = child.stdout as NodeJS.ReadableStream;
  for await (const line of createInterface(stdout)) {
    last = line;
    const [, copied] = /^copying (\d+)$/.exec(line) ?? [];
    if (Number(copied) >= records) acted ??= act();
  }
  await acted;
  return last;
}

async function promoteThroughKills(servers: 1 | 3): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), "seqlog-promote-kill-"));
  const directory = join(scratch, "log");
  const cluster = await NatsCluster.start({ servers });
  try {
    const total = (kills + 1) * stepRecords;
    await fill(directory, total);
    let last = "";
    let done = 0;
    for (let copied = 0; done < kills; done++) {
      const child = spawn(process.execPath, [script, directory, `${cluster.url}/orders`, String(servers)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const exited = once(child, "exit");
      const at = Math.min(total, Math.ceil(copied + Math.random() * 2 * stepRecords));
      // Every fifth time it is the server that goes; promote waits for it.
      const isServer = done % 5 === 3;
      last = await whenItHas(child, at, async () => {
        if (!isServer) return void child.kill("SIGKILL");
        const leader = await cluster.leaderOf("orders");
        await cluster.kill(leader);
        await cluster.restart(leader);
      });
      const [code, signal] = (await exited) as [number | null, string | null];
      if (isServer) expect([code, signal]).toEqual([0, null]);
      else if (code !== 0) expect(signal).toBe("SIGKILL");
      copied = at;
      // It came to its end before the next kill: what is copied next is new.
      if (code === 0 && done < kills - 1) await fill(directory, stepRecords);
      if (code === 0) copied = Number(/^done (\d+)/.exec(last)?.[1]);
    }
    const child = spawn(process.execPath, [script, directory, `${cluster.url}/orders`, String(servers)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    last = await whenItHas(child, Infinity, async () => {});
    expect(last).toMatch(/^done \d+ \d+$/);
    expect(await differenceFromLog(directory, cluster.addresses, "orders")).toBeUndefined();
    process.stderr.write(`promote, ${servers} servers: ${done} kills, ${last.split(" ")[1]} records, all there once\n`);
  } finally {
    await cluster.stop();
    rmSync(scratch, { recursive: true, force: true });
  }
}

test(
  "one server",
  { timeout: 3_600_000 },
  onlyWith([natsServer], () => promoteThroughKills(1)),
);

test(
  "three replicas",
  { timeout: 3_600_000 },
  onlyWith([natsServer], () => promoteThroughKills(3)),
);
