import { expect, test } from "vitest";
import { DeliverySlots } from "./delivery-slots.ts";

interface Run {
  readonly name: string;
  end(): void;
}

/** Runs calls that end when they are told to, and says which have begun. */
function runs(slots: DeliverySlots): {
  begun: string[];
  run: (name: string, signal?: AbortSignal) => Run & { done: Promise<unknown> };
} {
  const begun: string[] = [];
  const run = (name: string, signal = new AbortController().signal): Run & { done: Promise<unknown> } => {
    let end!: () => void;
    const ended = new Promise<void>((resolve) => (end = resolve));
    const done = slots.run(name.slice(0, 1), signal, () => {
      begun.push(name);
      return ended;
    });
    done.catch(() => undefined);
    return { name, end, done };
  };
  return { begun, run };
}

test("so many at once, and so many of one host; who waits goes in turn", async () => {
  const { begun, run } = runs(new DeliverySlots(3, 2));
  const [a1, a2] = [run("a1"), run("a2"), run("a3")];
  const b1 = run("b1");
  run("b2");
  await Promise.resolve();
  expect(begun).toEqual(["a1", "a2", "b1"]);
  b1.end();
  await b1.done;
  // a3 came before it, but two of a are under way.
  expect(begun).toEqual(["a1", "a2", "b1", "b2"]);
  a1.end();
  await a1.done;
  expect(begun).toEqual(["a1", "a2", "b1", "b2", "a3"]);
  a2.end();
  await a2.done;
});

test("one that fails gives its place back; one that is called off takes none", async () => {
  const slots = new DeliverySlots(1, 1);
  const { begun, run } = runs(slots);
  const first = run("a");
  const off = new AbortController();
  const second = run("b", off.signal);
  off.abort();
  await expect(second.done).rejects.toThrow("called off");
  first.end();
  await first.done;
  await expect(slots.run("a", new AbortController().signal, () => Promise.reject(new Error("no")))).rejects.toThrow(
    "no",
  );
  await expect(slots.run("a", off.signal, () => Promise.resolve())).rejects.toThrow("aborted");
  const third = run("c");
  await Promise.resolve();
  expect(begun).toEqual(["a", "c"]);
  third.end();
  await third.done;
});
