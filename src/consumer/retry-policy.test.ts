import { expect, test } from "vitest";
import { SeededRandom } from "../testing/seeded-random.ts";
import { RetryPolicy } from "./retry-policy.ts";

const random = new SeededRandom("retries");

test("waits double up to the longest", () => {
  const policy = new RetryPolicy({ backoffMs: 100, maxBackoffMs: 1000, jitter: 0 }, random);
  expect([1, 2, 3, 4, 5, 2000].map((attempt) => policy.delayMs(attempt))).toEqual([100, 200, 400, 800, 1000, 1000]);
});

test("a part of each wait is left to chance", () => {
  const policy = new RetryPolicy({ backoffMs: 1000, jitter: 0.2 }, random);
  const waits = Array.from({ length: 200 }, () => policy.delayMs(1));
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(800);
  expect(Math.max(...waits)).toBeLessThanOrEqual(1000);
  expect(Math.max(...waits) - Math.min(...waits)).toBeGreaterThan(100);
});

test("the defaults are five attempts, 100 ms, 30 s", () => {
  const policy = new RetryPolicy({}, random);
  expect(policy.attempts).toBe(5);
  expect(policy.delayMs(1)).toBeLessThanOrEqual(100);
  expect(policy.delayMs(1)).toBeGreaterThanOrEqual(80);
  expect(policy.delayMs(50)).toBeLessThanOrEqual(30_000);
  expect(policy.delayMs(50)).toBeGreaterThanOrEqual(24_000);
});
