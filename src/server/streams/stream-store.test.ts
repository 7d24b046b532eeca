import { describe, expect, test } from "vitest";
import { FileLog } from "../../log/file-log.ts";
import { failWith } from "../../testing/fault-plan.ts";
import { SimulatedDisk } from "../../testing/simulated-disk.ts";
import type { SimulatedMachine } from "../../testing/simulated-machine.ts";
import type { ProducerPlace } from "../frame/frame.ts";
import type { CreateRequest } from "./create-stream.ts";
import { frameOf } from "./new-frame.ts";
import type { AppendResult } from "./open-stream.ts";
import { Refusal } from "./refusal.ts";
import { StreamStore } from "./stream-store.ts";

const directory = "/data";
const streamsDirectory = `${directory}/__ds/streams`;

function openStore(machine: SimulatedMachine, maxOpenLogs = 100): StreamStore {
  return StreamStore.open(machine, directory, { maxOpenLogs, maxRecordBytes: 1024 * 1024 });
}

/** Runs work with a store on a new disk. */
async function withStore(
  work: (store: StreamStore, machine: SimulatedMachine, disk: SimulatedDisk) => Promise<void>,
  maxOpenLogs?: number,
): Promise<void> {
  const disk = new SimulatedDisk();
  const machine = disk.boot();
  machine.storage.makeDirectorySync(directory);
  await must(machine, async () => {
    const store = openStore(machine, maxOpenLogs);
    await work(store, machine, disk);
    await store.close();
  });
  expect(machine.openFiles).toBe(0);
  expect(machine.keepsAlive).toBe(false);
}

async function must<T>(machine: SimulatedMachine, work: () => Promise<T>): Promise<T> {
  const outcome = await machine.run(work);
  if (outcome.kind === "failed") throw outcome.error;
  if (outcome.kind === "died") throw outcome.crash;
  return outcome.value;
}

async function create(store: StreamStore, path: string, more: Partial<CreateRequest> = {}): Promise<boolean> {
  const { isNew } = await store.create({
    path,
    contentType: "text/plain",
    ttlSeconds: undefined,
    expiresAt: undefined,
    isClosed: false,
    body: new Uint8Array(0),
    fork: undefined,
    ...more,
  });
  return isNew;
}

async function append(
  store: StreamStore,
  path: string,
  text: string,
  more: { producer?: ProducerPlace; close?: boolean; streamSeq?: string } = {},
): Promise<AppendResult> {
  const entry = store.find(path);
  if (entry === undefined) throw new Error(`${path} is not there`);
  const { stream, release } = await store.hold(entry);
  try {
    store.touch(entry, "append");
    return await stream.append(frameOf(Buffer.from(text), "text/plain", { close: false, ...more }));
  } finally {
    release();
  }
}

async function read(store: StreamStore, path: string): Promise<string> {
  const entry = store.find(path);
  if (entry === undefined) throw new Error(`${path} is not there`);
  const source = await store.source(entry);
  try {
    store.touch(entry, "read");
    let text = "";
    for (let at = source.first; at < source.tail;) {
      const piece = await source.read(at, 16);
      text += piece.parts.map((part) => Buffer.from(part).toString()).join("");
      at = piece.next;
    }
    return text;
  } finally {
    source.release();
  }
}

/** Follows a stream as a reader does that waits; returns how to end that. */
async function followed(store: StreamStore, path: string): Promise<() => void> {
  const entry = store.find(path);
  if (entry === undefined) throw new Error(`${path} is not there`);
  const source = await store.source(entry);
  store.touch(entry, "read");
  const unfollow = source.follow();
  return () => {
    unfollow();
    source.release();
  };
}

async function refusalOf(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => new Error("it went through"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof Refusal)) throw error;
  return `${error.kind} ${error.code}`;
}

function pause(machine: SimulatedMachine, ms: number): Promise<void> {
  return new Promise((resolve) => void machine.clock.after(ms, resolve, { keepAlive: true }));
}

const by = (seq: number, epoch = 0): { producer: ProducerPlace } => ({ producer: { id: "p", epoch, seq } });

