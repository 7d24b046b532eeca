import { expect, test } from "vitest";
import { SeqlogError } from "../errors.ts";
import type { StorageFile } from "../storage/storage.ts";
import { crashAfter, crashBefore, crashDuring, failWith, shortWrite } from "./fault-plan.ts";
import { SimulatedCrash } from "./simulated-crash.ts";
import { SimulatedDisk } from "./simulated-disk.ts";
import type { SimulatedMachine } from "./simulated-machine.ts";

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function contentOf(disk: SimulatedDisk, from: "cache" | "medium" = "cache"): string {
  return new TextDecoder().decode(disk.readFile("/f", from));
}

/** A disk with the empty file /f, whose name is durable. */
function newDisk(seed = 1): SimulatedDisk {
  const disk = new SimulatedDisk({ seed });
  disk.writeFile("/f", new Uint8Array(0));
  return disk;
}

function open(machine: SimulatedMachine, dsync = false): StorageFile {
  return machine.storage.openSync("/f", "write", { dsync });
}

test("a short write says how much it took, and took no more", () => {
  const disk = newDisk();
  const machine = disk.boot();
  machine.faults.on({ kind: "write" }, shortWrite(3));
  const file = open(machine);
  expect(file.writeSync(text("hello"), 0)).toBe(3);
  expect(contentOf(disk)).toBe("hel");
  expect(file.writeSync(text("lo"), 3)).toBe(2);
  expect(contentOf(disk)).toBe("hello");
});

test("a write that fails may have left bytes; after EIO through dsync they never become durable", () => {
  const disk = newDisk();
  const machine = disk.boot();
  const plain = open(machine);
  const dsync = open(machine, true);
  machine.faults.on({ kind: "write" }, failWith("ENOSPC", 3));
  expect(() => plain.writeSync(text("hello"), 0)).toThrow(expect.objectContaining({ code: "SEQLOG_NO_SPACE" }));
  plain.fsyncSync();
  expect(contentOf(disk, "medium")).toBe("hel");
  machine.faults.on({ kind: "write" }, failWith("EIO", 3));
  expect(() => dsync.writeSync(text("world"), 512)).toThrow(SeqlogError);
  expect(contentOf(disk).slice(512)).toBe("wor");
  dsync.fsyncSync();
  disk.crash({ keep: 1 });
  expect(contentOf(disk).slice(512)).toBe("\0\0\0");
});

test("a full disk says so before anything is given up: what a refused dsync write left can still be synced", () => {
  const disk = newDisk();
  const machine = disk.boot();
  const dsync = open(machine, true);
  machine.faults.on({ kind: "write" }, failWith("ENOSPC", 3));
  expect(() => dsync.writeSync(text("world"), 0)).toThrow(expect.objectContaining({ code: "SEQLOG_NO_SPACE" }));
  dsync.fsyncSync();
  disk.crash({ keep: 0 });
  expect(contentOf(disk)).toBe("wor");
});

test("a full disk takes what fits, then fails, and overwriting still works", () => {
  const disk = newDisk();
  disk.capacity = 8;
  const file = open(disk.boot());
  expect(file.writeSync(text("hello"), 0)).toBe(5);
  expect(file.writeSync(text("hello"), 5)).toBe(3);
  expect(() => file.writeSync(text("x"), 8)).toThrow(expect.objectContaining({ code: "SEQLOG_NO_SPACE" }));
  expect(() => file.truncateSync(9)).toThrow(expect.objectContaining({ code: "SEQLOG_NO_SPACE" }));
  expect(file.writeSync(text("HELLO"), 0)).toBe(5);
  file.truncateSync(4);
  expect(disk.used).toBe(4);
  expect(file.writeSync(text("1234"), 4)).toBe(4);
});

test("a failed fsync is told once to each descriptor that was open, and to none opened later", () => {
  const machine = newDisk().boot();
  const failing = open(machine);
  const beside = open(machine);
  const dsync = open(machine, true);
  failing.writeSync(text("hello"), 0);
  machine.faults.on({ kind: "fsync" }, failWith("EIO"));
  const eio = expect.objectContaining({ code: "SEQLOG_IO" });
  expect(() => failing.fsyncSync()).toThrow(eio);
  failing.fsyncSync();
  open(machine).fsyncSync();
  expect(() => beside.fsyncSync()).toThrow(eio);
  beside.fsyncSync();
  expect(() => dsync.writeSync(text("x"), 0)).toThrow(eio);
  expect(dsync.writeSync(text("x"), 0)).toBe(1);
});

