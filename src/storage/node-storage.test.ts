/** What is special about the real disk; the contract itself is tested in src/testing/storage-contract.test.ts. */
import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { nodeMachine } from "./node-machine.ts";
import type { OpenMode } from "./storage.ts";

const { storage } = nodeMachine;

function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), "seqlog-storage-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const modes: readonly OpenMode[] = ["read", "write", "create"];

test("a FIFO is not opened, and opening it does not wait for its other end", () => {
  const path = join(scratch(), "fifo");
  execFileSync("mkfifo", [path]);
  for (const mode of modes) {
    expect(() => storage.openSync(path, mode)).toThrow(expect.objectContaining({ code: "SEQLOG_DAMAGED" }));
  }
  expect(storage.statSync(path)?.kind).toBe("other");
});

test("a symbolic link is not followed", () => {
  const directory = scratch();
  const [target, link] = [join(directory, "target"), join(directory, "link")];
  writeFileSync(target, "as it was");
  symlinkSync(target, link);
  for (const mode of modes) {
    expect(() => storage.openSync(link, mode)).toThrow(
      expect.objectContaining({ code: "SEQLOG_DAMAGED", message: expect.stringContaining("a symbolic link") }),
    );
  }
  expect(storage.statSync(link)?.kind).toBe("link");
  expect(readFileSync(target, "utf8")).toBe("as it was");
});

test("a device is not opened", () => {
  expect(() => storage.openSync("/dev/null", "read")).toThrow(expect.objectContaining({ code: "SEQLOG_DAMAGED" }));
});

test("a directory is not a file", () => {
  const directory = scratch();
  for (const mode of modes) {
    expect(() => storage.openSync(directory, mode)).toThrow(expect.objectContaining({ code: "SEQLOG_DAMAGED" }));
  }
  expect(storage.statSync(directory)?.kind).toBe("directory");
});

test("what is refused leaves no descriptor behind", () => {
  const path = join(scratch(), "fifo");
  execFileSync("mkfifo", [path]);
  const free = openSync("/dev/null", constants.O_RDONLY);
  closeSync(free);
  for (let i = 0; i < 10; i++) expect(() => storage.openSync(path, "write")).toThrow(/a FIFO/);
  const again = openSync("/dev/null", constants.O_RDONLY);
  closeSync(again);
  expect(again).toBe(free);
});

test("a closed file is closed for everything", () => {
  const file = storage.openSync(join(scratch(), "a"), "create");
  file.closeSync();
  file.closeSync();
  const closed = expect.objectContaining({ code: "SEQLOG_IO" });
  expect(() => file.statSync()).toThrow(closed);
  expect(() => file.readSync(new Uint8Array(1), 0)).toThrow(closed);
  expect(() => file.writeSync(new Uint8Array(1), 0)).toThrow(closed);
  expect(() => file.truncateSync(0)).toThrow(closed);
  expect(() => file.fsyncSync()).toThrow(closed);
});

test("directories are made with those above them, and it is fine when they are there", () => {
  const directory = join(scratch(), "a", "b", "c");
  storage.makeDirectorySync(directory);
  storage.makeDirectorySync(directory);
  expect(storage.statSync(directory)?.kind).toBe("directory");
  writeFileSync(join(directory, "file"), "");
  expect(() => storage.makeDirectorySync(join(directory, "file", "x"))).toThrow(
    expect.objectContaining({ code: "SEQLOG_IO" }),
  );
});

test("a watch tells of a change in its directory, and of none when there is no such directory", async () => {
  const directory = scratch();
  let told: () => void = () => {};
  const change = new Promise<void>((resolve) => (told = resolve));
  const watch = storage.watch(directory, () => told(), { keepAlive: true });
  writeFileSync(join(directory, "new"), "x");
  await change;
  watch.close();
  storage.watch(join(directory, "missing"), () => expect.unreachable(), { keepAlive: false }).close();
});

test("two files that had the same name are told apart", () => {
  const directory = scratch();
  const [path, other] = [join(directory, "a"), join(directory, "b")];
  writeFileSync(path, "");
  writeFileSync(other, "");
  const before = storage.statSync(path)?.inode;
  storage.renameSync(other, path);
  expect(storage.statSync(path)?.inode).not.toBe(before);
  expect(storage.statSync(other)).toBeUndefined();
});

test("the lock of one descriptor keeps out another of the same process, and ends with it", () => {
  const path = join(scratch(), "LOCK");
  const [one, other] = [storage.openSync(path, "create"), storage.openSync(path, "create")];
  expect([one.tryLockSync(), other.tryLockSync()]).toEqual([true, false]);
  one.closeSync();
  expect(other.tryLockSync()).toBe(true);
  other.closeSync();
});

test("this process is alive, and one that has ended is not", () => {
  expect(nodeMachine.isAlive(process.pid)).toBe(true);
  const ended = Number(execFileSync(process.execPath, ["-p", "process.pid"]).toString());
  expect(nodeMachine.isAlive(ended)).toBe(false);
  expect(nodeMachine.isAlive(1)).toBe(true);
});

test("a file below a file is an I/O error, a missing one is not found", () => {
  const directory = scratch();
  mkdirSync(join(directory, "sub"));
  writeFileSync(join(directory, "file"), "");
  expect(() => storage.openSync(join(directory, "missing"), "write")).toThrow(
    expect.objectContaining({ code: "SEQLOG_NOT_FOUND" }),
  );
  expect(() => storage.openSync(join(directory, "missing", "a"), "create")).toThrow(
    expect.objectContaining({ code: "SEQLOG_NOT_FOUND" }),
  );
  expect(() => storage.openSync(join(directory, "file", "a"), "create")).toThrow(
    expect.objectContaining({ code: "SEQLOG_IO", facts: expect.objectContaining({ errno: "ENOTDIR" }) }),
  );
  storage.unlinkSync(join(directory, "missing"));
});
