/** Opening a consumer: names, locks, where it begins, and checkpoints that are not of this log. */
import { describe, expect, test } from "vitest";
import {
  directory,
  errorOf,
  must,
  numbers,
  openText,
  pause,
  seen,
  simulate,
  take,
} from "../../test/consumers/simulate-log.ts";
import { text } from "../log/codec.ts";
import { FileLog } from "../log/file-log.ts";
import { failWith } from "../testing/fault-plan.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";

const checkpointFile = `${directory}/consumers/billing.ckpt`;

describe("a name", () => {
  test.each(["billing", "a", "A-1_b.c", "x".repeat(128)])("%s is one", (name) =>
    simulate(1, async (log) => {
      const consumer = await log.consumer(name);
      expect(consumer.name).toBe(name);
      expect((await log.consumers()).map((info) => info.name)).toEqual([name]);
    }),
  );

  test.each(["", ".hidden", "..", "a/b", "a b", "é", "x".repeat(129), undefined, 7])("%j is none", (name) =>
    simulate(1, async (log) => {
      expect(await errorOf(log.consumer(name as string))).toBeInstanceOf(TypeError);
      expect(await errorOf(log.seekConsumer(name as string, "start"))).toBeInstanceOf(TypeError);
      expect(await errorOf(log.deleteConsumer(name as string))).toBeInstanceOf(TypeError);
    }),
  );
});

describe("options", () => {
  test.each([
    [{ checkpoint: "never" }, TypeError],
    [{ checkpoint: {} }, TypeError],
    [{ checkpoint: { intervalMs: 0 } }, RangeError],
    [{ maxInFlight: 0 }, RangeError],
    [{ maxInFlightBytes: 0.5 }, RangeError],
    [{ ackWaitMs: 0 }, RangeError],
    [{ retry: { attempts: 0 } }, RangeError],
    [{ retry: { jitter: 2 } }, RangeError],
    [{ filter: "all" }, TypeError],
    [{ store: {} }, TypeError],
    [{ from: "middle" }, TypeError],
    [{ from: 3 }, RangeError],
    [{ from: -1 }, RangeError],
  ])("%j are refused, and nothing is held", (options, kind) =>
    simulate(2, async (log) => {
      expect(await errorOf(log.consumer("billing", options as never))).toBeInstanceOf(kind);
      expect(await log.consumers()).toEqual([]);
      await log.consumer("billing");
    }),
  );
});

describe("where a consumer begins that has no checkpoint", () => {
  test("the start, the end, a seq, an id, the last records", () =>
    simulate(5, async (log) => {
      const id = (await log.get(2))?.id as string;
      const beginnings = [undefined, "start", "end", 3, { id }, { last: 1 }] as const;
      const found: number[] = [];
      for (const [i, from] of beginnings.entries()) {
        const consumer = await log.consumer(`from-${i}`, from === undefined ? {} : { from });
        found.push(consumer.nextSeq);
      }
      expect(found).toEqual([0, 0, 5, 3, 2, 4]);
    }));

  test("a time", () =>
    simulate(2, async (log, machine) => {
      await pause(machine, 1000);
      const from = new Date(machine.clock.now());
      await log.append("after");
      const [delivery] = await take(await log.consumer("billing", { from }), 1);
      expect(delivery?.data).toBe("after");
    }));

  test("the end is where the log ended when the consumer was made, also after a power cut", async () => {
    const disk = new SimulatedDisk();
    const first = disk.boot();
    await must(first, async () => {
      const log = await openText(first);
      await log.append("before");
      await log.consumer("billing", { from: "end" });
      await log.append("after");
    });
    disk.crash({ keep: 0 });
    const next = disk.boot();
    await must(next, async () => {
      const log = await openText(next);
      const [delivery] = await take(await log.consumer("billing", { from: "end" }), 1);
      expect(delivery?.data).toBe("after");
      await log.close();
    });
  });

  test("is of no consequence once there is one", () =>
    simulate(5, async (log) => {
      await (await log.consumer("billing", { from: 2 })).close();
      const consumer = await log.consumer("billing", { from: "end" });
      expect(consumer.nextSeq).toBe(2);
    }));
});

