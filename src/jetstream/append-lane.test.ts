import { describe, expect, test } from "vitest";
import { type Answer, type Copy, SimulatedStream } from "../../test/jetstream/simulated-stream.ts";
import { SimulatedClock } from "../testing/simulated-clock.ts";
import type { LaneItem } from "./append-attempt.ts";
import { AppendLane } from "./append-lane.ts";

interface Told {
  readonly told: string[];
  item(text: string, more?: { messageId?: string; expectedSeq?: number }): LaneItem;
}

/** Keeps what callers are told: `text@seq`, `text@seq again`, or `text! code`. */
function toldOf(): Told {
  const told: string[] = [];
  return {
    told,
    item: (text, { messageId = `id-${text}`, expectedSeq = -1 } = {}) => ({
      data: Buffer.from(text),
      id: `id-${text}`,
      messageId,
      expectedSeq,
      isOver: false,
      settled: (seq, duplicate) => told.push(`${text}@${seq}${duplicate ? " again" : ""}`),
      failed: (error) => told.push(`${text}! ${(error as Error & { code?: string }).code ?? error.message}`),
    }),
  };
}

const windowMs = 2000;

async function begin(replicas: number): Promise<{
  clock: SimulatedClock;
  stream: SimulatedStream;
  lane: AppendLane;
  told: string[];
  add(...texts: string[]): Promise<void>;
  item: Told["item"];
  settled(): Promise<void>;
}> {
  const clock = new SimulatedClock();
  const stream = new SimulatedStream(clock, { replicas, windowMs });
  const lane = new AppendLane(stream.view, 60_000, replicas);
  const { told, item } = toldOf();
  const settled = (): Promise<void> => clock.advance(0);
  const add = (...texts: string[]): Promise<void> => {
    lane.add(texts.map((text) => item(text)));
    return settled();
  };
  return { clock, stream, lane, told, add, item, settled };
}

/** The network is well. */
function carryAll(stream: SimulatedStream): void {
  stream.carry = (copy) => queueMicrotask(() => stream.answer(copy, stream.arrive(copy)));
}

const at = (stream: SimulatedStream, i: number): Copy => stream.sent.at(i) as Copy;

