import { describe, expect, test } from "vitest";
import { BodyBudget, BodyParts } from "./body-reader.ts";

const kib = 1024;

function reading(most = 64 * kib * kib): { budget: BodyBudget; parts: BodyParts } {
  const budget = new BodyBudget(most);
  return { budget, parts: new BodyParts(budget, most) };
}

/** Bytes that say where they stand. */
function pattern(from: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (from + i) % 251);
}

test("a body of one part is that part", () => {
  const { parts } = reading();
  const part = Buffer.from("all of it");
  parts.add(part);
  expect(parts.whole()).toBe(part);
});

test("large parts are not copied before the whole is asked for, small ones are", () => {
  const { parts } = reading();
  const large = new Uint8Array(64 * kib).fill(1);
  const small = new Uint8Array(100).fill(2);
  parts.add(new Uint8Array([0]));
  parts.add(small);
  parts.add(large);
  small.fill(8);
  large.fill(9);
  const whole = parts.whole();
  expect([whole[0], whole[1], whole[100], whole[101], whole.at(-1)]).toEqual([0, 2, 2, 9, 9]);
});

test("a million parts of a byte take little more than a million bytes, and the budget says so", () => {
  const { budget, parts } = reading();
  // Were parts kept, all of them would say what the last one says.
  const part = new Uint8Array(1);
  parts.add(new Uint8Array(1));
  for (let i = 1; i < 1e6; i++) {
    part[0] = i % 251;
    parts.add(part);
  }
  expect(budget.used).toBeGreaterThanOrEqual(1e6);
  expect(budget.used).toBeLessThan(1e6 + 64 * kib + 1);
  expect(Buffer.compare(parts.whole(), pattern(0, 1e6))).toBe(0);
  parts.done();
  expect(budget.used).toBe(0);
});

test("a block counts before anything is in it, so the budget is never behind", () => {
  const { budget, parts } = reading(100 * kib);
  const other = new BodyParts(budget, 100 * kib);
  other.add(new Uint8Array(99 * kib + 1));
  parts.add(new Uint8Array(1));
  // A block of a KiB has no room any more.
  expect(() => parts.add(new Uint8Array(1))).toThrow("too many bodies");
  parts.done();
  other.done();
  expect(budget.used).toBe(0);
});

describe("bodies come out as they went in", () => {
  test.each([
    ["of single bytes", [1, 1, 1]],
    ["with empty parts", [0, 5, 0, 3]],
    ["of small and large ones in turn", [10, 16 * kib, 1, 16 * kib, 1, 1, 64 * kib]],
    ["of ones nearly large", [1, 16 * kib - 1, 16 * kib - 1, 16 * kib]],
    ["of many lengths", Array.from({ length: 300 }, (_, i) => (i * 37) % 2000)],
    ["of some small ones before each large one", Array.from({ length: 60 }, (_, i) => (i % 3 === 0 ? 20 * kib : i))],
    ["of nothing", []],
  ])("%s", (_, lengths) => {
    const { budget, parts } = reading();
    let length = 0;
    for (const each of lengths) {
      parts.add(pattern(length, each));
      length += each;
    }
    expect(budget.used).toBeGreaterThanOrEqual(length);
    expect(budget.used).toBeLessThanOrEqual(2 * length + 64 * kib);
    expect(Buffer.compare(parts.whole(), pattern(0, length))).toBe(0);
    parts.done();
    expect(budget.used).toBe(0);
  });
});

test("what comes when nobody needs it any more takes nothing", () => {
  const { budget, parts } = reading();
  parts.add(new Uint8Array(10));
  parts.done();
  parts.add(new Uint8Array(10));
  parts.charge(10);
  expect(budget.used).toBe(0);
  parts.done();
  expect(budget.used).toBe(0);
});

test("a body that is larger than it may be is refused with the part that makes it so", () => {
  const budget = new BodyBudget(1000);
  const parts = new BodyParts(budget, 10);
  parts.add(new Uint8Array(10));
  expect(() => parts.add(new Uint8Array(1))).toThrow("larger than 10 bytes");
  expect(budget.used).toBe(10);
});
