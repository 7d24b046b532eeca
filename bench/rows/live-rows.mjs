/**
 * How long after its record is durable a live reader has it. The writer appends one record, waits
 * until the reader has it and a random 1 to 5 ms more, so that reader and disk are at rest as in a
 * program that appends now and then. Readers that have a record before the writer's own call
 * returned count as 0.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import * as seqlog from "../contenders/seqlog.mjs";
import { percentile } from "../lib/figures.mjs";
import { Payloads } from "../lib/payload.mjs";
import { inRounds } from "../lib/rounds.mjs";
import { atMost } from "../lib/targets.mjs";

const pause = () => sleep(1 + Math.random() * 4);

/** Hands out a promise for each record and resolves it when the reader has it. */
class Arrivals {
  #waiting = [];
  #of(seq) {
    return (this.#waiting[seq] ??= deferred());
  }
  arrived(seq, value) {
    this.#of(seq).resolve(value);
  }
  wait(seq) {
    return this.#of(seq).promise;
  }
}

/** Node 20 has no Promise.withResolvers. */
function deferred() {
  const made = {};
  made.promise = new Promise((resolve) => (made.resolve = resolve));
  return made;
}

const milliseconds = (from, to) => Math.max(0, Number(to - from) / 1e6);

async function sameProcess(dir, count, payloads) {
  const { log, close } = await seqlog.open(dir);
  const arrivals = new Arrivals();
  const reading = (async () => {
    for await (const record of log.read({ live: true })) arrivals.arrived(record.seq, process.hrtime.bigint());
  })();
  const latencies = [];
  for (let i = 0; i < count; i++) {
    const { seq } = await log.append(payloads.at(i));
    const durable = process.hrtime.bigint();
    latencies.push(milliseconds(durable, await arrivals.wait(seq)));
    await pause();
  }
  await close();
  await reading;
  return latencies;
}

/** The clock of `hrtime` is the machine's, the same in both processes. */
async function otherProcess(dir, count, payloads) {
  const { log, close } = await seqlog.open(dir);
  const input = JSON.stringify({ directory: seqlog.logDirectory(dir), count });
  const child = fork(fileURLToPath(new URL("../children/follow.mjs", import.meta.url)), [input]);
  const arrivals = new Arrivals();
  const following = deferred();
  let times;
  child.on("message", (message) => {
    if (message.isFollowing) following.resolve();
    else if (message.times === undefined) arrivals.arrived(message.seen);
    else times = message.times;
  });
  const ended = once(child, "exit");
  await following.promise;
  const durable = [];
  for (let i = 0; i < count; i++) {
    const { seq } = await log.append(payloads.at(i));
    durable.push(process.hrtime.bigint());
    await arrivals.wait(seq);
    await pause();
  }
  await ended;
  await close();
  return durable.map((at, seq) => milliseconds(at, BigInt(times[seq])));
}

function liveRow(name, title, follow, mostP50, mostP99) {
  return {
    name,
    title,
    sizes: [256],
    async run(context) {
      const payloads = new Payloads(context.size);
      const count = context.isQuick ? 50 : 400;
      const contender = { measure: (dir, isWarmUp) => follow(dir, isWarmUp ? 50 : count, payloads) };
      const [rounds] = await inRounds([contender], context);
      const [p50, p99] = [0.5, 0.99].map((p) => rounds.map((latencies) => percentile(latencies, p)));
      const { about } = seqlog;
      const of = (key, label, figures) => ({ ...about, key, label, rounds: figures });
      return {
        unit: "ms",
        isCompared: false,
        contenders: [of("p50", "live read, p50", p50), of("p99", "live read, p99", p99)],
        targets: [atMost("p50", p50, mostP50, "ms"), atMost("p99", p99, mostP99, "ms")],
        notes: [`${count} records in each round`],
      };
    },
  };
}

export const liveRows = [
  liveRow("live-same-process", "live read in the same process, after durability", sameProcess, 0.5, 2),
  liveRow("live-other-process", "live read in another process, after durability", otherProcess, 2, 10),
];