test("a failed fsync, then a good one, then a power cut: the bytes are gone", () => {
  const disk = newDisk();
  const machine = disk.boot();
  const file = open(machine);
  file.writeSync(text("hello"), 0);
  machine.faults.on({ kind: "fsync" }, failWith("EIO"));
  expect(() => file.fsyncSync()).toThrow(SeqlogError);
  file.fsyncSync();
  expect(contentOf(disk)).toBe("hello");
  disk.crash({ keep: 1 });
  expect(contentOf(disk)).toBe("\0\0\0\0\0");
});

test("a dsync write interrupted by the crash is not durable, one that was done is", () => {
  for (const [fault, expected] of [
    [crashBefore, ""],
    [crashDuring(), ""],
    [crashAfter, "hello"],
  ] as const) {
    const disk = newDisk();
    const machine = disk.boot();
    machine.faults.on({ kind: "write" }, fault);
    const file = open(machine, true);
    expect(() => file.writeSync(text("hello"), 0)).toThrow(SimulatedCrash);
    expect(() => file.statSync()).toThrow(SimulatedCrash);
    disk.crash({ keep: 0 });
    expect(contentOf(disk)).toBe(expected);
  }
});

test("a kill in the middle of a write leaves the part that reached the page cache", () => {
  const disk = newDisk();
  const machine = disk.boot();
  machine.faults.on({ kind: "write" }, crashDuring(2));
  expect(() => open(machine).writeSync(text("hello"), 0)).toThrow(SimulatedCrash);
  disk.kill(machine);
  expect(contentOf(disk)).toBe("he");
});

test("a background write takes effect after its submission, before its callback, in any order with others", async () => {
  const orders = new Set<string>();
  for (let seed = 0; seed < 30; seed++) {
    const disk = newDisk(seed);
    const file = open(disk.boot());
    const called: string[] = [];
    for (const name of ["a", "b", "c"]) {
      file.write(text(name), name.charCodeAt(0) - 97, (error, written) => {
        expect([error, written]).toEqual([undefined, 1]);
        expect(contentOf(disk)).toContain(name);
        called.push(name);
      });
    }
    expect(contentOf(disk)).toBe("");
    await disk.clock.advance(0);
    expect(contentOf(disk)).toBe("abc");
    orders.add(called.join(""));
  }
  expect(orders.size).toBe(6);
});

test("two background writes of one place may take effect in either order", async () => {
  const left = new Set<string>();
  for (let seed = 0; seed < 20; seed++) {
    const disk = newDisk(seed);
    const file = open(disk.boot());
    file.write(text("one"), 0, () => {});
    file.write(text("two"), 0, () => {});
    await disk.clock.advance(0);
    left.add(contentOf(disk));
  }
  expect(left).toEqual(new Set(["one", "two"]));
});

test("another process may see a part of a background write", async () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 200; seed++) {
    const disk = newDisk(seed);
    const writer = open(disk.boot());
    const reader = disk.boot();
    writer.write(text("hello"), 0, () => {});
    await reader.clock.turn();
    seen.add(contentOf(disk));
    await disk.clock.advance(0);
    expect(contentOf(disk)).toBe("hello");
  }
  expect(seen).toContain("");
  expect(seen).toContain("hello");
  expect(seen.size).toBeGreaterThan(2);
});

test("a write in flight when the process is killed is there, partly there or not there", async () => {
  const left = new Set<string>();
  let callbacks = 0;
  for (let seed = 0; seed < 200; seed++) {
    const disk = newDisk(seed);
    const machine = disk.boot();
    open(machine).write(text("hello"), 0, () => callbacks++);
    disk.kill(machine);
    await disk.clock.advance(0);
    left.add(contentOf(disk));
  }
  expect(callbacks).toBe(0);
  expect([...left].sort()).toEqual(["", "h", "he", "hel", "hell", "hello"]);
});

