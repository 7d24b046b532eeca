import { expect, test } from "vitest";
import { SeededRandom } from "./seeded-random.ts";

function draw(random: SeededRandom, count = 8): number[] {
  return Array.from({ length: count }, () => random.uint32());
}

test("the same seed gives the same numbers, another seed others", () => {
  expect(draw(new SeededRandom(7))).toEqual(draw(new SeededRandom("7")));
  expect(draw(new SeededRandom(7))).not.toEqual(draw(new SeededRandom(8)));
});

test("the numbers of a seed never change, so that an old failure can be replayed", () => {
  expect(draw(new SeededRandom(1), 4)).toMatchInlineSnapshot(`
    [
      3581614736,
      2763284293,
      4264252481,
      4250056693,
    ]
  `);
});

test("a fork is another stream and does not depend on what its parent drew", () => {
  const fresh = new SeededRandom(7);
  const used = new SeededRandom(7);
  draw(used);
  const stream = draw(fresh.fork("disk"));
  expect(draw(used.fork("disk"))).toEqual(stream);
  expect(draw(fresh.fork("clock"))).not.toEqual(stream);
  expect(draw(new SeededRandom(fresh.fork("disk").seed))).toEqual(stream);
});

test("whole numbers stay below their bound and reach all of it evenly", () => {
  const random = new SeededRandom(3);
  const seen = [0, 0, 0, 0, 0];
  for (let i = 0; i < 10_000; i++) {
    const n = random.int(5);
    seen[n] = (seen[n] ?? Number.NaN) + 1;
  }
  for (const count of seen) expect(Math.abs(count - 2000)).toBeLessThan(200);
});

test("chance is never at 0 and always at 1", () => {
  const random = new SeededRandom(3);
  for (let i = 0; i < 1000; i++) {
    expect(random.chance(0)).toBe(false);
    expect(random.chance(1)).toBe(true);
  }
});

test("fill sets every byte, whatever the length", () => {
  const random = new SeededRandom(5);
  for (const length of [1, 3, 4, 5, 7]) {
    const seen = Array.from({ length }, () => new Set<number>());
    for (let round = 0; round < 100; round++) {
      const target = new Uint8Array(length);
      random.fill(target);
      target.forEach((byte, i) => seen[i]?.add(byte));
    }
    expect(Math.min(...seen.map((values) => values.size))).toBeGreaterThan(60);
  }
  const one = new Uint8Array(7);
  const other = new Uint8Array(7);
  new SeededRandom(9).fill(one);
  new SeededRandom(9).fill(other);
  expect(one).toEqual(other);
});

test("shuffle keeps the items, pick wants one", () => {
  const random = new SeededRandom(5);
  const items = Array.from({ length: 20 }, (_, i) => i);
  const shuffled = random.shuffle([...items]);
  expect(shuffled).not.toEqual(items);
  expect(shuffled.sort((a, b) => a - b)).toEqual(items);
  expect(items).toContain(random.pick(items));
  expect(() => random.pick([])).toThrow(RangeError);
});
