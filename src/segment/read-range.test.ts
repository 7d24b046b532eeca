import { expect, test } from "vitest";
import { SeqlogError } from "../errors.ts";
import type { LogView } from "./log-view.ts";
import { readForward, readLive } from "./read-range.ts";

const range = { from: 0, to: Infinity, limit: Infinity, maxBytes: 1024 };

/**
 * A view whose segment another process has just removed: looking again takes a while, and in that
 * time the log is closed.
 */
function closedWhileLooking(): LogView & { readonly looks: number; readonly isFollowed: boolean } {
  const view = {
    location: "/log",
    firstSeq: 0,
    nextSeq: 5,
    generation: 0,
    version: 0,
    isClosed: false,
    isStale: true,
    looks: 0,
    isFollowed: false,
    acquire(): never {
      throw new SeqlogError("SEQLOG_NOT_FOUND", "no such file", { path: "/log/0.log" });
    },
    changed: () => Promise.resolve(),
    async refresh(): Promise<void> {
      view.looks++;
      await Promise.resolve();
      view.isClosed = true;
    },
    waitForRecovery: () => Promise.resolve(false),
    follow() {
      view.isFollowed = true;
      return () => {
        view.isFollowed = false;
      };
    },
  };
  return view;
}

test("a live read ends normally when the log is closed while it looks for its segment again", async () => {
  const view = closedWhileLooking();
  const runs = readLive(view, range, new AbortController().signal);
  expect(await runs.next()).toEqual({ done: true, value: undefined });
  expect({ looks: view.looks, isFollowed: view.isFollowed }).toEqual({ looks: 1, isFollowed: false });
});

test("a finite read is refused then", async () => {
  const runs = readForward(closedWhileLooking(), { ...range, to: 5 }, false, new AbortController().signal);
  await expect(runs.next()).rejects.toMatchObject({ code: "SEQLOG_CLOSED" });
});
