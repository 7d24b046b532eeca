/**
 * `npm run test:sim`: simulated histories on all cores, until there were enough crashes.
 *
 *   npm run test:sim                          20,000 crashes
 *   npm run test:sim -- --crashes 1000000     as many as that
 *   npm run test:sim -- --seed 4711           one history again, exactly: a directory log and a single file
 *
 * The first failure ends it and prints its seed.
 */
import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { simulateFile } from "./simulate-file.ts";
import { simulate } from "./simulate.ts";
import { type Tally, addTally, emptyTally } from "./tally.ts";

/** What a child tells after a run of seeds. */
type Message = { readonly tally: Tally; readonly seeds: number } | { readonly failure: string };

const seedsPerRun = 200;

async function runSeed(seed: number): Promise<Tally> {
  const total = emptyTally();
  try {
    addTally(total, await simulate(seed));
    addTally(total, await simulateFile(seed));
    return total;
  } catch (error) {
    throw new Error(`seed ${seed}: replay with \`npm run test:sim -- --seed ${seed}\``, { cause: error });
  }
}

/** In a child: runs of seeds, each when it is asked for. */
function work(): void {
  process.on("message", (first: number) => {
    void (async () => {
      const tally = emptyTally();
      for (let seed = first; seed < first + seedsPerRun; seed++) addTally(tally, await runSeed(seed));
      return { tally, seeds: seedsPerRun };
    })().then(
      (message: Message) => process.send?.(message),
      (error: Error) => process.send?.({ failure: `${error.message}\n${String((error.cause as Error).stack)}` }),
    );
  });
}

async function direct(crashes: number, firstSeed: number): Promise<void> {
  const total = emptyTally();
  let next = firstSeed;
  let histories = 0;
  const begun = performance.now();
  const seconds = (): number => Math.round((performance.now() - begun) / 1000);
  let told = 0;
  const children = Array.from({ length: availableParallelism() }, () => {
    const child = fork(process.argv[1] as string, ["--work"]);
    const ended = new Promise<void>((resolve, reject) => {
      child.on("message", (message: Message) => {
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
  console.log(`${total.crashes} crashes in ${histories * 2} histories, ${seconds()} s`);
  console.log(
    `${total.acknowledged} records acknowledged: 0 lost. ${total.served} served to readers: 0 wrong, 0 taken back.`,
  );
  console.log(
    `${total.rotten} bits turned over: all reported. ${total.indexesLost} record indexes damaged: no read changed.`,
  );
  console.log(
    `${total.redone} records made durable again, ${total.torn} torn bytes set aside, ${total.poisoned} appends refused after a failed write.`,
  );
}

const { values } = parseArgs({
  options: {
    crashes: { type: "string", default: "20000" },
    from: { type: "string", default: "0" },
    seed: { type: "string" },
    work: { type: "boolean", default: false },
  },
});

if (values.work) work();
else if (values.seed !== undefined) console.log(await runSeed(Number(values.seed)));
else await direct(Number(values.crashes), Number(values.from));