describe("making", () => {
  test("the same request again finds it; another one is refused", () =>
    withStore(async (store) => {
      expect(await create(store, "a", { body: Buffer.from("one") })).toBe(true);
      expect(await create(store, "a", { contentType: "TEXT/plain; charset=utf-8", body: Buffer.from("two") })).toBe(
        false,
      );
      expect(await read(store, "a")).toBe("one");
      expect(await refusalOf(create(store, "a", { contentType: "text/html" }))).toBe("conflict EXISTS");
      expect(await refusalOf(create(store, "a", { ttlSeconds: 5 }))).toBe("conflict EXISTS");
      expect(await refusalOf(create(store, "a", { isClosed: true }))).toBe("conflict EXISTS");
    }));

  test("requests for one name at once make it once", () =>
    withStore(async (store) => {
      const made = await Promise.all(Array.from({ length: 5 }, () => create(store, "a")));
      expect(made.filter(Boolean)).toHaveLength(1);
    }));

  test("a name never becomes a file name", () =>
    withStore(async (store, _machine, disk) => {
      await create(store, "MANIFEST");
      await create(store, "a b/ü");
      const names = disk.list(streamsDirectory);
      expect(names).toHaveLength(2);
      for (const name of names) expect(name).toMatch(/^[0-9a-f-]{36}$/);
    }));
});

test("a look at the directory takes nothing that is in the making", () =>
  withStore(async (store, machine) => {
    machine.faults.on({ kind: "fsync", path: /\.new.*\.log$/ }, failWith("EIO"));
    const made = await Promise.all(
      ["a", "b", "c", "d", "e"].map(async (path) => {
        const isMade = await create(store, path, { body: Buffer.from(path) }).catch(() => false);
        // Whether one that failed has its name after all is looked for, while others are in the making.
        if (!isMade) expect(store.findSurely(path)).toBeUndefined();
        return isMade ? path : undefined;
      }),
    );
    expect(made.filter((path) => path === undefined)).toHaveLength(1);
    for (const path of made) if (path !== undefined) expect(await read(store, path)).toBe(path);
  }));

describe("appending", () => {
  test("a duplicate of an append in flight waits until that is durable", () =>
    withStore(async (store) => {
      await create(store, "a");
      const order: string[] = [];
      const first = append(store, "a", "x", by(0)).then(({ kind }) => order.push(kind));
      const second = append(store, "a", "x", by(0)).then(({ kind }) => order.push(kind));
      await Promise.all([first, second]);
      expect(order).toEqual(["appended", "duplicate"]);
      expect(await read(store, "a")).toBe("x");
    }));

  test("appends that depend on one another may be in flight together", () =>
    withStore(async (store) => {
      await create(store, "a");
      const results = await Promise.all([0, 1, 2, 3].map((seq) => append(store, "a", String(seq), by(seq))));
      expect(results.map(({ kind, tail }) => [kind, tail])).toEqual([1, 2, 3, 4].map((tail) => ["appended", tail]));
    }));

  test("an append that fails takes those behind it with it, and frees what they claimed", () =>
    withStore(async (store, machine) => {
      await create(store, "a");
      await append(store, "a", "first", by(0));
      machine.faults.on({ kind: "write", path: ".log" }, ({ background }) =>
        background ? failWith("ENOSPC") : undefined,
      );
      const results = await Promise.allSettled([
        append(store, "a", "lost", by(1)),
        append(store, "a", "lost too", { ...by(2), streamSeq: "9", close: true }),
      ]);
      expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
      expect((await append(store, "a", ", second", { ...by(1), streamSeq: "1" })).kind).toBe("appended");
      expect(await read(store, "a")).toBe("first, second");
    }));

  test("after a write that poisons the log it is opened again, and knows what is durable", () =>
    withStore(async (store, machine) => {
      await create(store, "a");
      await append(store, "a", "first", by(0));
      machine.faults.on({ kind: "write", path: ".log" }, ({ background }) =>
        background ? failWith("EIO") : undefined,
      );
      await expect(append(store, "a", "lost", by(1))).rejects.toMatchObject({ code: "SEQLOG_POISONED" });
      expect((await append(store, "a", ", second", by(1))).kind).toBe("appended");
      expect(await read(store, "a")).toBe("first, second");
    }));

  test("an answer that is no success is given by what is durable alone", () =>
    withStore(async (store, machine) => {
      await create(store, "a");
      await append(store, "a", "first");
      machine.faults.on({ kind: "write", path: ".log" }, ({ background }) =>
        background ? failWith("ENOSPC") : undefined,
      );
      // The close is on its way when the append comes, and fails.
      const close = append(store, "a", "", { close: true });
      const other = append(store, "a", ", second");
      await expect(close).rejects.toMatchObject({ code: "SEQLOG_NO_SPACE" });
      expect((await other).kind).toBe("appended");
    }));
});

