/** The rules of storage.ts, held against the real disk, the simulated one and the wrapper in front of the real one. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SeqlogError } from "../errors.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import type { Machine, Storage } from "../storage/storage.ts";
import { withFaults } from "./fault-injecting-storage.ts";
import { SimulatedDisk } from "./simulated-disk.ts";

const machines: [string, () => Machine][] = [
  ["the real disk", () => nodeMachine],
  ["the real disk behind faults", () => withFaults(nodeMachine).machine],
  ["the simulated disk", () => new SimulatedDisk().boot()],
];

function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (!(error instanceof SeqlogError)) throw error;
    return error.code === "SEQLOG_IO" ? (error as SeqlogError<"SEQLOG_IO">).facts.errno : error.code;
  }
  return "none";
}

describe.each(machines)("%s", (_, boot) => {
  let storage: Storage;
  let machine: Machine;
  let temporary: string;
  let root: string;
  const at = (...parts: string[]): string => join(root, ...parts);

  beforeEach(() => {
    temporary = mkdtempSync(join(tmpdir(), "seqlog-contract-"));
    root = join(temporary, "root");
    machine = boot();
    storage = machine.storage;
    storage.makeDirectorySync(root);
  });
  afterEach(() => rmSync(temporary, { recursive: true }));

  test("the modes of opening", () => {
    expect(codeOf(() => storage.openSync(at("a"), "read"))).toBe("SEQLOG_NOT_FOUND");
    expect(codeOf(() => storage.openSync(at("a"), "write"))).toBe("SEQLOG_NOT_FOUND");
    expect(codeOf(() => storage.openSync(at("no", "a"), "create"))).toBe("SEQLOG_NOT_FOUND");
    const file = storage.openSync(at("a"), "create-new");
    expect(file.path).toBe(at("a"));
    expect(codeOf(() => storage.openSync(at("a"), "create-new"))).toBe("EEXIST");
    expect(codeOf(() => storage.openSync(at("a", "b"), "create"))).toBe("ENOTDIR");
    expect(codeOf(() => storage.openSync(root, "read"))).toBe("SEQLOG_DAMAGED");
    expect(codeOf(() => storage.openSync(root, "create"))).toBe("SEQLOG_DAMAGED");
    const reader = storage.openSync(at("a"), "read");
    expect(codeOf(() => reader.writeSync(new Uint8Array(1), 0))).toBe("EBADF");
    file.closeSync();
    file.closeSync();
    reader.closeSync();
  });

  test("writing and reading by position", () => {
    const file = storage.openSync(at("a"), "create");
    expect(file.writeSync(Buffer.from("world"), 6)).toBe(5);
    expect(file.writeSync(Buffer.from("hello"), 0)).toBe(5);
    expect(file.writeSync(new Uint8Array(0), 100)).toBe(0);
    const target = Buffer.alloc(8, "#");
    expect(file.readSync(target, 0)).toBe(8);
    expect(target.toString()).toBe("hello\0wo");
    target.fill("#");
    expect(file.readSync(target, 6)).toBe(5);
    expect(target.toString()).toBe("world###");
    expect(file.readSync(target, 11)).toBe(0);
    expect(file.readSync(target, 1000)).toBe(0);
    target.fill("#");
    expect(file.readSync(target, 0, 2, 6)).toBe(4);
    expect(target.toString()).toBe("##hell##");
    expect(file.readSync(target, 9, 3)).toBe(2);
    expect(target.toString()).toBe("##hldl##");
    file.truncateSync(7);
    file.truncateSync(9);
    expect(file.statSync().size).toBe(9);
    expect(file.readSync(target, 6)).toBe(3);
    expect(target.subarray(0, 3).toString()).toBe("w\0\0");
    file.fsyncSync();
    file.closeSync();
  });

  test("the same in the background", async () => {
    const file = storage.openSync(at("a"), "create", { dsync: true });
    let called = false;
    const written = await new Promise((resolve) => {
      file.write(Buffer.from("hello"), 2, (error, n) => {
        called = true;
        resolve([error, n]);
      });
      expect(called).toBe(false);
    });
    expect(written).toEqual([undefined, 5]);
    expect(await new Promise((resolve) => file.fsync(resolve))).toBeUndefined();
    const target = Buffer.alloc(8, "#");
    expect(await file.read(target, 4)).toBe(3);
    expect(target.toString()).toBe("llo#####");
    expect(await file.read(target, 40)).toBe(0);
    file.closeSync();
  });

  test("what stat says", () => {
    expect(storage.statSync(at("a"))).toBeUndefined();
    const file = storage.openSync(at("a"), "create");
    file.writeSync(new Uint8Array(3), 0);
    const stat = storage.statSync(at("a"));
    expect(stat).toMatchObject({ kind: "file", size: 3, inode: file.statSync().inode });
    expect(Math.abs((stat?.modifiedMs ?? 0) - machine.clock.now())).toBeLessThan(60_000);
    expect(storage.statSync(root)?.kind).toBe("directory");
    storage.unlinkSync(at("a"));
    const other = storage.openSync(at("a"), "create");
    expect(storage.statSync(at("a"))?.inode).not.toBe(file.statSync().inode);
    file.closeSync();
    other.closeSync();
  });

  test("names", () => {
    for (const name of ["a", "b"]) {
      const file = storage.openSync(at(name), "create");
      file.writeSync(Buffer.from(name), 0);
      file.closeSync();
    }
    storage.makeDirectorySync(at("d", "e"));
    storage.makeDirectorySync(at("d", "e"));
    expect(storage.listSync(root).sort()).toEqual(["a", "b", "d"]);
    storage.renameSync(at("a"), at("b"));
    storage.renameSync(at("b"), at("b"));
    expect(storage.listSync(root).sort()).toEqual(["b", "d"]);
    const target = Buffer.alloc(1);
    const file = storage.openSync(at("b"), "read");
    file.readSync(target, 0);
    file.closeSync();
    expect(target.toString()).toBe("a");
    storage.fsyncDirectorySync(root);
    storage.unlinkSync(at("b"));
    storage.unlinkSync(at("b"));
    expect(storage.listSync(root)).toEqual(["d"]);
    expect(codeOf(() => storage.renameSync(at("b"), at("c")))).toBe("SEQLOG_NOT_FOUND");
    expect(codeOf(() => storage.listSync(at("no")))).toBe("SEQLOG_NOT_FOUND");
    expect(codeOf(() => storage.fsyncDirectorySync(at("no")))).toBe("SEQLOG_NOT_FOUND");
    storage.openSync(at("f"), "create").closeSync();
    expect(codeOf(() => storage.makeDirectorySync(at("f")))).toBe("EEXIST");
    expect(codeOf(() => storage.makeDirectorySync(at("f", "g")))).toBe("ENOTDIR");
    expect(codeOf(() => storage.listSync(at("f")))).toBe("ENOTDIR");
  });

  test("a lock is exclusive and ends with its descriptor", () => {
    const one = storage.openSync(at("LOCK"), "create");
    const other = storage.openSync(at("LOCK"), "create");
    expect([one.tryLockSync(), other.tryLockSync()]).toEqual([true, false]);
    one.closeSync();
    expect(other.tryLockSync()).toBe(true);
    other.closeSync();
  });

  test("a turn comes after promises that are ready", async () => {
    const ran: string[] = [];
    const turn = machine.clock.turn().then(() => ran.push("turn"));
    await Promise.resolve().then(() => Promise.resolve().then(() => ran.push("promise")));
    await turn;
    expect(ran).toEqual(["promise", "turn"]);
  });
});