describe.each([1, 3])("%i replicas", (replicas) => {
  test("appends are acknowledged in order, and nothing is looked for while all goes well", async () => {
    const { stream, add, told, lane } = await begin(replicas);
    carryAll(stream);
    await add("a", "b", "c");
    await add("d");
    expect(told).toEqual(["a@0", "b@1", "c@2", "d@3"]);
    expect([stream.sent.length, stream.looks, lane.pendingBytes]).toEqual([4, 0, 0]);
  });

  test("records that were stored unanswered are found by a look long after the window, and the rest is sent", async () => {
    const { stream, add, told, clock } = await begin(replicas);
    await add("a", "b", "c", "d");
    for (const copy of stream.sent.slice(0, 2)) stream.arrive(copy);
    stream.isSilent = true;
    stream.lose();
    await clock.advance(30_000);
    expect(told).toEqual([]);
    carryAll(stream);
    stream.isSilent = false;
    await clock.advance(1000);
    expect(told).toEqual(["a@0", "b@1", "c@2", "d@3"]);
    expect(stream.texts).toEqual(["a", "b", "c", "d"]);
    expect(stream.sent.slice(4).map(({ text }) => text)).toEqual(["c", "d"]);
  });

  test("a copy that comes long after the window changes nothing, whichever of the two is first", async () => {
    for (const isOldFirst of [true, false]) {
      const { stream, add, told, clock } = await begin(replicas);
      await add("a");
      const [old] = stream.sent as [Copy];
      stream.lose();
      await clock.advance(1000);
      const repeated = at(stream, -1);
      expect(repeated.expected).toBe(0);
      stream.arrive(isOldFirst ? old : repeated);
      clock.jump(windowMs + 1);
      const late = stream.arrive(isOldFirst ? repeated : old);
      if (isOldFirst) stream.answer(repeated, late);
      else stream.lose();
      await clock.advance(1000);
      expect(told).toEqual(["a@0"]);
      expect(stream.texts).toEqual(["a"]);
    }
  });

  test("a record whose place another program's has taken is sent to the next one, and its copy is refused", async () => {
    const { stream, add, told, clock } = await begin(replicas);
    await add("a", "b");
    const late = [...stream.sent];
    stream.append("x");
    stream.lose();
    carryAll(stream);
    await clock.advance(1000);
    clock.jump(windowMs + 1);
    for (const copy of late) expect(stream.arrive(copy)).toHaveProperty("error");
    expect(told).toEqual(["a@1", "b@2"]);
    expect(stream.texts).toEqual(["x", "a", "b"]);
  });

  test("a leader that has not gone through all that it holds is asked again", async () => {
    const { stream, add, told, clock } = await begin(replicas);
    await add("a", "b");
    const all = stream.sent.slice();
    for (const copy of all) stream.arrive(copy);
    // One that has it says where the stream ends, and then another one is asked for the message.
    const info = stream.info();
    stream.known = 0;
    stream.info = () => {
      Reflect.deleteProperty(stream, "info");
      return info;
    };
    stream.lose();
    await clock.advance(1000);
    // It is not taken to be absent: what is sent again goes to its own place alone.
    expect([told, stream.sent.slice(2).map(({ text, expected }) => `${text} ${expected}`)]).toEqual([[], ["a 0"]]);
    stream.known = Infinity;
    stream.lose();
    await clock.advance(1000);
    expect([told, stream.sent.length]).toEqual([["a@0", "b@1"], 3]);
  });

  test("a record whose message is deleted before it was looked for may have been it: SEQLOG_IO", async () => {
    const { stream, add, told, clock } = await begin(replicas);
    await add("a", "b");
    for (const copy of stream.sent) stream.arrive(copy);
    stream.stored[0] = undefined;
    stream.lose();
    await clock.advance(1000);
    expect(told).toEqual(["b@1", "a! SEQLOG_IO"].toSorted());
  });

  test("an answer that comes while it is looked for, or after, settles once, and what follows is sent at once", async () => {
    const { stream, add, told, clock } = await begin(replicas);
    await add("a");
    stream.lose();
    await clock.advance(1000);
    const [first, second] = stream.sent as [Copy, Copy];
    stream.answer(first, { seq: 1 });
    stream.answer(second, { seq: 1, duplicate: true });
    stream.stored.push({ id: "id-a", text: "a", messageId: "id-a" });
    expect(told).toEqual(["a@0"]);
    expect(clock.timers).toBe(0);
    carryAll(stream);
    await add("b");
    expect(told).toEqual(["a@0", "b@1"]);
    expect(clock.timers).toBe(0);
  });

  test("duplicates of keys are answered in a window that grows, and the next record gets its place", async () => {
    const { stream, lane, told, item, settled } = await begin(replicas);
    const keys = Array.from({ length: 20 }, (_, i) => `key-${i}`);
    for (const key of keys) stream.append(key);
    carryAll(stream);
    lane.add([...keys.map((messageId, i) => item(`again-${i}`, { messageId })), item("new"), item("newer")]);
    await settled();
    expect(told).toEqual([...keys.map((_, i) => `again-${i}@${i} again`), "new@20", "newer@21"]);
  });

  test("an expected seq is decided by the server: stored, refused, or found after lost answers", async () => {
    const { stream, lane, told, item, settled, clock } = await begin(replicas);
    carryAll(stream);
    lane.add([item("a", { expectedSeq: 0 }), item("b", { expectedSeq: 7 }), item("c", { expectedSeq: 1 })]);
    await settled();
    expect(told).toEqual(["a@0", "b! SEQLOG_CONFLICT", "c@1"]);
    stream.carry = (copy) => void stream.arrive(copy);
    lane.add([item("d", { expectedSeq: 2 })]);
    await settled();
    clock.jump(windowMs + 1);
    stream.lose();
    await clock.advance(1000);
    expect(told.at(-1)).toBe("d@2");
  });

  test("silence is noticed though records are added, and the process is held while somebody waits", async () => {
    const { stream, add, told, clock } = await begin(replicas);
    await add("0");
    stream.carry = (copy) => void stream.arrive(copy);
    for (let i = 1; i <= 6; i++) {
      await clock.advance(1000);
      await add(String(i));
    }
    await clock.advance(6000);
    carryAll(stream);
    await clock.advance(6000);
    expect(told.toSorted()).toEqual(["0@0", "1@1", "2@2", "3@3", "4@4", "5@5", "6@6"]);
  });

  test("patience ends with SEQLOG_IO when there is no progress, and the lane goes on afterwards", async () => {
    const { stream, add, told, clock } = await begin(replicas);
    await add("a", "b");
    await clock.advance(80_000);
    expect(told).toEqual(["a! SEQLOG_IO", "b! SEQLOG_IO"]);
    carryAll(stream);
    await add("c");
    await clock.advance(1000);
    expect(told.at(-1)).toBe("c@0");
  });

  test.each<[string, Answer]>([
    [
      "a copy in process",
      { error: { code: 409, err_code: 10_158, description: "duplicate message id is in process" } },
    ],
    ["too many requests", { error: { code: 429, err_code: 10_167, description: "too many requests" } }],
    ["no leader", { error: { code: 503, err_code: 10_008, description: "temporarily unavailable" } }],
    ["a store that closes", { error: { code: 503, err_code: 10_077, description: "store is closed" } }],
  ])("%s: it is looked for, and sent again", async (_, answer) => {
    const { stream, add, told, clock } = await begin(replicas);
    await add("a");
    stream.answer(at(stream, 0), answer);
    carryAll(stream);
    await clock.advance(1000);
    expect([told, stream.texts]).toEqual([["a@0"], ["a"]]);
  });

  test("full and refused are told, and the next record is appended", async () => {
    const { stream, add, told, clock } = await begin(replicas);
    await add("a", "b");
    stream.answer(at(stream, 0), { error: { code: 503, err_code: 10_077, description: "maximum bytes exceeded" } });
    stream.answer(at(stream, 1), { error: { code: 400, err_code: 10_054, description: "message too large" } });
    carryAll(stream);
    await add("c");
    await clock.advance(1000);
    expect(told).toEqual(["a! SEQLOG_NO_SPACE", "b! SEQLOG_IO", "c@0"]);
  });

  test("another program's reset rejects what waits, and what comes later goes to the new log", async () => {
    const { stream, add, told, clock } = await begin(replicas);
    carryAll(stream);
    await add("a", "b");
    stream.generation = 1;
    stream.stored = [];
    await add("c", "d");
    await clock.advance(1000);
    await add("e");
    await clock.advance(1000);
    expect(told).toEqual(["a@0", "b@1", "c! SEQLOG_RESET", "d! SEQLOG_RESET", "e@0"]);
    expect(stream.texts).toEqual(["e"]);
  });

  test("a stream that lost records without a reset goes on where it ends", async () => {
    const { stream, add, told, clock } = await begin(replicas);
    carryAll(stream);
    await add("a", "b");
    stream.stored.length = 1;
    await add("c");
    await clock.advance(1000);
    expect(told).toEqual(["a@0", "b@1", "c@1"]);
  });

  test("a barrier waits for what was added before it, and holds back what comes after", async () => {
    const { stream, lane, add, told, clock, item } = await begin(replicas);
    carryAll(stream);
    lane.add([item("a")]);
    const passed = lane.barrier(async () => {
      told.push("barrier");
    });
    await add("b");
    await clock.runUntil(passed);
    await clock.runUntil(lane.drained());
    expect(told).toEqual(["a@0", "barrier", "b@1"]);
  });
});