describe("opening again", () => {
  test("the state comes from the snapshot and the records after it", async () => {
    const disk = new SimulatedDisk();
    const machine = disk.boot();
    machine.storage.makeDirectorySync(directory);
    await must(machine, async () => {
      const store = openStore(machine);
      await create(store, "a");
      for (let seq = 0; seq < 5; seq++) await append(store, "a", String(seq), { ...by(seq), streamSeq: String(seq) });
      await store.close();
    });
    const next = disk.boot();
    await must(next, async () => {
      const store = openStore(next);
      expect(await append(store, "a", "4", by(4))).toMatchObject({ kind: "duplicate", lastSeq: 4 });
      await append(store, "a", "5", by(5));
      disk.crash({ keep: 0 });
    }).catch(() => undefined);
    const last = disk.boot();
    await must(last, async () => {
      const store = openStore(last);
      expect(await append(store, "a", "5", by(5))).toMatchObject({ kind: "duplicate", lastSeq: 5 });
      expect(await append(store, "a", "x", { streamSeq: "4" })).toMatchObject({ kind: "stream-seq", last: "4" });
      expect(await read(store, "a")).toBe("012345");
      await store.close();
    });
  });

  test.each(["missing", "damaged", "of another log"])("a snapshot that is %s changes nothing", (how) =>
    withStore(async (store, machine, disk) => {
      await create(store, "a");
      await create(store, "b");
      for (let seq = 0; seq < 3; seq++) await append(store, "a", String(seq), by(seq));
      await append(store, "b", "b", by(0, 9));
      await store.close();
      const [a, b] = ["a", "b"].map((path) => `${streamsDirectory}/${store.find(path)?.meta.id}/PRODUCERS`);
      const bytes = disk.readFile(b as string) as Uint8Array;
      if (how === "missing") machine.storage.unlinkSync(a as string);
      else if (how === "damaged") disk.flipBit(a as string, 3, 1);
      else disk.writeFile(a as string, bytes);
      const again = openStore(machine);
      expect(await append(again, "a", "2", by(2))).toMatchObject({ kind: "duplicate", lastSeq: 2 });
      await again.close();
    }),
  );

  test("no more logs are open than may be, and all streams are there", () =>
    withStore(async (store, machine) => {
      const paths = Array.from({ length: 12 }, (_, i) => `s${i}`);
      for (const path of paths) {
        await create(store, path);
        await append(store, path, path);
      }
      await pause(machine, 10);
      // A writer has four files open: the segment twice, its record index and the lock.
      expect(machine.openFiles).toBeLessThanOrEqual(3 * 6 + 1);
      for (const path of paths) expect(await read(store, path)).toBe(path);
      for (const path of paths) await append(store, path, "!");
      for (const path of paths) expect(await read(store, path)).toBe(`${path}!`);
    }, 3));
});

test("one stream that cannot be read is told of, and takes no other with it", () =>
  withStore(async (store, machine, disk) => {
    await create(store, "a", { body: Buffer.from("x") });
    await create(store, "b", { fork: { path: "a", seq: undefined, subOffset: 0 } });
    await create(store, "c", { body: Buffer.from("c") });
    await store.delete("a");
    const damaged = `${streamsDirectory}/${store.find("b")?.meta.id}/STREAM`;
    await store.close();
    disk.flipBit(damaged, 10, 0);
    const told: Error[] = [];
    const options = { maxOpenLogs: 100, maxRecordBytes: 1024, report: (error: Error) => void told.push(error) };
    const again = StreamStore.open(machine, directory, options);
    expect(told).toMatchObject([{ code: "SEQLOG_DAMAGED", facts: { file: damaged } }]);
    expect(await read(again, "c")).toBe("c");
    expect(again.find("b")).toBeUndefined();
    // Its source is there still, though no fork of it is known.
    expect(again.find("a")?.meta.isDeleted).toBe(true);
    // It may have any name, so none is free.
    await expect(create(again, "b")).rejects.toMatchObject({ code: "SEQLOG_DAMAGED" });
    // And it may be a fork of any: what is deleted is kept until it is known.
    await again.delete("c");
    expect(again.find("c")?.meta.isDeleted).toBe(true);
    expect(() => again.findSurely("b")).toThrow("STREAM");
    await again.close();
    disk.flipBit(damaged, 10, 0);
    const mended = openStore(machine);
    expect(await read(mended, "b")).toBe("x");
    expect(mended.find("c")).toBeUndefined();
    await mended.close();
  }));

