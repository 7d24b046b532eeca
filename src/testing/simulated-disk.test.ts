import { expect, test } from "vitest";
import { SeqlogError } from "../errors.ts";
import type { Machine } from "../storage/storage.ts";
import { FaultPlan, crashAfter, crashBefore, failWith } from "./fault-plan.ts";
import { SeededRandom } from "./seeded-random.ts";
import { SimulatedCrash } from "./simulated-crash.ts";
import { SimulatedDisk } from "./simulated-disk.ts";

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function contentOf(disk: SimulatedDisk, path: string): string | undefined {
  const bytes = disk.readFile(path);
  return bytes && new TextDecoder().decode(bytes);
}

/** Replaces a file the way that survives a power cut at any moment. */
function replace(machine: Machine, value: string): void {
  const { storage } = machine;
  const file = storage.openSync("/log/MANIFEST.tmp", "create");
  file.truncateSync(0);
  file.writeSync(text(value), 0);
  file.fsyncSync();
  file.closeSync();
  storage.renameSync("/log/MANIFEST.tmp", "/log/MANIFEST");
  storage.fsyncDirectorySync("/log");
}

test("fsync of a file does not make its name durable, fsync of the directory does", () => {
  const disk = new SimulatedDisk();
  const { storage } = disk.boot();
  storage.makeDirectorySync("/log");
  const file = storage.openSync("/log/a", "create-new");
  file.writeSync(text("hello"), 0);
  file.fsyncSync();
  storage.fsyncDirectorySync("/log");
  storage.openSync("/log/b", "create-new").fsyncSync();
  disk.crash({ keep: 0 });
  expect(disk.list("/log")).toEqual(["a"]);
  expect(contentOf(disk, "/log/a")).toBe("hello");
});

test("a durable name of a file that was not synced is an empty file", () => {
  const disk = new SimulatedDisk();
  const { storage } = disk.boot();
  storage.openSync("/a", "create").writeSync(text("hello"), 0);
  storage.fsyncDirectorySync("/");
  disk.crash({ keep: 0 });
  expect(contentOf(disk, "/a")).toBe("");
});

test("an unlinked file comes back with its bytes when the directory was not synced", () => {
  const disk = new SimulatedDisk();
  disk.writeFile("/a", text("hello"));
  const { storage } = disk.boot();
  storage.unlinkSync("/a");
  storage.unlinkSync("/a");
  expect(storage.statSync("/a")).toBeUndefined();
  disk.crash({ keep: 0 });
  expect(contentOf(disk, "/a")).toBe("hello");
  disk.boot().storage.unlinkSync("/a");
  disk.crash({ keep: 1 });
  expect(contentOf(disk, "/a")).toBeUndefined();
});

test("makeDirectory is durable at once, without the names of others", () => {
  const disk = new SimulatedDisk();
  const { storage } = disk.boot();
  storage.openSync("/beside", "create");
  storage.makeDirectorySync("/a/b/c");
  storage.makeDirectorySync("/a/b/c");
  disk.crash({ keep: 0 });
  expect(disk.list("/")).toEqual(["a"]);
  expect(disk.boot().storage.statSync("/a/b/c")?.kind).toBe("directory");
});

test("a file replaced by temp, fsync, rename, fsync of the directory is the old or the new one after every crash", () => {
  const outcomes = new Set<string>();
  for (let seed = 0; seed < 40; seed++) {
    for (let at = 0; at < 8; at++) {
      for (const fault of [crashBefore, crashAfter]) {
        const disk = new SimulatedDisk({ seed: `${seed} ${at}` });
        disk.writeFile("/log/MANIFEST", text("old"));
        const machine = disk.boot({ faults: new FaultPlan().at(at, fault) });
        let returned = true;
        try {
          replace(machine, "new");
        } catch (error) {
          if (!(error instanceof SimulatedCrash)) throw error;
          returned = false;
        }
        disk.crash();
        const content = contentOf(disk, "/log/MANIFEST");
        expect(returned ? ["new"] : ["old", "new"]).toContain(content);
        outcomes.add(`${at} ${fault.when} ${content}`);
      }
    }
  }
  expect(outcomes).toContain("5 after old");
  expect(outcomes).toContain("5 after new");
  expect(outcomes).not.toContain("6 after old");
});

