/**
 * Histories of a lane that a seed decides: connections and answers are lost, copies of lost connections
 * come long after the duplicate window, keys are known, other programs append, servers are silent. A
 * failure is repeated by its seed. SEQLOG_LANE_HISTORIES for more of them.
 */
import { expect, test } from "vitest";
import { type Copy, SimulatedStream } from "../../test/jetstream/simulated-stream.ts";
import { SeqlogError } from "../errors.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { SimulatedClock } from "../testing/simulated-clock.ts";
import type { LaneItem } from "./append-attempt.ts";
import { AppendLane } from "./append-lane.ts";

const histories = Number(process.env["SEQLOG_LANE_HISTORIES"] ?? 400);

const windowMs = 1500;

interface Outcome {
  readonly id: string;
  readonly messageId: string;
  readonly seq: number;
  readonly duplicate: boolean;
}

/** How many records were settled and rejected as unknown, and how many late copies were stored. */
interface Sum {
  settled: number;
  unknown: number;
  late: number;
}

async function history(seed: number): Promise<Sum> {
  const random = new SeededRandom(`lane ${seed}`);
  const clock = new SimulatedClock();
  const replicas = random.pick([1, 3]);
  const stream = new SimulatedStream(clock, { replicas, windowMs });
  const hasOthers = random.chance(0.3);
  const hasKeys = random.chance(0.5);
  /** The stream rests often: then a copy that comes late may find just the message that it expects to be the last one. */
  const isCalm = random.chance(0.5);
  const lane = new AppendLane(stream.view, 20_000, replicas);
  const settled: Outcome[] = [];
  let failed = 0;
  let unknown = 0;
  let late = 0;
  /** Late copies of records that were rejected, or whose key was known and has been forgotten since. */
  let strays = 0;
  const told = new Set<string>();
  let connection = 0;
  // What is on its way arrives in the order in which it was sent; of a lost connection perhaps much later, or never.
  let arrivesAt = 0;
  const arrive = (copy: Copy, of: number): void => {
    const isLate = of !== connection;
    if (isLate && random.chance(0.1)) return;
    const delayMs = isLate ? random.int(random.pick([50, 3 * windowMs])) : 0;
    clock.after(delayMs, () => {
      const last = stream.stored.length;
      const answer = stream.arrive(copy);
      if (isLate && stream.stored.length > last) {
        late++;
        if (told.has(copy.text)) strays++;
      }
      if (of === connection && !random.chance(0.05)) clock.after(1, () => stream.answer(copy, answer));
    });
  };
  stream.carry = (copy) => {
    const of = connection;
    arrivesAt = Math.max(arrivesAt, clock.now() + random.int(4));
    clock.after(arrivesAt - clock.now(), () => arrive(copy, of));
  };
  let added = 0;
  const item = (): LaneItem => {
    const text = String(added++);
    const messageId = hasKeys && random.chance(0.2) ? `key ${random.int(5)}` : text;
    return {
      data: Buffer.from(text),
      id: text,
      messageId,
      expectedSeq: random.chance(0.05) ? stream.stored.length + random.int(3) : -1,
      isOver: false,
      settled: (seq, duplicate) => {
        told.add(text);
        settled.push({ id: text, messageId, seq, duplicate });
      },
      failed: (error) => {
        told.add(text);
        failed++;
        if (SeqlogError.is(error, "SEQLOG_IO")) unknown++;
      },
    };
  };
  if (hasKeys) for (let i = 0; i < 3; i++) stream.append(`key ${i}`);
  for (let step = 0; step < 40; step++) {
    const what = random.int(10);
    if (isCalm) {
      lane.add(Array.from({ length: 1 + random.int(4) }, item));
      if (random.chance(0.5)) {
        await clock.advance(random.int(6));
        connection++;
        stream.lose();
      }
      await clock.advance(random.int(random.pick([300, 6000])));
    } else if (what < 5) lane.add(Array.from({ length: 1 + random.int(6) }, item));
    else if (what === 5 && hasOthers) stream.append(`other ${step}`);
    else if (what === 6) {
      connection++;
      stream.lose();
    } else if (what === 7) {
      stream.isSilent = true;
      clock.after(random.int(4000), () => {
        stream.isSilent = false;
      });
    } else await clock.advance(random.int(random.pick([5, 500, 3000])));
  }
  await clock.runUntil(lane.drained());
  // Whatever still comes.
  await clock.advance(10 * windowMs);
  const ids = stream.stored.map((message) => message?.id ?? "");
  expect(new Set(ids).size, "each record once").toBe(ids.length);
  expect(settled.length + failed, "each caller is told, once").toBe(added);
  for (const { id, messageId, seq, duplicate } of settled) {
    const there = stream.stored[seq];
    expect(duplicate ? there?.messageId : there?.id, `record ${id} at ${seq}`).toBe(duplicate ? messageId : id);
  }
  // With replicas such a copy is like another program's append.
  if (replicas === 1 || (!hasOthers && strays === 0)) {
    const own = settled.filter(({ id, seq }) => stream.stored[seq]?.id === id).toSorted((a, b) => a.seq - b.seq);
    const order = own.map(({ id }) => Number(id));
    expect(order, "the order of the calls").toEqual(order.toSorted((a, b) => a - b));
  }
  return { settled: settled.length, unknown, late };
}

test(`${histories} histories: each record once, at the number that its caller was told, in order`, async () => {
  const sum: Sum = { settled: 0, unknown: 0, late: 0 };
  for (let seed = 0; seed < histories; seed++) {
    const of = await history(seed).catch((error: unknown) => {
      throw new Error(`seed ${seed}`, { cause: error });
    });
    for (const key of ["settled", "unknown", "late"] as const) sum[key] += of[key];
  }
  // They reach what they are for: copies of lost connections that are stored late, outcomes that cannot be known.
  expect(sum.settled).toBeGreaterThan(20 * sum.unknown);
  expect(sum.unknown).toBeGreaterThan(0);
  expect(sum.late).toBeGreaterThan(histories / 2);
}, 600_000);