describe("the lock", () => {
  test("one name is open once, in one process and across processes; the error names the holder", () =>
    simulate(1, async (log, machine, disk) => {
      const consumer = await log.consumer("billing");
      const locked = { code: "SEQLOG_LOCKED", facts: { pid: machine.owner.pid, host: "simulated" } };
      expect(await errorOf(log.consumer("billing"))).toMatchObject(locked);
      const other = disk.boot();
      const reader = await openText(other, { readOnly: true });
      const error = await errorOf(reader.consumer("billing"));
      expect(error).toMatchObject(locked);
      expect((error as Error).message).toContain('the consumer "billing"');
      for (const call of [reader.seekConsumer("billing", "end"), reader.deleteConsumer("billing")]) {
        expect(await errorOf(call)).toMatchObject(locked);
      }
      expect((await reader.consumers())[0]).toMatchObject({ isActive: true });
      await (await reader.consumer("another")).close();
      await consumer.close();
      await (await reader.consumer("billing")).close();
      await reader.close();
    }));

  test("ends with the process that held it", async () => {
    const disk = new SimulatedDisk();
    const machine = disk.boot();
    await must(machine, async () => void (await (await openText(machine)).consumer("billing")));
    disk.kill(machine);
    const next = disk.boot();
    await must(next, async () => {
      const log = await openText(next);
      expect((await log.consumers())[0]).toMatchObject({ isActive: false });
      await log.consumer("billing");
      await log.close();
    });
  });

  test("is let go of when opening fails", () =>
    simulate(1, async (log, machine) => {
      machine.faults.on({ kind: "fsync", path: ".ckpt.tmp" }, failWith("EIO"));
      expect(await errorOf(log.consumer("billing"))).toMatchObject({ code: "SEQLOG_IO" });
      await log.consumer("billing");
    }));
});

