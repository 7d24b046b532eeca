/** What ends a log, or its generation, while the next piece of a read is on its way from the disk. */
import { describe, expect, test } from "vitest";
import type { ReadOptions } from "../segment/positions.ts";
import type { Machine, Storage, StorageFile } from "../storage/storage.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import { FileLog } from "./file-log.ts";

const datas = Array.from({ length: 10 }, (_, i) => String(i).repeat(60));

/** A machine whose reads in the background of segments wait, while they are held. */
class HeldReads {
  readonly machine: Machine;
  /** How many wait. */
  waiting = 0;
  /** Segments that are open. */
  readonly open = new Set<StorageFile>();
  #held: Promise<void> | undefined;
  #letGo: (() => void) | undefined;

  constructor(inner: Machine) {
    const { storage, clock, random, owner } = inner;
    const openSync: Storage["openSync"] = (...args) => this.#wrap(storage.openSync(...args));
    const isAlive = (pid: number): boolean => inner.isAlive(pid);
    this.machine = { storage: withOthers(storage, { openSync }), clock, random, owner, isAlive };
  }

  hold(): void {
    this.#held = new Promise((resolve) => (this.#letGo = resolve));
  }

  letGo(): void {
    this.#held = undefined;
    this.#letGo?.();
  }

  #wrap(file: StorageFile): StorageFile {
    if (!file.path.endsWith(".log")) return file;
    this.open.add(file);
    return withOthers(file, {
      closeSync: () => {
        this.open.delete(file);
        file.closeSync();
      },
      read: async (into, position) => {
        this.waiting++;
        await this.#held;
        this.waiting--;
        return await file.read(into, position);
      },
    });
  }
}

/** An object with some of its methods replaced. */
function withOthers<T extends object>(object: T, others: Partial<T>): T {
  return new Proxy(object, {
    get(target, key) {
      const value: unknown = Reflect.get(Object.hasOwn(others, key) ? others : target, key, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

/** A log of ten records, read in pieces of one: two were handed out, and the third is on its way from the disk. */
async function readingAhead(options: ReadOptions) {
  const reads = new HeldReads(new SimulatedDisk().boot());
  const log = await FileLog.open("/log", { machine: reads.machine });
  await log.appendBatch(datas);
  const batches = log.readBatches({ ...options, maxBytes: 100 });
  await batches.next();
  // The second piece is there by now; the third, which is read while the second is handed out, is held.
  await settle(reads.machine);
  reads.hold();
  const { value } = await batches.next();
  expect(value).toMatchObject({ first: 1, count: 1 });
  expect(reads.waiting).toBe(1);
  return { reads, log, batches };
}

/** What became of it: `done`, the first seq of a batch, or an error's code. */
async function outcome(step: Promise<IteratorResult<{ readonly first: number }>>): Promise<unknown> {
  try {
    const { done, value } = await step;
    return done === true ? "done" : value.first;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}

/** Lets everything run that can run. */
async function settle(machine: Machine): Promise<void> {
  for (let i = 0; i < 20; i++) await machine.clock.turn();
}

describe.each([
  ["finite", { live: false }, "SEQLOG_CLOSED"],
  ["live", { live: true }, "done"],
] as const)("a %s read", (_name, options, ending) => {
  test(`whose log is closed ends with ${ending} when the piece has come, and leaves no file open`, async () => {
    const { reads, log, batches } = await readingAhead(options);
    const step = outcome(batches.next());
    let hasEnded = false;
    void step.then(() => (hasEnded = true));
    const closing = log.close();
    await settle(reads.machine);
    // Its descriptor is in use until then.
    expect({ hasEnded, waiting: reads.waiting }).toEqual({ hasEnded: false, waiting: 1 });
    expect(reads.open.size).toBeGreaterThan(0);
    reads.letGo();
    expect(await step).toBe(ending);
    await closing;
    expect({ waiting: reads.waiting, open: reads.open.size }).toEqual({ waiting: 0, open: 0 });
  });

  test("that is left meanwhile waits for the piece, and the log can be closed", async () => {
    const { reads, log, batches } = await readingAhead(options);
    let hasLeft = false;
    const leaving = batches.return?.().then(() => (hasLeft = true));
    await settle(reads.machine);
    expect(hasLeft).toBe(false);
    reads.letGo();
    await leaving;
    await log.close();
    expect({ waiting: reads.waiting, open: reads.open.size }).toEqual({ waiting: 0, open: 0 });
  });

  test("whose log is reset ends with SEQLOG_RESET, and the new generation is read from its start", async () => {
    const { reads, log, batches } = await readingAhead(options);
    const step = outcome(batches.next());
    const resetting = log.reset();
    const appended = log.append("new");
    await settle(reads.machine);
    reads.letGo();
    await resetting;
    expect(await appended).toMatchObject({ seq: 0 });
    expect(await step).toBe("SEQLOG_RESET");
    const found: string[] = [];
    for await (const record of log.read()) found.push(Buffer.from(record.bytes).toString());
    expect(found).toEqual(["new"]);
    await log.close();
    expect({ waiting: reads.waiting, open: reads.open.size }).toEqual({ waiting: 0, open: 0 });
  });
});