describe("expiry", () => {
  test("a stream lives so long after it was last read or appended to", () =>
    withStore(async (store, machine) => {
      await create(store, "a", { ttlSeconds: 10, body: Buffer.from("x") });
      await pause(machine, 9000);
      expect(await read(store, "a")).toBe("x");
      await pause(machine, 9000);
      await append(store, "a", "y");
      await pause(machine, 9000);
      expect(store.find("a")).toBeDefined();
      await pause(machine, 2000);
      expect(store.find("a")).toBeUndefined();
      expect(await create(store, "a")).toBe(true);
    }));

  test("a time that was given ends it, however it is used", () =>
    withStore(async (store, machine) => {
      const expiresAt = new Date(machine.clock.now() + 10_000).toISOString();
      await create(store, "a", { expiresAt });
      await pause(machine, 9000);
      await append(store, "a", "x");
      await pause(machine, 1000);
      expect(store.find("a")).toBeUndefined();
    }));

  test("a crash lengthens a life by an eighth of the TTL at most, and never shortens it", async () => {
    const disk = new SimulatedDisk();
    const machine = disk.boot();
    machine.storage.makeDirectorySync(directory);
    let lastUse = 0;
    await must(machine, async () => {
      const store = openStore(machine);
      await create(store, "a", { ttlSeconds: 80, body: Buffer.from("x") });
      for (let i = 0; i < 20; i++) {
        await pause(machine, 7000);
        await read(store, "a");
      }
      lastUse = machine.clock.now();
    });
    disk.crash({ keep: 0 });
    const next = disk.boot();
    await must(next, async () => {
      const store = openStore(next);
      await pause(next, lastUse + 79_999 - next.clock.now());
      expect(store.find("a")).toBeDefined();
      await pause(next, lastUse + 90_001 - next.clock.now());
      expect(store.find("a")).toBeUndefined();
      await store.close();
    });
  });

  describe("of a stream that is followed", () => {
    test.each([
      [1, [1, 999, 1_500, 7_000]],
      [4, [1, 700, 1_200, 5_000, 7_000]],
      [80, [2_600, 40_000, 250_000]],
      [7200, [100, 50_000, 9_000_000]],
    ])("with a TTL of %i s a crash leaves all of it, at any time", async (ttlSeconds, times) => {
      const leaseMs = Math.min(Math.max(ttlSeconds * 125, 1_000), 60_000);
      for (const followedMs of times) {
        const disk = new SimulatedDisk();
        const machine = disk.boot();
        machine.storage.makeDirectorySync(directory);
        await must(machine, async () => {
          const store = openStore(machine);
          await create(store, "a", { ttlSeconds });
          await followed(store, "a");
          await pause(machine, followedMs);
          expect(store.find("a")).toBeDefined();
        });
        const crashedAt = machine.clock.now();
        disk.crash({ keep: 0 });
        const next = disk.boot();
        await must(next, async () => {
          const store = openStore(next);
          await pause(next, crashedAt + ttlSeconds * 1000 - 1 - next.clock.now());
          expect(store.find("a"), `${followedMs} ms`).toBeDefined();
          await pause(next, leaseMs + 2);
          expect(store.find("a"), `${followedMs} ms`).toBeUndefined();
          await store.close();
        });
      }
    });

    test("little is written for it, however short its TTL is and however many follow", () =>
      withStore(async (store, machine, disk) => {
        await create(store, "a", { ttlSeconds: 1 });
        const ends = await Promise.all(Array.from({ length: 20 }, () => followed(store, "a")));
        disk.operations.clear();
        await pause(machine, 60_000);
        expect(disk.operations.count("rename", "STREAM.tmp")).toBeLessThanOrEqual(80);
        for (const end of ends) end();
        disk.operations.clear();
        await pause(machine, 60_000);
        expect(disk.operations.count("rename", "STREAM.tmp")).toBe(0);
        expect(store.find("a")).toBeUndefined();
      }));

    test("what could not be written is told of, and written later", async () => {
      const disk = new SimulatedDisk();
      const machine = disk.boot();
      machine.storage.makeDirectorySync(directory);
      await must(machine, async () => {
        const told: Error[] = [];
        const options = { maxOpenLogs: 100, maxRecordBytes: 1024, report: (error: Error) => void told.push(error) };
        const store = StreamStore.open(machine, directory, options);
        await create(store, "a", { ttlSeconds: 80 });
        await followed(store, "a");
        machine.faults.on({ kind: "fsync", path: "STREAM.tmp" }, failWith("ENOSPC"));
        await pause(machine, 9_000);
        expect(told).toMatchObject([{ code: "SEQLOG_NO_SPACE" }]);
        expect((store.find("a")?.meta.aliveUntil ?? 0) - machine.clock.now()).toBeGreaterThanOrEqual(80_000);
        await store.close();
      });
    });
  });

  test("what has run out goes by itself, files and all", () =>
    withStore(async (store, machine, disk) => {
      await create(store, "a", { ttlSeconds: 1, body: Buffer.from("x") });
      await pause(machine, 30_000);
      expect(disk.list(streamsDirectory)).toEqual([]);
      expect([...store.entries()]).toEqual([]);
    }));

  test("a source that has run out lives on for its forks", () =>
    withStore(async (store, machine) => {
      await create(store, "a", { ttlSeconds: 5, body: Buffer.from("x") });
      await create(store, "b", { ttlSeconds: 100, fork: { path: "a", seq: undefined, subOffset: 0 } });
      await pause(machine, 20_000);
      expect(store.find("a")?.meta.isDeleted).toBe(true);
      expect(await read(store, "b")).toBe("x");
      await store.delete("b");
      expect(store.find("a")).toBeUndefined();
    }));
});

