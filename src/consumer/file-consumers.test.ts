/** `consumers()`, `seekConsumer`, `deleteConsumer`, `seek`, `closeSync`, and what retention is told. */
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
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import { lowestCheckpoint } from "./protected.ts";

describe("consumers()", () => {
  test("lists position, lag and counts, of those open here and of those open elsewhere", () =>
    simulate(
      0,
      async (log, machine, disk) => {
        for (let i = 0; i < 30; i++) {
          await log.append(String(i).padEnd(68));
          await pause(machine, 10);
        }
        const here = await log.consumer("here", { from: 10 });
        const [first, second] = await take(here, 2);
        await first?.ack();
        for await (const delivery of here) if (delivery.seq === second?.seq) break;
        await (await log.consumer("at-the-end", { from: "end" })).close();
        const other = disk.boot();
        const reader = await openText(other, { readOnly: true });
        const elsewhere = await reader.consumer("elsewhere", { from: 25 });
        const now = machine.clock.now();
        const timeOf = async (seq: number): Promise<number> => (await log.get(seq))?.time.getTime() ?? NaN;
        expect((await log.stats()).bytes).toBe(3000);
        expect(await log.consumers()).toEqual([
          {
            name: "at-the-end",
            nextSeq: 30,
            lag: { records: 0, bytes: 0, ms: 0 },
            isActive: false,
            hasStore: false,
            inFlight: undefined,
            redeliveries: undefined,
            problem: undefined,
          },
          {
            name: "elsewhere",
            nextSeq: 25,
            lag: { records: 5, bytes: 500, ms: now - (await timeOf(25)) },
            isActive: true,
            hasStore: false,
            inFlight: undefined,
            redeliveries: undefined,
            problem: undefined,
          },
          {
            name: "here",
            nextSeq: 11,
            lag: { records: 19, bytes: 1900, ms: now - (await timeOf(11)) },
            isActive: true,
            hasStore: false,
            inFlight: 1,
            redeliveries: 1,
            problem: undefined,
          },
        ]);
        expect(await here.info()).toEqual((await log.consumers())[2]);
        await elsewhere.close();
        await reader.close();
      },
      { segmentBytes: 1024 },
    ));

  test("of a log without any is empty; other files are none", () =>
    simulate(1, async (log, _, disk) => {
      expect(await log.consumers()).toEqual([]);
      disk.writeFile(`${directory}/consumers/note.txt`, new Uint8Array(1));
      disk.writeFile(`${directory}/consumers/half.ckpt.tmp`, new Uint8Array(1));
      expect(await log.consumers()).toEqual([]);
    }));

  test("a log of version 4 ids tells no age", () =>
    simulate(
      2,
      async (log) => {
        await log.consumer("billing");
        expect((await log.consumers())[0]?.lag).toEqual({ records: 2, bytes: 66, ms: undefined });
      },
      { ids: "v4" },
    ));
});

describe("seekConsumer and deleteConsumer", () => {
  test("move a consumer, make one, and say what they would do", () =>
    simulate(5, async (log) => {
      expect(await log.seekConsumer("billing", 4, { dryRun: true })).toMatchObject({
        before: undefined,
        after: { nextSeq: 4 },
      });
      expect(await log.consumers()).toEqual([]);
      const id = (await log.get(3))?.id;
      expect(await log.seekConsumer("billing", 4)).toMatchObject({ after: { nextSeq: 4, lastId: id } });
      expect(await log.seekConsumer("billing", "start")).toMatchObject({
        before: { nextSeq: 4 },
        after: { nextSeq: 0, lastId: null },
      });
      expect(await errorOf(log.seekConsumer("billing", 6))).toBeInstanceOf(RangeError);
      expect((await log.consumer("billing")).nextSeq).toBe(0);
    }));

  test("a consumer that was deleted begins anew, also after a power cut", async () => {
    const disk = new SimulatedDisk();
    const machine = disk.boot();
    await must(machine, async () => {
      const log = await openText(machine);
      await log.appendBatch(numbers(0, 3));
      await (await log.consumer("billing", { from: 2 })).close();
      expect(await log.deleteConsumer("billing")).toBe(true);
      expect(await log.deleteConsumer("billing")).toBe(false);
      expect(await log.consumers()).toEqual([]);
    });
    disk.crash({ keep: 0 });
    const next = disk.boot();
    await must(next, async () => {
      const log = await openText(next);
      expect((await log.consumer("billing")).nextSeq).toBe(0);
      await log.close();
    });
  });
});

