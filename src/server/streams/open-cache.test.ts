import { expect, test } from "vitest";
import { OpenCache } from "./open-cache.ts";
import type { StreamEntry } from "./stream-entry.ts";

/** As far as the cache looks at it. */
function entry(name: string, use: { pins?: number; isBusy?: boolean } = {}): StreamEntry {
  return { name, pins: use.pins ?? 0, stream: { isBusy: use.isBusy ?? false } } as unknown as StreamEntry;
}

function nameOf(each: StreamEntry): string {
  return (each as unknown as { name: string }).name;
}

test("those used longest ago are closed", () => {
  const closed: string[] = [];
  const cache = new OpenCache(2, (each) => closed.push(nameOf(each)));
  const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => entry(name)) as [
    StreamEntry,
    StreamEntry,
    StreamEntry,
    StreamEntry,
  ];
  for (const each of [a, b, a, c]) cache.use(each);
  expect(closed).toEqual(["b"]);
  cache.drop(a);
  cache.use(d);
  expect(closed).toEqual(["b"]);
  expect(cache.size).toBe(2);
});

test("those in use are kept, however many, and closed when they are idle", () => {
  const closed: string[] = [];
  const cache = new OpenCache(1, (each) => closed.push(nameOf(each)));
  const busy = Array.from({ length: 100 }, (_, i) => entry(String(i), i % 2 === 0 ? { pins: 1 } : { isBusy: true }));
  for (const each of busy) cache.use(each);
  expect([closed.length, cache.size]).toEqual([0, 100]);
  for (const each of busy) Object.assign(each, { pins: 0, stream: { isBusy: false } });
  for (let i = 0; i < 10; i++) cache.use(busy[99] as StreamEntry);
  expect(cache.size).toBe(1);
  expect(closed).toHaveLength(99);
});