describe("forks", () => {
  test("a fork of a fork of a fork reads what is before each", () =>
    withStore(async (store) => {
      await create(store, "a", { body: Buffer.from("a0") });
      await append(store, "a", "a1");
      await create(store, "b", { fork: { path: "a", seq: 1, subOffset: 1 } });
      await append(store, "b", "b1");
      await create(store, "c", { fork: { path: "b", seq: undefined, subOffset: 0 } });
      await append(store, "c", "c1");
      await create(store, "d", { fork: { path: "c", seq: 1, subOffset: 0 } });
      await append(store, "a", "a2");
      expect(await read(store, "b")).toBe("a0ab1");
      expect(await read(store, "c")).toBe("a0ab1c1");
      expect(await read(store, "d")).toBe("a0");
    }));

  test("the log of a fork begins with the seq where it left its source", () =>
    withStore(async (store, _machine, disk) => {
      await create(store, "a", { body: Buffer.from("x") });
      await append(store, "a", "y");
      await create(store, "b", { fork: { path: "a", seq: undefined, subOffset: 0 } });
      const names = disk.list(`${streamsDirectory}/${store.find("b")?.meta.id}`);
      expect(names).toContain("00000000000000000002.log");
    }));

  test("what a fork may not be of", () =>
    withStore(async (store) => {
      const fork = (more: object): Promise<string> =>
        refusalOf(create(store, "f", { fork: { path: "a", seq: undefined, subOffset: 0, ...more } }));
      expect(await fork({})).toBe("not-found NOT_FOUND");
      await create(store, "a", { body: Buffer.from("xyz") });
      expect(await fork({ seq: 2 })).toBe("bad-request FORK_OFFSET");
      expect(await fork({ seq: "beyond" })).toBe("bad-request FORK_OFFSET");
      expect(await fork({ subOffset: 1 })).toBe("bad-request FORK_SUB_OFFSET");
      expect(await fork({ seq: 0, subOffset: 4 })).toBe("bad-request FORK_SUB_OFFSET");
      await create(store, "b", { fork: { path: "a", seq: 0, subOffset: 3 } });
      await store.delete("a");
      expect(await fork({})).toBe("conflict SOURCE_DELETED");
      expect(await refusalOf(create(store, "a"))).toBe("conflict DELETED_WITH_FORKS");
      expect(await refusalOf(store.delete("a"))).toBe("gone DELETED_WITH_FORKS");
    }));

  test("a fork that asked for no expiry is found again by the same request", () =>
    withStore(async (store) => {
      await create(store, "a", { ttlSeconds: 100 });
      const fork = { path: "a", seq: undefined, subOffset: 0 };
      expect(await create(store, "b", { contentType: undefined, fork })).toBe(true);
      expect(store.find("b")?.meta.ttlSeconds).toBe(100);
      expect(await create(store, "b", { contentType: undefined, fork })).toBe(false);
      expect(await refusalOf(create(store, "b", { contentType: undefined, fork, ttlSeconds: 7 }))).toBe(
        "conflict EXISTS",
      );
    }));
});

