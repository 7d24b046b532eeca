import { describe, expect, test } from "vitest";
import { errorOf, must } from "../../test/consumers/simulate-log.ts";
import type { Checkpoint } from "../log/consumer-contract.ts";
import { asSeq } from "../numbers.ts";
import { run } from "../storage/plan.ts";
import { crashAfter, crashBefore, crashDuring, failWith, shortWrite } from "../testing/fault-plan.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import type { SimulatedMachine } from "../testing/simulated-machine.ts";
import { CheckpointFile, readCheckpoint } from "./checkpoint-file.ts";
import { slotLength } from "./checkpoint-slot.ts";
import { consumerPaths } from "./consumer-paths.ts";

const paths = consumerPaths("/log", "billing");

function at(nextSeq: number): Checkpoint {
  return { logId: "6ba7b810-9dad-41d1-80b4-00c04fd430c8", generation: 0, nextSeq: asSeq(nextSeq), lastId: null };
}

async function begin(machine: SimulatedMachine, nextSeq: number): Promise<CheckpointFile> {
  machine.storage.makeDirectorySync("/log/consumers");
  const stored = await run(readCheckpoint(machine.storage, paths));
  return CheckpointFile.begin(machine.storage, paths, {
    counter: (stored?.counter ?? 0) + 1,
    checkpoint: at(nextSeq),
    isMirror: false,
  });
}

/** What the next process finds. */
async function found(disk: SimulatedDisk): Promise<number | undefined> {
  const { storage } = disk.boot();
  const stored = await disk.runUntil(run(readCheckpoint(storage, paths)));
  return stored?.checkpoint.nextSeq;
}

describe.each([{ hasDsync: true }, { hasDsync: false }])("%j", (options) => {
  test("what was written is there after a power cut that takes all it can", async () => {
    const disk = new SimulatedDisk(options);
    const machine = disk.boot();
    await must(machine, async () => {
      const file = await begin(machine, 1);
      for (let seq = 2; seq <= 6; seq++) await file.write(at(seq));
    });
    disk.crash({ keep: 0 });
    expect(await found(disk)).toBe(6);
  });

  test("a write torn at any byte leaves the checkpoint before it", async () => {
    for (let written = 0; written <= slotLength; written++) {
      for (const keep of [0, 1]) {
        const disk = new SimulatedDisk({ ...options, seed: written });
        const machine = disk.boot();
        machine.faults.on({ kind: "write", path: ".ckpt", skip: 3 }, crashDuring(written));
        const outcome = await machine.run(async () => {
          const file = await begin(machine, 1);
          for (let seq = 2; seq <= 9; seq++) await file.write(at(seq));
        });
        expect(outcome.kind).toBe("died");
        disk.crash({ keep });
        const nextSeq = await found(disk);
        expect(nextSeq === 4 || (nextSeq === 5 && written === slotLength), `${written}: ${nextSeq}`).toBe(true);
      }
    }
  });

  test("whichever operation ends the process, the last checkpoint that was written stands, or the next", async () => {
    let total = 1;
    for (let operation = 0; operation < total; operation++) {
      for (const fault of [crashBefore, crashAfter]) {
        const disk = new SimulatedDisk({ ...options, seed: operation });
        const first = disk.boot();
        await must(first, async () => (await begin(first, 1)).write(at(2)));
        disk.kill(first);
        const machine = disk.boot();
        let acknowledged = 2;
        machine.faults.at(operation, fault);
        const outcome = await machine.run(async () => {
          const file = await begin(machine, 2);
          for (const seq of [3, 4, 5]) {
            await file.write(at(seq));
            acknowledged = seq;
          }
          file.close();
        });
        if (outcome.kind === "done") total = Math.min(total, operation);
        else total = Math.max(total, operation + 2);
        disk.crash();
        expect([acknowledged, acknowledged + 1], `operation ${operation}`).toContain(await found(disk));
      }
    }
    expect(total).toBeGreaterThan(10);
  });

  test.each([
    ["EIO", failWith("EIO", 30)],
    ["no space", failWith("ENOSPC")],
    ["a short write", shortWrite(30)],
  ])("after %s nothing more is written, and the checkpoint before it stands", async (_, fault) => {
    const disk = new SimulatedDisk(options);
    const machine = disk.boot();
    await must(machine, async () => {
      const file = await begin(machine, 1);
      await file.write(at(2));
      machine.faults.on({ kind: "write", path: ".ckpt" }, fault);
      const error = await errorOf(file.write(at(3)));
      expect(error).toMatchObject({ code: expect.stringMatching(/^SEQLOG_(IO|NO_SPACE)$/) });
      const writes = disk.counts.write;
      expect(await errorOf(file.write(at(4)))).toBe(error);
      expect(() => file.writeSync(at(4))).toThrow(error as Error);
      expect(disk.counts.write).toBe(writes);
      file.close();
    });
    expect(machine.openFiles).toBe(0);
    disk.crash({ keep: 0 });
    expect(await found(disk)).toBe(2);
  });

  test("what a failed sync left in the page cache alone is durable once the file is opened again", async () => {
    const disk = new SimulatedDisk(options);
    const machine = disk.boot();
    machine.faults.on({ kind: options.hasDsync ? "write" : "fsync", path: ".ckpt" }, failWith("EIO", 68));
    await must(machine, async () => {
      const file = await begin(machine, 1);
      await errorOf(file.write(at(2)));
    });
    disk.kill(machine);
    const next = disk.boot();
    const seen = await must(next, async () => {
      const stored = await run(readCheckpoint(next.storage, paths));
      const nextSeq = stored?.checkpoint.nextSeq as number;
      await begin(next, nextSeq);
      return nextSeq;
    });
    disk.crash({ keep: 0 });
    expect(await found(disk)).toBe(seen);
  });
});

test("when neither slot is valid, the error names the file and says how to go on", async () => {
  const disk = new SimulatedDisk();
  disk.writeFile(paths.checkpoint, new Uint8Array(8192));
  const error = await errorOf(found(disk));
  expect(error).toMatchObject({ code: "SEQLOG_DAMAGED", facts: { file: paths.checkpoint } });
  expect((error as Error).message).toContain('log.seekConsumer("billing", position)');
});

test("there is none before it was begun", async () => {
  expect(await found(new SimulatedDisk())).toBeUndefined();
});
