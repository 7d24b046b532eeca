/** A checkpoint in the user's own database: saved by the consumer, or by the handler in its own transaction. */
import { describe, expect, test } from "vitest";
import {
  directory,
  errorOf,
  must,
  numbers,
  openText,
  pause,
  simulate,
  take,
} from "../../test/consumers/simulate-log.ts";
import { SeqlogError } from "../errors.ts";
import type { Checkpoint, CheckpointStore } from "../log/consumer-contract.ts";
import { crashAfter, crashBefore } from "../testing/fault-plan.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import { runSync } from "../storage/plan.ts";
import { readCheckpoint } from "./checkpoint-file.ts";
import { consumerPaths } from "./consumer-paths.ts";
import { lowestCheckpoint } from "./protected.ts";

/** A database with atomic, durable transactions, which outlives every process. */
class Database {
  checkpoint: Checkpoint | undefined;
  readonly effects: string[] = [];

  /** An effect and the checkpoint behind it, in one transaction. */
  commit(effect: string, checkpoint: Checkpoint): void {
    this.effects.push(effect);
    this.checkpoint = JSON.parse(JSON.stringify(checkpoint)) as Checkpoint;
  }

  /** The store of a handler that commits by itself. */
  get store(): CheckpointStore {
    return { load: () => this.checkpoint };
  }
}

describe("a store without save", () => {
  test("begins where the database stands, and the file follows lazily, never ahead of it", () =>
    simulate(6, async (log, machine) => {
      const database = new Database();
      const consumer = await log.consumer("billing", { store: database.store });
      const paths = consumerPaths(directory, "billing");
      const mirrored = (): number | undefined => runSync(readCheckpoint(machine.storage, paths))?.checkpoint.nextSeq;
      const [first, second, third] = await take(consumer, 3);
      database.commit("0", first?.checkpoint as Checkpoint);
      await first?.ack();
      // Acknowledged without being committed: the file must not follow.
      await second?.ack();
      await third?.ack();
      expect(mirrored()).toBe(0);
      await pause(machine, 2000);
      expect(mirrored()).toBe(1);
      await consumer.close();
      expect(mirrored()).toBe(1);
      const again = await log.consumer("billing", { store: database.store, from: "end" });
      expect(again.nextSeq).toBe(1);
    }));

  test("effects happen exactly once, wherever the process ends", async () => {
    let died = true;
    let operation = 0;
    for (; died; operation++) {
      died = false;
      for (const [i, fault] of [crashBefore, crashAfter].entries()) {
        for (const durability of ["record", "os"] as const) {
          const disk = new SimulatedDisk({ seed: operation * 2 + i, keepLog: false });
          const database = new Database();
          const machine = disk.boot();
          machine.faults.at(operation, fault);
          const work = async (on: typeof machine): Promise<void> => {
            const log = await openText(on, { segmentBytes: 1024, durability });
            const append = async (): Promise<unknown> =>
              log.appendBatch(numbers(log.nextSeq, log.nextSeq + 2).map((data) => data.padEnd(300)));
            await append();
            const consumer = await log.consumer("billing", { store: database.store });
            // After the open, which makes durable what is there.
            await append();
            await consumer.run(async (delivery) => {
              await on.clock.turn();
              database.commit(`${delivery.seq} ${delivery.id}`, delivery.checkpoint);
              await on.clock.turn();
              if (delivery.seq === log.nextSeq - 1) void consumer.close();
            });
            await log.close();
          };
          const outcome = await machine.run(() => work(machine));
          if (outcome.kind === "failed") throw outcome.error;
          if (outcome.kind === "died") died = true;
          disk.crash();
          const next = disk.boot();
          await must(next, () => work(next));
          const reader = disk.boot();
          await must(reader, async () => {
            const log = await openText(reader, { readOnly: true });
            const all: string[] = [];
            for await (const { seq, id } of log.read()) all.push(`${seq} ${id}`);
            expect(database.effects, `operation ${operation}, ${durability}`).toEqual(all);
            await log.close();
          });
        }
      }
    }
    expect(operation).toBeGreaterThan(40);
  });

  test("runs at concurrency 1 alone, and is sought in the database", () =>
    simulate(2, async (log) => {
      const consumer = await log.consumer("billing", { store: new Database().store });
      expect(await errorOf(consumer.run(() => {}, { concurrency: 2 }))).toBeInstanceOf(TypeError);
      expect(await errorOf(consumer.seek(1))).toBeInstanceOf(TypeError);
    }));

  test("of another log, or of nonsense, is refused", () =>
    simulate(2, async (log) => {
      const checkpoint = { logId: "6ba7b810-9dad-41d1-80b4-00c04fd430c8", generation: 0, nextSeq: 1, lastId: null };
      const load = (): Checkpoint => checkpoint;
      expect(await errorOf(log.consumer("billing", { store: { load } }))).toMatchObject({
        code: "SEQLOG_CHECKPOINT_MISMATCH",
      });
      for (const wrong of [{}, { ...checkpoint, nextSeq: -1 }, { ...checkpoint, logId: "x" }, "text"]) {
        const store = { load: () => wrong as Checkpoint };
        expect(await errorOf(log.consumer("billing", { store }))).toBeInstanceOf(TypeError);
      }
      const fields: [string, unknown, RegExp][] = [
        ["nextSeq", 2n, /whose nextSeq is a number, .*; it is the bigint 2$/],
        ["nextSeq", "2", /; it is the string 2$/],
        ["generation", null, /whose generation is a number, .*; it is null$/],
        ["logId", 5n, /whose logId is a UUID as a string; it is the bigint 5$/],
        ["lastId", undefined, /whose lastId is a UUID as a string, or null; it is undefined$/],
      ];
      for (const [field, value, message] of fields) {
        const store = { load: () => ({ ...checkpoint, [field]: value }) as Checkpoint };
        const error = await errorOf(log.consumer("billing", { store }));
        expect(error).toBeInstanceOf(TypeError);
        expect((error as Error).message).toMatch(message);
      }
      // What many databases give where there is no row.
      const empty = await log.consumer("empty", { store: { load: () => null } });
      expect(empty.nextSeq).toBe(0);
      await empty.close();
      const broken = new Error("the database is down");
      expect(await errorOf(log.consumer("billing", { store: { load: () => Promise.reject(broken) } }))).toBe(broken);
      await log.consumer("billing");
    }));
});

