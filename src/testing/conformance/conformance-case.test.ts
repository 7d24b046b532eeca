import { expect, test } from "vitest";
import type { Log } from "../../log/log.ts";
import { CaseLogs } from "./conformance-case.ts";
import type { ConformanceTarget } from "./conformance-target.ts";

/** A target that writes down what is asked of it; its logs can only be closed. */
function recordingTarget(): ConformanceTarget & { readonly asked: string[] } {
  const asked: string[] = [];
  const logOf = (name: string): never => {
    asked.push(`open ${name}`);
    return { close: async () => void asked.push(`close ${name}`) } as never;
  };
  return {
    asked,
    open: async (name) => logOf(name),
    openWithCodec: async (name) => logOf(name),
    openReader: async (name) => logOf(`${name} for reading`),
    crash: async (name) => void asked.push(`crash ${name}`),
    destroy: async (name) => void asked.push(`destroy ${name}`),
  };
}

test("at its end a case closes what it opened, readers first, and removes each name once", async () => {
  const target = recordingTarget();
  const logs = new CaseLogs(target, "case-1");
  await logs.open();
  await logs.open({}, "b");
  await logs.openReader();
  expect(logs.isOver).toBe(false);
  await logs.end();
  expect(logs.isOver).toBe(true);
  expect(target.asked.slice(3)).toEqual([
    "close case-1 for reading",
    "close case-1-b",
    "close case-1",
    "destroy case-1",
    "destroy case-1-b",
  ]);
});

test("a log that crashed is not closed, but opened again", async () => {
  const target = recordingTarget();
  const logs = new CaseLogs(target, "case-1");
  const log: Log = await logs.open();
  await logs.crashAndOpen(log);
  await logs.end();
  expect(target.asked).toEqual(["open case-1", "crash case-1", "open case-1", "close case-1", "destroy case-1"]);
});

test("what the target lacks is a TypeError of the case that asks for it", async () => {
  const { open, openWithCodec } = recordingTarget();
  const logs = new CaseLogs({ open, openWithCodec }, "case-1");
  await expect(logs.openReader()).rejects.toBeInstanceOf(TypeError);
  await expect(logs.crashAndOpen(await logs.open())).rejects.toBeInstanceOf(TypeError);
  await logs.end();
});
