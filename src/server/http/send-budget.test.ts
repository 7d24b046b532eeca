import { expect, test } from "vitest";
import { SendBudget } from "./send-budget.ts";

/** A client that tells when it is dropped. */
function client(budget: SendBudget, bytes: Uint8Array, dropped: string[], name: string): () => void {
  return budget.hold(bytes, () => dropped.push(name));
}

test("past the limit who has waited longest is dropped, and no more than must be", () => {
  const budget = new SendBudget(100);
  const dropped: string[] = [];
  client(budget, new Uint8Array(40), dropped, "a");
  const release = client(budget, new Uint8Array(40), dropped, "b");
  client(budget, new Uint8Array(40), dropped, "c");
  expect(dropped).toEqual(["a"]);
  expect(budget.used).toBe(80);
  release();
  release();
  expect(budget.used).toBe(40);
  client(budget, new Uint8Array(60), dropped, "d");
  expect(dropped).toEqual(["a"]);
});

test("bytes that many are sent count once, until the last has taken them", () => {
  const budget = new SendBudget(100);
  const dropped: string[] = [];
  const shared = new Uint8Array(90);
  const releases = Array.from({ length: 10 }, (_, i) => client(budget, shared, dropped, String(i)));
  expect(budget.used).toBe(90);
  for (const release of releases.slice(1)) release();
  expect(budget.used).toBe(90);
  releases[0]?.();
  expect(budget.used).toBe(0);
  expect(dropped).toEqual([]);
});

test("a client that is sent more than the limit is dropped itself, and nobody else for its sake", () => {
  const budget = new SendBudget(100);
  const dropped: string[] = [];
  client(budget, new Uint8Array(40), dropped, "before");
  const release = client(budget, new Uint8Array(101), dropped, "a");
  expect(dropped).toEqual(["a"]);
  release();
  expect(budget.used).toBe(40);
});
