import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SeqlogError } from "../errors.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import { FaultInjectingStorage, withFaults } from "./fault-injecting-storage.ts";
import { crashAfter, crashBefore, crashDuring, failWith, shortWrite } from "./fault-plan.ts";
import { SimulatedCrash } from "./simulated-crash.ts";

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "seqlog-faults-"));
  path = join(directory, "a.log");
});
afterEach(() => rmSync(directory, { recursive: true }));

function newStorage(): FaultInjectingStorage {
  return new FaultInjectingStorage(nodeMachine);
}

function content(): string {
  return readFileSync(path, "utf8");
}

function write(file: ReturnType<FaultInjectingStorage["openSync"]>, value: string): Promise<unknown[]> {
  return new Promise((resolve) => file.write(Buffer.from(value), 0, (error, n) => resolve([error, n])));
}

test("operations are counted by kind and path, also those in the background", async () => {
  const { machine, storage } = withFaults(nodeMachine);
  const file = machine.storage.openSync(path, "create");
  file.writeSync(Buffer.from("hello"), 0);
  await write(file, "HELLO");
  await new Promise((resolve) => file.fsync(resolve));
  file.closeSync();
  expect(storage.counts).toMatchObject({ open: 1, write: 2, fsync: 1, close: 1 });
  expect(storage.operations.count("write", ".log")).toBe(2);
  expect(storage.operations.entries.map((entry) => entry.background)).toEqual([false, false, true, true, false]);
  expect(machine.owner).toBe(nodeMachine.owner);
});

test("ENOSPC and EIO come from a real directory, with or without bytes written", async () => {
  const storage = newStorage();
  const file = storage.openSync(path, "create");
  storage.faults.on({ kind: "write", path: ".log" }, failWith("ENOSPC", 2)).on({ kind: "fsync" }, failWith("EIO"));
  expect(() => file.writeSync(Buffer.from("hello"), 0)).toThrow(expect.objectContaining({ code: "SEQLOG_NO_SPACE" }));
  expect(content()).toBe("he");
  expect(() => file.fsyncSync()).toThrow(expect.objectContaining({ code: "SEQLOG_IO" }));
  file.fsyncSync();
  storage.faults.on({ kind: "write" }, failWith("ENOSPC"));
  expect(await write(file, "HELLO")).toEqual([expect.any(SeqlogError), 0]);
  expect(content()).toBe("he");
  storage.faults.on({ kind: "read" }, failWith("EIO"));
  await expect(file.read(new Uint8Array(1), 0)).rejects.toMatchObject({ code: "SEQLOG_IO" });
  storage.faults.on({ kind: "lock" }, failWith("ENOLCK"));
  expect(() => file.tryLockSync()).toThrow(expect.objectContaining({ code: "SEQLOG_LOCK_UNAVAILABLE" }));
  file.closeSync();
});

test("a short write takes the first bytes", async () => {
  const storage = newStorage();
  const file = storage.openSync(path, "create");
  storage.faults.on({ kind: "write", times: 2 }, shortWrite(3));
  expect(file.writeSync(Buffer.from("hello"), 0)).toBe(3);
  expect(content()).toBe("hel");
  expect(await write(file, "HELLO")).toEqual([undefined, 3]);
  expect(content()).toBe("HEL");
  file.closeSync();
});

test("a failed rename or unlink changes nothing", () => {
  const storage = newStorage();
  storage.openSync(path, "create").closeSync();
  storage.faults.on({ kind: ["rename", "unlink"], times: 2 }, failWith("EACCES"));
  expect(() => storage.renameSync(path, `${path}2`)).toThrow(SeqlogError);
  expect(() => storage.unlinkSync(path)).toThrow(SeqlogError);
  expect(storage.listSync(directory)).toEqual(["a.log"]);
});

test("after a crash every operation throws, and descriptors and locks are free", () => {
  const storage = newStorage();
  const file = storage.openSync(path, "create");
  expect(file.tryLockSync()).toBe(true);
  storage.faults.on({ kind: "write" }, crashDuring(2));
  expect(() => file.writeSync(Buffer.from("hello"), 0)).toThrow(SimulatedCrash);
  expect(content()).toBe("he");
  expect(() => file.closeSync()).toThrow(SimulatedCrash);
  expect(() => storage.statSync(path)).toThrow(SimulatedCrash);
  const next = newStorage().openSync(path, "create");
  expect(next.tryLockSync()).toBe(true);
  next.closeSync();
});

test("a crash before a background write is thrown, one after it is silence", async () => {
  const before = newStorage();
  before.faults.on({ kind: "write" }, crashBefore);
  const file = before.openSync(path, "create");
  expect(() => file.write(Buffer.from("x"), 0, () => expect.unreachable())).toThrow(SimulatedCrash);
  expect(content()).toBe("");

  const after = newStorage();
  after.faults.on({ kind: "write" }, crashAfter);
  const other = after.openSync(path, "create");
  expect(other.tryLockSync()).toBe(true);
  other.write(Buffer.from("hello"), 0, () => expect.unreachable());
  const next = nodeMachine.storage.openSync(path, "create");
  while (!next.tryLockSync()) await nodeMachine.clock.turn();
  expect(content()).toBe("hello");
  expect(() => other.statSync()).toThrow(SimulatedCrash);
  next.closeSync();
});