test("without the fsync of the new file the replaced one may be empty or torn", () => {
  const outcomes = new Set<string | undefined>();
  for (let seed = 0; seed < 100; seed++) {
    const disk = new SimulatedDisk({ seed });
    disk.writeFile("/MANIFEST", text("old"));
    const { storage } = disk.boot();
    storage.openSync("/t", "create").writeSync(text("new"), 0);
    storage.renameSync("/t", "/MANIFEST");
    disk.crash();
    outcomes.add(contentOf(disk, "/MANIFEST"));
  }
  expect(outcomes).toEqual(new Set(["old", "new", "", "\0\0\0"]));
});

test("a kill keeps what was written and the names, a crash does not", () => {
  const disk = new SimulatedDisk();
  const machine = disk.boot();
  machine.storage.openSync("/a", "create").writeSync(text("hello"), 0);
  disk.kill(machine);
  expect(contentOf(disk, "/a")).toBe("hello");
  expect(() => machine.storage.listSync("/")).toThrow(SimulatedCrash);
  disk.crash({ keep: 0 });
  expect(contentOf(disk, "/a")).toBeUndefined();
});

test("a kill ends one process, a crash all of them", () => {
  const disk = new SimulatedDisk();
  const one = disk.boot({ pid: 11 });
  const two = disk.boot({ pid: 22 });
  expect([one.isAlive(22), one.isAlive(33)]).toEqual([true, false]);
  disk.kill(two);
  expect([one.running, two.running, one.isAlive(22)]).toEqual([true, false, false]);
  expect(one.storage.listSync("/")).toEqual([]);
  disk.crash();
  expect(one.running).toBe(false);
  expect(disk.boot().storage.listSync("/")).toEqual([]);
});

test("an unlinked file keeps its bytes and its space until it is closed", () => {
  const disk = new SimulatedDisk();
  const machine = disk.boot();
  const file = machine.storage.openSync("/a", "create");
  file.writeSync(text("hello"), 0);
  machine.storage.unlinkSync("/a");
  const target = new Uint8Array(5);
  expect([file.readSync(target, 0), disk.used]).toEqual([5, 5]);
  file.closeSync();
  expect(disk.used).toBe(0);
  disk.writeFile("/b", text("1234567"));
  disk.writeFile("/b", text("123"));
  expect(disk.used).toBe(3);
  disk.crash();
  expect(disk.used).toBe(3);
});

test("a failed fsync of a directory leaves its names to be synced again", () => {
  const disk = new SimulatedDisk();
  const machine = disk.boot();
  machine.storage.openSync("/a", "create");
  machine.faults.on({ kind: "fsyncDirectory" }, failWith("EIO"));
  expect(() => machine.storage.fsyncDirectorySync("/")).toThrow(SeqlogError);
  machine.storage.fsyncDirectorySync("/");
  disk.crash({ keep: 0 });
  expect(disk.list("/")).toEqual(["a"]);
});

test("bit rot is seen by reads and survives a crash", () => {
  const disk = new SimulatedDisk();
  disk.writeFile("/a", text("hello"));
  disk.flipBit("/a", 1, 0);
  expect(contentOf(disk, "/a")).toBe("hdllo");
  disk.crash();
  expect(contentOf(disk, "/a")).toBe("hdllo");
  expect(() => disk.flipBit("/a", 5, 0)).toThrow(RangeError);
});

test("memory pressure shows what a failed fsync lost", () => {
  const disk = new SimulatedDisk();
  disk.writeFile("/a", text("old"));
  const machine = disk.boot();
  const file = machine.storage.openSync("/a", "write");
  file.writeSync(text("new"), 0);
  machine.faults.on({ kind: "fsync" }, failWith("EIO"));
  expect(() => file.fsyncSync()).toThrow(SeqlogError);
  expect(contentOf(disk, "/a")).toBe("new");
  disk.dropCaches();
  expect(contentOf(disk, "/a")).toBe("old");
});

test("a watch is told some time after a change, once for several, and not after its close", async () => {
  const disk = new SimulatedDisk();
  const writer = disk.boot();
  const reader = disk.boot();
  disk.writeFile("/log/a", text("x"));
  let calls = 0;
  const watch = reader.storage.watch("/log", () => calls++, { keepAlive: true });
  const file = writer.storage.openSync("/log/a", "write");
  file.writeSync(text("1"), 0);
  file.writeSync(text("2"), 0);
  writer.storage.openSync("/other", "create");
  expect([calls, reader.keepsAlive, writer.keepsAlive]).toEqual([0, true, false]);
  await disk.clock.advance(0);
  expect(calls).toBe(1);
  writer.storage.renameSync("/log/a", "/log/b");
  await disk.clock.advance(0);
  expect(calls).toBe(2);
  file.truncateSync(0);
  watch.close();
  await disk.clock.advance(0);
  expect([calls, reader.keepsAlive]).toEqual([2, false]);
});

