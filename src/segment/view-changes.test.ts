import { expect, test } from "vitest";
import { ViewChanges } from "./view-changes.ts";

const never = new AbortController().signal;

test("everybody who waits is woken by one change, and each change is another version", async () => {
  const changes = new ViewChanges(() => {});
  const waiting = [changes.after(0, never), changes.after(0, never)];
  changes.bump();
  await Promise.all(waiting);
  expect(changes.version).toBe(1);
});

test("a change that came before is not missed", async () => {
  const changes = new ViewChanges(() => {});
  changes.bump();
  await expect(changes.after(0, never)).resolves.toBeUndefined();
});

test("a wait ends with its signal's reason, and is then forgotten", async () => {
  const changes = new ViewChanges(() => {});
  const controller = new AbortController();
  const waiting = changes.after(0, controller.signal).catch((error: unknown) => error);
  const reason = new Error("enough");
  controller.abort(reason);
  expect(await waiting).toBe(reason);
  expect(() => changes.after(0, controller.signal)).toThrow(reason);
  changes.bump();
});

test("the first who follows switches on, the last who goes switches off", () => {
  const switches: boolean[] = [];
  const changes = new ViewChanges((isFollowed) => switches.push(isFollowed));
  const [one, other] = [changes.follow(), changes.follow()];
  one();
  expect(switches).toEqual([true]);
  other();
  changes.follow();
  expect(switches).toEqual([true, false, true]);
});
