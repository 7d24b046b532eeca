import { describe, expect, test } from "vitest";
import { decodePath, problemOfPath } from "./stream-path.ts";

describe("names that may be", () => {
  test.each([
    "a",
    "a/b/c",
    "..a",
    "a..",
    "...",
    "ä/é",
    "a b",
    "a%2Fb",
    "__dsx",
    "a/__ds",
    "MANIFEST",
    "x".repeat(1024),
  ])("%j", (path) => expect(problemOfPath(path)).toBeUndefined());
});

describe("names that may not", () => {
  test.each([
    ["", "empty"],
    ["/a", "empty"],
    ["a/", "empty"],
    ["a//b", "empty"],
    [".", '"."'],
    ["a/../b", '".."'],
    ["a/./b", '"."'],
    ["__ds", "reserved"],
    ["__ds/subscriptions", "reserved"],
    ["a\u0000b", "control"],
    ["a\nb", "control"],
    ["a\u007f", "control"],
    ["a\u0085", "control"],
    ["\ud800", "well-formed"],
    ["x".repeat(1025), "1024 bytes"],
    ["é".repeat(513), "1024 bytes"],
  ])("%j: %s", (path, why) => expect(problemOfPath(path)).toContain(why));
});

test("decoding comes before the rules", () => {
  expect(decodePath("a%2F..%2Fb")).toBe("a/../b");
  expect(decodePath("%2e%2e")).toBe("..");
  expect(decodePath("a%00b")).toBe("a\u0000b");
  expect(decodePath("%C3%A9")).toBe("é");
});

test.each(["%", "%zz", "%ff", "%C3", "é", "a b"])("%j is not the text of a path", (encoded) =>
  expect(decodePath(encoded)).toBeUndefined(),
);
