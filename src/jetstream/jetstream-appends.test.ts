import { describe, expect, test } from "vitest";
import { type Copy, SimulatedStream } from "../../test/jetstream/simulated-stream.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { SimulatedClock } from "../testing/simulated-clock.ts";
import { AppendLane } from "./append-lane.ts";
import { JetStreamAppends } from "./jetstream-appends.ts";

const windowMs = 2000;

function begin({ maxPendingBytes = 1000 } = {}): {
  clock: SimulatedClock;
  stream: SimulatedStream;
  appends: JetStreamAppends<string>;
  counted: number[];
  another(): JetStreamAppends<string>;
} {
  const clock = new SimulatedClock();
  const stream = new SimulatedStream(clock, { windowMs });
  const counted: number[] = [];
  let programs = 0;
  const appends = (): JetStreamAppends<string> =>
    new JetStreamAppends(
      stream.view,
      new AppendLane(stream.view, 60_000, 1),
      undefined,
      { maxPendingBytes, maxRecordBytes: 100 },
      { random: new SeededRandom(`ids ${programs++}`), clock },
      0,
      (bytes) => counted.push(bytes),
    );
  return { clock, stream, appends: appends(), counted, another: appends };
}

function carryAll(stream: SimulatedStream): void {
  stream.carry = (copy) => queueMicrotask(() => stream.answer(copy, stream.arrive(copy)));
}

describe("a batch", () => {
  test("resolves with the seq of its last record when that was not told of last", async () => {
    const { clock, stream, appends, counted } = begin();
    const batch = appends.appendBatch(["a", "bb", "ccc"]);
    await clock.advance(0);
    const answers = stream.sent.map((copy) => stream.arrive(copy));
    stream.lose();
    for (const i of [1, 2]) stream.answer(stream.sent[i] as Copy, answers[i] as never);
    expect(await clock.runUntil(batch)).toEqual({ first: 0, last: 2, count: 3 });
    expect(counted.toSorted()).toEqual([1, 2, 3]);
  });

  test("is rejected with what one of its records was refused for, and the rest of it is not sent", async () => {
    const { clock, stream, appends } = begin();
    stream.append("x");
    carryAll(stream);
    const batch = appends.appendBatch(["a", "b"], { expectedSeq: 7 });
    await expect(clock.runUntil(batch)).rejects.toMatchObject({ code: "SEQLOG_CONFLICT", facts: { nextSeq: 1 } });
    expect(stream.texts).toEqual(["x"]);
  });
});

describe("a key", () => {
  test("whose answer was lost is this very record, though the recovery outlasts the window", async () => {
    const { clock, stream, appends } = begin();
    stream.carry = (copy) => void stream.arrive(copy);
    const append = appends.append("a", { key: "k" });
    await clock.advance(0);
    stream.isSilent = true;
    stream.lose();
    await clock.advance(10 * windowMs);
    stream.isSilent = false;
    expect(await clock.runUntil(append)).toMatchObject({ seq: 0, duplicate: false });
    expect(stream.texts).toEqual(["a"]);
  });

  test("of another program is its record, or SEQLOG_KEY_REUSED with other data", async () => {
    const { clock, stream, appends, another } = begin();
    carryAll(stream);
    const { id } = await clock.runUntil(appends.append("a", { key: "k" }));
    const later = another();
    expect(await clock.runUntil(later.append("a", { key: "k" }))).toMatchObject({ seq: 0, id, duplicate: true });
    const other = later.append("b", { key: "k" });
    await expect(clock.runUntil(other)).rejects.toMatchObject({ code: "SEQLOG_KEY_REUSED", facts: { seq: 0, id } });
  });

  test("that is on its way is appended once", async () => {
    const { clock, stream, appends } = begin();
    carryAll(stream);
    const both = Promise.all([appends.append("a", { key: "k" }), appends.append("a", { key: "k" })]);
    expect((await clock.runUntil(both)).map(({ duplicate }) => duplicate)).toEqual([false, true]);
    expect(stream.texts).toEqual(["a"]);
  });
});

test("more than maxPendingBytes is refused, and room is told of when half of it is free", async () => {
  const { clock, stream, appends } = begin({ maxPendingBytes: 10 });
  const first = appends.append("123456");
  await clock.advance(0);
  expect(() => appends.append("12345")).toThrow("6 bytes wait");
  let hasRoom = false;
  const room = appends.room(undefined).then(() => {
    hasRoom = true;
  });
  await clock.advance(0);
  expect(hasRoom).toBe(false);
  const [copy] = stream.sent as [Copy];
  stream.answer(copy, stream.arrive(copy));
  await clock.runUntil(Promise.all([first, room]));
  expect(hasRoom).toBe(true);
});