describe("seek", () => {
  test("goes on from there in the loop that is under way, durably; what was out counts no more", () =>
    simulate(5, async (log) => {
      const consumer = await log.consumer("billing");
      const found: string[] = [];
      for await (const delivery of consumer) {
        found.push(delivery.data);
        if (found.length === 2) {
          await consumer.seek(4);
          expect(await errorOf(delivery.ack())).toMatchObject({ code: "SEQLOG_CLOSED" });
          expect((await log.consumers())[0]).toMatchObject({ nextSeq: 4, inFlight: 0 });
        } else if (found.length === 3) {
          await delivery.ack();
          await consumer.seek("start");
        } else if (found.length === 4) break;
      }
      expect(found).toEqual(["0", "1", "4", "0"]);
      await consumer.close();
      expect((await log.consumer("billing")).nextSeq).toBe(0);
    }));

  test("wakes a loop that waits at the end", () =>
    simulate(2, async (log, machine) => {
      const consumer = await log.consumer("billing", { from: "end" });
      const waiting = take(consumer, 1);
      await pause(machine, 100);
      await consumer.seek(1);
      expect(seen(await waiting)).toEqual([["1", 1]]);
      expect(await errorOf(consumer.seek(3))).toBeInstanceOf(RangeError);
    }));
});

test("closeSync keeps what was acknowledged and lets go of the names", async () => {
  const disk = new SimulatedDisk();
  const machine = disk.boot();
  await must(machine, async () => {
    const log = await openText(machine);
    await log.appendBatch(numbers(0, 5));
    const consumer = await log.consumer("billing", { checkpoint: { intervalMs: 60_000 } });
    const [first, second] = await take(consumer, 2);
    await Promise.all([first?.ack(), second?.ack()]);
    log.closeSync();
    expect(await errorOf(consumer.seek(0))).toMatchObject({ code: "SEQLOG_CLOSED" });
    await consumer.close();
    const again = await openText(machine);
    expect((await again.consumer("billing")).nextSeq).toBe(2);
    await again.close();
  });
  expect(machine.openFiles).toBe(0);
  expect(machine.keepsAlive).toBe(false);
});

describe("lowestCheckpoint", () => {
  test("is what the consumer furthest behind has durably acknowledged; damage protects everything", () =>
    simulate(5, async (log, machine, disk) => {
      const logId = (await log.seekConsumer("c", 4)).after.logId;
      const lowest = (generation = 0): unknown => lowestCheckpoint(machine.storage, directory, { logId, generation });
      expect(lowest()).toEqual({ consumer: "c", nextSeq: 4 });
      const consumer = await log.consumer("b", { from: 2, checkpoint: { intervalMs: 1000 } });
      const [delivery] = await take(consumer, 1);
      await delivery?.ack();
      // Counted, and not durable yet.
      expect(lowest()).toEqual({ consumer: "b", nextSeq: 2 });
      await pause(machine, 1500);
      // The newer slot might not be durable yet, for all that anybody else can see.
      expect(lowest()).toEqual({ consumer: "b", nextSeq: 2 });
      const [next] = await take(consumer, 1);
      await next?.ack();
      await pause(machine, 1500);
      expect(lowest()).toEqual({ consumer: "b", nextSeq: 3 });
      expect(lowest(1)).toBeUndefined();
      disk.flipBit(`${directory}/consumers/c.ckpt`, 3, 0);
      expect(lowest()).toEqual({ consumer: "c", nextSeq: 0, problem: expect.any(String) });
    }));

  test("of a log without consumers is nothing", () =>
    simulate(1, (_, machine) => {
      const log = { logId: "6ba7b810-9dad-41d1-80b4-00c04fd430c8", generation: 0 };
      expect(lowestCheckpoint(machine.storage, directory, log)).toBeUndefined();
      return Promise.resolve();
    }));
});
