/**
 * `promote` beside a program that publishes the same data to the same server as fast as its client
 * can, with no ids, checksums or places: pipelined by hand (one subscription for all
 * acknowledgements, the fastest way there is), and with the client's own `js.publish`, 256 at a time
 * (the fastest of 256, 1,000 and 4,096). One nats-server, one replica, its files in the measured
 * directory. Each is acknowledged record by record.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { NatsCluster } from "../../scripts/nats/nats-cluster.mjs";
import { loadSeqlog } from "../lib/load-seqlog.mjs";
import { Payloads } from "../lib/payload.mjs";
import { inRounds } from "../lib/rounds.mjs";
import { ratio } from "../lib/targets.mjs";

const guarantee =
  "NOT durable: nats-server 2.9 with one replica acknowledges what the operating system has; it syncs every two minutes";
/** Not "seqlog": what an acknowledgement is worth is the server's here, and the docs list guarantees by name. */
const ownName = "seqlog promote";
const window = 8192;
const warmUp = 50_000;

/** Where Debian has it is not in everybody's PATH. */
const path = `${process.env.PATH}:/usr/sbin`;

function serverVersion() {
  const { stdout } = spawnSync("nats-server", ["--version"], { encoding: "utf8", env: { ...process.env, PATH: path } });
  return stdout?.trim();
}

async function fillLog(directory, count, payloads) {
  const { openLog } = await loadSeqlog();
  const log = await openLog(directory);
  const batch = payloads.batches(4096);
  for (let done = 0; done < count; done += 4096) {
    const items = batch(done);
    await log.appendBatch(count - done < 4096 ? items.slice(0, count - done) : items);
  }
  await log.close();
}

/** A server and a stream of its own for each measurement. */
async function withStream(dir, use) {
  const cluster = await NatsCluster.start({ servers: 1, directory: dir });
  try {
    return await use(cluster);
  } finally {
    await cluster.stop();
  }
}

async function promoted(cluster, directory, count) {
  const { promote } = await import(join(process.env.SEQLOG_BENCH_DIST, "..", "jetstream", "index.js"));
  const begun = performance.now();
  let copied = begun;
  const { records } = await promote(directory, `${cluster.url}/bench`, {
    onProgress({ doing, records }) {
      if (doing === "copying" && records === count) copied = performance.now();
    },
  });
  if (records !== count) throw new Error(`${count} records were to be promoted, ${records} were`);
  return { copy: count / ((copied - begun) / 1000), whole: count / ((performance.now() - begun) / 1000) };
}

async function published(cluster, count, payloads, publishAll) {
  const connection = await connect({ servers: cluster.addresses });
  try {
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name: "bare", subjects: ["bare"] });
    const begun = performance.now();
    await publishAll(connection, count, payloads);
    const seconds = (performance.now() - begun) / 1000;
    const { state } = await manager.streams.info("bare");
    if (state.messages !== count) throw new Error(`${count} messages were published, ${state.messages} are there`);
    return count / seconds;
  } finally {
    await connection.close();
  }
}

/** Goes on when half of the window is acknowledged. */
async function pipelined(connection, count, payloads) {
  let acknowledged = 0;
  let wanted = 0;
  let tell = () => {};
  const inbox = "_INBOX.bench";
  connection.subscribe(inbox, {
    callback(error, message) {
      if (error !== null || JSON.parse(message.string()).error !== undefined)
        throw error ?? new Error(message.string());
      if (++acknowledged >= wanted) tell();
    },
  });
  const until = (number) =>
    new Promise((resolve) => {
      wanted = number;
      tell = resolve;
      if (acknowledged >= number) resolve();
    });
  for (let i = 0; i < count; i++) {
    if (i - acknowledged >= window) await until(i - window / 2);
    connection.publish("bare", payloads.at(i), { reply: inbox });
  }
  await until(count);
}

async function byClient(connection, count, payloads) {
  const js = jetstream(connection, { timeout: 60_000 });
  for (let i = 0; i < count; i += 256) {
    const length = Math.min(256, count - i);
    await Promise.all(Array.from({ length }, (_, j) => js.publish("bare", payloads.at(i + j))));
  }
}

const promote = {
  name: "promote",
  title: "a log promoted to JetStream",
  sizes: [256],
  async run(context) {
    const version = serverVersion();
    if (version === undefined) {
      const missing = "no nats-server on this machine (apt-get install nats-server)";
      const contenders = [{ key: "promote", name: ownName, label: "copying", missing }];
      return { unit: "records/s", contenders, targets: [ratio(contenders, "promote", "bare", 0.7)] };
    }
    const payloads = new Payloads(context.size);
    const count = context.isQuick ? 50_000 : 1_000_000;
    const byClientCount = Math.min(count, 200_000);
    context.report("filling the log");
    const logs = { whole: join(context.dir, "log"), warmUp: join(context.dir, "warm-up") };
    await fillLog(logs.whole, count, payloads);
    await fillLog(logs.warmUp, warmUp, payloads);
    const bare = (most, publishAll) => ({
      measure: (dir, isWarmUp) =>
        withStream(dir, (cluster) => published(cluster, isWarmUp ? warmUp : most, payloads, publishAll)),
    });
    const contenders = [
      {
        measure: (dir, isWarmUp) =>
          withStream(dir, (cluster) =>
            isWarmUp ? promoted(cluster, logs.warmUp, warmUp) : promoted(cluster, logs.whole, count),
          ),
      },
      bare(count, pipelined),
      bare(byClientCount, byClient),
    ];
    // A round takes a minute.
    const rounds = Math.min(context.rounds, 2);
    const [own, raw, client] = await inRounds(contenders, { ...context, rounds });
    const of = (key, name, label, figures) => ({
      key,
      name,
      label,
      version,
      guarantee,
      isDurable: false,
      rounds: figures,
    });
    const shown = [
      of(
        "promote",
        ownName,
        "copying",
        own.map(({ copy }) => copy),
      ),
      of(
        "whole",
        ownName,
        "with comparing all of it",
        own.map(({ whole }) => whole),
      ),
      of("bare", "nats publish", "pipelined by hand, no headers", raw),
      of("client", "nats publish", "`js.publish`, 256 at a time", client),
    ];
    return {
      unit: "records/s",
      contenders: shown,
      targets: [ratio(shown, "promote", "bare", 0.7), ratio(shown, "promote", "client", 0.7)],
      notes: [
        `${count.toLocaleString("en")} records in each of ${rounds} rounds (\`js.publish\`: ${byClientCount.toLocaleString("en")})`,
        `${version}, one replica, on 127.0.0.1; client and server share the processors`,
      ],
    };
  },
};

export const promoteRows = [promote];
