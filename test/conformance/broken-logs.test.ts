/** The conformance suite can fail: a log that breaks a rule fails the case of that rule. */
import { AssertionError } from "node:assert";
import { expect, test } from "vitest";
import type { Log } from "../../src/index.ts";
import {
  type ConformanceCase,
  type ConformanceTarget,
  type SimulatedDisk,
  logConformance,
} from "../../src/testing/index.ts";
import { breaks } from "./broken-logs.ts";
import { override, simulatedTarget } from "./targets.ts";

interface Driven {
  readonly target: ConformanceTarget;
  readonly disk: SimulatedDisk;
}

/** A target whose logs are broken when they are opened. */
function breaking(members: (log: Log) => object): Driven {
  const { disk, ...target } = simulatedTarget();
  return {
    disk,
    target: {
      ...target,
      async open(name, options) {
        const log = await target.open(name, options);
        return override(log, members(log));
      },
      async openRetaining(name, retention) {
        const log = (await target.openRetaining?.(name, retention)) as Log;
        return override(log, members(log));
      },
      async openWithCodec(name, codec) {
        const log = await target.openWithCodec(name, codec);
        return override(log, members(log as unknown as Log));
      },
    },
  };
}

function caseOf(target: ConformanceTarget, name: string): ConformanceCase {
  const [found, ...others] = logConformance(target).filter((one) => one.name.startsWith(name));
  if (found === undefined || others.length > 0) throw new Error(`${others.length} cases begin with ${name}`);
  return found;
}

test.each(breaks)("$name: the suite says so", async ({ members, case: name, says }) => {
  const whole = breaking(() => ({}));
  await whole.disk.runUntil(caseOf(whole.target, name).run());
  const broken = breaking(members);
  const failure = await broken.disk.runUntil(caseOf(broken.target, name).run()).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(Error);
  expect((failure as Error).message.slice(0, says.length)).toBe(says);
});

test("a log that acknowledges before the disk has the record fails after a power cut", async () => {
  const { disk, ...target } = simulatedTarget({ durability: "os" });
  const run = caseOf(target, "crash: what was acknowledged is there after a crash").run();
  const failure = await disk.runUntil(run).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(AssertionError);
  expect((failure as Error).message).toMatch(/^every acknowledged record is there after a crash/);
});

test("a log that never answers fails when the time is up, and the message names the case", async () => {
  const { disk: _, ...target } = simulatedTarget();
  const open: ConformanceTarget["open"] = async (name, options) =>
    override(await target.open(name, options), { append: () => new Promise(() => {}) });
  const [, second] = logConformance({ ...target, open }, { timeoutMs: 1 });
  await expect(second?.run()).rejects.toThrow(/^append: append resolves with .* no end after 1 ms/);
});

test("what the target cannot do is left out", () => {
  const { openReader: _, crash: __, ...bare } = simulatedTarget();
  const names = logConformance(bare).map(({ name }) => name);
  expect(names.filter((name) => name.startsWith("reader:") || name.startsWith("crash:"))).toEqual([]);
  expect(names.length).toBeGreaterThan(80);
});
