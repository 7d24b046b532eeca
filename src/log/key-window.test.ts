import { expect, test } from "vitest";
import { KeyedRecord, KeyWindow } from "./key-window.ts";

interface Pending {
  readonly name: string;
}

function record(bits: string, seq: number, timeMs = 0): KeyedRecord {
  return new KeyedRecord(bits, seq, timeMs, 1, 2, "0.log", seq);
}

test("a record is in the window up to and including its last record and millisecond", () => {
  const window = new KeyWindow<Pending>({ ms: 100, records: 10 }, true);
  expect(window.covers(0, 0, 10, 100)).toBe(true);
  expect(window.covers(0, 0, 11, 100)).toBe(false);
  expect(window.covers(0, 0, 10, 101)).toBe(false);
  expect(window.covers(0, 5000, 10, 0)).toBe(true);
});

test("what has left the window is forgotten, oldest first, and memory stays bounded", () => {
  const window = new KeyWindow<Pending>({ ms: 1000, records: 100 }, true);
  for (let seq = 0; seq < 20_000; seq++) {
    expect(window.find(`k${seq}`, seq, 0)).toBeUndefined();
    window.settle(record(`k${seq}`, seq));
    expect(window.size).toBeLessThanOrEqual(101);
  }
  expect(window.find("k19899", 20_000, 0)).toBeUndefined();
  expect(window.find("k19900", 20_000, 0)).toMatchObject({ seq: 19_900 });
  expect(window.find("k19999", 20_000, 1001)).toBeUndefined();
  expect(window.size).toBe(0);
});

test("what is pending stays until it is settled or forgotten", () => {
  const window = new KeyWindow<Pending>({ ms: 10, records: 1 }, true);
  const pending = { name: "pending" };
  window.begin("a", pending);
  window.begin("b", pending);
  expect(window.find("a", 100, 1000)).toBe(pending);
  window.settle(record("a", 99, 990));
  window.forget("b");
  expect(window.find("a", 100, 1000)).toMatchObject({ seq: 99 });
  expect(window.find("b", 100, 1000)).toBeUndefined();
});

test("restore takes the later of two records of one key, and keeps what is pending", () => {
  const window = new KeyWindow<Pending>({ ms: 10, records: 10 }, false);
  const pending = { name: "pending" };
  window.begin("p", pending);
  window.settle(record("gone", 0));
  window.restore([record("a", 1), record("b", 2), record("a", 3), record("p", 4)]);
  expect(window.isComplete).toBe(true);
  expect(window.find("gone", 5, 0)).toBeUndefined();
  expect(window.find("a", 5, 0)).toMatchObject({ seq: 3 });
  expect(window.find("p", 5, 0)).toBe(pending);
  // The first of the two leaves the window, and takes nothing with it.
  expect(window.find("a", 12, 0)).toMatchObject({ seq: 3 });
  expect(window.find("b", 13, 0)).toBeUndefined();
  expect(window.find("a", 13, 0)).toMatchObject({ seq: 3 });
  expect(window.find("a", 14, 0)).toBeUndefined();
});

test("data is compared by length and CRC", () => {
  const one = new KeyedRecord("a", 0, 0, 5, 0xffff_ffff, "0.log", 0);
  expect(one.holds(5, 0xffff_ffff)).toBe(true);
  expect(one.holds(5, 0xffff_fffe)).toBe(false);
  expect(one.holds(6, 0xffff_ffff)).toBe(false);
});
