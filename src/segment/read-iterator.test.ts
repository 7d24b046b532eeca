import { expect, test } from "vitest";
import type { Run } from "./log-record.ts";
import { type OpenRuns, ReadIterator } from "./read-iterator.ts";
import { chunkOf } from "./verify-chunk.ts";

/** A run of `count` records from `firstSeq` on. */
function runOf(firstSeq: number, count: number): Run {
  const starts = Array.from({ length: count }, (_, i) => i * 32);
  return { chunk: chunkOf(new Uint8Array(0), 0), starts, end: count * 32, firstSeq, segment: "s.log" };
}

function iterate(open: OpenRuns, checkGoesOn: () => void = () => {}): ReadIterator<number> {
  return new ReadIterator({
    open,
    count: (run) => run.starts.length,
    item: (run, index) => run.firstSeq + index,
    checkGoesOn,
  });
}

async function* runs(...given: readonly Run[]): AsyncGenerator<Run> {
  yield* given;
}

async function collect(items: AsyncIterable<number>): Promise<number[]> {
  const found: number[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** Runs that never come, until the signal says so. */
async function* silence(signal: AbortSignal): AsyncGenerator<Run> {
  yield runOf(0, 1);
  await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
}

test("the items of all runs, in order; runs without any are passed over", async () => {
  expect(await collect(iterate(() => runs(runOf(0, 3), runOf(3, 0), runOf(3, 2))))).toEqual([0, 1, 2, 3, 4]);
  expect(await collect(iterate(() => runs()))).toEqual([]);
  expect(await collect(iterate(() => Promise.resolve(runs(runOf(7, 1)))))).toEqual([7]);
});

test("nothing is opened before the first next", async () => {
  let opened = 0;
  const items = iterate(() => {
    opened++;
    return runs(runOf(0, 1));
  });
  expect(opened).toBe(0);
  await items.next();
  await items.next();
  await items.next();
  expect(opened).toBe(1);
});

test("many nexts at once are answered in their order", async () => {
  const items = iterate(() => runs(runOf(0, 2), runOf(2, 1), runOf(3, 2)));
  const answers = await Promise.all(Array.from({ length: 7 }, () => items.next()));
  expect(answers.map(({ done, value }) => (done === true ? "done" : value))).toEqual([0, 1, 2, 3, 4, "done", "done"]);
});

test("an error comes where it happened, once, and then it is over", async () => {
  async function* failing(): AsyncGenerator<Run> {
    yield runOf(0, 2);
    throw new Error("damage");
  }
  const items = iterate(failing);
  const answers = await Promise.allSettled(Array.from({ length: 5 }, () => items.next()));
  expect(answers.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled", "fulfilled"]);
  expect(answers[2]).toMatchObject({ reason: new Error("damage") });
  expect(answers[4]).toMatchObject({ value: { done: true } });
});

test("an error of opening is the first answer", async () => {
  const items = iterate(() => Promise.reject(new Error("closed")));
  await expect(items.next()).rejects.toThrow("closed");
  expect(await items.next()).toEqual({ done: true, value: undefined });
});

test("return ends a wait, drops what was read and not taken, and closes the runs", async () => {
  let isClosed = false;
  async function* watched(signal: AbortSignal): AsyncGenerator<Run> {
    try {
      yield* silence(signal);
    } finally {
      isClosed = true;
    }
  }
  const items = iterate(watched);
  expect(await items.next()).toEqual({ done: false, value: 0 });
  const waiting = [items.next(), items.next()];
  expect(await items.return()).toEqual({ done: true, value: undefined });
  for (const answer of waiting) expect(await answer).toEqual({ done: true, value: undefined });
  expect(isClosed).toBe(true);

  const more = iterate(() => runs(runOf(0, 5)));
  await more.next();
  await more.return();
  expect(await more.next()).toEqual({ done: true, value: undefined });
});

test("return before the first next opens nothing", async () => {
  const items = iterate(() => expect.unreachable());
  await items.return();
  expect(await items.next()).toEqual({ done: true, value: undefined });
});

test("return while it is being opened ends it", async () => {
  let proceed: () => void = () => {};
  const items = iterate(async (signal) => {
    await new Promise<void>((resolve) => (proceed = resolve));
    return silence(signal);
  });
  const first = items.next();
  // The next one is asked for in a microtask.
  await Promise.resolve();
  const returned = items.return();
  proceed();
  await returned;
  expect(await first).toEqual({ done: true, value: undefined });
});

test("an item that cannot be made is an error in its place, and the end", async () => {
  const items = new ReadIterator({
    open: () => runs(runOf(0, 3)),
    count: (run) => run.starts.length,
    item: (_, index) => {
      if (index === 1) throw new RangeError("no item");
      return index;
    },
    checkGoesOn: () => {},
  });
  const answers = await Promise.allSettled([items.next(), items.next(), items.next()]);
  expect(answers.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(answers[2]).toMatchObject({ value: { done: true } });
});

test("what must stop stops before the next item, also among those that were read", async () => {
  let isClosed = false;
  let isOver = false;
  async function* watched(): AsyncGenerator<Run> {
    try {
      yield runOf(0, 5);
    } finally {
      isOver = true;
    }
  }
  const items = iterate(watched, () => {
    if (isClosed) throw new Error("closed");
  });
  await items.next();
  await items.next();
  isClosed = true;
  await expect(items.next()).rejects.toThrow("closed");
  expect([await items.next(), isOver]).toEqual([{ done: true, value: undefined }, true]);
});
