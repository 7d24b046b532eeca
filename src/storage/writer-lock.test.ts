import { describe, expect, test } from "vitest";
import { failWith } from "../testing/fault-plan.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import { acquireWriterLock, mayBeHeld, readHolder } from "./writer-lock.ts";

const path = "/events.log.lock";

function textOf(disk: SimulatedDisk): string {
  return Buffer.from(disk.readFile(path) ?? []).toString();
}

function holderText(pid: number, host: string, kind: "kernel" | "pid-file"): Uint8Array {
  return Buffer.from(`${JSON.stringify({ pid, host, since: 1000, kind })}\n`);
}

const locked = expect.objectContaining({ code: "SEQLOG_LOCKED" });

describe("the kernel's lock", () => {
  test("keeps others out, names its holder, and is free after release", () => {
    const disk = new SimulatedDisk({ startMs: 5000 });
    const lock = acquireWriterLock(disk.boot({ pid: 7, host: "a" }), path, "kernel");
    expect(JSON.parse(textOf(disk))).toEqual({ pid: 7, host: "a", since: 5000, kind: "kernel" });
    expect(() => acquireWriterLock(disk.boot(), path, "kernel")).toThrow(
      expect.objectContaining({
        code: "SEQLOG_LOCKED",
        facts: { path, pid: 7, host: "a", since: new Date(5000) },
        message: expect.stringMatching(/process 7 on a, since 1970-01-01T00:00:05.000Z.*readOnly: true/),
      }),
    );
    lock.release();
    expect(textOf(disk)).toBe("");
    acquireWriterLock(disk.boot(), path, "kernel").release();
    expect(disk.list("/")).toEqual(["events.log.lock"]);
  });

  test("ends with its process, whatever the text says", () => {
    const disk = new SimulatedDisk();
    const first = disk.boot({ pid: 7 });
    acquireWriterLock(first, path, "kernel");
    disk.kill(first);
    expect(textOf(disk)).toContain('"pid":7');
    acquireWriterLock(disk.boot({ pid: 8 }), path, "kernel");
    expect(JSON.parse(textOf(disk))).toMatchObject({ pid: 8 });
  });

  test.each<[string, Uint8Array]>([
    ["of a dead process", holderText(99, "simulated", "kernel")],
    ["of a process of another host", holderText(1001, "elsewhere", "kernel")],
    ["of a process that is alive, but holds no lock", holderText(1001, "simulated", "kernel")],
    ["that is no JSON", Buffer.from("{half")],
    ["that is longer than any of ours", Buffer.alloc(5000, "x")],
    ["of zeros", Buffer.alloc(100)],
    ["of another program", Buffer.from('{"pid":"four","since":null}')],
  ])("a stale text %s means nothing", (_, text) => {
    const disk = new SimulatedDisk();
    disk.writeFile(path, text);
    acquireWriterLock(disk.boot({ pid: 1001 }), path, "kernel");
    expect(JSON.parse(textOf(disk))).toMatchObject({ pid: 1001, kind: "kernel" });
    expect(textOf(disk).split("\n")).toHaveLength(2);
  });

  test("respects a holder that asked for the pid-file", () => {
    const disk = new SimulatedDisk();
    acquireWriterLock(disk.boot({ pid: 7 }), path, "pid-file");
    expect(() => acquireWriterLock(disk.boot(), path, "kernel")).toThrow(locked);
  });

  test("names nobody where the text cannot be read", () => {
    const disk = new SimulatedDisk();
    const machine = disk.boot();
    acquireWriterLock(machine, path, "kernel");
    machine.storage.openSync(path, "write").truncateSync(0);
    expect(() => acquireWriterLock(disk.boot(), path, "kernel")).toThrow(
      expect.objectContaining({
        facts: { path, pid: 0, host: "unknown", since: new Date(0) },
        message: expect.stringContaining("another process"),
      }),
    );
  });

  test("where there is none is an error that says so, and leaves no descriptor behind", () => {
    const disk = new SimulatedDisk({ hasLocks: false });
    expect(() => acquireWriterLock(disk.boot(), path, "kernel")).toThrow(
      expect.objectContaining({ code: "SEQLOG_LOCK_UNAVAILABLE" }),
    );
    expect(disk.operations.count("close")).toBe(1);
  });

  test("is held also where the disk has no room for the text", () => {
    const disk = new SimulatedDisk();
    const machine = disk.boot();
    machine.faults.on({ kind: "write" }, failWith("ENOSPC"));
    const lock = acquireWriterLock(machine, path, "kernel");
    expect(() => acquireWriterLock(disk.boot(), path, "kernel")).toThrow(locked);
    lock.release();
  });
});

describe("the pid-file", () => {
  test("keeps out others of the same host as long as the process lives", () => {
    const disk = new SimulatedDisk({ hasLocks: false });
    const first = disk.boot({ pid: 7 });
    const lock = acquireWriterLock(first, path, "pid-file");
    expect(() => acquireWriterLock(disk.boot(), path, "pid-file")).toThrow(locked);
    expect(() => acquireWriterLock(first, path, "pid-file")).toThrow(locked);
    lock.release();
    acquireWriterLock(disk.boot(), path, "pid-file");
  });

  test("of a process that is gone is taken over", () => {
    const disk = new SimulatedDisk({ hasLocks: false });
    const first = disk.boot({ pid: 7 });
    acquireWriterLock(first, path, "pid-file");
    disk.kill(first);
    acquireWriterLock(disk.boot({ pid: 8 }), path, "pid-file");
    expect(JSON.parse(textOf(disk))).toMatchObject({ pid: 8, kind: "pid-file" });
  });

  test("of another host is never taken over: nobody here can know", () => {
    const disk = new SimulatedDisk({ hasLocks: false });
    disk.writeFile(path, holderText(99, "elsewhere", "pid-file"));
    expect(() => acquireWriterLock(disk.boot(), path, "pid-file")).toThrow(locked);
  });

  test("must be written: an error is an error", () => {
    const disk = new SimulatedDisk({ hasLocks: false });
    const machine = disk.boot();
    machine.faults.on({ kind: "write" }, failWith("ENOSPC"));
    expect(() => acquireWriterLock(machine, path, "pid-file")).toThrow(
      expect.objectContaining({ code: "SEQLOG_NO_SPACE" }),
    );
    expect(disk.operations.count("open")).toBe(disk.operations.count("close"));
  });
});

test("a reader sees whether a writer may be at work", () => {
  const disk = new SimulatedDisk();
  const reader = disk.boot();
  expect(mayBeHeld(reader.storage, path)).toBe(false);
  const lock = acquireWriterLock(disk.boot(), path, "kernel");
  expect(mayBeHeld(reader.storage, path)).toBe(true);
  lock.release();
  expect(mayBeHeld(reader.storage, path)).toBe(false);
});

test("a holder from before there were kinds is one of the kernel's", () => {
  const disk = new SimulatedDisk();
  disk.writeFile(path, Buffer.from('{"pid":5,"host":"h","since":9}'));
  expect(readHolder(disk.boot().storage.openSync(path, "read"))).toEqual({
    pid: 5,
    host: "h",
    since: 9,
    kind: "kernel",
  });
});
