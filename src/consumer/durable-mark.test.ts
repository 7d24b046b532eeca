/** A checkpoint never passes the mark: under the weaker durability modes, in the writer's process and beside it. */
import { describe, expect, test } from "vitest";
import { directory, errorOf, must, numbers, openText, pause, seen, take } from "../../test/consumers/simulate-log.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import { replaceCheckpoint } from "./checkpoint-file.ts";
import { consumerPaths } from "./consumer-paths.ts";

describe("in the writer's process", () => {
  test.each(["os", { intervalMs: 60_000 }] as const)(
    "an acknowledgement under %j makes its record durable first",
    async (durability) => {
      const disk = new SimulatedDisk();
      const machine = disk.boot();
      await must(machine, async () => {
        const log = await openText(machine, { durability });
        await log.appendBatch(numbers(0, 10));
        const consumer = await log.consumer("billing");
        for (const delivery of await take(consumer, 5)) await delivery.ack();
      });
      disk.crash({ keep: 0 });
      const next = disk.boot();
      await must(next, async () => {
        const log = await openText(next, { durability });
        expect(log.nextSeq).toBeGreaterThanOrEqual(5);
        expect((await log.consumer("billing")).nextSeq).toBe(5);
        await log.close();
      });
    },
  );

  test("nothing is saved when the log was closed while a flush was under way", async () => {
    const disk = new SimulatedDisk();
    const machine = disk.boot();
    const saved: number[] = [];
    await must(machine, async () => {
      const log = await openText(machine, { durability: "os" });
      await log.appendBatch(numbers(0, 4));
      const save = ({ nextSeq }: { nextSeq: number }): void => void saved.push(nextSeq);
      const stored = await log.consumer("stored", { store: { load: () => undefined, save } });
      const plain = await log.consumer("plain");
      const deliveries = [...(await take(stored, 1)), ...(await take(plain, 1))];
      const before = saved.length;
      const errors = deliveries.map((delivery) => errorOf(delivery.ack()));
      // The writes begin at the end of the turn.
      await Promise.resolve();
      log.closeSync();
      expect(await Promise.all(errors)).toMatchObject([{ code: "SEQLOG_CLOSED" }, { code: "SEQLOG_CLOSED" }]);
      await pause(machine, 100);
      expect(saved.slice(before)).toEqual([]);
    });
    expect(machine.openFiles).toBe(0);
  });
});