describe("what is under way, and what fails", () => {
  test("a close waits for a log that is just being opened to write", async () => {
    for (let turns = 0; turns < 12; turns++) {
      await withStore(async (store, machine) => {
        await create(store, "a");
        const appended = append(store, "a", "x").catch((error: unknown) => error);
        for (let i = 0; i < turns; i++) await machine.clock.turn();
        await store.close();
        const answer = await appended;
        // It is there, or it was refused; withStore sees to it that no file stays open.
        const again = openStore(machine);
        expect(await read(again, "a")).toBe(answer instanceof Error ? "" : "x");
        await again.close();
      });
    }
  });

  test("a delete whose sync fails leaves a name that can be used", () =>
    withStore(async (store, machine) => {
      await create(store, "a", { body: Buffer.from("x") });
      machine.faults.on({ kind: "fsyncDirectory", path: streamsDirectory }, failWith("EIO"));
      await expect(store.delete("a")).rejects.toMatchObject({ code: "SEQLOG_IO" });
      expect(await create(store, "a", { body: Buffer.from("y") })).toBe(true);
      expect(await read(store, "a")).toBe("y");
    }));

  test("the names above the streams are made durable by whoever finds them, too", async () => {
    const disk = new SimulatedDisk();
    const machine = disk.boot();
    machine.storage.makeDirectorySync(streamsDirectory);
    await must(machine, async () => {
      for (const path of [`${directory}/__ds`, directory]) {
        machine.faults.on({ kind: "fsyncDirectory", path }, failWith("EIO"));
        expect(() => openStore(machine)).toThrow(expect.objectContaining({ code: "SEQLOG_IO" }));
      }
      const mine = openStore(machine);
      expect(await create(mine, "a")).toBe(true);
      await mine.close();
    });
    expect(machine.openFiles).toBe(0);
  });
});

