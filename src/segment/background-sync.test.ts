import { expect, test } from "vitest";
import { SimulatedClock } from "../testing/simulated-clock.ts";
import { BackgroundSync } from "./background-sync.ts";

const mebibyte = 1024 * 1024;

function setUp(keepAlive = false) {
  const clock = new SimulatedClock();
  const running: ((error: Error | undefined) => void)[] = [];
  const failures: Error[] = [];
  const sync = new BackgroundSync(clock, {
    intervalMs: 1000,
    keepAlive,
    sync: (done) => void running.push(done),
    failed: (error) => void failures.push(error),
  });
  return { clock, sync, running, failures };
}

test("it begins within the interval after the first write, once for all of them", async () => {
  const { clock, sync, running } = setUp();
  await clock.advance(5000);
  sync.wrote(10);
  await clock.advance(600);
  sync.wrote(10);
  expect(running).toHaveLength(0);
  await clock.advance(400);
  expect(running).toHaveLength(1);
  expect(clock.timers).toBe(0);
});

test("it begins at once when 16 MiB were written", () => {
  const { clock, sync, running } = setUp();
  sync.wrote(15 * mebibyte);
  expect(running).toHaveLength(0);
  sync.wrote(mebibyte);
  expect([running.length, clock.timers]).toEqual([1, 0]);
});

test("what is written while it runs is synced by one after it", async () => {
  const { clock, sync, running } = setUp();
  sync.wrote(20 * mebibyte);
  sync.wrote(20 * mebibyte);
  await clock.advance(5000);
  expect(running).toHaveLength(1);
  running[0]?.(undefined);
  expect(running).toHaveLength(2);
  sync.wrote(1);
  running[1]?.(undefined);
  await clock.advance(1000);
  expect(running).toHaveLength(3);
  running[2]?.(undefined);
  await clock.advance(5000);
  expect([running.length, clock.timers]).toEqual([3, 0]);
});

test("a failure is told", () => {
  const { sync, running, failures } = setUp();
  sync.wrote(16 * mebibyte);
  running[0]?.(new Error("EIO"));
  expect(failures).toEqual([new Error("EIO")]);
});

test("stopped it begins no more", async () => {
  const { clock, sync, running } = setUp();
  sync.wrote(1);
  sync.stop();
  sync.wrote(16 * mebibyte);
  await clock.advance(5000);
  expect([running.length, clock.timers]).toEqual([0, 0]);
});