describe("beside a writer in another process", () => {
  test("records are consumed as they become durable, and the checkpoint survives", async () => {
    const disk = new SimulatedDisk();
    const writing = disk.boot();
    const reading = disk.boot();
    await must(reading, async () => {
      const writer = await openText(writing, { segmentBytes: 1024 });
      const log = await openText(reading, { readOnly: true });
      const consumer = await log.consumer("billing");
      const found: string[] = [];
      const run = consumer.run(({ data }) => {
        found.push(data.trim());
        if (found.length === 50) void consumer.close();
      });
      for (let i = 0; i < 50; i++) {
        await writer.append(String(i).padEnd(100));
        if (i % 7 === 0) await pause(reading, 300);
      }
      await run;
      expect(found).toEqual(numbers(0, 50));
      expect(await writer.consumers()).toMatchObject([{ name: "billing", nextSeq: 50 }]);
      await log.close();
      await writer.close();
    });
    expect(reading.openFiles).toBe(0);
    expect(reading.keepsAlive).toBe(false);
  });

  test("under durability os an acknowledgement waits for the writer's flush", async () => {
    const disk = new SimulatedDisk();
    const writing = disk.boot();
    const reading = disk.boot();
    await must(reading, async () => {
      const writer = await openText(writing, { durability: "os" });
      await writer.appendBatch(numbers(0, 4));
      const log = await openText(reading, { readOnly: true });
      const consumer = await log.consumer("billing");
      const [first] = await take(consumer, 2);
      let isAcknowledged = false;
      const acknowledged = first?.ack().then(() => (isAcknowledged = true));
      await pause(reading, 10_000);
      expect(isAcknowledged).toBe(false);
      expect((await writer.consumers())[0]).toMatchObject({ nextSeq: 0 });
      await writer.flush();
      expect(await acknowledged).toBe(true);
      await log.close();
      await writer.close();
    });
  });

  test("what is acknowledged while a checkpoint is written waits for it also when somebody seeks back meanwhile", async () => {
    const disk = new SimulatedDisk();
    const writing = disk.boot();
    const reading = disk.boot();
    await must(reading, async () => {
      const writer = await openText(writing, { durability: "os", segmentBytes: 1024 });
      // The second does not fit beside the first, whose segment is sealed with that, and durable.
      for (const letter of "ab") await writer.append(letter.repeat(900));
      const log = await openText(reading, { readOnly: true });
      const saved: number[] = [];
      let release = (): void => undefined;
      const save = ({ nextSeq }: { nextSeq: number }): Promise<void> | undefined => {
        saved.push(nextSeq);
        return saved.length === 2 ? new Promise((resolve) => (release = resolve)) : undefined;
      };
      const consumer = await log.consumer("billing", { store: { load: () => undefined, save } });
      const [first, second] = await take(consumer, 2);
      const done: string[] = [];
      const all = [first?.ack().then(() => done.push("first"))];
      await pause(reading, 10);
      all.push(second?.ack().then(() => done.push("second")));
      all.push(consumer.seek("start").then(() => done.push("sought")));
      await pause(reading, 10);
      release();
      await pause(reading, 10_000);
      expect(done).toEqual(["first"]);
      await writer.flush();
      await Promise.all(all);
      expect(saved).toEqual([0, 1, 0]);
      await log.close();
      await writer.close();
    });
    expect(reading.openFiles).toBe(0);
  });

  test("closing does not wait for it: what is past the mark is delivered again", async () => {
    const disk = new SimulatedDisk();
    const writing = disk.boot();
    const reading = disk.boot();
    await must(reading, async () => {
      const writer = await openText(writing, { durability: "os" });
      await writer.appendBatch(numbers(0, 4));
      const log = await openText(reading, { readOnly: true });
      expect((await log.consumer("late", { from: "end" })).nextSeq).toBe(0);
      const consumer = await log.consumer("billing");
      const [first] = await take(consumer, 1);
      const acknowledged = errorOf(first?.ack() as Promise<void>);
      await pause(reading, 100);
      await consumer.close();
      expect(await acknowledged).toMatchObject({ code: "SEQLOG_CLOSED" });
      expect(seen(await take(await log.consumer("billing"), 1))).toEqual([["0", 1]]);
      await log.close();
      await writer.close();
    });
    expect(reading.openFiles).toBe(0);
  });

  test("with a store that its handlers save in themselves, closing ends a loop that waits for what is past the mark", async () => {
    const disk = new SimulatedDisk();
    const writing = disk.boot();
    const reading = disk.boot();
    await must(reading, async () => {
      const writer = await openText(writing, { durability: "os" });
      await writer.appendBatch(numbers(0, 4));
      const log = await openText(reading, { readOnly: true });
      const consumer = await log.consumer("billing", { store: { load: () => Promise.resolve(undefined) } });
      const taking = take(consumer, 1);
      await pause(reading, 1000);
      await consumer.close();
      expect(await taking).toEqual([]);
      await log.close();
      await writer.close();
    });
    expect(reading.openFiles).toBe(0);
    expect(reading.keepsAlive).toBe(false);
  });

  test("a checkpoint that could not be checked at open is, when the log gets there: another history is an error", async () => {
    const disk = new SimulatedDisk();
    const writing = disk.boot();
    const reading = disk.boot();
    await must(reading, async () => {
      const writer = await openText(writing);
      await writer.appendBatch(numbers(0, 3));
      const { after } = await writer.seekConsumer("billing", "end");
      // As if the log had been longer once.
      const checkpoint = { ...after, nextSeq: 4, lastId: "01890a5d-ac96-774b-bcce-b302099a8057" };
      replaceCheckpoint(writing.storage, consumerPaths(directory, "billing"), {
        counter: 9,
        checkpoint,
        isMirror: false,
      });
      const log = await openText(reading, { readOnly: true });
      const consumer = await log.consumer("billing");
      const next = errorOf(take(consumer, 1));
      await writer.appendBatch(["another 3", "4"]);
      expect(await next).toMatchObject({ code: "SEQLOG_CHECKPOINT_MISMATCH", facts: { checkpoint } });
      await log.close();
      await writer.close();
    });
  });

  test("after a power cut a reader may see less than the checkpoint; it waits for the writer, and checks then", async () => {
    const disk = new SimulatedDisk();
    const machine = disk.boot();
    await must(machine, async () => {
      const log = await openText(machine);
      for (const data of numbers(0, 4)) await log.append(data);
      const consumer = await log.consumer("billing");
      for (const delivery of await take(consumer, 4)) await delivery.ack();
    });
    // The record index was never synced: of the four records it proves none now.
    disk.crash({ keep: 0 });
    const reading = disk.boot();
    const writing = disk.boot();
    await must(reading, async () => {
      const log = await openText(reading, { readOnly: true });
      expect(log.nextSeq).toBeLessThan(4);
      const consumer = await log.consumer("billing");
      expect(consumer.nextSeq).toBe(4);
      const next = take(consumer, 1);
      const writer = await openText(writing);
      await writer.append("4");
      expect(seen(await next)).toEqual([["4", 1]]);
      await log.close();
      await writer.close();
    });
  });
});