test("a watch may miss changes, and one of a directory that is not there sees none", async () => {
  const disk = new SimulatedDisk({ watchMissChance: 1 });
  const machine = disk.boot();
  const watch = machine.storage.watch("/", () => expect.unreachable(), { keepAlive: false });
  machine.storage.watch("/missing", () => expect.unreachable(), { keepAlive: false }).close();
  machine.storage.openSync("/a", "create");
  await disk.clock.advance(0);
  watch.close();
});

test("operations are counted by kind, numbered by machine, and listed with their faults", () => {
  const disk = new SimulatedDisk();
  const machine = disk.boot({ pid: 7 });
  const file = machine.storage.openSync("/a.log", "create", { dsync: true });
  file.writeSync(text("hello"), 3);
  machine.faults.at(2, failWith("EIO"));
  expect(() => file.writeSync(text("x"), 8)).toThrow(SeqlogError);
  disk.boot({ pid: 8 }).storage.listSync("/");
  expect(disk.counts).toMatchObject({ open: 1, write: 2, list: 1, fsync: 0 });
  expect(disk.operations.count("write", ".log")).toBe(2);
  expect(disk.operations.count("write", ".idx")).toBe(0);
  expect(disk.log.map(({ number, pid, kind, position, length }) => [number, pid, kind, position, length])).toEqual([
    [0, 7, "open", 0, 0],
    [1, 7, "write", 3, 5],
    [2, 7, "write", 8, 1],
    [0, 8, "list", 0, 0],
  ]);
  expect(disk.log[2]?.fault).toEqual(failWith("EIO"));
  disk.operations.clear();
  expect([disk.counts.write, disk.log.length]).toEqual([0, 0]);
});

test("names come in no particular order", () => {
  const disk = new SimulatedDisk();
  for (const name of "abcdefgh") disk.writeFile(`/${name}`, text(name));
  const { storage } = disk.boot();
  const orders = new Set([1, 2, 3, 4].map(() => storage.listSync("/").join("")));
  expect(orders.size).toBeGreaterThan(1);
  expect([...storage.listSync("/")].sort().join("")).toBe("abcdefgh");
});

test("the same seed gives the same run, to the last byte and operation", async () => {
  const run = async (seed: number): Promise<string> => {
    const disk = new SimulatedDisk({ seed, watchMissChance: 0.3 });
    const random = new SeededRandom(seed).fork("workload");
    const events: string[] = [];
    for (let round = 0; round < 5; round++) {
      const machine = disk.boot();
      machine.faults.on({ chance: 0.02 }, crashAfter).on({ kind: "write", chance: 0.05 }, failWith("EIO", 2));
      machine.storage.watch("/", () => events.push("changed"), { keepAlive: false });
      const outcome = await machine.run(async () => {
        const bytes = new Uint8Array(random.int(2000));
        machine.random.fill(bytes);
        const file = machine.storage.openSync(`/${random.int(3)}`, "create");
        const jobs = Array.from({ length: 8 }, (_, i) => {
          const { promise, resolve } = settler();
          file.write(bytes, i * 700, (error, written) => {
            events.push(`${i} ${error?.name} ${written}`);
            resolve();
          });
          return promise;
        });
        const sleep = settler();
        machine.clock.after(random.int(100), sleep.resolve, { keepAlive: true });
        await Promise.all([...jobs, sleep.promise, file.read(new Uint8Array(100), 0)]);
        file.fsyncSync();
        machine.storage.fsyncDirectorySync("/");
      });
      events.push(`${outcome.kind} ${disk.clock.now()}`);
      if (random.chance(0.5)) disk.crash();
      else disk.kill(machine);
      for (const name of disk.list("/"))
        events.push(name, Buffer.from(disk.readFile(`/${name}`) ?? []).toString("hex"));
    }
    for (const op of disk.log) events.push(`${op.number} ${op.pid} ${op.kind} ${op.path} ${op.position} ${op.length}`);
    return events.join("\n");
  };
  const seeds = Array.from({ length: 10 }, (_, seed) => seed);
  const first = await Promise.all(seeds.map(run));
  const second: string[] = [];
  for (const seed of seeds) second.push(await run(seed));
  expect(second).toEqual(first);
  expect(new Set(first).size).toBe(seeds.length);
});

function settler(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((res) => {
    resolve = res;
  });
  return { promise, resolve };
}
