/**
 * `mirror` beside a program that goes on appending, both killed and cut off: the stream is a beginning
 * of the log whenever one looks, and all of it in the end.
 *
 * SEQLOG_MIRROR_KILLS=30 for the whole run (`npm run test:cluster`).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { NatsCluster } from "../../scripts/nats/nats-cluster.mjs";
import { FileLog } from "../../src/index.ts";
import { mirror } from "../../src/jetstream/index.ts";
import { natsServer, onlyWith } from "../machine/needs.ts";
import { differenceFromLog } from "./same-as-log.ts";

const kills = Number(process.env["SEQLOG_MIRROR_KILLS"] ?? 4);
const script = fileURLToPath(new URL("mirror-child.mjs", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "seqlog-mirror-"));
let cluster: NatsCluster;
let count = 0;

beforeAll(async () => {
  if (natsServer.missing === undefined) cluster = await NatsCluster.start({ servers: 1 });
});

afterAll(async () => {
  await cluster?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

function place(): { directory: string; stream: string; location: string } {
  const stream = `mirror-${++count}`;
  return { directory: join(scratch, stream), stream, location: `${cluster.url}/${stream}` };
}

/** Mirrors in this process until the stream has what the log has now. */
async function mirrorAll(log: FileLog, location: string): Promise<void> {
  const stop = new AbortController();
  const done = new Error("all is there");
  const running = mirror(log.location, location, {
    signal: stop.signal,
    onProgress: (nextSeq) => {
      if (nextSeq >= log.nextSeq) stop.abort(done);
    },
  });
  await expect(running).rejects.toBe(done);
}

const onServer = (body: () => Promise<void>) => onlyWith([natsServer], body);

test(
  "records appended while it runs come to the stream, and the checkpoint follows",
  onServer(async () => {
    const { directory, stream, location } = place();
    await using log = await FileLog.open(directory);
    await log.appendBatch(["a", "b", "c"]);
    const stop = new AbortController();
    const done = new Error("done");
    let appended = 3;
    const running = mirror(directory, location, {
      signal: stop.signal,
      onProgress: (nextSeq) => {
        if (nextSeq < appended) return;
        if (appended === 50) stop.abort(done);
        else void log.append(`record ${appended++}`);
      },
    });
    await expect(running).rejects.toBe(done);
    expect(await differenceFromLog(directory, cluster.addresses, stream)).toBeUndefined();
    expect(await log.consumers()).toMatchObject([
      { name: "mirror", nextSeq: 50, lag: { records: 0 }, isActive: false },
    ]);
  }),
);

test(
  "it goes on where the stream ends, whatever its checkpoint says",
  onServer(async () => {
    const { directory, stream, location } = place();
    await using log = await FileLog.open(directory);
    await log.appendBatch(["a", "b", "c"]);
    await mirrorAll(log, location);
    await log.appendBatch(["d", "e"]);
    // As after a crash between the last acknowledgement and the checkpoint, and the other way round.
    await log.seekConsumer("mirror", 1);
    await mirrorAll(log, location);
    await log.appendBatch(["f"]);
    await log.seekConsumer("mirror", 6);
    await mirrorAll(log, location);
    expect(await differenceFromLog(directory, cluster.addresses, stream)).toBeUndefined();
  }),
);

test(
  "an acknowledgement removes nothing from the log",
  onServer(async () => {
    const { directory, location } = place();
    const retention = { protect: "consumers" as const };
    await using log = await FileLog.open(directory, { segmentBytes: 1024, retention });
    for (let i = 0; i < 50; i++) await log.append("x".repeat(100));
    await mirrorAll(log, location);
    await log.append("one more");
    expect(log.firstSeq).toBe(0);
    expect(await log.trim({ before: "end" })).toMatchObject({ removed: expect.any(Number) as number });
    // What was asked for went, and the mirror does not need it.
    await log.append("and another");
    await mirrorAll(log, location);
  }),
);

