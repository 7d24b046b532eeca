import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { splitJson } from "./json-messages.ts";

function messages(body: string | Uint8Array): string[] {
  const { lengths, payload } = splitJson(Buffer.from(body));
  const found: string[] = [];
  let at = 0;
  for (const length of lengths) {
    found.push(Buffer.from(payload.subarray(at, at + length)).toString("utf8"));
    at += length + 1;
  }
  expect(payload.length).toBe(Math.max(0, at - 1));
  return found;
}

test("the elements of an array, or the one value", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(undefined, 1, "\t"), (value, space) => {
      const found = messages(JSON.stringify(value, undefined, space)).map((text) => JSON.parse(text) as unknown);
      // -0 has no JSON form of its own.
      const expected = JSON.parse(JSON.stringify(Array.isArray(value) ? value : [value])) as unknown;
      expect(found).toEqual(expected);
    }),
  );
});

test("they keep the bytes they were sent as", () => {
  expect(messages(' [ 12345678901234567890 , {"b": 1, "a":1.0} ,"\\u00e9\\"," , [1, [2]] ] \n')).toEqual([
    "12345678901234567890",
    '{"b": 1, "a":1.0}',
    '"\\u00e9\\","',
    "[1, [2]]",
  ]);
  expect(messages("  [[1,2]]  ")).toEqual(["[1,2]"]);
  expect(messages(" 1 ")).toEqual(["1"]);
});

test("an empty array has none", () => {
  expect(messages("[]")).toEqual([]);
  expect(messages(" [ \n ] ")).toEqual([]);
});

test("brackets, commas and quotes inside strings mean nothing", () => {
  expect(messages('["],[", "\\\\", "\\"]", {"a,b":"]"}]')).toEqual(['"],["', '"\\\\"', '"\\"]"', '{"a,b":"]"}']);
});

test("what the lengths take is told before they are made", () => {
  const charged: number[] = [];
  const charge = (bytes: number): void => void charged.push(bytes);
  expect(splitJson(Buffer.from(`[${"1,".repeat(999)}1]`), charge).lengths).toEqual(new Uint32Array(1000).fill(1));
  splitJson(Buffer.from('{"a":[1,2,3]}'), charge);
  expect(charged).toEqual([4000, 4]);
  const refuse = (): never => {
    throw new RangeError("no room");
  };
  expect(() => splitJson(Buffer.from("[1]"), refuse)).toThrow("no room");
});

test("very deep nesting is no reason to fail", () => {
  const depth = 100_000;
  expect(messages(`${"[".repeat(depth)}${"]".repeat(depth)}`)).toHaveLength(1);
});

describe("what is not JSON in UTF-8 is refused", () => {
  test.each([
    ["a word", "nonsense"],
    ["nothing but space", "  "],
    ["two values", "1 2"],
    ["a trailing comma", "[1,]"],
    ["a byte order mark", "﻿1"],
    ["bytes that are not UTF-8", Uint8Array.from([0x22, 0xff, 0x22])],
  ])("%s", (_, body) => {
    expect(() => splitJson(Buffer.from(body))).toThrow(SyntaxError);
  });
});
