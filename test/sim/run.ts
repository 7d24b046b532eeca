/**
 * `npm run test:sim`: simulated histories on all cores, until there were enough crashes.
 *
 *   npm run test:sim                          20,000 crashes
 *   npm run test:sim -- --crashes 1000000     as many as that
 *   npm run test:sim -- --consumers           histories of consumers and retention instead
 *   npm run test:sim -- --streams             histories of the HTTP server: two of them on one directory
 *   npm run test:sim -- --seed 4711           one history again, exactly: a directory log and a single file,
 *                                             or with --consumers or --streams that of these
 *
 * The first failure ends it and prints its seed.
 */
import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { type ConsumerTally, emptyConsumerTally } from "./consumer-tally.ts";
import { simulateConsumers } from "./simulate-consumers.ts";
import { simulateFile } from "./simulate-file.ts";
import { simulate } from "./simulate.ts";
import { simulateStreams } from "./simulate-streams.ts";
import { type StreamTally, emptyStreamTally } from "./stream-tally.ts";
import { type Counts, addTally, emptyTally } from "./tally.ts";

/** What is run: makes a tally, adds a seed's histories to it, and says what they were. */
interface Kind<Tally> {
  readonly flags: readonly string[];
  readonly historiesPerSeed: number;
  empty(): Tally;
  run(seed: number): Promise<readonly Tally[]>;
  report(total: Tally): readonly string[];
}

const logs: Kind<ReturnType<typeof emptyTally>> = {
  flags: [],
  historiesPerSeed: 2,
  empty: emptyTally,
  run: async (seed) => [await simulate(seed), await simulateFile(seed)],
  report: (total) => [
    `${total.acknowledged} records acknowledged: 0 lost. ${total.served} served to readers: 0 wrong, 0 taken back.`,
    `${total.rotten} bits turned over: all reported. ${total.indexesLost} record indexes damaged: no read changed.`,
    `${total.redone} records made durable again, ${total.torn} torn bytes set aside, ${total.poisoned} appends refused after a failed write.`,
  ],
};

const consumers: Kind<ConsumerTally> = {
  flags: ["--consumers"],
  historiesPerSeed: 1,
  empty: emptyConsumerTally,
  run: async (seed) => [await simulateConsumers(seed)],
  report: (total) => [
    `${total.acknowledged} records acknowledged. ${total.delivered} delivered, ${total.redelivered} of them again: none skipped, none after it was acknowledged.`,
    `${total.acks} acks and ${total.handled} handlers, ${total.committed} of them with a transaction: none forgotten, no effect twice. ${total.buried} dead letters: each durable first.`,
    `${total.removed} records removed, ${total.heldBack} times some held back: none that a consumer needs. ${total.seeks} seeks, ${total.mismatches} checkpoints of another generation or of what was removed, ${total.locked} refused by a lock.`,
  ],
};

const streams: Kind<StreamTally> = {
  flags: ["--streams"],
  historiesPerSeed: 1,
  empty: emptyStreamTally,
  run: async (seed) => [await simulateStreams(seed)],
  report: (total) => [
    `${total.acknowledged} appends acknowledged: 0 lost, 0 twice. ${total.served} records served: 0 wrong, 0 taken back. ${total.unanswered} requests without an answer.`,
    `${total.duplicates} appends known as repeated; refused: ${total.gaps} for a gap, ${total.stale} for an old epoch, ${total.streamSeqs} for their Stream-Seq, ${total.closed} behind a close.`,
    `${total.kept} answers of streams that only uses kept alive, ${total.expired} streams that ran out, ${total.reused} names taken anew. ${total.takeovers} takeovers of the directory, ${total.locked} requests refused by the other server's lock.`,
  ],
};

/** What a child tells after a run of seeds. */
type Message<Tally> = { readonly tally: Tally; readonly seeds: number } | { readonly failure: string };

const seedsPerRun = 200;

async function runSeed<Tally extends Counts<Tally>>(kind: Kind<Tally>, seed: number): Promise<Tally> {
  const total = kind.empty();
  try {
    for (const tally of await kind.run(seed)) addTally(total, tally);
    return total;
  } catch (error) {
    const options = [...kind.flags, "--seed", seed].join(" ");
    throw new Error(`seed ${seed}: replay with \`npm run test:sim -- ${options}\``, { cause: error });
  }
}

/** In a child: runs of seeds, each when it is asked for. */
function work<Tally extends Counts<Tally>>(kind: Kind<Tally>): void {
  process.on("message", (first: number) => {
    void (async () => {
      const tally = kind.empty();
      for (let seed = first; seed < first + seedsPerRun; seed++) addTally(tally, await runSeed(kind, seed));
      return { tally, seeds: seedsPerRun };
    })().then(
      (message: Message<Tally>) => process.send?.(message),
      (error: Error) => process.send?.({ failure: `${error.message}\n${String((error.cause as Error).stack)}` }),
    );
  });
}

async function direct<Tally extends Counts<Tally> & { crashes: number }>(
  kind: Kind<Tally>,
  crashes: number,
  firstSeed: number,
): Promise<void> {
  const total = kind.empty();
  let next = firstSeed;
  let histories = 0;
  const begun = performance.now();
  const seconds = (): number => Math.round((performance.now() - begun) / 1000);
  let told = 0;
  const children = Array.from({ length: availableParallelism() }, () => {
    const child = fork(process.argv[1] as string, ["--work", ...kind.flags]);
    const ended = new Promise<void>((resolve, reject) => {
      child.on("message", (message: Message<Tally>) => {
        if ("failure" in message) return reject(new Error(message.failure));
        addTally(total, message.tally);
        histories += message.seeds;
        if (total.crashes >= crashes) return resolve();
        child.send((next += seedsPerRun) - seedsPerRun);
        if (seconds() < told + 60) return;
        told = seconds();
        console.log(`${total.crashes} crashes after ${told} s`);
      });
      child.once("exit", (code) => reject(new Error(`a simulating process ended with ${String(code)}`)));
    });
    child.send((next += seedsPerRun) - seedsPerRun);
    return { child, ended };
  });
  try {
    await Promise.all(children.map(({ ended }) => ended));
  } finally {
    for (const { child } of children) child.kill();
  }
  console.log(`${total.crashes} crashes in ${histories * kind.historiesPerSeed} histories, ${seconds()} s`);
  for (const line of kind.report(total)) console.log(line);
}

const { values } = parseArgs({
  options: {
    crashes: { type: "string", default: "20000" },
    from: { type: "string", default: "0" },
    seed: { type: "string" },
    consumers: { type: "boolean", default: false },
    streams: { type: "boolean", default: false },
    work: { type: "boolean", default: false },
  },
});

async function main<Tally extends Counts<Tally> & { crashes: number }>(kind: Kind<Tally>): Promise<void> {
  if (values.work) work(kind);
  else if (values.seed !== undefined) console.log(await runSeed(kind, Number(values.seed)));
  else await direct(kind, Number(values.crashes), Number(values.from));
}

if (values.streams) await main(streams);
else await (values.consumers ? main(consumers) : main(logs));
