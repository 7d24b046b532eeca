/**
 * The power is cut, or the process killed, at every operation that the streams' steps ask of the disk.
 * What was acknowledged is there; the step that was under way happened or did not, and nothing is half.
 */
import { isDeepStrictEqual } from "node:util";
import { expect, test } from "vitest";
import { crashAfter, crashBefore, failWith } from "../../src/testing/fault-plan.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { SimulatedDisk } from "../../src/testing/simulated-disk.ts";
import { type World, look, openStore, steps, worlds } from "./stream-worlds.ts";

/** Makes the steps from `begin` on; returns how many were acknowledged. */
async function make(disk: SimulatedDisk, begin: number, prepare: (machine: ReturnType<SimulatedDisk["boot"]>) => void) {
  const machine = disk.boot();
  prepare(machine);
  let done = begin;
  const outcome = await machine.run(async () => {
    const store = openStore(machine);
    for (const { run } of steps.slice(begin)) {
      await run(store);
      done++;
    }
    await store.close();
  });
  return { machine, done, outcome, operations: machine.operations };
}

async function lookAgain(disk: SimulatedDisk): Promise<World> {
  const machine = disk.boot();
  const outcome = await machine.run(async () => {
    const store = openStore(machine);
    const world = await look(store);
    await store.close();
    return world;
  });
  if (outcome.kind === "failed") throw outcome.error;
  if (outcome.kind === "died") throw outcome.crash;
  expect(machine.openFiles).toBe(0);
  return outcome.value;
}

async function operationsOfAll(): Promise<number> {
  const disk = new SimulatedDisk({ seed: "whole" });
  const { outcome, operations } = await make(disk, 0, () => undefined);
  expect(outcome.kind).toBe("done");
  expect(await lookAgain(disk)).toEqual(worlds.at(-1));
  return operations;
}

/** What was found, beside what it may be; nothing when it is one of these. */
function wrong(where: string, found: World, done: number): unknown[] {
  const allowed = worlds.slice(done, done + 2);
  return allowed.some((world) => isDeepStrictEqual(world, found)) ? [] : [{ where, found, allowed }];
}

test("a crash at any operation leaves the world before or after the step that was under way", async () => {
  const operations = await operationsOfAll();
  const random = new SeededRandom("streams");
  expect(operations).toBeGreaterThan(300);
  const faults: unknown[] = [];
  for (let at = 0; at < operations; at++) {
    const disk = new SimulatedDisk({ seed: `crash ${at}` });
    const when = random.pick([crashBefore, crashAfter]);
    const { done, outcome } = await make(disk, 0, (machine) => machine.faults.at(at, when));
    const where = `operation ${at}, ${when.when}, in step "${steps[done]?.name ?? "close"}"`;
    if (outcome.kind !== "died") faults.push({ where, outcome });
    disk.crash();
    faults.push(...wrong(where, await lookAgain(disk), done));
    // Whoever goes on from there comes to the same end.
    const rest = await make(disk, done, () => undefined);
    if (rest.outcome.kind !== "done") faults.push({ where, rest: rest.outcome });
    faults.push(...wrong(`${where}, and on`, await lookAgain(disk), worlds.length - 1));
  }
  expect(faults).toEqual([]);
}, 300_000);

test("a process that is killed loses nothing that it acknowledged", async () => {
  const operations = await operationsOfAll();
  const faults: unknown[] = [];
  for (let at = 0; at < operations; at += 3) {
    const disk = new SimulatedDisk({ seed: `kill ${at}` });
    const { machine, done } = await make(disk, 0, (started) => started.faults.at(at, crashAfter));
    disk.kill(machine);
    faults.push(...wrong(`operation ${at}`, await lookAgain(disk), done));
    // Who goes on builds on names that the killed process may not have synced.
    const rest = await make(disk, done, () => undefined);
    if (rest.outcome.kind !== "done") faults.push({ at, rest: rest.outcome });
    disk.crash({ keep: 0 });
    faults.push(...wrong(`operation ${at}, on, and a power cut`, await lookAgain(disk), worlds.length - 1));
  }
  expect(faults).toEqual([]);
}, 300_000);

test("an operation that fails takes nothing that was acknowledged, and leaves nothing half", async () => {
  const operations = await operationsOfAll();
  const random = new SeededRandom("failing streams");
  const faults: unknown[] = [];
  for (let at = 0; at < operations; at++) {
    const disk = new SimulatedDisk({ seed: `fail ${at}` });
    const errno = random.pick(["EIO", "ENOSPC"]);
    const { done, outcome } = await make(disk, 0, (machine) => machine.faults.at(at, failWith(errno)));
    if (outcome.kind === "died") throw outcome.crash;
    disk.crash();
    faults.push(...wrong(`operation ${at}, ${errno}`, await lookAgain(disk), done));
  }
  expect(faults).toEqual([]);
}, 300_000);
