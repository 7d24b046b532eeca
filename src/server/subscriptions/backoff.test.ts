import { expect, test } from "vitest";
import { backoffMs } from "./backoff.ts";

const random = (byte: number): { fill: (target: Uint8Array) => void } => ({ fill: (target) => void target.fill(byte) });

test("it doubles from a second to a minute, a fifth more or less", () => {
  const least = [1, 2, 3, 6, 7, 8, 1000].map((failures) => backoffMs(failures, random(0)));
  expect(least).toEqual([800, 1600, 3200, 25_600, 48_000, 48_000, 48_000]);
  const most = [1, 2, 3, 6, 7, 8, 1000].map((failures) => backoffMs(failures, random(255)));
  expect(most).toEqual([1200, 2400, 4800, 38_400, 72_000, 72_000, 72_000]);
});
