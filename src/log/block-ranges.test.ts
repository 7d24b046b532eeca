import { expect, test } from "vitest";
import { SeededRandom } from "../testing/seeded-random.ts";
import { BlockRanges } from "./block-ranges.ts";

test("blocks that touch are one range, however many they are and in whatever order they come", () => {
  const ranges = new BlockRanges();
  for (let block = 0; block < 100_000; block++) ranges.add(block);
  for (let block = 300_000; block >= 200_000; block--) ranges.add(block);
  expect([ranges.ranges, ranges.count]).toEqual([2, 200_001]);
  for (let block = 199_999; block >= 100_000; block--) ranges.add(block);
  expect([ranges.ranges, ranges.count]).toEqual([1, 300_001]);
});

test("it answers as a plain set does", () => {
  const random = new SeededRandom("blocks");
  const ranges = new BlockRanges();
  const set = new Set<number>();
  for (let i = 0; i < 2000; i++) {
    const block = random.int(300);
    if (i % 3 === 0) {
      ranges.add(block);
      set.add(block);
    }
    const from = random.int(300);
    const to = from + random.int(4);
    let meets = false;
    for (let at = from; at < to; at++) meets ||= set.has(at);
    expect(ranges.meets(from, to)).toBe(meets);
    expect(ranges.count).toBe(set.size);
  }
});
