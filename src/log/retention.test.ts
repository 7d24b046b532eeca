import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { collect, seqsOf, textsOf } from "../../test/crash/read-data.ts";
import { newPath } from "../../test/crash/scratch-directory.ts";
import { namesIn } from "../../test/errors/directory-bytes.ts";
import { lowestCheckpoint } from "../consumer/protected.ts";
import { SeqlogError } from "../errors.ts";
import { nodeMachine } from "../storage/node-machine.ts";
import type { Machine } from "../storage/storage.ts";
import { type Fault, failWith } from "../testing/fault-plan.ts";
import { withFaults } from "../testing/fault-injecting-storage.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import { FileLog } from "./file-log.ts";
import type { FileOpenOptions } from "./file-open-options.ts";
import { type Protector, protectWith } from "./retention.ts";

const start = Date.UTC(2026, 0, 1);

/** Ten records of 128 bytes in a segment. */
const segmentBytes = 1280;

function datum(i: number): string {
  return `record ${i}`.padEnd(96);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

/** A log with so many records, appended one by one. */
async function logOf(count: number, options: FileOpenOptions): Promise<FileLog> {
  const log = await FileLog.open(newPath(), { segmentBytes, ...options });
  for (let i = 0; i < count; i++) log.appendSync(datum(i));
  return log;
}

function machineAt(clock: { ms: number }): Machine {
  return { ...nodeMachine, clock: { ...nodeMachine.clock, now: () => clock.ms } };
}

function protect(protector: Protector | undefined): void {
  protectWith(() => protector);
}

afterEach(() => protectWith(undefined));

test.each<[string, FileOpenOptions["retention"], number, number]>([
  ["maxRecords", { maxRecords: 25 }, 60, 70],
  ["maxRecords, a whole number of segments", { maxRecords: 30 }, 60, 70],
  ["maxRecords smaller than a segment", { maxRecords: 1 }, 80, 90],
  ["maxBytes", { maxBytes: 20 * 128 }, 70, 80],
  ["maxBytes, one more than two segments have", { maxBytes: 20 * 128 + 1 }, 60, 70],
  ["the stricter of two limits", { maxRecords: 55, maxBytes: 20 * 128 }, 70, 80],
  ["a limit that is not reached", { maxRecords: 1000, maxBytes: 1e9, maxAgeMs: 1e9 }, 0, 0],
  ["no limit", { protect: "consumers" }, 0, 0],
])(
  "%s: at a roll and at trim() whole segments go, and nothing within the limit",
  async (_name, retention, rolled, trimmed) => {
    const log = await logOf(100, retention === undefined ? {} : { retention });
    // The last roll came before record 90.
    expect(log.firstSeq).toBe(rolled);
    if (trimmed > 0) expect(await log.trim()).toEqual({ removed: trimmed - rolled });
    expect(log.firstSeq).toBe(trimmed);
    expect(await textsOf(log)).toEqual(range(trimmed, 100).map(datum));
    await log.close();
    expect(namesIn(log.location).filter((name) => name.endsWith(".log"))).toHaveLength(10 - trimmed / 10);
  },
);

test("maxAgeMs goes by the time of a segment's last record", async () => {
  const clock = { ms: start };
  const log = await FileLog.open(newPath(), { segmentBytes, machine: machineAt(clock), retention: { maxAgeMs: 1000 } });
  for (let i = 0; i < 40; i++) {
    clock.ms = start + i * 100;
    log.appendSync(datum(i));
  }
  // At the roll before record 30, at 3,000 ms, record 19 was 1,100 ms old, and record 29 100.
  expect(log.firstSeq).toBe(20);
  clock.ms = start + 3900;
  expect(await log.trim()).toEqual({ removed: 0 });
  clock.ms++;
  expect(await log.trim()).toEqual({ removed: 10 });
  // The segment that is written stays, however old it is.
  clock.ms += 1e9;
  expect(await log.trim()).toEqual({ removed: 0 });
  log.appendSync(datum(40));
  expect(log.firstSeq).toBe(40);
  await log.close();
});

test("a clock that went back removes nothing early", async () => {
  const clock = { ms: start + 1e6 };
  const log = await FileLog.open(newPath(), { segmentBytes, machine: machineAt(clock), retention: { maxAgeMs: 1000 } });
  for (let i = 0; i < 15; i++) log.appendSync(datum(i));
  clock.ms = start;
  for (let i = 15; i < 45; i++) log.appendSync(datum(i));
  expect(await log.trim()).toEqual({ removed: 0 });
  await log.close();
});

test("without retention nothing goes, and trim() says why", async () => {
  const log = await logOf(30, {});
  await expect(log.trim()).rejects.toThrow(/opened without a limit/);
  expect(log.firstSeq).toBe(0);
  expect(await log.stats()).not.toHaveProperty("retention");
  await log.close();
  const protecting = await FileLog.open(log.location, { retention: { protect: "consumers" } });
  await expect(protecting.trim()).rejects.toBeInstanceOf(TypeError);
  await protecting.close();
});

test.each<[unknown, ErrorConstructor]>([
  [{ maxAgeMs: 0 }, RangeError],
  [{ maxBytes: -1 }, RangeError],
  [{ maxRecords: 0.5 }, RangeError],
  [{ maxRecords: "10" }, RangeError],
  [{ protect: "readers" }, TypeError],
  ["10d", TypeError],
  [null, TypeError],
])("retention %o is a %o, and no directory is made", async (retention, type) => {
  const path = newPath();
  await expect(FileLog.open(path, { retention: retention as object })).rejects.toBeInstanceOf(type);
  expect(nodeMachine.storage.statSync(path)).toBeUndefined();
});

test("a log of version 4 ids has no ages, but the other limits", async () => {
  const path = newPath();
  await (await FileLog.open(path, { ids: "v4" })).close();
  await expect(FileLog.open(path, { retention: { maxAgeMs: 1000 } })).rejects.toMatchObject({
    code: "SEQLOG_UNSUPPORTED",
    facts: { path },
  });
  const log = await FileLog.open(path, { segmentBytes, retention: { maxRecords: 10 } });
  for (let i = 0; i < 30; i++) log.appendSync(datum(i));
  expect(log.firstSeq).toBe(10);
  await log.close();
});

test("what a consumer needs stays, and stats and trim say what and for whom", async () => {
  protect({ consumer: "billing", nextSeq: 34 });
  const log = await logOf(100, { retention: { maxRecords: 20, protect: "consumers" } });
  expect(log.firstSeq).toBe(30);
  const heldBack = { records: 50, bytes: 50 * 128, by: { consumer: "billing", nextSeq: 34 } };
  expect((await log.stats()).retention).toEqual({ heldBack });
  expect(await log.trim()).toEqual({ removed: 0, heldBack });
  expect(await log.trim({ before: 55 })).toEqual({
    removed: 0,
    heldBack: { ...heldBack, records: 20, bytes: 20 * 128 },
  });
  protect({ consumer: "billing", nextSeq: 40 });
  expect(await log.trim({ before: 55 })).toMatchObject({ removed: 10, heldBack: { records: 10 } });
  expect(log.firstSeq).toBe(40);
  protect({ consumer: "billing", nextSeq: 79 });
  expect(await log.trim({ before: "end" })).toMatchObject({ removed: 30, heldBack: { records: 20 } });
  protect({ consumer: "billing", nextSeq: 90 });
  expect(await log.trim()).toEqual({ removed: 10 });
  expect((await log.stats()).retention).toEqual({ heldBack: { records: 0, bytes: 0 } });
  await log.close();
});

test("force removes what a consumer needs", async () => {
  protect({ consumer: "billing", nextSeq: 0 });
  const log = await logOf(100, { retention: { maxRecords: 20, protect: "consumers" } });
  expect(await log.trim({ before: 25, force: true })).toEqual({ removed: 20 });
  expect(await log.trim({ force: true })).toEqual({ removed: 60 });
  expect(log.firstSeq).toBe(80);
  await log.close();
});

test("without protect consumers hold back nothing", async () => {
  protect({ consumer: "billing", nextSeq: 0 });
  const log = await logOf(100, { retention: { maxRecords: 20 } });
  expect(log.firstSeq).toBe(70);
  await log.close();
});

test("while nobody can read checkpoints, one that is there protects all", async () => {
  const log = await logOf(30, { retention: { maxRecords: 10, protect: "consumers" } });
  expect(log.firstSeq).toBe(10);
  mkdirSync(join(log.location, "consumers"));
  writeFileSync(join(log.location, "consumers", "billing.lock"), "");
  expect(await log.trim()).toEqual({ removed: 10 });
  writeFileSync(join(log.location, "consumers", "billing.ckpt"), "");
  for (let i = 30; i < 60; i++) log.appendSync(datum(i));
  expect(log.firstSeq).toBe(20);
  expect((await log.stats()).retention).toMatchObject({
    heldBack: { records: 30, by: { consumer: "billing", nextSeq: 0, problem: "its checkpoint was not read" } },
  });
  await log.close();
});

test("a consumer's checkpoint on the disk protects what is behind it, and one that is damaged protects all", async () => {
  protectWith(lowestCheckpoint);
  const log = await logOf(45, { retention: { maxRecords: 5, protect: "consumers" } });
  expect(log.firstSeq).toBe(30);
  const consumer = await log.consumer("billing", { from: "start" });
  for (let i = 45; i < 85; i++) log.appendSync(datum(i));
  expect(log.firstSeq).toBe(30);
  expect((await log.stats()).retention).toMatchObject({
    heldBack: { records: 50, by: { consumer: "billing", nextSeq: 30 } },
  });
  for await (const delivery of consumer) {
    await delivery.ack();
    if (delivery.seq === 64) break;
  }
  expect(await log.trim()).toMatchObject({ removed: 30, heldBack: { records: 20, by: { nextSeq: 64 } } });
  expect(log.firstSeq).toBe(60);
  await consumer.close();
  writeFileSync(join(log.location, "consumers", "billing.ckpt"), Buffer.alloc(8192, "damaged"));
  expect(await log.trim()).toMatchObject({
    removed: 0,
    heldBack: { records: 20, by: { consumer: "billing", nextSeq: 0 } },
  });
  await log.deleteConsumer("billing");
  expect(await log.trim()).toEqual({ removed: 20 });
  await log.close();
});

test("when it cannot be found out what consumers need nothing goes, no append fails, and the next roll tries again", async () => {
  const failure = new SeqlogError("SEQLOG_IO", "no", { path: "x.ckpt", syscall: "open", errno: "EIO" });
  protectWith(() => {
    throw failure;
  });
  const log = await logOf(45, { retention: { maxRecords: 10, protect: "consumers" } });
  expect(log.firstSeq).toBe(0);
  expect((await log.stats()).retention).toEqual({ heldBack: { records: 0, bytes: 0 }, failure });
  await expect(log.trim()).rejects.toBe(failure);
  await expect(log.trim({ before: 20 })).rejects.toBe(failure);
  expect(await log.trim({ before: 20, force: true })).toEqual({ removed: 20 });
  protect(undefined);
  for (let i = 45; i < 55; i++) log.appendSync(datum(i));
  expect(log.firstSeq).toBe(40);
  expect((await log.stats()).retention?.failure).toBeUndefined();
  await log.close();
});

test.each<[string, "open" | "write", Fault, number]>([
  ["there is no room for a MANIFEST", "write", failWith("ENOSPC"), 2],
  ["MANIFEST cannot be opened", "open", failWith("EMFILE"), 1],
  ["MANIFEST cannot be written", "write", failWith("EIO"), 1],
])(
  "when %s at a roll the append goes through, and the next roll removes what was to go",
  async (_name, kind, fault, times) => {
    const { machine, storage } = withFaults(nodeMachine);
    const log = await logOf(20, { machine, retention: { maxRecords: 5 } });
    expect(log.firstSeq).toBe(0);
    storage.faults.on({ kind, path: "MANIFEST.tmp", times }, fault);
    expect(await log.append(datum(20))).toMatchObject({ seq: 20 });
    expect(log.firstSeq).toBe(0);
    expect((await log.stats()).retention?.failure).toBeInstanceOf(SeqlogError);
    for (let i = 21; i < 31; i++) expect((await log.append(datum(i))).seq).toBe(i);
    expect(log.firstSeq).toBe(20);
    expect((await log.stats()).retention).toEqual({ heldBack: { records: 0, bytes: 0 } });
    await log.close();
    const again = await FileLog.open(log.location);
    expect(await textsOf(again)).toEqual(range(20, 31).map(datum));
    await again.close();
  },
);

test.each([
  ["fsync", "MANIFEST.tmp"],
  ["rename", "MANIFEST.tmp"],
] as const)(
  "when the %s of %s fails at a roll the log is poisoned, as after any failed fsync, and nothing is lost",
  async (kind, path) => {
    const { machine, storage } = withFaults(nodeMachine);
    const log = await logOf(20, { machine, retention: { maxRecords: 5 } });
    storage.faults.on({ kind, path }, failWith("EIO"));
    await expect(log.append(datum(20))).rejects.toMatchObject({ code: "SEQLOG_POISONED" });
    await log.close();
    const again = await FileLog.open(log.location);
    expect(await textsOf(again)).toEqual(range(0, 20).map(datum));
    await again.close();
  },
);

test("a damaged record of a segment's age keeps that segment, and is told", async () => {
  const disk = new SimulatedDisk();
  const machine = disk.boot();
  const outcome = await machine.run(async () => {
    const log = await FileLog.open("/log", { machine, segmentBytes, retention: { maxAgeMs: 1 } });
    for (let i = 0; i < 10; i++) log.appendSync(datum(i));
    disk.flipBit("/log/00000000000000000000.log", 9 * 128 + 16, 1);
    disk.flipBit("/log/00000000000000000000.log", 9 * 128 + 40, 1);
    expect(log.appendSync(datum(10))).toMatchObject({ seq: 10 });
    expect((await log.stats()).retention?.failure).toMatchObject({ code: "SEQLOG_DAMAGED", facts: { seq: 9 } });
    expect(log.firstSeq).toBe(0);
    await log.close();
  });
  expect(outcome).toMatchObject({ kind: "done" });
});

test("with many segments an age is found with few reads", async () => {
  const disk = new SimulatedDisk();
  const machine = disk.boot();
  const outcome = await machine.run(async () => {
    const log = await FileLog.open("/log", { segmentBytes: 1024, machine, retention: { maxAgeMs: 1000 } });
    for (let i = 0; i < 400; i++) {
      log.appendSync("x".repeat(500));
      disk.clock.jump(1);
    }
    expect((await log.stats()).segments).toBe(400);
    disk.clock.jump(850);
    disk.operations.clear();
    expect((await log.trim()).removed).toBe(250);
    // 9 steps, each of an entry and a header.
    expect(disk.counts.read).toBeLessThanOrEqual(2 * 9);
    await log.close();
  });
  if (outcome.kind !== "done") throw outcome.kind === "failed" ? outcome.error : outcome.crash;
});

test("reading what was removed is SEQLOG_TRIMMED with the first record there is, by every way", async () => {
  const log = await logOf(45, { retention: { maxRecords: 10 } });
  const follower = await FileLog.open(log.location, { readOnly: true });
  const live = follower.read({ from: 30, live: true })[Symbol.asyncIterator]();
  expect((await live.next()).value?.seq).toBe(30);
  expect(log.firstSeq).toBe(30);
  const removedId = (await log.get(30))?.id ?? "";
  const before = log.firstSeq;
  for (let i = 45; i < 65; i++) log.appendSync(datum(i));
  const { firstSeq } = log;
  expect(firstSeq).toBe(50);
  const trimmed = { code: "SEQLOG_TRIMMED", facts: { firstSeq } };
  const message = expect.stringContaining(`the first one available is ${firstSeq}`) as string;
  for (const opened of [log, follower]) {
    for (const removed of [0, before, firstSeq - 1]) {
      await expect(collect(opened.read({ from: removed }))).rejects.toMatchObject({ ...trimmed, message });
      await expect(collect(opened.readBatches({ from: removed, to: removed + 1 }))).rejects.toMatchObject(trimmed);
      await expect(opened.read({ from: removed, live: true }).next()).rejects.toMatchObject(trimmed);
      await expect(collect(opened.read({ from: 0, to: removed + 1, reverse: true }))).rejects.toMatchObject(trimmed);
      await expect(opened.get(removed)).rejects.toMatchObject(trimmed);
      expect(() => opened.getSync(removed)).toThrow(expect.objectContaining(trimmed));
    }
    expect(await opened.seqAt(new Date(0))).toBe(firstSeq);
    expect(await opened.find(removedId)).toBeUndefined();
    expect(await seqsOf(opened)).toEqual(range(firstSeq, 65));
    expect(await seqsOf(opened, { from: new Date(0), limit: 1 })).toEqual([firstSeq]);
  }
  // A reader that was in the middle reads on in what it holds, and is told at the next segment.
  const rest = (async (): Promise<void> => {
    for (let seq = 31; ; seq++) expect((await live.next()).value?.seq).toBe(seq);
  })();
  await expect(rest).rejects.toMatchObject(trimmed);
  await follower.close();
  await log.close();
});

test("under load, with live readers and a slow protected consumer, no reader sees a wrong record and no protected segment goes", async () => {
  const disk = new SimulatedDisk({ seed: "load" });
  const machine = disk.boot();
  const beside = disk.boot();
  let acknowledged = 0;
  protectWith(() => ({ consumer: "slow", nextSeq: acknowledged }));
  const count = 600;
  const outcome = await machine.run(async () => {
    const log = await FileLog.open("/log", {
      machine,
      segmentBytes,
      retention: { maxRecords: 30, protect: "consumers" },
    });
    const follower = await FileLog.open("/log", { machine: beside, readOnly: true });
    const consumer = (async () => {
      for await (const { seq, bytes } of follower.read({ live: true })) {
        expect(seq).toBe(acknowledged);
        expect(Buffer.from(bytes).toString()).toBe(datum(seq));
        acknowledged = seq + 1;
        if (acknowledged === count) return;
      }
    })();
    // Readers that nobody protects: they see the right records, or are told that they came too late.
    const readers = [log, follower].map(async (opened) => {
      let seen = 0;
      for (let from = 0; from < count;) {
        try {
          for await (const { seq, bytes } of opened.read({ from, live: true })) {
            expect(seq).toBe(from);
            expect(Buffer.from(bytes).toString()).toBe(datum(seq));
            from++;
            seen++;
            if (from === count) return seen;
          }
        } catch (error) {
          if (!SeqlogError.is(error, "SEQLOG_TRIMMED")) throw error;
          expect(error.facts.firstSeq).toBeGreaterThan(from);
          from = error.facts.firstSeq;
        }
      }
      return seen;
    });
    let mostHeldBack = 0;
    for (let i = 0; i < count; i += 5) {
      await Promise.all(range(i, i + 5).map((seq) => log.append(datum(seq))));
      expect(log.firstSeq).toBeLessThanOrEqual(acknowledged);
      mostHeldBack = Math.max(mostHeldBack, (await log.stats()).retention?.heldBack.records ?? 0);
    }
    await consumer;
    for (const seen of await Promise.all(readers)) expect(seen).toBeGreaterThan(0);
    expect(mostHeldBack).toBeGreaterThan(0);
    expect((await log.trim()).heldBack).toBeUndefined();
    expect(log.firstSeq).toBe(570);
    await follower.close();
    await log.close();
  });
  if (outcome.kind !== "done") throw outcome.kind === "failed" ? outcome.error : outcome.crash;
});

test("a crash at any operation of rolls with retention: what is within the limits or protected is there, and the log opens", async () => {
  const options: FileOpenOptions = { segmentBytes, retention: { maxRecords: 15, protect: "consumers" } };
  const needed = { nextSeq: 0 };
  protectWith(() => ({ consumer: "c", ...needed }));
  const work = async (log: FileLog, told: { nextSeq: number }): Promise<void> => {
    for (let i = 0; i < 60; i += 6) {
      await Promise.all(range(i, i + 6).map((seq) => log.append(datum(seq))));
      told.nextSeq = i + 6;
      needed.nextSeq = Math.max(needed.nextSeq, i - 12);
    }
    await log.trim();
    await log.close();
  };
  const counting = new SimulatedDisk().boot();
  const whole = await counting.run(async () =>
    work(await FileLog.open("/log", { ...options, machine: counting }), { nextSeq: 0 }),
  );
  expect(whole).toMatchObject({ kind: "done" });
  let removedBefore = 0;
  for (let at = 0; at < counting.operations; at++) {
    for (const when of ["before", "after"] as const) {
      const disk = new SimulatedDisk({ seed: `${at} ${when}` });
      const machine = disk.boot();
      machine.faults.at(at, { kind: "crash", when, written: 0 });
      needed.nextSeq = 0;
      const told = { nextSeq: 0 };
      await machine.run(async () => work(await FileLog.open("/log", { ...options, machine }), told));
      disk.crash();
      const next = disk.boot();
      const opened = await next.run(async () => {
        const log = await FileLog.open("/log", { ...options, machine: next });
        const texts = await textsOf(log);
        const { firstSeq, nextSeq } = log;
        await log.close();
        return { texts, firstSeq, nextSeq };
      });
      if (opened.kind !== "done") throw new Error(`at ${at} ${when}`, { cause: opened });
      const { texts, firstSeq, nextSeq } = opened.value;
      expect(texts, `at ${at} ${when}`).toEqual(range(firstSeq, nextSeq).map(datum));
      expect(nextSeq).toBeGreaterThanOrEqual(told.nextSeq);
      expect(firstSeq % 10).toBe(0);
      expect(firstSeq).toBeLessThanOrEqual(needed.nextSeq);
      expect(firstSeq).toBeLessThanOrEqual(Math.max(0, nextSeq - 15));
      if (firstSeq > 0) removedBefore++;
    }
  }
  expect(removedBefore).toBeGreaterThan(20);
}, 120_000);
