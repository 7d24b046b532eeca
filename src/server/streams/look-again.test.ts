import { expect, test } from "vitest";
import type { Clock } from "../../storage/storage.ts";
import { LookAgain } from "./look-again.ts";

test("twenty times as long as the last look took is waited, counted from its end, and 250 ms at least", () => {
  let nowUs = 0;
  const clock = { elapsedUs: () => nowUs } as Clock;
  const again = new LookAgain(clock);
  expect(again.isDue).toBe(true);
  const look = (ms: number): void => again.look(() => void (nowUs += ms * 1000));
  const waits = (ms: number): void => {
    nowUs += ms * 1000 - 1;
    expect(again.isDue).toBe(false);
    nowUs += 1;
    expect(again.isDue).toBe(true);
  };
  look(1);
  waits(250);
  look(300);
  waits(6_000);
  look(0);
  waits(250);
});

test("a look that fails puts the next off no further", () => {
  const again = new LookAgain({ elapsedUs: () => 0 } as Clock);
  expect(() => again.look(() => expect.fail("no"))).toThrow("no");
  expect(again.isDue).toBe(true);
});
