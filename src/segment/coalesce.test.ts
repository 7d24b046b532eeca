import { expect, test } from "vitest";
import { Coalesce } from "./coalesce.ts";

/** A job whose runs end when they are told to. */
function job() {
  const ends: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const coalesce = new Coalesce(() => new Promise<void>((resolve, reject) => ends.push({ resolve, reject })));
  return { coalesce, ends };
}

test("who asks while it runs shares one more run, begun after they asked", async () => {
  const { coalesce, ends } = job();
  const first = coalesce.run();
  const others = [coalesce.run(), coalesce.run(), coalesce.run()];
  expect(ends).toHaveLength(1);
  ends[0]?.resolve();
  await first;
  await Promise.resolve();
  expect(ends).toHaveLength(2);
  const late = coalesce.run();
  ends[1]?.resolve();
  await Promise.all(others);
  await Promise.resolve();
  expect(ends).toHaveLength(3);
  ends[2]?.resolve();
  await late;
});

test("a run that fails fails those who asked for it, and the next one is run", async () => {
  const { coalesce, ends } = job();
  const first = coalesce.run();
  const second = coalesce.run();
  ends[0]?.reject(new Error("first"));
  await expect(first).rejects.toThrow("first");
  await Promise.resolve();
  ends[1]?.resolve();
  await second;
  const third = coalesce.run();
  ends[2]?.resolve();
  await third;
});
