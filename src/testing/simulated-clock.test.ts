import { expect, test } from "vitest";
import { SimulatedClock } from "./simulated-clock.ts";

test("time stands still until it is moved", async () => {
  const clock = new SimulatedClock({ startMs: 1000 });
  let ran = false;
  clock.after(0, () => {
    ran = true;
  });
  await clock.turn();
  expect([clock.now(), ran]).toEqual([1000, false]);
  await clock.advance(0);
  expect([clock.now(), ran]).toEqual([1000, true]);
});

test("advance runs what comes due, in the order of time, each at its own time", async () => {
  const clock = new SimulatedClock({ startMs: 0 });
  const ran: string[] = [];
  const note = (name: string) => (): void => void ran.push(`${name}@${clock.now()}`);
  clock.after(30, note("c"));
  clock.after(10, note("a"));
  clock.after(10, note("b"));
  clock.after(50, note("late"));
  await clock.advance(40);
  expect(ran).toEqual(["a@10", "b@10", "c@30"]);
  expect([clock.now(), clock.timers]).toEqual([40, 1]);
});

test("what follows from a timer has happened before the next one runs", async () => {
  const clock = new SimulatedClock({ startMs: 0 });
  const ran: string[] = [];
  clock.after(1, () => void clock.turn().then(() => ran.push("after the first")));
  clock.after(2, () => ran.push("second"));
  await clock.advance(5);
  expect(ran).toEqual(["after the first", "second"]);
});

test("a timer that was taken back does not run", async () => {
  const clock = new SimulatedClock();
  let ran = false;
  const takeBack = clock.after(5, () => {
    ran = true;
  });
  takeBack();
  await clock.advance(10);
  expect(ran).toBe(false);
});

test("runUntil goes through the timers until the promise is settled, and no further", async () => {
  const clock = new SimulatedClock({ startMs: 0 });
  clock.after(1_000_000, () => expect.unreachable());
  const slept = new Promise<string>((resolve) => clock.after(60_000, () => resolve("awake")));
  expect(await clock.runUntil(slept)).toBe("awake");
  expect(clock.now()).toBe(60_000);
  await expect(clock.runUntil(Promise.reject(new Error("own")))).rejects.toThrow("own");
});

test("runUntil says so when nothing is left to run", async () => {
  await expect(new SimulatedClock().runUntil(new Promise(() => {}))).rejects.toThrow("still pending");
});

test("a jump moves the wall clock alone", async () => {
  const clock = new SimulatedClock({ startMs: 1000 });
  let ran = false;
  clock.after(10, () => {
    ran = true;
  });
  clock.jump(-500);
  expect(clock.now()).toBe(500);
  clock.jump(10_000);
  await clock.advance(9);
  expect([clock.now(), ran]).toEqual([10_509, false]);
  await clock.advance(1);
  expect(ran).toBe(true);
});