test(
  "what the stream lacks and the log no longer has ends it",
  onServer(async () => {
    const { directory, location } = place();
    await using log = await FileLog.open(directory, { segmentBytes: 1024 });
    await log.append("first");
    await mirrorAll(log, location);
    for (let i = 0; i < 50; i++) await log.append("x".repeat(100));
    await log.trim({ before: "end" });
    await expect(mirror(directory, location)).rejects.toMatchObject({
      code: "SEQLOG_TRIMMED",
      facts: { firstSeq: log.firstSeq },
    });
  }),
);

test(
  "a reset of the log ends it, and a new start says why",
  onServer(async () => {
    const { directory, location } = place();
    await using log = await FileLog.open(directory);
    await log.appendBatch(["a", "b"]);
    const running = mirror(directory, location, {
      onProgress: (nextSeq) => {
        if (nextSeq === 2) void log.reset();
      },
    });
    await expect(running).rejects.toMatchObject({ code: "SEQLOG_RESET" });
    await log.append("of another history");
    await expect(mirror(directory, location)).rejects.toMatchObject({ code: "SEQLOG_CHECKPOINT_MISMATCH" });
    await expect(mirror(directory, location, { consumer: "other" })).rejects.toMatchObject({
      code: "SEQLOG_CONFLICT",
      message: expect.stringContaining("of before a reset") as unknown,
    });
  }),
);

test(
  "two of one name are one too many",
  onServer(async () => {
    const { directory, location } = place();
    await using log = await FileLog.open(directory);
    await log.append("a");
    await using _held = await log.consumer("mirror");
    await expect(mirror(directory, location)).rejects.toMatchObject({ code: "SEQLOG_LOCKED" });
  }),
);

test(
  "killed and cut off while the log grows, the stream stays a beginning of it",
  { timeout: 3_600_000 },
  onServer(async () => {
    const { directory, stream, location } = place();
    await using log = await FileLog.open(directory);
    const enough = new AbortController();
    const appending = (async () => {
      for (let i = 0; !enough.signal.aborted; i++) {
        await log.append(`record ${i} ${"x".repeat(i % 300)}`);
        if (log.nextSeq > kills * 20_000) await new Promise(setImmediate);
      }
    })();
    let reached = 0;
    for (let round = 0; round < kills; round++) {
      const child = spawn(process.execPath, [script, directory, location, "1"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const exited = once(child, "exit");
      const wanted = reached + Math.ceil(Math.random() * 1000);
      reached = await cameTo(child, wanted);
      if (round % 3 === 1) {
        await cluster.kill(0);
        await cluster.restart(0);
        // It is still at work, and finds the server again.
        reached = await cameTo(child, reached + 1);
      }
      child.kill("SIGKILL");
      await exited;
      expect(await differenceFromLog(directory, cluster.addresses, stream, reached)).toBeUndefined();
    }
    enough.abort();
    await appending;
    await mirrorAll(log, location);
    expect(await differenceFromLog(directory, cluster.addresses, stream)).toBeUndefined();
    process.stderr.write(`mirror: ${kills} kills, ${log.nextSeq} records, all there once\n`);
  }),
);

/** Resolves when the child says that the stream has so many records. */
function cameTo(child: ChildProcess, wanted: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const lines = createInterface(child.stdout as NodeJS.ReadableStream);
    lines.on("line", (line) => {
      if (Number(line) < wanted) return;
      lines.close();
      resolve(Number(line));
    });
    child.once("exit", (code) => reject(new Error(`the mirror ended with ${code}`)));
  });
}

test(
  "its stream has the settings it was made with",
  onServer(async () => {
    const { directory, stream, location } = place();
    await using log = await FileLog.open(directory);
    await log.append("a");
    await mirrorAll(log, location);
    const connection = await connect({ servers: cluster.addresses });
    const { config } = await (await jetstreamManager(connection, { timeout: 60_000 })).streams.info(stream);
    await connection.close();
    expect(config).toMatchObject({ num_replicas: 1, storage: "file", retention: "limits", subjects: [stream] });
  }),
);