describe("a store with save", () => {
  function recording(): { store: CheckpointStore; saved: number[] } {
    const saved: number[] = [];
    let held: Checkpoint | undefined;
    return {
      saved,
      store: {
        load: () => held,
        save: async (checkpoint) => {
          await Promise.resolve();
          held = checkpoint;
          saved.push(checkpoint.nextSeq);
        },
      },
    };
  }

  test("holds each acknowledgement before it resolves; those of a turn share a save", () =>
    simulate(6, async (log, machine) => {
      const { store, saved } = recording();
      const consumer = await log.consumer("billing", { store });
      expect(saved).toEqual([0]);
      const deliveries = await take(consumer, 4);
      await deliveries[0]?.ack();
      expect(saved).toEqual([0, 1]);
      await Promise.all(deliveries.slice(1).map((delivery) => delivery.ack()));
      expect(saved).toEqual([0, 1, 4]);
      await pause(machine, 2000);
      expect((await log.consumers())[0]).toMatchObject({ nextSeq: 4 });
      await consumer.seek(2);
      expect(saved).toEqual([0, 1, 4, 2]);
      await consumer.close();
      expect((await log.consumers())[0]).toMatchObject({ nextSeq: 2, isActive: false });
      expect((await log.consumer("billing", { store })).nextSeq).toBe(2);
    }));

  test("that fails ends the consumer with its error, and what was not saved is delivered again", () =>
    simulate(3, async (log) => {
      let isDown = false;
      const { store } = recording();
      const failing = {
        load: () => store.load(),
        save: async (checkpoint: Checkpoint) => {
          if (isDown) throw new Error("the database is down");
          await store.save?.(checkpoint);
        },
      };
      const consumer = await log.consumer("billing", { store: failing });
      isDown = true;
      const loop = async (): Promise<void> => {
        for await (const delivery of consumer) void delivery.ack().catch(() => undefined);
      };
      await expect(loop()).rejects.toThrow("the database is down");
      await expect(consumer.run(() => {})).rejects.toThrow("the database is down");
      await consumer.close();
      isDown = false;
      expect((await log.consumer("billing", { store: failing })).nextSeq).toBe(0);
    }));
});

