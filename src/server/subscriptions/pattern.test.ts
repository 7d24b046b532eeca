import { expect, test } from "vitest";
import { Pattern, problemOfPattern } from "./pattern.ts";

test.each([
  ["events/*", "events/a", true],
  ["events/*", "events", false],
  ["events/*", "events/a/b", false],
  ["events/**", "events", true],
  ["events/**", "events/a/b/c", true],
  ["events/**", "event/a", false],
  ["**", "a/b", true],
  ["*", "a", true],
  ["*", "a/b", false],
  ["**/done", "done", true],
  ["**/done", "a/b/done", true],
  ["**/done", "a/done/b", false],
  ["a/**/b/**/c", "a/b/c", true],
  ["a/**/b/**/c", "a/x/b/b/y/c", true],
  ["a/**/b/**/c", "a/x/c/b", false],
  ["a/**/*/c", "a/c", false],
  ["a/**/*/c", "a/x/y/c", true],
  ["**/**", "a", true],
  ["%2A", "*", true],
  ["%2a", "b", false],
  ["a", "a", true],
  ["A", "a", false],
])("%s and %s: %s", (pattern, name, is) => {
  expect(new Pattern(pattern).matches(name)).toBe(is);
});

test("a pattern of many stars is compared in a time that has a bound", () => {
  const pattern = new Pattern(Array.from({ length: 300 }, (_, i) => (i % 2 === 0 ? "**" : "a")).join("/"));
  const name = `${Array.from({ length: 500 }, () => "a").join("/")}/b`;
  // With all ways tried there would be no end to it.
  expect(pattern.matches(name)).toBe(false);
});

test("a star that is a part of a segment is told of", () => {
  expect(problemOfPattern("events/a*")).toMatch(/whole segments/);
  expect(problemOfPattern("events/*/**")).toBeUndefined();
});
