/**
 * Every operation of a history is its last, once before and once after it took effect; then the power
 * goes, or only the process. What is acknowledged stays so, nothing is skipped.
 */
import { describe, expect, test } from "vitest";
import { must, numbers, openText, type TextLog } from "../../test/consumers/simulate-log.ts";
import type { ConsumerOptions } from "../log/consumer-contract.ts";
import { json } from "../log/codec.ts";
import { FileLog } from "../log/file-log.ts";
import type { FileOpenOptions } from "../log/file-open-options.ts";
import { crashAfter, crashBefore, crashDuring, type Fault } from "../testing/fault-plan.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import type { SimulatedMachine } from "../testing/simulated-machine.ts";
import { readDeadLetter } from "./dead-letter.ts";

const records = 8;

/** What a consumer did, as the world outside knows it. */
interface Ledger {
  /** Appends that were acknowledged. */
  appended: number;
  /** Deliveries in their order. */
  readonly delivered: number[];
  /** The acknowledgements that were asked for: no checkpoint may pass them. */
  asked: number;
  /** Those that resolved: none may be forgotten. */
  acknowledged: number;
}

interface History {
  readonly name: string;
  readonly log: FileOpenOptions;
  readonly consumer: ConsumerOptions<string>;
  readonly consume: (log: TextLog, machine: SimulatedMachine, ledger: Ledger) => Promise<void>;
}

/** A loop that awaits each acknowledgement, and leaves one loop for the next in the middle. */
function loop(options: ConsumerOptions<string>): History["consume"] {
  return async (log, machine, ledger) => {
    const consumer = await log.consumer("billing", options);
    while (ledger.acknowledged < records) {
      for await (const { seq, ack } of bound(consumer)) {
        ledger.delivered.push(seq);
        ledger.asked = seq + 1;
        await ack();
        ledger.acknowledged = seq + 1;
        await machine.clock.turn();
        if (seq === 3 || seq === records - 1) break;
      }
    }
    await consumer.close();
  };
}

async function* bound(
  consumer: Awaited<ReturnType<TextLog["consumer"]>>,
): AsyncGenerator<{ seq: number; ack: () => Promise<void> }> {
  for await (const delivery of consumer) yield { seq: delivery.seq, ack: () => delivery.ack() };
}

function run(options: ConsumerOptions<string>, concurrency: number): History["consume"] {
  return async (log, machine, ledger) => {
    const consumer = await log.consumer("billing", options);
    const done = new Set<number>();
    await consumer.run(
      async (delivery) => {
        ledger.delivered.push(delivery.seq);
        await machine.clock.turn();
        done.add(delivery.seq);
        while (done.has(ledger.asked)) ledger.asked++;
        if (done.size === records) void consumer.close();
      },
      { concurrency },
    );
    await consumer.close();
    ledger.acknowledged = records;
  };
}

const weak: FileOpenOptions = { durability: "os" };
const interval: ConsumerOptions<string> = { checkpoint: { intervalMs: 5 } };

const histories: History[] = [
  { name: "a loop", log: {}, consumer: {}, consume: loop({}) },
  { name: "a loop in a log of durability os", log: weak, consumer: {}, consume: loop({}) },
  { name: "run at concurrency 1", log: {}, consumer: { maxInFlight: 2 }, consume: run({ maxInFlight: 2 }, 1) },
  { name: "run at concurrency 3", log: {}, consumer: { maxInFlight: 4 }, consume: run({ maxInFlight: 4 }, 3) },
  { name: "run with an interval, durability os", log: weak, consumer: interval, consume: run(interval, 3) },
];

/** Runs a history to its end, or to the fault. */
async function live(machine: SimulatedMachine, history: History, ledger: Ledger): Promise<boolean> {
  const outcome = await machine.run(async () => {
    const log = await openText(machine, { segmentBytes: 1024, ...history.log });
    const append = async (from: number, to: number): Promise<void> => {
      await log.appendBatch(numbers(from, to).map((data) => data.padEnd(200)));
      ledger.appended = to;
    };
    await append(0, 5);
    const appending = append(5, records);
    // Of a machine that ends nobody waits for it.
    appending.catch(() => undefined);
    await history.consume(log, machine, ledger);
    await appending;
    await log.close();
  });
  if (outcome.kind === "failed") throw outcome.error;
  return outcome.kind === "died";
}

