import { expect, test } from "vitest";
import { parseFields } from "./fields.ts";

function project(fields: string, value: unknown): string {
  return JSON.stringify(parseFields(fields)(value));
}

test("fields keep their place and come in the order asked for", () => {
  expect(project("b.c, a", { a: 1, b: { c: 2, d: 3 } })).toBe('{"b":{"c":2},"a":1}');
});

test("what is not there is left out", () => {
  expect(project("a.x,b,c", { a: 1, c: null })).toBe('{"c":null}');
  expect(project("a", "text")).toBe("{}");
  expect(project("a", undefined)).toBe("{}");
});

test("a whole value and a part of it go together", () => {
  expect(project("a,a.b", { a: { b: 1, c: 2 } })).toBe('{"a":{"b":1,"c":2}}');
  expect(project("a.b,a", { a: { b: 1, c: 2 } })).toBe('{"a":{"b":1,"c":2}}');
});

test("parts of one object come together", () => {
  expect(project("a.b,a.d", { a: { b: 1, c: 2, d: 3 } })).toBe('{"a":{"b":1,"d":3}}');
});

test("a field named __proto__ is a field", () => {
  const value: unknown = JSON.parse('{"__proto__":{"x":1},"y":2}');
  expect(project("__proto__.x,y", value)).toBe('{"__proto__":{"x":1},"y":2}');
  expect(project("__proto__", {})).toBe("{}");
});

test("a comma inside a key is escaped", () => {
  expect(project("a\\,b", { "a,b": 1 })).toBe('{"a,b":1}');
});
