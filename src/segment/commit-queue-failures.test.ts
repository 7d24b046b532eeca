import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type Answer, Caller, QueuedLog, codeOf, mebibyte, nextTick } from "../../test/queue/queued-log.ts";
import { SeqlogError } from "../errors.ts";
import { headerLength } from "../format/record.ts";
import { failWith, shortWrite } from "../testing/fault-plan.ts";
import type { Waiter } from "./batch.ts";

describe("a full disk", () => {
  test.each([
    ["ENOSPC with nothing written", failWith("ENOSPC")],
    ["ENOSPC with a part written", failWith("ENOSPC", 20)],
    ["ENOSPC with all of it written", failWith("ENOSPC", 1000)],
    ["EDQUOT", failWith("EDQUOT", 3)],
    ["EFBIG", failWith("EFBIG", 3)],
    ["a short write without an error", shortWrite(50)],
    ["a write of nothing without an error", shortWrite(0)],
  ])("%s: the batch is undone, its callers are told, and the log goes on", async (_, fault) => {
    const log = new QueuedLog();
    await log.add("zero");
    log.storage.faults.on({ kind: "write", path: ".log" }, fault);
    const lost = [log.add("lost"), log.add("lost, too")];
    await nextTick();
    const next = log.add("one");
    expect((await Promise.all(lost)).map(codeOf)).toEqual(["SEQLOG_NO_SPACE", "SEQLOG_NO_SPACE"]);
    expect([await next, await log.add("two")]).toEqual([1, 2]);
    expect(log.texts()).toEqual(["zero", "one", "two"]);
    expect([log.queue.isPoisoned, log.queue.pendingBytes]).toEqual([false, 0]);
  });

  test.each(["truncate", "fsync"] as const)(
    "a write that cannot be undone for sure (%s fails) poisons",
    async (kind) => {
      const log = new QueuedLog();
      await log.add("zero");
      log.storage.faults
        .on({ kind: "write", path: ".log" }, failWith("ENOSPC", 20))
        .on({ kind, path: ".log" }, failWith("EIO"));
      const answers = [log.add("lost")];
      await nextTick();
      answers.push(log.add("waits"));
      expect((await Promise.all(answers)).map(codeOf)).toEqual(["SEQLOG_POISONED", "SEQLOG_POISONED"]);
      expect(log.poisonings).toEqual([expect.objectContaining({ code: "SEQLOG_IO" })]);
    },
  );

  test("when the announcement finds no room, nothing is written and the log goes on", async () => {
    const log = new QueuedLog();
    log.windowError = new SeqlogError("SEQLOG_NO_SPACE", "full", { path: "/MANIFEST", errno: "ENOSPC" });
    expect(codeOf(await log.add("lost"))).toBe("SEQLOG_NO_SPACE");
    expect(log.writes()).toBe(0);
    log.windowError = undefined;
    expect(await log.add("zero")).toBe(0);
  });
});

