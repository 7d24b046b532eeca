import fc from "fast-check";
import { expect, test } from "vitest";
import { rawMember } from "./raw-member.ts";

test("a member's text is given as it stands there", () => {
  const json = String.raw` { "a" : 1e400 ,"b":[ 1, {"data":"no"} ], "data" : {"x": "\"}"}  , "z":null } `;
  expect(rawMember(json, "a")).toBe("1e400");
  expect(rawMember(json, "b")).toBe('[ 1, {"data":"no"} ]');
  expect(rawMember(json, "data")).toBe(String.raw`{"x": "\"}"}`);
  expect(rawMember(json, "z")).toBe("null");
  expect(rawMember(json, "x")).toBeUndefined();
  expect(rawMember("{}", "a")).toBeUndefined();
});

test("keys are compared by what they mean, and the last of several counts", () => {
  expect(rawMember(String.raw`{"data":1,"\u0064ata":2}`, "data")).toBe("2");
  expect(rawMember(String.raw`{"a\\":"\\","data":"\\\""}`, "data")).toBe(String.raw`"\\\""`);
});

test("for any JSON object it finds what JSON.parse finds", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(0, 1, "\t"), (object, space) => {
      const json = JSON.stringify(object, null, space);
      const parsed = JSON.parse(json) as Record<string, unknown>;
      for (const key of Object.keys(parsed)) {
        expect(JSON.parse(rawMember(json, key) as string)).toEqual(parsed[key]);
      }
    }),
  );
});
