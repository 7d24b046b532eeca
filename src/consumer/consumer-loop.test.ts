/** What a program sees of `for await (const delivery of consumer)`. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, expect, test } from "vitest";
import { directory, errorOf, numbers, pause, seen, simulate, take } from "../../test/consumers/simulate-log.ts";
import type { Delivery } from "../log/consumer-contract.ts";
import { failWith } from "../testing/fault-plan.ts";

describe("a loop", () => {
  test("gives records in order and waits for new ones", () =>
    simulate(2, async (log) => {
      const consumer = await log.consumer("billing");
      const found: string[] = [];
      for await (const delivery of consumer) {
        found.push(delivery.data);
        expect(delivery).toMatchObject({ seq: found.length - 1, attempt: 1 });
        await delivery.ack();
        if (found.length === 2) void log.append("later");
        if (found.length === 3) break;
      }
      expect(found).toEqual(["0", "1", "later"]);
      expect(consumer).toMatchObject({ nextSeq: 3, inFlight: 0, redeliveries: 0 });
    }));

  test("that is left gives back what was not acknowledged; what was ahead stays acknowledged", () =>
    simulate(5, async (log) => {
      const consumer = await log.consumer("billing");
      const [zero, , two] = await take(consumer, 3);
      await Promise.all([zero?.ack(), two?.ack()]);
      expect(consumer.nextSeq).toBe(1);
      expect(seen(await take(consumer, 3))).toEqual([
        ["1", 2],
        ["3", 1],
        ["4", 1],
      ]);
      expect(consumer).toMatchObject({ inFlight: 3, redeliveries: 1 });
    }));

  test("that throws gives back as well, and the consumer goes on", () =>
    simulate(3, async (log) => {
      const consumer = await log.consumer("billing");
      const loop = async (): Promise<void> => {
        for await (const { data } of consumer) throw new Error(data);
      };
      await expect(loop()).rejects.toThrow("0");
      expect(seen(await take(consumer, 2))).toEqual([
        ["0", 2],
        ["1", 1],
      ]);
    }));

  test("is the only one", () =>
    simulate(1, async (log) => {
      const consumer = await log.consumer("billing");
      for await (const delivery of consumer) {
        expect(await errorOf(take(consumer, 1))).toBeInstanceOf(TypeError);
        expect(await errorOf(consumer.run(() => {}))).toBeInstanceOf(TypeError);
        await delivery.ack();
        break;
      }
    }));

  test("that waits holds the process, and nothing else of a consumer does", () =>
    simulate(1, async (log, machine) => {
      const consumer = await log.consumer("billing");
      expect(machine.keepsAlive).toBe(false);
      const deliveries = consumer[Symbol.asyncIterator]();
      await (await deliveries.next()).value.ack();
      const next = deliveries.next();
      await machine.clock.turn();
      expect(machine.keepsAlive).toBe(true);
      await deliveries.return?.();
      await next;
      expect(machine.keepsAlive).toBe(false);
    }));

  test("tells of each delivery and its outcome on the channel", () =>
    simulate(2, async (log, machine) => {
      const told: unknown[] = [];
      const listen = (message: unknown): void => void told.push(message);
      subscribe("seqlog:delivery", listen);
      const consumer = await log.consumer("billing", { ackWaitMs: 100 });
      for await (const delivery of consumer) {
        if (delivery.attempt === 1 && delivery.seq === 0) delivery.nack();
        else if (delivery.attempt === 1 && delivery.seq === 1) await pause(machine, 200);
        else await delivery.ack();
        if (consumer.nextSeq === 2) break;
      }
      unsubscribe("seqlog:delivery", listen);
      const common = { path: directory, consumer: "billing" };
      expect(told).toEqual([
        { ...common, seq: 0, attempt: 1, outcome: "delivered" },
        { ...common, seq: 0, attempt: 1, outcome: "refused" },
        { ...common, seq: 0, attempt: 2, outcome: "delivered" },
        { ...common, seq: 0, attempt: 2, outcome: "acknowledged" },
        { ...common, seq: 1, attempt: 1, outcome: "delivered" },
        { ...common, seq: 1, attempt: 1, outcome: "expired" },
        { ...common, seq: 1, attempt: 2, outcome: "delivered" },
        { ...common, seq: 1, attempt: 2, outcome: "acknowledged" },
      ]);
    }));

  test("that waits ends with return", () =>
    simulate(0, async (log) => {
      const consumer = await log.consumer("billing");
      const deliveries = consumer[Symbol.asyncIterator]();
      const next = deliveries.next();
      await deliveries.return?.();
      expect(await next).toEqual({ done: true, value: undefined });
    }));

  test.each(["consumer", "log"] as const)("that waits ends when the %s is closed", (which) =>
    simulate(1, async (log) => {
      const consumer = await log.consumer("billing");
      const found: string[] = [];
      const loop = (async () => {
        for await (const delivery of consumer) {
          found.push(delivery.data);
          await delivery.ack();
          void (which === "log" ? log : consumer).close();
        }
      })();
      await loop;
      expect(found).toEqual(["0"]);
      if (which === "consumer") expect((await log.consumers())[0]).toMatchObject({ nextSeq: 1, isActive: false });
    }),
  );

  test("of several seeks at once the last one counts", () =>
    simulate(10, async (log) => {
      const consumer = await log.consumer("billing");
      // Of "start" nothing has to be looked up.
      await Promise.all([consumer.seek(7), consumer.seek(4), consumer.seek("start")]);
      expect(consumer.nextSeq).toBe(0);
      await Promise.all([consumer.seek("start"), consumer.seek(4), consumer.seek(7)]);
      expect(consumer.nextSeq).toBe(7);
    }));

  test("ends with SEQLOG_RESET when the log is reset, and seek goes on in the new generation", () =>
    simulate(2, async (log) => {
      const consumer = await log.consumer("billing");
      const [first] = await take(consumer, 1);
      await first?.ack();
      await log.reset();
      await log.append("new");
      expect(await errorOf(take(consumer, 3))).toMatchObject({ code: "SEQLOG_RESET" });
      await consumer.seek("start");
      const [delivery] = await take(consumer, 1);
      expect(delivery?.data).toBe("new");
      await delivery?.ack();
      await consumer.close();
      expect((await log.consumers())[0]).toMatchObject({ nextSeq: 1, problem: undefined });
    }));

  test("ends with SEQLOG_TRIMMED when what it needs was removed, naming the first available", () =>
    simulate(
      0,
      async (log) => {
        const consumer = await log.consumer("billing");
        await log.appendBatch(numbers(0, 100).map((data) => data.padEnd(96)));
        await log.trim({ before: 50 });
        const { firstSeq } = log;
        expect(firstSeq).toBeGreaterThan(30);
        expect(await errorOf(take(consumer, 1))).toMatchObject({ code: "SEQLOG_TRIMMED", facts: { firstSeq } });
      },
      { segmentBytes: 1280 },
    ));
});

describe("a delivery", () => {
  test("that is not acknowledged in time comes again, with the next attempt", () =>
    simulate(2, async (log, machine) => {
      const consumer = await log.consumer("billing", { ackWaitMs: 800 });
      const started = machine.clock.now();
      const found: [string, number, number][] = [];
      for await (const delivery of consumer) {
        found.push([delivery.data, delivery.attempt, machine.clock.now() - started]);
        if (found.length === 4) break;
      }
      expect(found.map(([data, attempt]) => [data, attempt])).toEqual([
        ["0", 1],
        ["1", 1],
        ["0", 2],
        ["1", 2],
      ]);
      expect(found[2]?.[2]).toBeGreaterThanOrEqual(800);
      expect(found[2]?.[2]).toBeLessThanOrEqual(900);
    }));

  test("that was extended comes again that much later", () =>
    simulate(1, async (log, machine) => {
      const consumer = await log.consumer("billing", { ackWaitMs: 800 });
      const times: number[] = [];
      for await (const delivery of consumer) {
        times.push(machine.clock.now());
        if (times.length === 2) break;
        delivery.extend(8000);
      }
      const waited = (times[1] as number) - (times[0] as number);
      expect(waited).toBeGreaterThanOrEqual(8000);
      expect(waited).toBeLessThanOrEqual(8200);
    }));

  test("that is acknowledged in time does not come again, whatever the wall clock does", () =>
    simulate(2, async (log, machine, disk) => {
      const consumer = await log.consumer("billing", { ackWaitMs: 800 });
      const found: Delivery<string>[] = [];
      for await (const delivery of consumer) {
        found.push(delivery);
        if (found.length === 2) break;
        disk.clock.jump(3_600_000);
        await pause(machine, 500);
        disk.clock.jump(-7_200_000);
        await delivery.ack();
      }
      expect(seen(found)).toEqual([
        ["0", 1],
        ["1", 1],
      ]);
    }));

  test("that is refused comes again after its delay, others meanwhile", () =>
    simulate(3, async (log, machine) => {
      const consumer = await log.consumer("billing");
      const started = machine.clock.now();
      const found: [string, number][] = [];
      for await (const delivery of consumer) {
        found.push([delivery.data, delivery.attempt]);
        if (delivery.data === "0" && delivery.attempt === 1) delivery.nack({ delayMs: 5000 });
        else await delivery.ack();
        if (delivery.attempt === 2) break;
      }
      expect(found).toEqual([
        ["0", 1],
        ["1", 1],
        ["2", 1],
        ["0", 2],
      ]);
      expect(machine.clock.now() - started).toBeGreaterThanOrEqual(5000);
      expect(consumer.nextSeq).toBe(3);
    }));

  test("that is refused at once comes before later ones", () =>
    simulate(3, async (log) => {
      const consumer = await log.consumer("billing");
      const found: [string, number][] = [];
      for await (const delivery of consumer) {
        found.push([delivery.data, delivery.attempt]);
        if (delivery.attempt < 3 && delivery.data === "1") delivery.nack();
        else await delivery.ack();
        if (found.length === 5) break;
      }
      expect(found.map(([data]) => data)).toEqual(["0", "1", "1", "1", "2"]);
    }));

  test("that is due again comes before one with a higher seq, whichever was refused first", () =>
    simulate(4, async (log) => {
      const consumer = await log.consumer("billing");
      const deliveries = consumer[Symbol.asyncIterator]();
      const out: Delivery<string>[] = [];
      for (let i = 0; i < 3; i++) out.push((await deliveries.next()).value);
      for (const delivery of out.toReversed()) delivery.nack();
      const again: Delivery<string>[] = [];
      for (let i = 0; i < 4; i++) again.push((await deliveries.next()).value);
      expect(seen(again)).toEqual([
        ["0", 2],
        ["1", 2],
        ["2", 2],
        ["3", 1],
      ]);
      await deliveries.return?.();
    }));

  test("that was replaced by a later one of the same record neither refuses nor extends it", () =>
    simulate(1, async (log, machine) => {
      const consumer = await log.consumer("billing", { ackWaitMs: 800 });
      const found: Delivery<string>[] = [];
      const times: number[] = [];
      for await (const delivery of consumer) {
        found.push(delivery);
        times.push(machine.clock.now());
        if (found.length === 2) {
          found[0]?.nack();
          found[0]?.extend(100_000);
          await pause(machine, 400);
        }
        if (found.length === 3) break;
      }
      expect(seen(found).map(([, attempt]) => attempt)).toEqual([1, 2, 3]);
      const waited = (times[2] as number) - (times[1] as number);
      expect(waited).toBeGreaterThanOrEqual(800);
      expect(waited).toBeLessThanOrEqual(900);
    }));

  test("acknowledged late, after it was delivered again, is done", () =>
    simulate(2, async (log) => {
      const consumer = await log.consumer("billing", { ackWaitMs: 100 });
      const found: Delivery<string>[] = [];
      for await (const delivery of consumer) {
        found.push(delivery);
        if (delivery.attempt < 2) continue;
        const [first] = found;
        await first?.ack();
        // The refusal of a record that is done, or by an earlier delivery of it, changes nothing.
        first?.nack();
        delivery.nack();
        break;
      }
      expect(consumer.nextSeq).toBe(1);
      expect(seen(await take(consumer, 1))).toEqual([["1", 2]]);
    }));

  test("acknowledged twice is fine, and after close is refused", () =>
    simulate(2, async (log) => {
      const consumer = await log.consumer("billing");
      const [first, second] = await take(consumer, 2);
      await first?.ack();
      await first?.ack();
      await consumer.close();
      await consumer.close();
      expect(await errorOf(second?.ack() as Promise<void>)).toMatchObject({ code: "SEQLOG_CLOSED" });
      expect(await errorOf(take(consumer, 1))).toMatchObject({ code: "SEQLOG_CLOSED" });
    }));

  test("behind a record that is not done is acknowledged without waiting for that one", () =>
    simulate(3, async (log) => {
      const consumer = await log.consumer("billing");
      const [first, second, third] = await take(consumer, 3);
      await third?.ack();
      await second?.ack();
      expect(consumer.nextSeq).toBe(0);
      await first?.ack();
      expect(consumer.nextSeq).toBe(3);
    }));

  test("takes no wrong delays", () =>
    simulate(1, async (log) => {
      const [delivery] = await take(await log.consumer("billing"), 1);
      expect(() => delivery?.nack({ delayMs: -1 })).toThrow(RangeError);
      expect(() => delivery?.extend(Number.NaN)).toThrow(RangeError);
    }));
});

describe("a checkpoint that cannot be written", () => {
  test.each(["EIO", "ENOSPC"])(
    "for %s ends the loop and rejects who waits; the consumer is closed and opened again",
    (errno) =>
      simulate(4, async (log, machine) => {
        const consumer = await log.consumer("billing");
        const [first, second, third] = await take(consumer, 3);
        await first?.ack();
        machine.faults.on({ kind: "write", path: ".ckpt" }, failWith(errno));
        const errors = await Promise.all([errorOf(second?.ack() as Promise<void>), errorOf(take(consumer, 10))]);
        const code = errno === "EIO" ? "SEQLOG_IO" : "SEQLOG_NO_SPACE";
        expect(errors).toMatchObject([{ code }, { code }]);
        expect(await errorOf(third?.ack() as Promise<void>)).toMatchObject({ code });
        expect(await errorOf(consumer.seek(0))).toMatchObject({ code });
        await consumer.close();
        expect((await log.consumer("billing")).nextSeq).toBe(1);
      }),
  );
});

describe("back-pressure", () => {
  test("no more than maxInFlight records are out", () =>
    simulate(10, async (log, machine) => {
      const consumer = await log.consumer("billing", { maxInFlight: 3 });
      const deliveries = consumer[Symbol.asyncIterator]();
      const out: Delivery<string>[] = [];
      for (let i = 0; i < 3; i++) out.push((await deliveries.next()).value);
      let isFourth = false;
      const fourth = deliveries.next().then((step) => {
        isFourth = true;
        return step;
      });
      await pause(machine, 1000);
      expect(isFourth).toBe(false);
      // One that is ahead of the checkpoint makes no room.
      await out[1]?.ack();
      await pause(machine, 1000);
      expect(isFourth).toBe(false);
      await out[0]?.ack();
      expect((await fourth).value).toMatchObject({ data: "3" });
      await deliveries.return?.();
    }));

  test("nor more than maxInFlightBytes, or one record", () =>
    simulate(0, async (log, machine) => {
      await log.appendBatch(["a", "b", "c"].map((data) => data.padEnd(1000)));
      const consumer = await log.consumer("billing", { maxInFlightBytes: 1500 });
      const deliveries = consumer[Symbol.asyncIterator]();
      const first: Delivery<string> = (await deliveries.next()).value;
      await deliveries.next();
      let isThird = false;
      const third = deliveries.next().then(() => (isThird = true));
      await pause(machine, 1000);
      expect(isThird).toBe(false);
      await first.ack();
      expect(await third).toBe(true);
      await deliveries.return?.();
    }));
});

describe("a filter", () => {
  test("leaves records out, and counts them as acknowledged", () =>
    simulate(10, async (log, machine) => {
      const options = { filter: ({ data }: { data: string }) => Number(data) % 3 === 0 };
      const consumer = await log.consumer("thirds", options);
      const found: string[] = [];
      for await (const delivery of consumer) {
        found.push(delivery.data);
        expect(delivery.id).toBe((await log.get(delivery.seq))?.id);
        await delivery.ack();
        if (found.length === 4) break;
      }
      expect(found).toEqual(["0", "3", "6", "9"]);
      await log.appendBatch(["1", "2", "4"]);
      const loop = take(consumer, 1);
      await pause(machine, 10);
      // Nothing was delivered, and the consumer is at the end all the same.
      expect(consumer.nextSeq).toBe(13);
      await consumer.close();
      expect(await loop).toEqual([]);
      expect((await log.consumers())[0]).toMatchObject({ nextSeq: 13 });
      const again = await log.consumer("thirds", options);
      await log.append("3");
      expect(seen(await take(again, 1))).toEqual([["3", 1]]);
    }));

  test("that throws ends each loop and run, naming the record, until the consumer seeks past it", () =>
    simulate(4, async (log) => {
      const cause = new Error("no filter");
      const filter = ({ data }: { data: string }): boolean => {
        if (data === "1") throw cause;
        return true;
      };
      const consumer = await log.consumer("broken", { filter });
      const [first] = await take(consumer, 1);
      await first?.ack();
      for (const use of [() => take(consumer, 1), () => consumer.run(() => undefined)]) {
        const error = await errorOf(use());
        const facts = { consumer: "broken", seq: 1, attempts: 1 };
        expect(error).toMatchObject({ code: "SEQLOG_HANDLER_FAILED", facts, cause });
        expect((error as Error).message).toMatch(
          /the filter of .*"broken" failed with record 1: no filter.*past the record, to 2$/,
        );
      }
      expect(consumer.nextSeq).toBe(1);
      await consumer.seek(2);
      expect(seen(await take(consumer, 1))).toEqual([["2", 1]]);
    }));
});

test("an acknowledgement that nobody awaits ends no process, whatever becomes of it", () =>
  simulate(3, async (log) => {
    const unheard: unknown[] = [];
    const hear = (reason: unknown): void => void unheard.push(reason);
    process.on("unhandledRejection", hear);
    try {
      let isDown = false;
      const save = (): void => {
        if (isDown) throw new Error("the database is down");
      };
      const consumer = await log.consumer("billing", { store: { load: () => undefined, save } });
      const [first, second, third] = await take(consumer, 3);
      isDown = true;
      await expect(first?.ack()).rejects.toThrow("the database is down");
      // After a write that failed, and of a consumer that was closed.
      void second?.ack();
      await consumer.close();
      void third?.ack();
      await expect(third?.ack()).rejects.toThrow("the database is down");
      const other = await log.consumer("mails");
      const [late] = await take(other, 1);
      await other.close();
      void late?.ack();
      await expect(late?.ack()).rejects.toMatchObject({ code: "SEQLOG_CLOSED" });
      // Node tells of those that nobody heard between its turns.
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off("unhandledRejection", hear);
    }
    expect(unheard).toEqual([]);
  }));
