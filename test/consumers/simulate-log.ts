/** Logs of text on a simulated disk, for the tests of consumers. */
import { expect } from "vitest";
import type { Consumer, Delivery } from "../../src/log/consumer-contract.ts";
import { text } from "../../src/log/codec.ts";
import { FileLog } from "../../src/log/file-log.ts";
import type { FileOpenOptions } from "../../src/log/file-open-options.ts";
import { SimulatedDisk } from "../../src/testing/simulated-disk.ts";
import type { SimulatedMachine } from "../../src/testing/simulated-machine.ts";

/** A log as these tests use it. */
export type TextLog = FileLog<string, string>;

/** Where it is. */
export const directory = "/log";

/** Opens the log of a machine. */
export function openText(machine: SimulatedMachine, options: FileOpenOptions = {}): Promise<TextLog> {
  return FileLog.open(directory, { machine, codec: text(), ...options });
}

/** Records "0", "1", … to append. */
export function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => String(from + i));
}

/** Runs work that has no reason to fail. */
export async function must<T>(machine: SimulatedMachine, work: () => Promise<T>): Promise<T> {
  const outcome = await machine.run(work);
  if (outcome.kind === "failed") throw outcome.error;
  if (outcome.kind === "died") throw outcome.crash;
  return outcome.value;
}

/** Runs `work` with a log of `count` records on a new disk; at the end nothing may be left open. */
export async function simulate(
  count: number,
  work: (log: TextLog, machine: SimulatedMachine, disk: SimulatedDisk) => Promise<void>,
  options: FileOpenOptions = {},
): Promise<void> {
  const disk = new SimulatedDisk();
  const machine = disk.boot();
  await must(machine, async () => {
    const log = await openText(machine, options);
    await log.appendBatch(numbers(0, count));
    await work(log, machine, disk);
    await log.close();
  });
  expect(machine.openFiles).toBe(0);
  expect(machine.keepsAlive).toBe(false);
}

/** Takes so many deliveries out of a loop that is left then. */
export async function take(consumer: Consumer<string>, count: number): Promise<Delivery<string>[]> {
  const taken: Delivery<string>[] = [];
  if (count === 0) return taken;
  for await (const delivery of consumer) {
    taken.push(delivery);
    if (taken.length === count) break;
  }
  return taken;
}

/** Data and attempt of each. */
export function seen(deliveries: readonly Delivery<string>[]): [string, number][] {
  return deliveries.map(({ data, attempt }) => [data, attempt]);
}

/** What a call rejects with. */
export async function errorOf(call: Promise<unknown>): Promise<unknown> {
  return await call.then(
    () => new Error("it went through"),
    (error: unknown) => error,
  );
}

/** Waits, on the simulated clock. */
export function pause(machine: SimulatedMachine, ms: number): Promise<void> {
  return new Promise((resolve) => void machine.clock.after(ms, resolve, { keepAlive: true }));
}
