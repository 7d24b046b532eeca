/** Every kind of log passes the suite of its contract. */
import { afterAll, describe, expect, test } from "vitest";
import {
  type ConformanceCase,
  type ConformanceTarget,
  SimulatedDisk,
  logConformance,
} from "../../src/testing/index.ts";
import type { Log } from "../../src/index.ts";
import { holeyLog } from "./holey-log.ts";
import { fileTarget, followedTarget, simulatedTarget } from "./targets.ts";

function testAll(cases: readonly ConformanceCase[]): void {
  test.each(cases)("$name", ({ run }) => run());
}

/** The cases of a target whose timers stand still until somebody drives them. */
function driven(target: ConformanceTarget & { readonly disk: SimulatedDisk }): ConformanceCase[] {
  return logConformance(target).map(({ name, run }) => ({ name, run: () => target.disk.runUntil(run()) }));
}

describe("a directory log on the disk", () => {
  const target = fileTarget();
  afterAll(() => target.end());
  testAll(logConformance(target));
});

describe("a directory log with ids of version 4", () => {
  const target = simulatedTarget({ ids: "v4", segmentBytes: 8 * 1024 });
  testAll(driven(target));
});

describe("a directory log whose reads go through a read-only follower", () => {
  const target = followedTarget();
  afterAll(() => target.end());
  testAll(logConformance(target));
});

describe.each([
  ["as it comes", {}],
  ["without O_DSYNC", { hasDsync: false }],
  ["without zero-ahead, and with watches that miss most changes", { prefersZeroAhead: false, watchMissChance: 0.8 }],
])("a directory log on a simulated disk %s", (_name, options) => {
  const target = simulatedTarget({}, new SimulatedDisk({ ...options, keepLog: false }));
  testAll(driven(target));
});

describe("a log with holes", () => {
  const { open, openReader, ...target } = simulatedTarget();
  testAll(
    driven({
      ...target,
      open: async (name, options) => holeyLog(await open(name, options)),
      openReader: async (name) => holeyLog((await openReader?.(name)) as Log),
    }),
  );
});

test("names are unique, and say their theme", () => {
  const names = logConformance(simulatedTarget()).map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names.filter((name) => !/^[a-zA-Z -]+: ./.test(name))).toEqual([]);
});