describe("a checkpoint that does not fit", () => {
  test("after a reset: the error names both generations, and seekConsumer mends it", () =>
    simulate(3, async (log) => {
      const consumer = await log.consumer("billing");
      const [delivery] = await take(consumer, 1);
      await delivery?.ack();
      await consumer.close();
      const id = delivery?.id;
      await log.reset();
      await log.append("new");
      const error = await errorOf(log.consumer("billing"));
      expect(error).toMatchObject({
        code: "SEQLOG_CHECKPOINT_MISMATCH",
        facts: {
          consumer: "billing",
          checkpoint: { generation: 0, nextSeq: 1, lastId: id },
          log: { generation: 1, nextSeq: 1 },
        },
      });
      expect((error as Error).message).toMatch(/generation 0.*generation 1.*reset/);
      const [info] = await log.consumers();
      expect(info).toMatchObject({ nextSeq: undefined, problem: expect.stringContaining("generation 0") });
      await log.seekConsumer("billing", "start");
      expect(seen(await take(await log.consumer("billing"), 1))).toEqual([["new", 1]]);
    }));

  test("in another log: the error names both ids", () =>
    simulate(3, async (log, machine, disk) => {
      await (await log.consumer("billing")).close();
      const other = await FileLog.open("/other", { machine, codec: text() });
      await other.append("x");
      disk.writeFile("/other/consumers/billing.ckpt", disk.readFile(checkpointFile) as Uint8Array);
      const error = await errorOf(other.consumer("billing"));
      expect(error).toMatchObject({ code: "SEQLOG_CHECKPOINT_MISMATCH" });
      const { checkpoint, log: found } = (error as { facts: Record<string, { logId: string }> }).facts;
      expect(checkpoint?.logId).not.toBe(found?.logId);
      expect((error as Error).message).toContain(checkpoint?.logId);
      expect((error as Error).message).toContain(found?.logId);
      await other.close();
    }));

  test("past the end, or behind another record: a log that was put back from an older copy", async () => {
    const disk = new SimulatedDisk();
    const machine = disk.boot();
    await must(machine, async () => {
      const log = await openText(machine);
      await log.appendBatch(numbers(0, 3));
      await log.copyTo("/copy");
      await log.append("3");
      const consumer = await log.consumer("billing");
      for (const delivery of await take(consumer, 4)) await delivery.ack();
      await log.close();
      disk.writeFile("/copy/consumers/billing.ckpt", disk.readFile(checkpointFile) as Uint8Array);
      const copy = await FileLog.open("/copy", { machine, codec: text() });
      expect(await errorOf(copy.consumer("billing"))).toMatchObject({
        code: "SEQLOG_CHECKPOINT_MISMATCH",
        facts: { checkpoint: { nextSeq: 4 }, log: { nextSeq: 3 } },
      });
      // Beside its writer the end is not known for sure: the consumer waits, and says why.
      const reader = await FileLog.open("/copy", { machine: disk.boot(), codec: text(), readOnly: true });
      const waiting = await reader.consumer("billing");
      const problem = expect.stringMatching(
        /its next record is 4, but the log ends before 3: .* older copy/,
      ) as unknown;
      const told = { nextSeq: 4, lag: undefined, problem };
      expect(await waiting.info()).toMatchObject(told);
      expect(await copy.consumers()).toMatchObject([{ name: "billing", isActive: true, ...told }]);
      await waiting.close();
      expect(await reader.consumers()).toMatchObject([told]);
      await reader.close();
      const { id } = await copy.append("another 3");
      expect(await copy.consumers()).toMatchObject([{ nextSeq: 4, lag: { records: 0 }, problem: undefined }]);
      const error = await errorOf(copy.consumer("billing"));
      expect(error).toMatchObject({ code: "SEQLOG_CHECKPOINT_MISMATCH", facts: { log: { lastId: id } } });
      expect((error as Error).message).toContain(id);
      await copy.close();
    });
  });

  test("whose record before was trimmed cannot be checked, and fits", () =>
    simulate(
      0,
      async (log) => {
        await log.appendBatch(numbers(0, 100).map((data) => data.padEnd(96)));
        await log.trim({ before: 50 });
        const { firstSeq } = log;
        await log.seekConsumer("billing", firstSeq);
        await log.consumer("billing");
        await log.trim({ before: 90 });
        expect(log.firstSeq).toBeGreaterThan(firstSeq);
        await (await log.consumer("other", { from: log.firstSeq + 1 })).close();
        expect(await errorOf(log.consumer("third", { from: firstSeq }))).toMatchObject({ code: "SEQLOG_TRIMMED" });
      },
      { segmentBytes: 1280 },
    ));

  test("whose next record was trimmed is SEQLOG_TRIMMED, naming the first one available", () =>
    simulate(
      0,
      async (log) => {
        await log.appendBatch(numbers(0, 100).map((data) => data.padEnd(96)));
        await (await log.consumer("billing")).close();
        await log.trim({ before: 50 });
        const { firstSeq } = log;
        const error = await errorOf(log.consumer("billing"));
        expect(error).toMatchObject({ code: "SEQLOG_TRIMMED", facts: { firstSeq } });
        expect((error as Error).message).toContain("seekConsumer");
        expect((await log.consumers())[0]).toMatchObject({ nextSeq: 0, lag: undefined, problem: expect.any(String) });
      },
      { segmentBytes: 1280 },
    ));

  test("that is damaged is SEQLOG_DAMAGED; seekConsumer makes a new one, deleteConsumer forgets it", () =>
    simulate(3, async (log, _, disk) => {
      await (await log.consumer("billing")).close();
      disk.flipBit(checkpointFile, 20, 3);
      expect(await errorOf(log.consumer("billing"))).toMatchObject({
        code: "SEQLOG_DAMAGED",
        facts: { file: checkpointFile },
      });
      expect((await log.consumers())[0]).toMatchObject({ nextSeq: undefined, problem: expect.any(String) });
      expect(await log.seekConsumer("billing", 2)).toMatchObject({ before: undefined, after: { nextSeq: 2 } });
      await (await log.consumer("billing")).close();
      disk.flipBit(checkpointFile, 20, 3);
      expect(await log.deleteConsumer("billing")).toBe(true);
      expect((await log.consumer("billing")).nextSeq).toBe(0);
    }));
});

test("the directory's own name is made durable at each open: one who was killed may not have", () =>
  simulate(1, async (log, _, disk) => {
    for (const name of ["first", "second"]) {
      const before = disk.log.length;
      await log.consumer(name);
      const operations = disk.log.slice(before).map(({ kind, path }) => `${kind} ${path}`);
      expect(operations).toContain(`fsyncDirectory ${directory}`);
    }
  }));

test("a closed log opens no consumers", async () => {
  const disk = new SimulatedDisk();
  const machine = disk.boot();
  await must(machine, async () => {
    const log = await openText(machine);
    await log.close();
    const calls = [log.consumer("a"), log.consumers(), log.seekConsumer("a", 0), log.deleteConsumer("a")];
    for (const call of calls) expect(await errorOf(call)).toMatchObject({ code: "SEQLOG_CLOSED" });
  });
});
