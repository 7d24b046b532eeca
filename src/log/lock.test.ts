import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { textsOf } from "../../test/crash/read-data.ts";
import { newPath } from "../../test/crash/scratch-directory.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import type { Machine } from "../storage/storage.ts";
import { failWith } from "../testing/fault-plan.ts";
import { withFaults } from "../testing/fault-injecting-storage.ts";
import { FileLog } from "./file-log.ts";

const owner = { pid: process.pid, host: hostname() };

/** As if it were another process of this or another machine. */
function machineOf(other: Partial<Machine>): Machine {
  return { ...nodeMachine, ...other };
}

test("a second writer is told who holds the log, since when, and what works instead", async () => {
  const before = Date.now();
  const log = await FileLog.open(newPath());
  const error: unknown = await FileLog.open(log.location).catch((reason: unknown) => reason);
  expect(error).toMatchObject({
    code: "SEQLOG_LOCKED",
    facts: { path: join(log.location, "LOCK"), ...owner, since: expect.any(Date) },
  });
  const { facts, message } = error as { facts: { since: Date }; message: string };
  expect(facts.since.getTime()).toBeGreaterThanOrEqual(before);
  expect(facts.since.getTime()).toBeLessThanOrEqual(Date.now());
  expect(message).toBe(
    `${join(log.location, "LOCK")}: process ${owner.pid} on ${owner.host}, since ${facts.since.toISOString()}, ` +
      "is writing this log. Reading it with { readOnly: true } works; to append from several processes let one of them own the log, as in examples/cluster",
  );
  expect(() => FileLog.openSync(log.location)).toThrow(expect.objectContaining({ code: "SEQLOG_LOCKED" }));
  await log.append("still works");
  const reader = await FileLog.open(log.location, { readOnly: true });
  expect(await textsOf(reader)).toEqual(["still works"]);
  await reader.close();
  await log.close();
  const next = await FileLog.open(log.location);
  await next.close();
});

test("an open that fails gives the lock back", async () => {
  const path = newPath();
  const log = await FileLog.open(path);
  await log.append("x");
  await log.close();
  const manifest = readFileSync(join(path, "MANIFEST"));
  writeFileSync(join(path, "MANIFEST"), "nonsense");
  await expect(FileLog.open(path)).rejects.toMatchObject({ code: "SEQLOG_DAMAGED" });
  expect(() => FileLog.openSync(path)).toThrow(expect.objectContaining({ code: "SEQLOG_DAMAGED" }));
  writeFileSync(join(path, "MANIFEST"), manifest);
  const again = await FileLog.open(path);
  await again.close();
});

test("lockTimeoutMs waits until the other writer closes", async () => {
  const log = await FileLog.open(newPath());
  await log.append("0");
  const waiting = FileLog.open(log.location, { lockTimeoutMs: 60_000 });
  const other = FileLog.open(log.location, { lockTimeoutMs: 60_000 });
  await log.append("1");
  await log.close();
  const first = await Promise.race([waiting, other]);
  await first.append("2");
  await first.close();
  const second = first === (await Promise.race([waiting, first])) ? await other : await waiting;
  expect(await textsOf(second)).toEqual(["0", "1", "2"]);
  await second.close();
});

test("lockTimeoutMs ends: the error is the same as without", async () => {
  let now = 0;
  // Time passes only with each look at the clock, so nothing is waited for in earnest.
  const machine = machineOf({
    clock: { ...nodeMachine.clock, now: () => (now += 400), after: (_ms, call) => (setImmediate(call), () => {}) },
  });
  const log = await FileLog.open(newPath());
  await expect(FileLog.open(log.location, { machine, lockTimeoutMs: 1000 })).rejects.toMatchObject({
    code: "SEQLOG_LOCKED",
    facts: owner,
  });
  expect(now).toBeGreaterThanOrEqual(1000);
  await log.close();
});

