/** Ways to get consumers wrong, and the retention that waits for them. Their promises are those of docs/durability.md. */
import type { Mutant } from "./mutant.ts";

const checkpointFile = "consumer/checkpoint-file.ts";
const logConsumer = "consumer/log-consumer.ts";
const positionKeeper = "consumer/position-keeper.ts";
const protectedBy = "consumer/protected.ts";

/** All of them. */
export const mutantsOfConsumers: readonly Mutant[] = [
  {
    name: "the checkpoint passes a dead letter that is not durable",
    breaks: 12,
    edits: [{ file: "consumer/dead-letter.ts", find: `  await log.flush();\n}`, replace: `}` }],
  },
  {
    name: "the checkpoint passes a record before it is in the dead letters",
    breaks: 12,
    edits: [
      {
        file: "consumer/redelivery.ts",
        find: `      await bury(deadLetter, this.#host.letterOf(entry));`,
        replace: `      const letter = this.#host.letterOf(entry);
      this.#host.buried(entry);
      await bury(deadLetter, letter);`,
      },
    ],
  },
  {
    name: "the older of two checkpoints counts",
    breaks: 12,
    edits: [
      {
        file: "consumer/checkpoint-slot.ts",
        find: `.sort((a, b) => b.counter - a.counter)`,
        replace: `.sort((a, b) => a.counter - b.counter)`,
      },
    ],
  },
  {
    name: "a checkpoint is written over the one before",
    breaks: 12,
    edits: [{ file: checkpointFile, find: `    this.#slot = 1 - this.#slot;`, replace: `` }],
  },
  {
    name: "the checkpoint passes a record that is not acknowledged",
    breaks: 12,
    edits: [
      {
        file: logConsumer,
        find: `    const first = this.#inFlight.first;
    const { seq, beforeId }`,
        replace: `    const first = [...this.#inFlight.pending()].at(-1);
    const { seq, beforeId }`,
      },
    ],
  },
  {
    name: "the checkpoint passes the mark",
    breaks: 12,
    edits: [
      {
        file: positionKeeper,
        find: `      if (generation === this.#log.view.generation) await this.#mark.reach(nextSeq);`,
        replace: ``,
      },
    ],
  },
  {
    name: "a checkpoint is not synced",
    breaks: 12,
    edits: [
      { file: checkpointFile, find: `    const dsync = storage.hasDsync;`, replace: `    const dsync = false;` },
      {
        file: checkpointFile,
        find: `if (failure !== undefined || this.#isDsync) return done(failure);`,
        replace: `if (this.#counter >= 0) return done(failure);`,
      },
    ],
  },
  {
    name: "the name of a checkpoint is not synced",
    breaks: 12,
    edits: [
      {
        file: "storage/replace-file.ts",
        find: `  storage.fsyncDirectorySync(dirname(path));`,
        replace: `  if (!path.endsWith(".ckpt")) storage.fsyncDirectorySync(dirname(path));`,
      },
    ],
  },
  {
    name: "the id of the record before is not compared",
    breaks: 12,
    edits: [
      {
        file: "consumer/check-checkpoint.ts",
        find: `  if (id !== null && id !== checkpoint.lastId) {`,
        replace: `  if (id === "") {`,
      },
    ],
  },
  {
    name: "the generation of a checkpoint is not compared",
    breaks: 9,
    edits: [
      {
        file: "consumer/check-checkpoint.ts",
        find: `  if (checkpoint.generation === log.generation) return undefined;`,
        replace: `  if (checkpoint.generation <= log.generation) return undefined;`,
      },
    ],
  },
  {
    name: "with an interval, the last checkpoint is forgotten at close",
    breaks: 12,
    edits: [
      {
        file: positionKeeper,
        find: `if (!this.#isStopped) await this.flush();`,
        replace: `if (!this.#isStopped) return;`,
      },
    ],
  },
  {
    name: "with an interval, the checkpoint waits for the next acknowledgement",
    breaks: 12,
    edits: [
      {
        file: "consumer/checkpoint-saver.ts",
        find: `    } else if (!this.#isEvery && this.#failure === undefined) this.#arm();`,
        replace: `    }`,
      },
      {
        file: "consumer/checkpoint-saver.ts",
        find: `    if (!this.#isEvery) return this.#arm();`,
        replace: `    if (!this.#isEvery) return this.#advanced - this.#durable > 3 ? this.#arm() : undefined;`,
      },
    ],
  },
  {
    name: "a record is delivered to a second handler while the first gives it back",
    breaks: 12,
    edits: [
      {
        file: logConsumer,
        find: `    if (entry.controller !== undefined) entry.refusal = { delayMs, error };
    else this.retry`,
        replace: `    this.retry`,
      },
    ],
  },
  {
    name: "each process has a lock of its own for a consumer",
    breaks: 12,
    edits: [
      {
        file: "consumer/consumer-paths.ts",
        find: `return acquireWriterLock(machine, paths.lock, kind);`,
        replace: `return acquireWriterLock(machine, paths.lock + machine.owner.pid, kind);`,
      },
    ],
  },
  {
    name: "retention protects the first of several consumers alone",
    breaks: 10,
    edits: [
      {
        file: protectedBy,
        find: `    if (found !== undefined && found.nextSeq < (lowest?.nextSeq ?? Infinity)) lowest = found;`,
        replace: `    lowest ??= found;`,
      },
    ],
  },
  {
    name: "retention goes by a checkpoint that is not durable yet",
    breaks: 10,
    edits: [{ file: protectedBy, find: `Math.min(...needed)`, replace: `Math.max(...needed)` }],
  },
  {
    name: "a store goes back before its mirror does",
    breaks: 10,
    edits: [{ file: positionKeeper, find: `if (isBehind(checkpoint, this.#mirrored)) {`, replace: `if (false) {` }],
  },
  {
    name: "a mirror is not marked as one",
    breaks: 10,
    edits: [
      {
        file: "consumer/checkpoint-slot.ts",
        find: `isMirror ? mirrorMagic : magic`,
        replace: `magic ?? mirrorMagic`,
      },
    ],
  },
  {
    name: "retention removes a record within its limit",
    breaks: 10,
    edits: [
      {
        file: "log/retention.ts",
        find: `nextSeq - segment.nextSeq >= maxRecords`,
        replace: `nextSeq - segment.base >= maxRecords`,
      },
    ],
  },
];