test("a background fsync covers what was written before its call", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const disk = newDisk(seed);
    const machine = disk.boot();
    const file = open(machine);
    file.writeSync(text("hello"), 0);
    const synced = new Promise<Error | undefined>((resolve) => file.fsync(resolve));
    expect(contentOf(disk, "medium")).toBe("");
    file.writeSync(text("later"), 512);
    expect(await disk.runUntil(synced)).toBeUndefined();
    disk.crash({ keep: 0 });
    expect(contentOf(disk).slice(0, 5)).toBe("hello");
  }
});

test("faults reach background operations through their callbacks and promises", async () => {
  const disk = newDisk();
  const machine = disk.boot();
  const file = open(machine);
  machine.faults
    .on({ kind: "write" }, failWith("EIO", 2))
    .on({ kind: "write", skip: 1 }, shortWrite(1))
    .on({ kind: "fsync" }, failWith("EIO"))
    .on({ kind: "read" }, failWith("EIO"));
  const write = (): Promise<[string | undefined, number]> =>
    new Promise((resolve) => file.write(text("hello"), 0, (error, n) => resolve([(error as SeqlogError)?.code, n])));
  expect(await disk.runUntil(write())).toEqual(["SEQLOG_IO", 0]);
  expect(contentOf(disk)).toBe("he");
  expect(await disk.runUntil(write())).toEqual([undefined, 1]);
  const synced = new Promise<Error | undefined>((resolve) => file.fsync(resolve));
  expect(await disk.runUntil(synced)).toMatchObject({ code: "SEQLOG_IO" });
  await expect(disk.runUntil(file.read(new Uint8Array(2), 0))).rejects.toMatchObject({ code: "SEQLOG_IO" });
  const target = new Uint8Array(10);
  expect(await disk.runUntil(file.read(target, 1))).toBe(1);
  expect(target[0]).toBe("e".charCodeAt(0));
});

test("the lock is held against every other descriptor, until it is closed, killed or crashed", () => {
  const disk = newDisk();
  const one = disk.boot();
  const two = disk.boot();
  const held = open(one);
  expect(held.tryLockSync()).toBe(true);
  expect(held.tryLockSync()).toBe(true);
  expect(open(one).tryLockSync()).toBe(false);
  const waiting = open(two);
  expect(waiting.tryLockSync()).toBe(false);
  held.closeSync();
  held.closeSync();
  expect(waiting.tryLockSync()).toBe(true);
  const third = open(one);
  expect(third.tryLockSync()).toBe(false);
  disk.kill(two);
  expect(third.tryLockSync()).toBe(true);
  disk.crash();
  expect(open(disk.boot()).tryLockSync()).toBe(true);
});

test("a process that only stopped keeps its lock until it is killed", () => {
  const disk = newDisk();
  const one = disk.boot();
  const file = open(one);
  expect(file.tryLockSync()).toBe(true);
  one.faults.on({ kind: "fsync" }, crashAfter);
  expect(() => file.fsyncSync()).toThrow(SimulatedCrash);
  expect(() => file.closeSync()).toThrow(SimulatedCrash);
  const next = open(disk.boot());
  expect(next.tryLockSync()).toBe(false);
  disk.kill(one);
  expect(next.tryLockSync()).toBe(true);
});

test("locks need a descriptor that writes, and a machine that has them", () => {
  const none = new SimulatedDisk({ hasLocks: false });
  none.writeFile("/f", new Uint8Array(0));
  const unavailable = expect.objectContaining({ code: "SEQLOG_LOCK_UNAVAILABLE" });
  expect(() => open(none.boot()).tryLockSync()).toThrow(unavailable);
  const reader = newDisk().boot().storage.openSync("/f", "read");
  expect(() => reader.tryLockSync()).toThrow(unavailable);
});

test("a machine without dsync makes no dsync write durable", () => {
  const disk = new SimulatedDisk({ hasDsync: false });
  disk.writeFile("/f", new Uint8Array(0));
  const machine = disk.boot();
  expect(machine.storage.hasDsync).toBe(false);
  open(machine, true).writeSync(text("hello"), 0);
  expect(contentOf(disk, "medium")).toBe("");
});