describe("poison", () => {
  test("a failed write rejects what is in flight and what waits, and nothing touches the file any more", async () => {
    const log = new QueuedLog();
    await log.add("zero");
    log.storage.faults.on({ kind: "write", path: ".log" }, failWith("EIO", 5));
    const answers = [log.add("in flight")];
    await nextTick();
    answers.push(log.add("waits"), log.add("waits, too"));
    for (const answer of await Promise.all(answers)) {
      expect(answer).toMatchObject({ code: "SEQLOG_POISONED", cause: { code: "SEQLOG_IO" } });
    }
    log.storage.operations.clear();
    expect(() => log.queue.add("later", new Caller(1, -1, [], () => {}))).toThrow(
      expect.objectContaining({ code: "SEQLOG_POISONED" }),
    );
    log.queue.drainSync();
    await log.queue.idle();
    expect(log.storage.operations.entries).toEqual([]);
    expect([log.poisonings.length, log.queue.isPoisoned, log.queue.pendingBytes]).toEqual([1, true, 0]);
  });

  test("an index entry that cannot be written poisons: its record is not acknowledged", async () => {
    const log = new QueuedLog();
    log.storage.faults.on({ kind: "write", path: ".idx" }, failWith("EIO"));
    expect(codeOf(await log.add("on disk, but not proven"))).toBe("SEQLOG_POISONED");
    expect(log.queue.isPoisoned).toBe(true);
  });

  test("an index entry for which there is no room is undone with its record, and the log goes on", async () => {
    for (const fault of [failWith("ENOSPC"), shortWrite(7)]) {
      const log = new QueuedLog();
      log.storage.faults.on({ kind: "write", path: ".idx" }, fault);
      expect(codeOf(await log.add("refused"))).toBe("SEQLOG_NO_SPACE");
      expect(log.queue.isPoisoned).toBe(false);
      expect(codeOf(await log.add("there is room again"))).toBe(0);
    }
  });

  test("from elsewhere: a write that lands afterwards acknowledges nobody", async () => {
    const log = new QueuedLog();
    const answer = log.add("in flight");
    await nextTick();
    log.queue.poison(new Error("a background fsync failed"));
    log.queue.poison(new Error("only the first counts"));
    expect(codeOf(await answer)).toBe("SEQLOG_POISONED");
    await log.queue.idle();
    expect(log.current().nextSeq).toBe(0);
    expect(log.poisonings).toEqual([expect.objectContaining({ message: "a background fsync failed" })]);
    expect(() => log.queue.throwIfPoisoned()).toThrow(/a background fsync failed/);
  });
});

describe("when there is no memory for a record", () => {
  /** There is none for what needs a buffer of its own: more than 8 MiB. */
  function refuseMemory(): void {
    const allocate = Buffer.allocUnsafeSlow.bind(Buffer);
    const spy = vi.spyOn(Buffer, "allocUnsafeSlow").mockImplementation((size) => {
      if (size > 8 * mebibyte) throw new RangeError("Array buffer allocation failed");
      return allocate(size);
    });
    onTestFinished(() => spy.mockRestore());
  }

  test("nothing is pending of it, and the queue goes on", async () => {
    const log = new QueuedLog(12 * mebibyte);
    refuseMemory();
    expect(() => log.queue.add("x".repeat(9 * mebibyte), new Caller(1, -1, [], () => {}))).toThrow("allocation failed");
    expect(log.queue.pendingBytes).toBe(0);
    await log.queue.room();
    // With nine of twelve MiB still counted this one would be too much.
    expect(await log.add("y".repeat(7 * mebibyte))).toBe(0);
    expect(log.queue.pendingBytes).toBe(0);
    await log.queue.idle();
  });

  test.each([false, true])("of many records those before it go their way, blocking %s", async (isBlocking) => {
    const log = new QueuedLog(64 * mebibyte);
    refuseMemory();
    const told: Answer[] = [];
    const data = ["a", "b", "x".repeat(9 * mebibyte), "c"];
    const part = (): Waiter => new Caller(0, -1, [], (answer) => told.push(answer));
    const first = log.add("0");
    expect(() => log.queue.addAll(data, -1, part, isBlocking)).toThrow("allocation failed");
    expect(log.queue.pendingBytes).toBe(3 * (headerLength + 1));
    expect(await first).toBe(0);
    await log.queue.idle();
    expect(log.queue.pendingBytes).toBe(0);
    expect(told).toEqual([1]);
    expect(await log.add("after")).toBe(3);
    expect(log.texts()).toEqual(["0", "a", "b", "after"]);
  });

  test("those before it go their way also when nobody else appends", async () => {
    const log = new QueuedLog(64 * mebibyte);
    refuseMemory();
    const data = ["a", "x".repeat(9 * mebibyte)];
    const answer = new Promise<Answer>((resolve) => {
      expect(() => log.queue.addAll(data, -1, () => new Caller(0, -1, [], resolve))).toThrow("allocation failed");
    });
    expect(await answer).toBe(0);
    await log.queue.idle();
    expect(log.queue.pendingBytes).toBe(0);
  });
});
