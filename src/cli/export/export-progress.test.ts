import { expect, test } from "vitest";
import { shareDone } from "./export-progress.ts";

test("the share goes by seqs, from the first one to the end of the range", () => {
  expect(shareDone(100, 100, 200, 1, Infinity)).toBe(0.01);
  expect(shareDone(100, 149, 200, 50, Infinity)).toBe(0.5);
  expect(shareDone(100, 199, 200, 100, Infinity)).toBe(1);
});

test("a limit that ends it sooner counts", () => {
  expect(shareDone(0, 4, 1000, 5, 10)).toBe(0.5);
  expect(shareDone(0, 499, 1000, 5, 10)).toBe(0.5);
  expect(shareDone(0, 899, 1000, 5, 10)).toBe(0.9);
});

test("without an end nothing is known", () => {
  expect(shareDone(0, 4, undefined, 5, Infinity)).toBeUndefined();
  expect(shareDone(0, 4, undefined, 5, 10)).toBe(0.5);
});

test("it never passes 1, though records may come on while it runs", () => {
  expect(shareDone(0, 20, 10, 21, Infinity)).toBe(1);
});