test("with replicas, a copy that may come to a place not reached yet is sent there again, then its fate cannot be known", async () => {
  const { stream, lane, told, item, clock } = await begin(3);
  stream.append("known", "key");
  await clock.runUntil(stream.view.refresh());
  lane.add([item("a", { messageId: "key" }), item("b"), item("c", { messageId: "key" })]);
  await clock.advance(0);
  expect(stream.sent.map(({ expected }) => expected)).toEqual([1, 2, 3]);
  stream.lose();
  carryAll(stream);
  await clock.advance(1000);
  expect(told).toEqual(["a@0 again", "b! SEQLOG_IO", "c@0 again"]);
  expect(stream.sent.slice(3).map(({ text, expected }) => `${text} ${expected}`)).toEqual(["a 1", "b 2", "c 3"]);
});

test("with one replica such a copy names the one that it follows, and cannot be stored: the record is sent again", async () => {
  const { stream, lane, told, item, clock } = await begin(1);
  stream.append("known", "key");
  lane.add([item("a", { messageId: "key" }), item("b"), item("c")]);
  await clock.advance(0);
  const late = [...stream.sent];
  stream.lose();
  carryAll(stream);
  await clock.advance(1000);
  expect(told).toEqual(["a@0 again", "b@1", "c@2"]);
  clock.jump(windowMs + 1);
  for (const copy of late) expect(stream.arrive(copy)).toHaveProperty("error");
});
