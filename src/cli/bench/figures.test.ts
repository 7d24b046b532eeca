import { expect, test } from "vitest";
import { figuresOf, median, percentile } from "./figures.ts";

test("the median of an even number lies between the two in the middle", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 10, 2])).toBe(3);
  expect(median([7])).toBe(7);
  expect(median([])).toBeNaN();
});

test("a percentile lies between its neighbours in proportion", () => {
  const values = Array.from({ length: 101 }, (_, i) => i);
  expect(percentile(values, 0.99)).toBe(99);
  expect(percentile([10, 20], 0.25)).toBe(12.5);
  expect(percentile([], 0.5)).toBeNaN();
});

test("a rate is the median of the rounds, latencies are those of all rounds", () => {
  const round = (records: number, latenciesUs: readonly number[]) => ({
    records,
    seconds: 2,
    cpuSeconds: 0.5,
    latenciesUs,
  });
  const figures = figuresOf([round(200, [3, 9]), round(100, [1]), round(2000, [5, 7])]);
  expect(figures).toEqual({
    recordsPerSecond: 100,
    spread: 9.5,
    p50Us: 5,
    p99Us: expect.closeTo(8.92),
    cpuShare: 0.25,
  });
});