describe("two processes", () => {
  /** A store that owns the directory, and another one beside it. */
  async function withTwo(
    work: (mine: StreamStore, theirs: StreamStore, first: SimulatedMachine, second: SimulatedMachine) => Promise<void>,
  ): Promise<void> {
    const disk = new SimulatedDisk();
    const [first, second] = [disk.boot(), disk.boot()];
    first.storage.makeDirectorySync(directory);
    await must(first, async () => {
      const mine = openStore(first);
      await create(mine, "a", { ttlSeconds: 10, body: Buffer.from("x") });
      await create(mine, "plain");
      const theirs = openStore(second);
      expect(theirs.find("a")).toBeDefined();
      await work(mine, theirs, first, second);
      await mine.close();
      await theirs.close();
    });
    expect(first.openFiles + second.openFiles).toBe(0);
  }

  test("a stream with a TTL that the one keeps alive is alive for the other, and when that takes over", () =>
    withTwo(async (mine, theirs, first) => {
      for (let i = 0; i < 4; i++) {
        await pause(first, 6_000);
        expect(await read(mine, "a")).toBe("x");
      }
      expect(theirs.find("a")).toBeDefined();
      await mine.close();
      await pause(first, 1_000);
      expect(await create(theirs, "b")).toBe(true);
      expect(await read(theirs, "a")).toBe("x");
    }));

  test("a stream that somebody follows at the one is alive for the other", () =>
    withTwo(async (mine, theirs, first) => {
      const end = await followed(mine, "a");
      await pause(first, 25_000);
      expect(theirs.find("a")).toBeDefined();
      end();
      await pause(first, 12_000);
      expect(theirs.find("a")).toBeUndefined();
    }));

  test("a stream that was removed and made again is seen at once by who asks for it", () =>
    withTwo(async (mine, theirs, first) => {
      expect(await read(theirs, "plain")).toBe("");
      await mine.delete("plain");
      expect(theirs.find("plain")).toBeUndefined();
      await create(mine, "plain", { body: Buffer.from("y") });
      await pause(first, 300);
      expect(await read(theirs, "plain")).toBe("y");
      await mine.delete("plain");
      await create(mine, "plain", { body: Buffer.from("z") });
      expect(await read(theirs, "plain")).toBe("z");
    }));

  test("who looks again reads the names, and what is new or asked for: not every stream", () =>
    withTwo(async (mine, theirs, first, second) => {
      for (let i = 0; i < 100; i++) await create(mine, `s${i}`);
      await pause(first, 300);
      expect(theirs.find("s99")).toBeDefined();
      const before = second.operations;
      await create(mine, "new");
      await pause(first, 300);
      expect(theirs.find("new")).toBeDefined();
      expect(theirs.find("s50")).toBeDefined();
      expect(second.operations - before).toBeLessThan(40);
    }));

  test("only the one that keeps it alive appends to a stream with a TTL; others may be appended to by both", () =>
    withTwo(async (mine, theirs) => {
      await expect(append(theirs, "a", "y")).rejects.toMatchObject({ code: "SEQLOG_LOCKED" });
      expect((await append(theirs, "plain", "y")).kind).toBe("appended");
      expect((await append(mine, "a", "y")).kind).toBe("appended");
    }));

  test("a stream whose time is over stays as long as another process has its log open to write", () =>
    withTwo(async (mine, _theirs, first, second) => {
      const log = await FileLog.open(`${streamsDirectory}/${mine.find("a")?.meta.id}`, { machine: second });
      await pause(first, 60_000);
      expect(mine.find("a")).toBeUndefined();
      expect(second.storage.statSync(log.location)).toBeDefined();
      await log.close();
      await pause(first, 60_000);
      expect(second.storage.statSync(log.location)).toBeUndefined();
    }));

  test("a clock that was set back does not keep the second from looking", async () => {
    const disk = new SimulatedDisk();
    const [first, second] = [disk.boot(), disk.boot()];
    first.storage.makeDirectorySync(directory);
    await must(first, async () => {
      const mine = openStore(first);
      await create(mine, "a");
      const theirs = openStore(second);
      expect(theirs.find("a")).toBeDefined();
      disk.clock.jump(-3_600_000);
      await create(mine, "b");
      await pause(second, 300);
      expect(theirs.find("b")).toBeDefined();
      await mine.close();
      await theirs.close();
    });
  });

  test("streams that the new owner could not look for are no free names", async () => {
    const disk = new SimulatedDisk();
    const [first, second] = [disk.boot(), disk.boot()];
    first.storage.makeDirectorySync(directory);
    await must(first, async () => {
      const mine = openStore(first);
      const theirs = openStore(second);
      await create(mine, "a", { body: Buffer.from("x") });
      await mine.close();
      second.faults.on({ kind: "list", path: streamsDirectory }, failWith("EIO"));
      await expect(create(theirs, "a")).rejects.toMatchObject({ code: "SEQLOG_IO" });
      expect(await create(theirs, "a", { body: Buffer.from("other") })).toBe(false);
      expect(await read(theirs, "a")).toBe("x");
      expect(disk.list(streamsDirectory).filter((name) => /^[0-9a-f-]{36}$/.test(name))).toHaveLength(1);
      await theirs.close();
    });
  });

  test("the second reads, sees what comes and goes, and changes nothing that the first has", async () => {
    const disk = new SimulatedDisk();
    const [first, second] = [disk.boot(), disk.boot()];
    first.storage.makeDirectorySync(directory);
    await must(first, async () => {
      const mine = openStore(first);
      await create(mine, "a", { body: Buffer.from("x") });
      const theirs = openStore(second);
      expect(await read(theirs, "a")).toBe("x");
      await expect(create(theirs, "b")).rejects.toMatchObject({
        code: "SEQLOG_LOCKED",
        facts: { pid: first.owner.pid },
      });
      await append(mine, "a", "y");
      await expect(append(theirs, "a", "z")).rejects.toMatchObject({ code: "SEQLOG_LOCKED" });
      expect(await read(theirs, "a")).toBe("xy");
      await create(mine, "c");
      await pause(second, 300);
      expect(theirs.find("c")).toBeDefined();
      await mine.delete("a");
      await pause(second, 300);
      expect(theirs.find("a")).toBeUndefined();
      // What the first has not open the second may append to.
      await mine.close();
      expect((await append(theirs, "c", "z")).kind).toBe("appended");
      expect(await create(theirs, "d")).toBe(true);
      await theirs.close();
    });
    expect(first.openFiles + second.openFiles).toBe(0);
  });
});