/** What must hold for the next process. */
async function checkAftermath(
  disk: SimulatedDisk,
  history: History,
  ledger: Ledger,
  isPowerCut: boolean,
): Promise<void> {
  const machine = disk.boot();
  await must(machine, async () => {
    const log = await openText(machine, history.log);
    const isWeak = history.log.durability !== undefined;
    if (!isPowerCut || !isWeak) expect(log.nextSeq).toBeGreaterThanOrEqual(ledger.appended);
    const consumer = await log.consumer("billing", history.consumer);
    const begin = consumer.nextSeq;
    expect(begin, "an acknowledged delivery was forgotten").toBeGreaterThanOrEqual(ledger.acknowledged);
    expect(begin, "a record was skipped").toBeLessThanOrEqual(ledger.asked);
    expect(begin).toBeLessThanOrEqual(log.nextSeq);
    const { maxInFlight, checkpoint } = history.consumer;
    if (maxInFlight !== undefined && checkpoint === undefined) {
      expect(Math.max(-1, ...ledger.delivered) + 1 - begin, "delivered again").toBeLessThanOrEqual(maxInFlight);
    }
    // All that is left comes, in order, and then what is new.
    await log.append("new");
    const rest: number[] = [];
    for await (const delivery of consumer) {
      rest.push(delivery.seq);
      await delivery.ack();
      if (delivery.seq === log.nextSeq - 1) break;
    }
    expect(rest).toEqual(numbers(begin, log.nextSeq).map(Number));
    await log.close();
  });
  expect(machine.openFiles).toBe(0);
}

async function crashEverywhere(
  faults: readonly Fault[],
  step: (disk: SimulatedDisk, plan: (machine: SimulatedMachine) => void, isPowerCut: boolean) => Promise<boolean>,
): Promise<number> {
  let operation = 0;
  for (let died = true; died; operation++) {
    died = false;
    for (const [i, fault] of faults.entries()) {
      const disk = new SimulatedDisk({ seed: operation * 10 + i, keepLog: false });
      const isPowerCut = (operation + i) % 3 !== 0;
      if (await step(disk, (machine) => void machine.faults.at(operation, fault), isPowerCut)) died = true;
    }
  }
  return operation;
}

describe.each(histories)("$name", (history) => {
  test("no acknowledged delivery is forgotten and none skipped, wherever it ends", async () => {
    const operations = await crashEverywhere(
      [crashBefore, crashAfter, crashDuring(20)],
      async (disk, plan, isPowerCut) => {
        const machine = disk.boot();
        plan(machine);
        const ledger: Ledger = { appended: 0, delivered: [], asked: 0, acknowledged: 0 };
        const died = await live(machine, history, ledger);
        if (isPowerCut) disk.crash();
        else disk.kill(machine);
        await checkAftermath(disk, history, ledger, isPowerCut);
        return died;
      },
    );
    expect(operations).toBeGreaterThan(40);
  });
});

test("a dead letter is durable before the checkpoint moves past its record, wherever it ends", async () => {
  const machines = async (machine: SimulatedMachine): Promise<{ log: TextLog; dead: FileLog<unknown, unknown> }> => ({
    log: await openText(machine),
    dead: await FileLog.open("/dead", { machine, codec: json(), durability: "os" }),
  });
  const work = async (machine: SimulatedMachine): Promise<void> => {
    const { log, dead } = await machines(machine);
    if (log.nextSeq === 0) await log.appendBatch(numbers(0, 4));
    const consumer = await log.consumer("billing", { deadLetter: dead, retry: { attempts: 2, backoffMs: 1 } });
    if (consumer.nextSeq < 4) {
      await consumer.run(({ data }) => {
        if (data === "2") throw new Error("bad");
        if (data === "3") void consumer.close();
      });
    }
    await log.close();
    await dead.close();
  };
  const buried = async (machine: SimulatedMachine): Promise<{ nextSeq: number; seqs: number[] }> => {
    const { log, dead } = await machines(machine);
    const nextSeq = (await log.consumers())[0]?.nextSeq ?? 0;
    const seqs: number[] = [];
    for await (const { data } of dead.read()) seqs.push(readDeadLetter(data).origin.seq);
    await log.close();
    await dead.close();
    return { nextSeq, seqs };
  };
  const operations = await crashEverywhere([crashBefore, crashAfter], async (disk, plan, isPowerCut) => {
    const machine = disk.boot();
    plan(machine);
    const outcome = await machine.run(() => work(machine));
    if (outcome.kind === "failed") throw outcome.error;
    if (isPowerCut) disk.crash({ keep: 0 });
    else disk.kill(machine);
    const looker = disk.boot();
    const { nextSeq, seqs } = await must(looker, () => buried(looker));
    if (nextSeq > 2) expect(seqs).toContain(2);
    expect(seqs.every((seq) => seq === 2)).toBe(true);
    const next = disk.boot();
    await must(next, () => work(next));
    const after = disk.boot();
    expect((await must(after, () => buried(after))).seqs).toContain(2);
    return outcome.kind === "died";
  });
  expect(operations).toBeGreaterThan(60);
});
