/**
 * Random histories of streams on a disk that crashes at random operations, against a model in memory.
 * `npm test` runs some; `npm run test:streams` 3,000. A failure names its seed.
 */
import { isDeepStrictEqual } from "node:util";
import { expect, test } from "vitest";
import { crashAfter, crashBefore, failWith } from "../../src/testing/fault-plan.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { SimulatedDisk } from "../../src/testing/simulated-disk.ts";
import type { SimulatedMachine } from "../../src/testing/simulated-machine.ts";
import { type Change, type Model, changed, drawChange, worldOf } from "./stream-model.ts";
import { look, make, openStore } from "./stream-worlds.ts";

const histories = Number(process.env["SEQLOG_STREAM_HISTORIES"] ?? 60);
const lives = 6;

/** One life of the process: changes until the disk, or the number drawn, ends it. */
interface Life {
  model: Model;
  /** The change whose answer did not come. */
  underWay: Change | undefined;
}

async function live(machine: SimulatedMachine, random: SeededRandom, life: Life): Promise<void> {
  await machine.run(async () => {
    const store = openStore(machine);
    const count = 3 + Math.floor(random.next() * 12);
    for (let i = 0; i < count; i++) {
      life.underWay ??= drawChange(life.model, random);
      await make(store, life.underWay);
      life.model = changed(life.model, life.underWay);
      life.underWay = undefined;
    }
    if (random.chance(0.5)) await store.close();
  });
}

function addFaults(machine: SimulatedMachine, random: SeededRandom): void {
  const fault = random.pick([crashBefore, crashAfter, crashAfter, failWith("EIO"), failWith("ENOSPC")]);
  const kinds = ["open", "write", "fsync", "rename", "unlink", "fsyncDirectory", "makeDirectory"] as const;
  machine.faults.on({ kind: kinds, skip: Math.floor(random.next() * 120) }, fault);
}

/** What is wrong after a history; undefined when nothing is. */
async function history(seed: string): Promise<unknown> {
  const random = new SeededRandom(seed);
  const disk = new SimulatedDisk({ seed });
  const life: Life = { model: new Map(), underWay: undefined };
  for (let i = 0; i < lives; i++) {
    const machine = disk.boot();
    addFaults(machine, random);
    await live(machine, random, life);
    if (random.chance(0.5)) disk.crash();
    else disk.kill(machine);

    const next = disk.boot();
    const outcome = await next.run(async () => {
      const store = openStore(next);
      const world = await look(store);
      await store.close();
      return world;
    });
    if (outcome.kind !== "done") return { seed, life: i, outcome };
    const { model, underWay } = life;
    const after = underWay === undefined ? model : changed(model, underWay);
    const allowed = [worldOf(model), worldOf(after)];
    const found = allowed.findIndex((world) => isDeepStrictEqual(world, outcome.value));
    if (found < 0) return { seed, life: i, underWay, allowed, found: outcome.value };
    // An append is made again whether it is there or not: its producer knows.
    if (found === 1 && underWay?.kind !== "append") {
      life.model = after;
      life.underWay = undefined;
    }
  }
  return undefined;
}

test(`${histories} histories of ${lives} lives lose nothing that was acknowledged`, async () => {
  const wrong: unknown[] = [];
  for (let i = 0; i < histories; i++) {
    const found = await history(`streams ${i}`);
    if (found !== undefined) wrong.push(found);
  }
  expect(wrong).toEqual([]);
}, 3_600_000);
