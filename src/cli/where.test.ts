import { expect, test } from "vitest";
import { addCondition, parseCondition } from "./where.ts";

const record = {
  user: { id: 42, name: "ana", "a.b": 1 },
  status: "200",
  ok: true,
  none: null,
  tags: ["x", { y: 7 }],
  big: 1e21,
};

/** Undefined stands for a record that is not JSON, as everywhere. */
function holdsFor(value: unknown, condition: string): boolean {
  return parseCondition(condition)(value);
}

function holds(condition: string): boolean {
  return holdsFor(record, condition);
}

test("a path equals a value, as text or as JSON", () => {
  const right = [
    "user.id=42",
    "user.id=42.0",
    "user.name=ana",
    'user.name="ana"',
    "status=200",
    "ok=true",
    "none=null",
    "tags.0=x",
    "tags.1.y=7",
    'tags.1={"y": 7}',
    "user.a\\.b=1",
  ];
  const wrong = [
    "user.id=43",
    'user.id="42"',
    "user=ana",
    "user.name=an",
    "missing=1",
    "missing=undefined",
    "tags.length=2",
    "user.constructor=x",
  ];
  expect([...right, ...wrong].filter(holds)).toEqual(right);
});

test("!= is the opposite, also where there is nothing to compare", () => {
  expect(holds("user.id!=42")).toBe(false);
  expect(holds("user.id!=7")).toBe(true);
  expect(holds("missing!=7")).toBe(true);
  expect(holdsFor(undefined, "user.id!=7")).toBe(true);
});

test("a bare path asks whether it is there", () => {
  expect(holds("none")).toBe(true);
  expect(holds("missing")).toBe(false);
  expect(holds("!missing")).toBe(true);
  expect(holds("!user.id")).toBe(false);
  expect(holds("toString")).toBe(false);
});

test("a value may contain = and !=", () => {
  expect(holdsFor({ q: "a=b" }, "q=a=b")).toBe(true);
  expect(holdsFor({ q: "a!=b" }, "q=a!=b")).toBe(true);
  expect(holdsFor({ "a=b": 1 }, "a\\=b=1")).toBe(true);
});

test("a record that is not JSON has no fields", () => {
  expect(holdsFor(undefined, "user.id=42")).toBe(false);
  expect(holdsFor(undefined, "user")).toBe(false);
  expect(holdsFor(undefined, "!user")).toBe(true);
});

test("conditions add up", () => {
  expect(addCondition("b=2", addCondition("a=1", undefined))).toHaveLength(2);
});

test.each(["", "=1", ".a=1", "a..b=1", "a.=1", "!", "!=3"])("%j is not a condition", (text) => {
  expect(() => parseCondition(text)).toThrow(/is not a path/);
});
