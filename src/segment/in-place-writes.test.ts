import { expect, test } from "vitest";
import { nodeMachine } from "../storage/node-machine.ts";
import { InPlaceWrites, checkedWrites } from "./in-place-writes.ts";

/** Decides with a clock that each write moves on by what it takes. */
function setUp(mode: "auto" | "background" = "auto") {
  let us = 0;
  const writes = new InPlaceWrites(mode, { ...nodeMachine.clock, elapsedUs: () => us });
  /** One write; where it was made. */
  const write = (takes: number, length = 288): "in place" | "background" => {
    const inPlace = writes.takes(length);
    writes.begin();
    us += takes;
    if (inPlace) writes.endInPlace();
    else writes.endInBackground(length);
    return inPlace ? "in place" : "background";
  };
  /** Background writes until the first in place, at most a hundred thousand. */
  const backgroundWrites = (takes: number): number => {
    for (let count = 0; count < 100_000; count++) if (write(takes) === "in place") return count;
    return Number.POSITIVE_INFINITY;
  };
  return { write, backgroundWrites };
}

test("after four background writes, the fastest of them quick, writes are made in place", () => {
  const { write } = setUp();
  const where = [400, 9_000, 9_000, 9_000, 100, 100].map((us) => write(us));
  expect(where).toEqual(["background", "background", "background", "background", "in place", "in place"]);
});

test("a disk that takes a millisecond is never written in place", () => {
  expect(setUp().backgroundWrites(1_000)).toBe(Number.POSITIVE_INFINITY);
});

test("nor is anything with writes: background", () => {
  expect(setUp("background").backgroundWrites(10)).toBe(Number.POSITIVE_INFINITY);
});

test("long writes go to the background, and say nothing about short ones", () => {
  const { write, backgroundWrites } = setUp();
  for (let i = 0; i < 10; i++) expect(write(100, 65 * 1024)).toBe("background");
  expect(backgroundWrites(100)).toBe(4);
  expect([write(100, 65 * 1024), write(100, 64 * 1024)]).toEqual(["background", "in place"]);
});

test("each stall keeps the next writes in the background, twice as many as the one before", () => {
  const { write, backgroundWrites } = setUp();
  const waits = [];
  for (let stall = 0; stall < 12; stall++) {
    waits.push(backgroundWrites(100));
    expect(write(2_500)).toBe("in place");
  }
  expect(waits).toEqual([4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 4096]);
});

test("a disk that slows down without stalling is noticed by its average", () => {
  const { write, backgroundWrites } = setUp();
  backgroundWrites(100);
  let blocked = 0;
  while (write(1_500) === "in place") blocked++;
  expect(blocked).toBeGreaterThan(1);
  expect(blocked).toBeLessThan(10);
});

test("good writes make good for a stall", () => {
  const { write, backgroundWrites } = setUp();
  backgroundWrites(100);
  write(5_000);
  expect(backgroundWrites(100)).toBe(8);
  for (let i = 0; i < 256; i++) expect(write(100)).toBe("in place");
  write(5_000);
  expect(backgroundWrites(100)).toBe(8);
});

test("another mode is a TypeError that names the two there are", () => {
  expect(() => checkedWrites("sync")).toThrow(new TypeError('writes must be "auto" or "background", got "sync"'));
  expect(checkedWrites(undefined)).toBe("auto");
});

test("of two logs only one blocks a turn, and each may block one of its own", async () => {
  const clock = { ...nodeMachine.clock, elapsedUs: () => 0 };
  const [a, b] = [new InPlaceWrites("auto", clock), new InPlaceWrites("auto", clock)];
  for (const writes of [a, b]) {
    for (let i = 0; i < 4; i++) {
      writes.begin();
      writes.endInBackground(1);
    }
  }
  const who = (): boolean[] => [a.takes(1), b.takes(1)];
  expect(who()).toEqual([true, true]);
  const turn = new Promise<void>((resolve) => a.inTurn(resolve));
  expect(who()).toEqual([true, false]);
  await turn;
  expect(who()).toEqual([true, true]);
});
