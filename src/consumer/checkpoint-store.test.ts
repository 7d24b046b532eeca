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
import type { Checkpoint, CheckpointStore } from "../log/consumer-contract.ts";
import { crashAfter, crashBefore } from "../testing/fault-plan.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import { runSync } from "../storage/plan.ts";
import { readCheckpoint } from "./checkpoint-file.ts";
import { consumerPaths } from "./consumer-paths.ts";

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
      for (const wrong of [{}, { ...checkpoint, nextSeq: -1 }, { ...checkpoint, logId: "x" }, "text", null]) {
        const store = { load: () => wrong as Checkpoint };
        expect(await errorOf(log.consumer("billing", { store }))).toBeInstanceOf(TypeError);
      }
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
