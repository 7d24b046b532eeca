import { expect, test } from "vitest";
import { isoTime, relativeTime } from "./record-time.ts";

test("an age is told in its largest unit", () => {
  const at = new Date("2026-05-01T10:00:00Z");
  const ages: readonly (readonly [ms: number, text: string])[] = [
    [0, "now"],
    [999, "now"],
    [1_000, "1s ago"],
    [59_999, "59s ago"],
    [60_000, "1m ago"],
    [3_599_999, "59m ago"],
    [3_600_000, "1h ago"],
    [86_400_000, "1d ago"],
    [400 * 86_400_000, "400d ago"],
    [-500, "now"],
    [-4_200, "in 4s"],
  ];
  for (const [ms, text] of ages) expect(relativeTime(at, at.getTime() + ms)).toBe(text);
});

test("an id without a time has no age", () => {
  expect(relativeTime(new Date(Number.NaN), 0)).toBe("-");
  expect(isoTime(new Date(Number.NaN))).toBeUndefined();
});
