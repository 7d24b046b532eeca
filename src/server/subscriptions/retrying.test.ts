import { expect, test } from "vitest";
import { SimulatedDisk } from "../../testing/simulated-disk.ts";
import { type Failure, retrying } from "./retrying.ts";

test("it is tried again with more and more time in between, and each failure noted", async () => {
  const disk = new SimulatedDisk();
  const machine = disk.boot();
  const times: number[] = [];
  const noted: (Failure | undefined)[] = [];
  const begin = machine.clock.now();
  await disk.runUntil(
    retrying(
      async () => {
        times.push(machine.clock.now() - begin);
        await Promise.resolve();
        if (times.length < 4) throw new Error(`no ${times.length}`);
      },
      { machine, signal: new AbortController().signal, note: (failure) => void noted.push(failure) },
    ),
  );
  const gaps = times.slice(1).map((time, i) => time - (times[i] as number));
  expect(gaps[0]).toBeGreaterThanOrEqual(800);
  expect(gaps[0]).toBeLessThanOrEqual(1201);
  expect(gaps[2]).toBeGreaterThanOrEqual(3200);
  expect(noted.map((failure) => failure?.reason)).toEqual(["no 1", "no 2", "no 3", undefined]);
  expect(noted.map((failure) => failure?.attempts)).toEqual([1, 2, 3, undefined]);
});

test("one that has no point any more ends at once, while it waits too", async () => {
  const disk = new SimulatedDisk();
  const machine = disk.boot();
  const over = new AbortController();
  let attempts = 0;
  const begin = machine.clock.now();
  await disk.runUntil(
    retrying(
      () => {
        attempts++;
        return Promise.reject(new Error("no"));
      },
      {
        machine,
        signal: over.signal,
        note: () => void machine.clock.after(10, () => over.abort(), { keepAlive: true }),
      },
    ),
  );
  expect(attempts).toBe(1);
  expect(machine.clock.now() - begin).toBeLessThan(800);
});
