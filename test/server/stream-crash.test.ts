/**
 * The power is cut, or the process killed, at every operation that the streams' steps ask of the disk.
 * What was acknowledged is there; the step that was under way happened or did not, and nothing is half.
 */
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

test("a crash at any operation leaves the world before or after the step that was under way", async () => {
  const operations = await operationsOfAll();
  const random = new SeededRandom("streams");
  expect(operations).toBeGreaterThan(300);
  for (let at = 0; at < operations; at++) {
    const disk = new SimulatedDisk({ seed: `crash ${at}` });
    const when = random.pick([crashBefore, crashAfter]);
    const { done, outcome } = await make(disk, 0, (machine) => machine.faults.at(at, when));
    expect(outcome.kind, `operation ${at}`).toBe("died");
    disk.crash();
    const found = await lookAgain(disk);
    const name = `operation ${at}, ${when.when}, in step "${steps[done]?.name ?? "close"}"`;
    expect([worlds[done], worlds[done + 1]], name).toContainEqual(found);
    // Whoever goes on from there comes to the same end.
    const rest = await make(disk, done, () => undefined);
    expect(rest.outcome.kind === "failed" ? rest.outcome.error : undefined, name).toBeUndefined();
    expect(await lookAgain(disk), name).toEqual(worlds.at(-1));
  }
}, 300_000);

test("a process that is killed loses nothing that it acknowledged", async () => {
  const operations = await operationsOfAll();
  for (let at = 0; at < operations; at += 3) {
    const disk = new SimulatedDisk({ seed: `kill ${at}` });
    const { machine, done } = await make(disk, 0, (started) => started.faults.at(at, crashAfter));
    disk.kill(machine);
    const found = await lookAgain(disk);
    expect([worlds[done], worlds[done + 1]], `operation ${at}`).toContainEqual(found);
  }
}, 300_000);

test("an operation that fails takes nothing that was acknowledged, and leaves nothing half", async () => {
  const operations = await operationsOfAll();
  const random = new SeededRandom("failing streams");
  for (let at = 0; at < operations; at++) {
    const disk = new SimulatedDisk({ seed: `fail ${at}` });
    const errno = random.pick(["EIO", "ENOSPC"]);
    const { done, outcome } = await make(disk, 0, (machine) => machine.faults.at(at, failWith(errno)));
    if (outcome.kind === "died") throw outcome.crash;
    disk.crash();
    const found = await lookAgain(disk);
    expect([worlds[done], worlds[done + 1]], `operation ${at}, ${errno}`).toContainEqual(found);
  }
}, 300_000);
