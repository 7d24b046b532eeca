/** `run`: order, concurrency, retries, signals, dead letters. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, expect, test } from "vitest";
import { collect } from "../../test/crash/read-data.ts";
import { errorOf, must, numbers, openText, pause, simulate, take } from "../../test/consumers/simulate-log.ts";
import type { DeliveryMessage } from "../diagnostics.ts";
import { json, text } from "../log/codec.ts";
import { FileLog } from "../log/file-log.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import { readDeadLetter } from "./dead-letter.ts";

const noJitter = { jitter: 0 };

describe("at concurrency 1", () => {
  test("records are handled in order and acknowledged, until the log is closed", () =>
    simulate(2000, async (log) => {
      const consumer = await log.consumer("billing");
      const found: string[] = [];
      await consumer.run(({ data }) => {
        found.push(data);
        if (found.length === 2000) void consumer.close();
      });
      expect(found).toEqual(numbers(0, 2000));
      expect((await log.consumers())[0]).toMatchObject({ nextSeq: 2000, lag: { records: 0 } });
    }));

  test("a record that fails is tried again, with growing waits, before any later one", () =>
    simulate(3, async (log, machine) => {
      const retry = { ...noJitter, attempts: 10, backoffMs: 100, maxBackoffMs: 300 };
      const consumer = await log.consumer("billing", { retry });
      const found: [string, number, number][] = [];
      const started = machine.clock.now();
      await consumer.run(async ({ data, attempt }) => {
        found.push([data, attempt, machine.clock.now() - started]);
        await machine.clock.turn();
        if (data === "1" && attempt < 5) throw new Error("not yet");
        if (data === "2") void consumer.close();
      });
      expect(found.map(([data, attempt]) => `${data}/${attempt}`)).toEqual([
        "0/1",
        "1/1",
        "1/2",
        "1/3",
        "1/4",
        "1/5",
        "2/1",
      ]);
      const times = found.slice(1, 6).map(([, , at]) => at);
      expect(times.slice(1).map((at, i) => at - (times[i] as number))).toEqual([100, 200, 300, 300]);
    }));

  test("given up without a dead-letter log, run rejects and the record is not acknowledged", () =>
    simulate(3, async (log) => {
      const consumer = await log.consumer("billing", { retry: { attempts: 3, backoffMs: 1 } });
      const cause = new Error("sold out");
      let calls = 0;
      const error = await errorOf(
        consumer.run(({ data }) => {
          if (data !== "1") return;
          calls++;
          throw cause;
        }),
      );
      const facts = { consumer: "billing", seq: 1, attempts: 3 };
      expect(error).toMatchObject({ code: "SEQLOG_HANDLER_FAILED", facts, cause });
      expect(calls).toBe(3);
      expect(consumer.nextSeq).toBe(1);
      const [delivery] = await take(consumer, 1);
      expect(delivery?.data).toBe("1");
    }));

  test("a handler that gives the record back itself decides when it comes again", () =>
    simulate(2, async (log, machine) => {
      const consumer = await log.consumer("billing");
      const found: [string, number][] = [];
      const started = machine.clock.now();
      await consumer.run((delivery) => {
        found.push([delivery.data, machine.clock.now() - started]);
        if (delivery.data === "1") void consumer.close();
        else if (delivery.attempt === 1) delivery.nack({ delayMs: 7000 });
      });
      expect(found.map(([data]) => data)).toEqual(["0", "0", "1"]);
      expect(found[1]?.[1]).toBe(7000);
    }));

  test("a handler that fails after it acknowledged is heard of", () =>
    simulate(2, async (log) => {
      const consumer = await log.consumer("billing");
      const run = consumer.run(async (delivery) => {
        await delivery.ack();
        throw new Error("too late");
      });
      expect(await errorOf(run)).toMatchObject({ message: "too late" });
      expect(consumer.nextSeq).toBe(1);
    }));

  test("the signal tells a handler that its time is up; the record is not handled twice at the same time", () =>
    simulate(1, async (log, machine) => {
      const consumer = await log.consumer("billing", { ackWaitMs: 800, retry: { backoffMs: 1 } });
      let running = 0;
      const reasons: unknown[] = [];
      await consumer.run(async (delivery, signal) => {
        expect(++running).toBe(1);
        if (delivery.attempt === 1) {
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          await pause(machine, 5000);
          reasons.push(signal.reason);
          running--;
          throw new Error("interrupted");
        }
        expect(signal.aborted).toBe(false);
        running--;
        void consumer.close();
      });
      expect(reasons).toMatchObject([{ name: "TimeoutError" }]);
    }));

  test("the next handler has a signal that is not aborted, also where the signal is an optional argument", () =>
    simulate(1, async (log, machine) => {
      const consumer = await log.consumer("billing", { ackWaitMs: 800, retry: { backoffMs: 1 } });
      const aborted: boolean[] = [];
      await consumer.run(async ({ attempt }, signal = AbortSignal.abort()) => {
        aborted.push(signal.aborted);
        if (attempt === 2) return void consumer.close();
        await pause(machine, 2000);
        aborted.push(signal.aborted);
        throw new Error("too slow");
      });
      expect(aborted).toEqual([false, true, false]);
    }));

  test("a handler that succeeds late has succeeded", () =>
    simulate(1, async (log, machine) => {
      const consumer = await log.consumer("billing", { ackWaitMs: 100 });
      let calls = 0;
      await consumer.run(async () => {
        calls++;
        await pause(machine, 5000);
        void consumer.close();
      });
      expect(calls).toBe(1);
      expect((await log.consumers())[0]).toMatchObject({ nextSeq: 1 });
    }));
});

describe("at higher concurrency", () => {
  test("so many handlers run at the same time, and the checkpoint is the first record that is not acknowledged", () =>
    simulate(20, async (log, machine) => {
      const consumer = await log.consumer("billing", { maxInFlight: 8 });
      let running = 0;
      let most = 0;
      let release = (): void => {};
      const first = new Promise<void>((resolve) => (release = resolve));
      const found: string[] = [];
      const run = consumer.run(
        async ({ data }) => {
          most = Math.max(most, ++running);
          found.push(data);
          if (data === "0") await first;
          await machine.clock.turn();
          running--;
        },
        { concurrency: 4 },
      );
      await pause(machine, 1000);
      // Record 0 holds the checkpoint, and maxInFlight what is delivered past it.
      expect(found.toSorted()).toEqual(numbers(0, 8));
      expect(consumer.nextSeq).toBe(0);
      expect((await log.consumers())[0]).toMatchObject({ nextSeq: 0, inFlight: 1 });
      release();
      await pause(machine, 1000);
      expect(consumer.nextSeq).toBe(20);
      expect(most).toBe(4);
      await consumer.close();
      await run;
    }));

  test("one that fails is tried again while others go on", () =>
    simulate(10, async (log, machine) => {
      const consumer = await log.consumer("billing", { retry: { ...noJitter, backoffMs: 1000 } });
      const found: string[] = [];
      const run = consumer.run(
        ({ data, attempt }) => {
          found.push(`${data}/${attempt}`);
          if (data === "2" && attempt === 1) throw new Error("not yet");
        },
        { concurrency: 2 },
      );
      await pause(machine, 500);
      expect(consumer.nextSeq).toBe(2);
      expect(found).toHaveLength(10);
      await pause(machine, 1000);
      expect(found.at(-1)).toBe("2/2");
      expect(consumer.nextSeq).toBe(10);
      await consumer.close();
      await run;
    }));
});

describe("the end of a run", () => {
  test("an abort tells the handlers, waits for them, and rejects with its reason; what they finished counts", () =>
    simulate(5, async (log, machine) => {
      const consumer = await log.consumer("billing");
      const controller = new AbortController();
      const reason = new Error("stop");
      const ends: string[] = [];
      const run = consumer.run(
        async ({ data }, signal) => {
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          expect(signal.reason).toBe(reason);
          await pause(machine, 100);
          ends.push(data);
          if (data === "1") throw new Error("interrupted");
        },
        { concurrency: 2, signal: controller.signal },
      );
      await pause(machine, 10);
      controller.abort(reason);
      expect(await errorOf(run)).toBe(reason);
      expect(ends).toEqual(["0", "1"]);
      expect(consumer.nextSeq).toBe(1);
      const [delivery] = await take(consumer, 1);
      expect(delivery).toMatchObject({ data: "1", attempt: 2 });
    }));

  test("an abort before the run begins rejects", () =>
    simulate(1, async (log) => {
      const consumer = await log.consumer("billing");
      const run = consumer.run(() => expect.unreachable(), { signal: AbortSignal.abort(new Error("no")) });
      expect(await errorOf(run)).toMatchObject({ message: "no" });
    }));

  test("close waits for handlers, but no longer than ackWaitMs", () =>
    simulate(2, async (log, machine) => {
      const consumer = await log.consumer("billing", { ackWaitMs: 4000 });
      const started = machine.clock.now();
      let isClosed = false;
      // It waits for the very close that waits for it.
      const run = consumer.run(async () => {
        await consumer.close();
        isClosed = true;
      });
      await run;
      expect(isClosed).toBe(true);
      expect(machine.clock.now() - started).toBeLessThanOrEqual(5000);
      expect((await log.consumers())[0]).toMatchObject({ nextSeq: 0, isActive: false });
    }));

  test("closing the log keeps what handlers finish meanwhile", () =>
    simulate(3, async (log, machine, disk) => {
      const consumer = await log.consumer("billing");
      const run = consumer.run(async ({ data }) => {
        await pause(machine, 100);
        if (data === "1") void log.close();
        await pause(machine, 100);
      });
      await run;
      await log.close();
      const again = disk.boot();
      await must(again, async () => {
        const reopened = await openText(again);
        expect((await reopened.consumers())[0]).toMatchObject({ nextSeq: 2 });
        await reopened.close();
      });
    }));

  test("takes no wrong handler or concurrency", () =>
    simulate(0, async (log) => {
      const consumer = await log.consumer("billing");
      expect(await errorOf(consumer.run("handler" as never))).toBeInstanceOf(TypeError);
      expect(await errorOf(consumer.run(() => {}, { concurrency: 0 }))).toBeInstanceOf(RangeError);
    }));
});

test("the channel is told of a handler that ran out of time, and then of what came of it", () =>
  simulate(2, async (log, machine) => {
    const told: unknown[] = [];
    const listen = (message: unknown): void => {
      const { seq, attempt, outcome } = message as DeliveryMessage;
      told.push([seq, attempt, outcome]);
    };
    subscribe("seqlog:delivery", listen);
    const consumer = await log.consumer("billing", { ackWaitMs: 100, retry: { backoffMs: 1 } });
    await consumer.run(async ({ seq, attempt }) => {
      if (attempt === 1) await pause(machine, 300);
      if (attempt === 1 && seq === 0) throw new Error("too late");
      if (seq === 1) void consumer.close();
    });
    unsubscribe("seqlog:delivery", listen);
    expect(told).toEqual([
      [0, 1, "delivered"],
      [0, 1, "expired"],
      [0, 1, "refused"],
      [0, 2, "delivered"],
      [0, 2, "acknowledged"],
      [1, 1, "delivered"],
      [1, 1, "expired"],
      [1, 1, "acknowledged"],
    ]);
  }));

describe("dead letters", () => {
  test("text that grows too large for the dead-letter log goes there in base64, a long error text cut", () =>
    simulate(0, async (log, machine) => {
      const stored = "\u0001".repeat(10_000);
      await log.append(stored);
      const deadLetter = await FileLog.open("/dead", { machine, codec: json(), maxRecordBytes: 20_000 });
      const consumer = await log.consumer("billing", { deadLetter, retry: { attempts: 1 } });
      await consumer.run(() => {
        void consumer.close();
        throw new Error("e".repeat(50_000));
      });
      await consumer.close();
      const letter = readDeadLetter((await deadLetter.get(0))?.data);
      expect(letter).toMatchObject({ origin: { seq: 0 }, attempts: 1, encoding: "base64" });
      expect(Buffer.from(letter.bytes).toString()).toBe(stored);
      expect(letter.error.message).toBe(`${"e".repeat(1000)}… (50000 characters)`);
      expect((await log.consumers())[0]).toMatchObject({ nextSeq: 1 });
      await deadLetter.close();
    }));

  test("one that is too large in any form ends the run, says which limit helps, and with that it goes on", () =>
    simulate(0, async (log, machine) => {
      await log.appendBatch(["x".repeat(10_000), "after"]);
      const refuse = (delivery: { readonly seq: number }): void => {
        if (delivery.seq === 1) void consumer.close();
        else throw new Error("no");
      };
      let deadLetter = await FileLog.open("/dead", { machine, codec: text(), maxRecordBytes: 9000 });
      let consumer = await log.consumer("billing", { deadLetter, retry: { attempts: 1 } });
      const error = await errorOf(consumer.run(refuse));
      expect(error).toBeInstanceOf(RangeError);
      const said =
        /gave up record 0, and its dead letter of (\d+) bytes is too large for \/dead\. .* maxRecordBytes of \1 or more/;
      expect((error as Error).message).toMatch(said);
      expect(consumer.nextSeq).toBe(0);
      await consumer.close();
      await deadLetter.close();
      const maxRecordBytes = Number(said.exec((error as Error).message)?.[1]);
      deadLetter = await FileLog.open("/dead", { machine, codec: text(), maxRecordBytes });
      consumer = await log.consumer("billing", { deadLetter, retry: { attempts: 1 } });
      await consumer.run(refuse);
      expect(readDeadLetter((await deadLetter.get(0))?.data).data).toBe("x".repeat(10_000));
      expect((await log.consumers())[0]).toMatchObject({ nextSeq: 2 });
      await deadLetter.close();
    }));

  test("a record tried too often goes there with its origin, attempts and last error; then the next one comes", () =>
    simulate(3, async (log, machine) => {
      const deadLetter = await FileLog.open("/dead", { machine, codec: json() });
      const consumer = await log.consumer("billing", { deadLetter, retry: { attempts: 2, backoffMs: 1 } });
      await consumer.run(({ data }) => {
        if (data === "1") throw Object.assign(new RangeError("sold out"), { code: "E_STOCK" });
        if (data === "2") void consumer.close();
      });
      const record = await deadLetter.get(0);
      const source = await log.get(1);
      expect(record?.data).toEqual({
        origin: {
          log: expect.stringMatching(/^[0-9a-f-]{36}$/),
          consumer: "billing",
          seq: 1,
          id: source?.id,
          time: source?.time.toISOString(),
        },
        attempts: 2,
        error: { name: "RangeError", message: "sold out", code: "E_STOCK" },
        encoding: "utf8",
        data: "1",
      });
      expect(readDeadLetter(record?.data).bytes).toEqual(source?.bytes);
      expect(deadLetter.nextSeq).toBe(1);
      expect((await log.consumers())[0]).toMatchObject({ nextSeq: 3 });
      await deadLetter.close();
    }));

  test("what a handler threw may have no text at all", () =>
    simulate(2, async (log, machine) => {
      const deadLetter = await FileLog.open("/dead", { machine, codec: json() });
      const consumer = await log.consumer("billing", { deadLetter, retry: { attempts: 1 } });
      let handled = 0;
      await consumer.run(() => {
        if (++handled === 2) void consumer.close();
        // eslint-disable-next-line no-throw-literal
        throw Object.create(null);
      });
      const without = await log.consumer("without", { retry: { attempts: 1 } });
      const failing = without.run(() => Promise.reject(Object.create(null) as Error));
      await expect(failing).rejects.toMatchObject({ code: "SEQLOG_HANDLER_FAILED" });
      await log.close();
      expect(deadLetter.nextSeq).toBe(2);
      await deadLetter.close();
    }));

  test("closing waits for one that is on its way", () =>
    simulate(1, async (log, machine) => {
      const deadLetter = await FileLog.open("/dead", { machine, codec: json() });
      const consumer = await log.consumer("billing", { deadLetter, retry: { attempts: 1 } });
      await consumer.run(() => {
        void consumer.close();
        throw new Error("bad");
      });
      await log.close();
      expect(deadLetter.nextSeq).toBe(1);
      const again = await openText(machine);
      expect((await again.consumers())[0]).toMatchObject({ nextSeq: 1 });
      await again.close();
      await deadLetter.close();
    }));

  test("in a loop, what is refused or not acknowledged too often goes there too", () =>
    simulate(3, async (log, machine) => {
      const deadLetter = await FileLog.open("/dead", { machine, codec: text() });
      const consumer = await log.consumer("billing", { deadLetter, ackWaitMs: 100, retry: { attempts: 2 } });
      const loop = (async () => {
        for await (const delivery of consumer) {
          if (delivery.data === "0") delivery.nack({ error: new Error("bad") });
          if (delivery.data === "2") await delivery.ack();
        }
      })();
      await pause(machine, 1000);
      await consumer.close();
      await loop;
      const found = (await collect(deadLetter.read())).map(({ data }) => readDeadLetter(data));
      expect(found.map(({ origin, attempts, error }) => [origin.seq, attempts, error.name])).toEqual([
        [0, 2, "Error"],
        [1, 2, "TimeoutError"],
      ]);
      expect((await log.consumers())[0]).toMatchObject({ nextSeq: 3 });
      await deadLetter.close();
    }));

  test("when it cannot be written there, run rejects and the record is not acknowledged", () =>
    simulate(2, async (log, machine) => {
      const deadLetter = await FileLog.open("/dead", { machine });
      const consumer = await log.consumer("billing", { deadLetter, retry: { attempts: 1 } });
      await deadLetter.close();
      const run = consumer.run(() => {
        throw new Error("bad");
      });
      expect(await errorOf(run)).toMatchObject({ code: "SEQLOG_CLOSED" });
      expect(consumer.nextSeq).toBe(0);
    }));

  test("a log is no dead-letter log of its own, nor is one of another codec", () =>
    simulate(0, async (log, machine) => {
      expect(await errorOf(log.consumer("billing", { deadLetter: log }))).toBeInstanceOf(TypeError);
      expect(await errorOf(log.consumer("billing", { deadLetter: {} as never }))).toBeInstanceOf(TypeError);
      const codec = { ...text(), name: "other" };
      const deadLetter = await FileLog.open("/dead", { machine, codec });
      expect(await errorOf(log.consumer("billing", { deadLetter }))).toBeInstanceOf(TypeError);
      await deadLetter.close();
    }));

  test("a dead-letter log that is closed, or open for reading alone, is found out when the consumer is opened", () =>
    simulate(0, async (log, machine) => {
      const dead = await FileLog.open("/dead", { machine, codec: text() });
      const reader = await FileLog.open("/dead", { machine, codec: text(), readOnly: true });
      const refused = { code: "SEQLOG_READ_ONLY", facts: { path: "/dead" } };
      expect(await errorOf(log.consumer("billing", { deadLetter: reader }))).toMatchObject(refused);
      await reader.close();
      await dead.close();
      const closed = { code: "SEQLOG_CLOSED", facts: { path: "/dead" } };
      expect(await errorOf(log.consumer("billing", { deadLetter: dead }))).toMatchObject(closed);
      // The name is free, and nothing was begun.
      expect(await log.consumers()).toEqual([]);
      await log.consumer("billing");
    }));
});

test("what a handler returns may throw in its `then`, or where that is looked up, as if the handler had", () =>
  simulate(1, async (log) => {
    const retry = { ...noJitter, attempts: 1, backoffMs: 1 };
    const cause = new Error("no promise");
    const fail = (): never => {
      throw cause;
    };
    // oxlint-disable-next-line unicorn/no-thenable -- that is what is tested
    for (const result of [{ then: fail }, Object.defineProperty({}, "then", { get: fail })]) {
      const consumer = await log.consumer("billing", { retry });
      const error = await errorOf(consumer.run(() => result as never));
      expect(error).toMatchObject({ code: "SEQLOG_HANDLER_FAILED", facts: { seq: 0, attempts: 1 }, cause });
      await consumer.close();
    }
  }));

test("handlers that return no promise do not starve what else the program does", async () => {
  const disk = new SimulatedDisk();
  const machine = disk.boot();
  await must(machine, async () => {
    const log = await openText(machine);
    await log.appendBatch(numbers(0, 5000));
    const consumer = await log.consumer("billing", { maxInFlight: 100 });
    let count = 0;
    const controller = new AbortController();
    const run = consumer.run(() => void count++, { signal: controller.signal });
    await pause(machine, 1);
    controller.abort();
    await errorOf(run);
    expect(count).toBeGreaterThan(0);
    await log.close();
  });
});
