import { expect, test } from "vitest";
import type { AppendTarget } from "./append-target.ts";
import { BatchFeeder } from "./batch-feeder.ts";

/** A log whose writes end when the test says so. */
class HeldTarget implements AppendTarget {
  readonly batches: (readonly Uint8Array[])[] = [];
  #next = 10;
  #end: ((error?: Error) => void) | undefined;

  append(records: readonly Uint8Array[]): Promise<number> {
    if (this.#end !== undefined) throw new Error("a second batch before the first one ended");
    this.batches.push(records);
    return new Promise((resolve, reject) => {
      this.#end = (error) => {
        this.#end = undefined;
        if (error !== undefined) return reject(error);
        const first = this.#next;
        this.#next += records.length;
        resolve(first);
      };
    });
  }

  async end(error?: Error): Promise<void> {
    this.#end?.(error);
    await new Promise((resolve) => setImmediate(resolve));
  }

  async close(): Promise<void> {}
}

const records = (...texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text));
const ignore = { appended() {}, failed() {} };

test("the first records go at once, later ones together", async () => {
  const target = new HeldTarget();
  const counts: number[] = [];
  const feeder = new BatchFeeder(target, { appended: (count) => counts.push(count), failed() {} });
  await feeder.add(records("a"));
  await feeder.add(records("b", "c"));
  await feeder.add(records("d"));
  expect(target.batches.map(String)).toEqual(["a"]);
  await target.end();
  expect(target.batches.map(String)).toEqual(["a", "b,c,d"]);
  const finished = feeder.finish();
  await target.end();
  await finished;
  expect(counts).toEqual([1, 4]);
  expect(feeder.result).toEqual({ first: 10, last: 13, count: 4 });
});

test("nothing added is nothing appended", async () => {
  const target = new HeldTarget();
  const feeder = new BatchFeeder(target, ignore);
  await feeder.add([]);
  await feeder.finish();
  expect(target.batches).toEqual([]);
  expect(feeder.result).toEqual({ first: null, last: null, count: 0 });
});

test("too much waiting makes the input wait, and batches stay small", async () => {
  const target = new HeldTarget();
  const feeder = new BatchFeeder(target, ignore);
  await feeder.add(records("a"));
  const large = Buffer.alloc(700_000);
  let isTaken = false;
  const added = feeder.add([large, large, large]).then(() => (isTaken = true));
  await target.end();
  expect(isTaken).toBe(false);
  for (let i = 0; i < 3; i++) await target.end();
  await added;
  await feeder.finish();
  expect(target.batches.map((batch) => batch.length)).toEqual([1, 1, 1, 1]);
});

test("after a failure nothing more is written, and what was durable before is counted", async () => {
  const target = new HeldTarget();
  let failures = 0;
  const feeder = new BatchFeeder(target, { appended() {}, failed: () => failures++ });
  await feeder.add(records("a", "b"));
  await target.end();
  await feeder.add(records("c"));
  await feeder.add(records("d"));
  await target.end(new Error("disk full"));
  await expect(feeder.add(records("e"))).rejects.toThrow("disk full");
  await expect(feeder.finish()).rejects.toThrow("disk full");
  expect(target.batches.map(String)).toEqual(["a,b", "c"]);
  expect(failures).toBe(1);
  expect(feeder.result).toEqual({ first: 10, last: 11, count: 2 });
});
