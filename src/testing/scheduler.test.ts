import { expect, test } from "vitest";
import { Scheduler } from "./scheduler.ts";
import { SeededRandom } from "./seeded-random.ts";

async function order(seed: number): Promise<string> {
  const scheduler = new Scheduler(new SeededRandom(seed));
  const ran: string[] = [];
  for (const name of "abcdef") scheduler.add(() => ran.push(name));
  await scheduler.idle();
  return ran.join("");
}

test("the seed decides the order, and every step runs once", async () => {
  expect(await order(1)).toBe(await order(1));
  const orders = new Set(await Promise.all([1, 2, 3, 4, 5].map(order)));
  expect(orders.size).toBeGreaterThan(1);
  for (const one of orders) expect([...one].sort().join("")).toBe("abcdef");
});

test("promises and process.nextTick run out between two steps", async () => {
  const scheduler = new Scheduler(new SeededRandom(1));
  const ran: string[] = [];
  const step = (): void => {
    ran.push("step");
    process.nextTick(() => {
      ran.push("tick");
      void Promise.resolve().then(() => ran.push("promise"));
    });
  };
  scheduler.add(step);
  scheduler.add(step);
  await scheduler.idle();
  expect(ran).toEqual(["step", "tick", "promise", "step", "tick", "promise"]);
});

test("idle waits for steps that steps add", async () => {
  const scheduler = new Scheduler(new SeededRandom(1));
  let depth = 0;
  const deeper = (): void => {
    if (++depth < 5) void Promise.resolve().then(() => scheduler.add(deeper));
  };
  scheduler.add(deeper);
  await scheduler.idle();
  expect(depth).toBe(5);
  expect(scheduler.waiting).toBe(0);
});
