/**
 * The power is cut, the process killed, or an operation of the disk fails, at every one of them while
 * subscriptions are made, woken, claimed and acknowledged. What was answered stays true, no generation
 * comes back, and everything that was appended is done with in the end.
 * Every sixth operation; SEQLOG_SUBSCRIPTION_CRASHES=all takes each.
 */
import { expect, test } from "vitest";
import { type FaultPlan, crashAfter, crashBefore, failWith } from "../../src/testing/fault-plan.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { SimulatedDisk } from "../../src/testing/simulated-disk.ts";
import { Answered, Client, check, script } from "./subscription-script.ts";

const every = process.env["SEQLOG_SUBSCRIPTION_CRASHES"] === "all" ? 1 : 6;

const histories = every === 1 ? 1000 : 40;

/** Goes on with the script; resolves with how it ended. */
async function play(disk: SimulatedDisk, answered: Answered, plan: (faults: FaultPlan) => void) {
  const machine = disk.boot();
  plan(machine.faults);
  const outcome = await machine.run(async () => {
    const client = new Client(machine, answered);
    for (const step of script.slice(answered.steps)) {
      await step(client, answered);
      answered.steps++;
    }
    await client.server.close();
  });
  return { machine, outcome };
}

/** Starts again, and looks. @returns what is wrong */
async function look(disk: SimulatedDisk, answered: Answered): Promise<unknown[]> {
  const machine = disk.boot();
  const outcome = await machine.run(async () => {
    const client = new Client(machine, answered);
    await check(client, answered);
    await client.server.close();
  });
  if (outcome.kind !== "done") return [outcome];
  return machine.openFiles === 0 ? [] : [`${machine.openFiles} files are open`];
}

async function operationsOfAll(): Promise<number> {
  const disk = new SimulatedDisk({ seed: "whole" });
  const answered = new Answered();
  const { machine, outcome } = await play(disk, answered, () => undefined);
  expect(outcome).toMatchObject({ kind: "done" });
  expect(answered.claims.length).toBeGreaterThan(2);
  expect(answered.hookGeneration).toBeGreaterThan(2);
  expect(await look(disk, answered)).toEqual([]);
  return machine.operations;
}

test("a power cut at an operation", async () => {
  const operations = await operationsOfAll();
  const random = new SeededRandom("subscriptions");
  expect(operations).toBeGreaterThan(300);
  const faults: unknown[] = [];
  for (let at = 0; at < operations; at += every) {
    const disk = new SimulatedDisk({ seed: `crash ${at}` });
    const answered = new Answered();
    const { outcome } = await play(disk, answered, (plan) => plan.at(at, random.pick([crashBefore, crashAfter])));
    if (outcome.kind === "failed") faults.push({ at, outcome });
    disk.crash();
    const rest = await play(disk, answered, () => undefined);
    if (rest.outcome.kind !== "done") faults.push({ at, step: answered.steps, rest: rest.outcome });
    for (const wrong of await look(disk, answered)) faults.push({ at, wrong });
  }
  console.log(`${Math.ceil(operations / every)} of ${operations} operations`);
  expect(faults).toEqual([]);
}, 600_000);

test("a kill at an operation, and a power cut later", async () => {
  const operations = await operationsOfAll();
  const faults: unknown[] = [];
  for (let at = 0; at < operations; at += every) {
    const disk = new SimulatedDisk({ seed: `kill ${at}` });
    const answered = new Answered();
    const { machine } = await play(disk, answered, (plan) => plan.at(at, crashAfter));
    disk.kill(machine);
    for (const wrong of await look(disk, answered)) faults.push({ at, wrong });
    disk.crash({ keep: 0 });
    for (const wrong of await look(disk, answered)) faults.push({ at, wrong, when: "later" });
  }
  console.log(`${Math.ceil(operations / every)} of ${operations} operations`);
  expect(faults).toEqual([]);
}, 600_000);

test("an operation that fails", async () => {
  const operations = await operationsOfAll();
  const random = new SeededRandom("failing subscriptions");
  const faults: unknown[] = [];
  for (let at = 0; at < operations; at += every) {
    const disk = new SimulatedDisk({ seed: `fail ${at}` });
    const answered = new Answered();
    const { outcome } = await play(disk, answered, (plan) => plan.at(at, failWith(random.pick(["EIO", "ENOSPC"]))));
    if (outcome.kind === "died") throw outcome.crash;
    disk.crash();
    for (const wrong of await look(disk, answered)) faults.push({ at, step: answered.steps, wrong });
  }
  console.log(`${Math.ceil(operations / every)} of ${operations} operations`);
  expect(faults).toEqual([]);
}, 600_000);

test("several lives, each ended somehow", async () => {
  const operations = await operationsOfAll();
  const faults: unknown[] = [];
  for (let seed = 0; seed < histories; seed++) {
    const random = new SeededRandom(`lives ${seed}`);
    const disk = new SimulatedDisk({ seed: `lives ${seed}` });
    const answered = new Answered();
    for (let life = 2 + random.int(4); life > 0; life--) {
      const action = random.pick([crashBefore, crashAfter, failWith("EIO"), failWith("ENOSPC")]);
      const at = random.int(operations);
      const { machine, outcome } = await play(disk, answered, (plan) => plan.at(at, action));
      // Where the disk failed, a request may have been refused because of it.
      const isDiskRight = action === crashBefore || action === crashAfter;
      if (outcome.kind === "failed" && isDiskRight) faults.push({ seed, life, outcome });
      disk.kill(machine);
      if (random.chance(0.5)) disk.crash();
    }
    const rest = await play(disk, answered, () => undefined);
    if (rest.outcome.kind !== "done") faults.push({ seed, step: answered.steps, rest: rest.outcome });
    for (const wrong of await look(disk, answered)) faults.push({ seed, wrong });
  }
  console.log(`${histories} histories`);
  expect(faults).toEqual([]);
}, 600_000);
