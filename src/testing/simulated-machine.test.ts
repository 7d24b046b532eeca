import { expect, test } from "vitest";
import { acquireWriterLock } from "../storage/writer-lock.ts";
import { crashAfter, crashBefore } from "./fault-plan.ts";
import { SimulatedCrash } from "./simulated-crash.ts";
import { SimulatedDisk } from "./simulated-disk.ts";

test("run tells work that is done from work that failed", async () => {
  const machine = new SimulatedDisk().boot();
  expect(await machine.run(() => 7)).toEqual({ kind: "done", value: 7 });
  const own = new Error("own");
  expect(await machine.run(() => Promise.reject(own))).toEqual({ kind: "failed", error: own });
});

test("run ends when the machine does, also when the work would wait for ever", async () => {
  const machine = new SimulatedDisk().boot();
  machine.faults.on({ kind: "fsync" }, crashBefore);
  const outcome = await machine.run(async () => {
    const file = machine.storage.openSync("/a", "create");
    await new Promise<void>((resolve) => file.fsync(() => resolve()));
  });
  expect(outcome.kind).toBe("died");
  expect(machine.running).toBe(false);
  await machine.died;
});

test("work that swallows the crash has died all the same", async () => {
  const machine = new SimulatedDisk().boot();
  machine.faults.on({ kind: "list" }, crashAfter);
  const outcome = await machine.run(() => {
    try {
      machine.storage.listSync("/");
    } catch {
      return "I am well";
    }
    return "not reached";
  });
  expect(outcome.kind === "died" && outcome.crash.operation?.kind).toBe("list");
});

test("nothing of a dead machine runs: no timer, no turn, no callback, no watch", async () => {
  const disk = new SimulatedDisk();
  const machine = disk.boot();
  const called: string[] = [];
  const file = machine.storage.openSync("/a", "create");
  machine.clock.after(5, () => called.push("timer"), { keepAlive: true });
  void machine.clock.turn().then(() => called.push("turn"));
  file.write(new Uint8Array(4), 0, () => called.push("write"));
  file.fsync(() => called.push("fsync"));
  void file.read(new Uint8Array(4), 0).then(() => called.push("read"));
  machine.storage.watch("/", () => called.push("watch"), { keepAlive: true });
  file.truncateSync(1);
  expect(machine.keepsAlive).toBe(true);
  disk.kill(machine);
  expect(disk.clock.timers).toBe(0);
  machine.clock.after(5, () => called.push("late timer"), { keepAlive: true });
  await disk.clock.advance(1000);
  expect(called).toEqual([]);
  expect([machine.keepsAlive, disk.clock.timers]).toEqual([false, 0]);
  expect(() => file.fsync(() => {})).toThrow(SimulatedCrash);
});

test("a crash inside a callback or a timer ends the machine and nothing else", async () => {
  const disk = new SimulatedDisk();
  const machine = disk.boot();
  const other = disk.boot();
  const file = machine.storage.openSync("/a", "create");
  machine.faults.on({ kind: "fsync" }, crashAfter);
  machine.clock.after(1, () => file.fsyncSync(), { keepAlive: true });
  await disk.clock.advance(2);
  expect([machine.running, other.running]).toEqual([false, true]);
});

test("timers hold the process only with keepAlive, and until they ran or were taken back", async () => {
  const disk = new SimulatedDisk();
  const machine = disk.boot();
  machine.clock.after(10, () => {}, { keepAlive: false });
  expect(machine.keepsAlive).toBe(false);
  const takeBack = machine.clock.after(10, () => {}, { keepAlive: true });
  expect(machine.keepsAlive).toBe(true);
  takeBack();
  takeBack();
  expect(machine.keepsAlive).toBe(false);
  machine.clock.after(10, () => {}, { keepAlive: true });
  await disk.clock.advance(10);
  expect(machine.keepsAlive).toBe(false);
});

test("each boot has random bytes of its own, the same ones for the same seed", () => {
  const bytes = (seed: number, boots: number): Uint8Array => {
    const disk = new SimulatedDisk({ seed });
    let machine = disk.boot();
    for (let i = 1; i < boots; i++) machine = disk.boot();
    const target = new Uint8Array(16);
    machine.random.fill(target);
    return target;
  };
  expect(bytes(1, 1)).toEqual(bytes(1, 1));
  expect(bytes(1, 1)).not.toEqual(bytes(1, 2));
  expect(bytes(1, 1)).not.toEqual(bytes(2, 1));
});

test("the writer's lock keeps a second process out by name, until the first is killed", () => {
  const disk = new SimulatedDisk();
  const first = disk.boot({ pid: 11, host: "here" });
  const second = disk.boot({ pid: 22 });
  acquireWriterLock(first, "/LOCK", "kernel");
  expect(() => acquireWriterLock(second, "/LOCK", "kernel")).toThrow(
    expect.objectContaining({ code: "SEQLOG_LOCKED", facts: expect.objectContaining({ pid: 11, host: "here" }) }),
  );
  disk.kill(first);
  acquireWriterLock(second, "/LOCK", "kernel").release();
});