test("a signal ends the wait for the lock with its reason", async () => {
  const log = await FileLog.open(newPath());
  const abort = new AbortController();
  const reason = new Error("no longer");
  const waiting = FileLog.open(log.location, { lockTimeoutMs: 60_000, signal: abort.signal });
  abort.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  await expect(FileLog.open(log.location, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  await log.close();
});

test("a lock whose text cannot be read is held all the same", async () => {
  const log = await FileLog.open(newPath());
  writeFileSync(join(log.location, "LOCK"), "{");
  await expect(FileLog.open(log.location)).rejects.toMatchObject({
    code: "SEQLOG_LOCKED",
    facts: { pid: 0, host: "unknown" },
    message: expect.stringContaining("another process, is writing this log"),
  });
  await log.close();
});

test("the text that a killed writer left under the kernel's lock keeps nobody out", async () => {
  const log = await FileLog.open(newPath());
  await log.close();
  writeFileSync(join(log.location, "LOCK"), JSON.stringify({ ...owner, since: 1, kind: "kernel" }));
  const again = await FileLog.open(log.location);
  await again.close();
});

test("with pid-file the text decides: a live process of this host, or any of another host, holds the log", async () => {
  const path = newPath();
  const log = await FileLog.open(path, { lock: "pid-file" });
  for (const lock of ["pid-file", "kernel"] as const) {
    await expect(FileLog.open(path, { lock })).rejects.toMatchObject({ code: "SEQLOG_LOCKED", facts: owner });
  }
  await log.close();
  const stale = (holder: object): void =>
    writeFileSync(join(path, "LOCK"), JSON.stringify({ ...owner, since: 1, kind: "pid-file", ...holder }));
  stale({ host: "elsewhere" });
  await expect(FileLog.open(path, { lock: "pid-file" })).rejects.toMatchObject({ facts: { host: "elsewhere" } });
  stale({ pid: 12345 });
  const machine = machineOf({ isAlive: (pid) => pid !== 12345 });
  const again = await FileLog.open(path, { lock: "pid-file", machine });
  await again.close();
});

test("pid-file cannot overlook a writer that holds the kernel's lock", async () => {
  const log = await FileLog.open(newPath());
  await expect(FileLog.open(log.location, { lock: "pid-file" })).rejects.toMatchObject({ code: "SEQLOG_LOCKED" });
  await log.close();
});

test("the lock of a process that was killed is free at once", async () => {
  const path = newPath();
  const library = new URL("../../dist/index.js", import.meta.url).href;
  const program = `
    const { openLog } = await import(${JSON.stringify(library)});
    const log = await openLog(process.argv[1]);
    await log.append("from the child");
    process.stdout.write("ready");
    process.stdin.resume();`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program, path]);
  await new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve());
    child.once("exit", () => reject(new Error("the child ended")));
  });
  await expect(FileLog.open(path)).rejects.toMatchObject({ code: "SEQLOG_LOCKED", facts: { pid: child.pid } });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
  const log = await FileLog.open(path);
  expect(await textsOf(log)).toEqual(["from the child"]);
  await log.close();
});

test("where there is no lock, opening for writing says so; reading, and the pid-file, work", async () => {
  const log = await FileLog.open(newPath());
  await log.append("x");
  await log.close();
  const { machine, storage } = withFaults(nodeMachine);
  storage.faults.on({ kind: "lock", times: Infinity }, failWith("ENOLCK"));
  await expect(FileLog.open(log.location, { machine })).rejects.toMatchObject({
    code: "SEQLOG_LOCK_UNAVAILABLE",
    facts: { path: join(log.location, "LOCK"), reason: "this file system has no locks (ENOLCK)" },
  });
  const reader = await FileLog.open(log.location, { machine, readOnly: true });
  expect(await textsOf(reader)).toEqual(["x"]);
  await reader.close();
  const writer = await FileLog.open(log.location, { machine, lock: "pid-file" });
  expect(await writer.append("y")).toMatchObject({ seq: 1 });
  await writer.close();
});