describe("the mirror of a store", () => {
  /** A store that keeps what it is given; `saving` sees each checkpoint before it is kept. */
  function storeOf(saving: (checkpoint: Checkpoint) => void = () => {}): CheckpointStore & { held?: Checkpoint } {
    return {
      load() {
        return this.held;
      },
      save(checkpoint) {
        saving(checkpoint);
        this.held = checkpoint;
      },
    };
  }

  const elsewhere = (keptIn: string, nextSeq: number): object => ({
    code: "SEQLOG_CHECKPOINT_ELSEWHERE",
    facts: { consumer: "billing", keptIn, checkpoint: { nextSeq } },
  });

  test("is told as such, and moved by the consumer that has the store alone", () =>
    simulate(6, async (log, machine, disk) => {
      const store = storeOf();
      const consumer = await log.consumer("billing", { store, from: 3 });
      await log.seekConsumer("plain", 1);
      expect(await log.consumers()).toMatchObject([
        { name: "billing", nextSeq: 3, hasStore: true },
        { name: "plain", nextSeq: 1, hasStore: false },
      ]);
      await consumer.close();
      expect((await log.consumers())[0]).toMatchObject({ name: "billing", nextSeq: 3, hasStore: true });
      for (const options of [{}, { dryRun: true }]) {
        expect(await errorOf(log.seekConsumer("billing", 5, options))).toMatchObject(elsewhere("store", 3));
      }
      // Beside the writer as well.
      const reader = await openText(disk.boot(), { readOnly: true });
      expect(await errorOf(reader.seekConsumer("billing", 5))).toMatchObject(elsewhere("store", 3));
      await reader.close();
      expect(await errorOf(log.consumer("billing"))).toMatchObject(elsewhere("store", 3));
      expect(runSync(readCheckpoint(machine.storage, consumerPaths(directory, "billing")))).toMatchObject({
        checkpoint: { nextSeq: 3 },
        isMirror: true,
      });
      const again = await log.consumer("billing", { store });
      await again.seek(5);
      expect(store.held).toMatchObject({ nextSeq: 5 });
      await again.close();
      expect((await log.consumers())[0]).toMatchObject({ nextSeq: 5, hasStore: true });
      // Forgetting it is no move: the store goes on to say where the consumer stands.
      expect(await log.deleteConsumer("billing")).toBe(true);
      expect((await log.consumer("billing", { store })).nextSeq).toBe(5);
    }));

  test("is still one after acknowledgements, in both slots", () =>
    simulate(6, async (log, machine) => {
      const consumer = await log.consumer("billing", { store: storeOf() });
      for (const delivery of await take(consumer, 3)) {
        await delivery.ack();
        await pause(machine, 2000);
      }
      await consumer.close();
      expect(await errorOf(log.seekConsumer("billing", 5))).toMatchObject(elsewhere("store", 3));
    }));

  test("goes back before the store does, so that retention never takes what the store still needs", () =>
    simulate(6, async (log, machine) => {
      const seen: unknown[] = [];
      const store = storeOf(({ logId, generation, nextSeq }) => {
        const needed = lowestCheckpoint(machine.storage, directory, { logId, generation });
        seen.push({ saved: nextSeq, protected: needed?.nextSeq });
      });
      const consumer = await log.consumer("billing", { store, from: 1 });
      // Twice, so that both slots have left the old place.
      for (const seq of [4, 5, 6, 2]) await consumer.seek(seq);
      expect(seen).toEqual([
        { saved: 1, protected: undefined },
        { saved: 4, protected: 1 },
        { saved: 5, protected: 1 },
        { saved: 6, protected: 4 },
        { saved: 2, protected: 2 },
      ]);
    }));

  test("is not ahead of a store that is going back, however long that takes", () =>
    simulate(6, async (log, machine) => {
      let answer: (() => void) | undefined;
      let isSlow = false;
      let held: Checkpoint | undefined;
      const store: CheckpointStore = {
        load: () => held,
        save: async (checkpoint) => {
          if (isSlow) await new Promise<void>((resolve) => (answer = resolve));
          held = checkpoint;
        },
      };
      const consumer = await log.consumer("billing", { store });
      const mirrored = (): number | undefined =>
        runSync(readCheckpoint(machine.storage, consumerPaths(directory, "billing")))?.checkpoint.nextSeq;
      await consumer.seek(2);
      for (const delivery of await take(consumer, 3)) await delivery.ack();
      expect({ held: held?.nextSeq, mirrored: mirrored() }).toEqual({ held: 5, mirrored: 2 });
      isSlow = true;
      const sought = consumer.seek(3);
      await pause(machine, 3000);
      expect(answer).toBeDefined();
      expect(mirrored()).toBe(3);
      isSlow = false;
      answer?.();
      await sought;
      expect(held?.nextSeq).toBe(3);
    }));

  test("is not written any more once the log was closed, whatever the store says later", async () => {
    const disk = new SimulatedDisk();
    const machine = disk.boot();
    let answer: (() => void) | undefined;
    await must(machine, async () => {
      const log = await openText(machine);
      await log.appendBatch(numbers(0, 3));
      const store = storeOf();
      let isSlow = false;
      const load = async (): Promise<Checkpoint | undefined> => {
        if (isSlow) await new Promise<void>((resolve) => (answer = resolve));
        return store.held;
      };
      const consumer = await log.consumer("billing", { store: { load } });
      const [first] = await take(consumer, 1);
      store.held = first?.checkpoint as Checkpoint;
      isSlow = true;
      await first?.ack();
      await pause(machine, 2000);
      expect(answer).toBeDefined();
      log.closeSync();
      const before = disk.log.length;
      answer?.();
      await pause(machine, 100);
      expect(disk.log.slice(before)).toEqual([]);
    });
    expect(machine.openFiles).toBe(0);
  });

  test("does not hold a consumer whose store was emptied, to begin anew", () =>
    simulate(6, async (log) => {
      const consumer = await log.consumer("billing", { store: storeOf() });
      for (const delivery of await take(consumer, 3)) await delivery.ack();
      await consumer.close();
      expect((await log.consumer("billing", { store: storeOf() })).nextSeq).toBe(0);
    }));

  test("an empty store beside a checkpoint in the log is refused; with that checkpoint in it the consumer goes on", () =>
    simulate(6, async (log) => {
      const plain = await log.consumer("billing");
      for (const delivery of await take(plain, 3)) await delivery.ack();
      await plain.close();
      const store = storeOf();
      const error = await errorOf(log.consumer("billing", { store, from: "end" }));
      expect(error).toMatchObject(elsewhere("log", 3));
      expect(store.held).toBeUndefined();
      expect((await log.consumers())[0]).toMatchObject({ nextSeq: 3, hasStore: false });
      if (!SeqlogError.is(error, "SEQLOG_CHECKPOINT_ELSEWHERE")) return expect.unreachable();
      store.held = error.facts.checkpoint;
      expect((await log.consumer("billing", { store })).nextSeq).toBe(3);
    }));

  test("a stale row in a store that the consumer had left is refused beside the log's own checkpoint", () =>
    simulate(6, async (log) => {
      const store = storeOf();
      const first = await log.consumer("billing", { store });
      for (const delivery of await take(first, 4)) await delivery.ack();
      await first.close();
      // It leaves the store, whose row stays where it is.
      await log.deleteConsumer("billing");
      await (await log.consumer("billing", { from: 1 })).close();
      const error = await errorOf(log.consumer("billing", { store }));
      expect(error).toMatchObject(elsewhere("log", 1));
      expect((error as Error).message).toMatch(/at seq 1 of generation 0, its store one at seq 4 of generation 0/);
      expect(store.held).toMatchObject({ nextSeq: 4 });
      expect((await log.consumers())[0]).toMatchObject({ nextSeq: 1, hasStore: false });
      // After a reset a row of the same seq is another place.
      if (!SeqlogError.is(error, "SEQLOG_CHECKPOINT_ELSEWHERE")) return expect.unreachable();
      store.held = { ...error.facts.checkpoint, generation: 7 };
      expect(await errorOf(log.consumer("billing", { store }))).toMatchObject(elsewhere("log", 1));
      await log.deleteConsumer("billing");
      store.held = error.facts.checkpoint;
      const again = await log.consumer("billing", { store });
      expect(again.nextSeq).toBe(1);
      await again.close();
      expect((await log.consumers())[0]).toMatchObject({ nextSeq: 1, hasStore: true });
    }));

  test("damage of the file does not matter beside a store that holds a checkpoint, and does beside an empty one", () =>
    simulate(6, async (log, _, disk) => {
      const store = storeOf();
      const damage = (): void => disk.flipBit(`${directory}/consumers/billing.ckpt`, 40, 0);
      await (await log.consumer("billing", { store, from: 3 })).close();
      damage();
      const again = await log.consumer("billing", { store });
      expect(again.nextSeq).toBe(3);
      await again.close();
      expect((await log.consumers())[0]).toMatchObject({ nextSeq: 3, hasStore: true, problem: undefined });
      damage();
      expect(await errorOf(log.consumer("billing", { store: storeOf(), from: "end" }))).toMatchObject({
        code: "SEQLOG_DAMAGED",
      });
      await log.deleteConsumer("billing");
      expect((await log.consumer("billing", { store: storeOf(), from: 2 })).nextSeq).toBe(2);
    }));

  test("a checkpoint of another log in a store is mended there, and the error says so", () =>
    simulate(2, async (log) => {
      const store = storeOf();
      store.held = { logId: "6ba7b810-9dad-41d1-80b4-00c04fd430c8", generation: 0, nextSeq: 1, lastId: null };
      const error = await errorOf(log.consumer("billing", { store }));
      expect(error).toMatchObject({ code: "SEQLOG_CHECKPOINT_MISMATCH" });
      expect((error as Error).message).toContain("change it there");
      expect((error as Error).message).not.toContain("seekConsumer");
    }));
});
