import { describe, expect, test } from "vitest";
import { type Answer, Caller, QueuedLog, codeOf, mebibyte, nextTick } from "../../test/queue/queued-log.ts";
import { SeqlogError } from "../errors.ts";
import { failWith } from "../testing/fault-plan.ts";

describe("drainSync", () => {
  test("writes what waits, and the callers are told before it returns", () => {
    const log = new QueuedLog();
    const answers: Answer[] = [];
    for (const data of ["a", "b"]) log.queue.add(data, new Caller(1, -1, answers, () => {}));
    log.queue.drainSync();
    expect(answers).toEqual([0, 1]);
    expect([log.writes(), log.queue.pendingBytes]).toEqual([1, 0]);
    expect(log.texts()).toEqual(["a", "b"]);
  });

  test("while a write is in flight: those bytes first, again at the same place, then what waits", async () => {
    const log = new QueuedLog();
    await log.add("zero");
    const answers: Answer[] = [];
    log.queue.add("in flight", new Caller(1, -1, answers, () => {}));
    await nextTick();
    expect(log.queue.hasWriteInFlight).toBe(true);
    log.queue.add("waits", new Caller(1, -1, answers, () => {}));
    log.queue.drainSync();
    expect(answers).toEqual([1, 2]);
    expect(log.queue.hasWriteInFlight).toBe(true);
    log.disk.crash({ keep: 0 });
    expect(log.texts()).toEqual(["zero", "in flight", "waits"]);
  });

  test("the callback of the write in flight then acknowledges nobody twice, and the log goes on", async () => {
    const log = new QueuedLog();
    const first = log.add("first");
    await nextTick();
    log.queue.drainSync();
    expect([await first, await log.add("second")]).toEqual([0, 1]);
    await log.queue.idle();
    expect(log.texts()).toEqual(["first", "second"]);
  });

  test("an error of the write in flight that comes later poisons", async () => {
    const log = new QueuedLog();
    log.storage.faults.on({ kind: "write", path: ".log" }, failWith("EIO"));
    const first = log.add("first");
    await nextTick();
    log.queue.drainSync();
    expect(await first).toBe(0);
    expect(log.queue.isPoisoned).toBe(false);
    await log.queue.idle();
    expect(log.queue.isPoisoned).toBe(true);
  });

  test.each(["write", "fsync"] as const)(
    "a failed %s of the second try poisons: nothing can be cut back",
    async (kind) => {
      const log = new QueuedLog();
      const answers = [log.add("first")];
      await nextTick();
      answers.push(log.add("second"));
      log.storage.faults.on({ kind, path: ".log" }, failWith("ENOSPC"));
      log.queue.drainSync();
      expect((await Promise.all(answers)).map(codeOf)).toEqual(["SEQLOG_POISONED", "SEQLOG_POISONED"]);
    },
  );

  test("a full disk rejects one batch, and those behind it are written", async () => {
    const log = new QueuedLog();
    const lost = log.addAll(Array.from({ length: 3 }, () => "x".repeat(3 * mebibyte)));
    const kept = log.add("kept");
    log.storage.faults.clear();
    await nextTick();
    log.storage.faults.on({ kind: "write", path: ".log", skip: 1 }, failWith("ENOSPC", 99));
    log.queue.drainSync();
    expect((await lost).map(codeOf)).toEqual([0, "SEQLOG_NO_SPACE"]);
    await log.queue.idle();
    expect([codeOf(await kept), await log.add("last")]).toEqual(["SEQLOG_NO_SPACE", 2]);
    expect(log.texts().map((text) => text.slice(0, 4))).toEqual(["xxxx", "xxxx", "last"]);
  });
});

describe("pause and resume", () => {
  test("what was appended before is written, what comes meanwhile is held", async () => {
    const log = new QueuedLog();
    const before = [log.add("in flight")];
    await nextTick();
    before.push(log.add("waits"));
    const paused = log.queue.pause();
    const held = log.add("held");
    await paused;
    expect([log.queue.hasWriteInFlight, log.writes()]).toEqual([false, 3]);
    expect(await Promise.all(before)).toEqual([0, 1]);
    await nextTick();
    expect(log.texts()).toEqual(["in flight", "waits"]);
    log.queue.resume();
    expect(await held).toBe(2);
    expect(log.texts()).toEqual(["in flight", "waits", "held"]);
  });

  test("what was held goes to the segment that is there then, with its seqs and offsets", async () => {
    const log = new QueuedLog();
    await Promise.all([log.add("old 0"), log.add("old 1")]);
    await log.queue.pause();
    const held = [log.add("new 0"), log.add("conflicts", 3), log.add("new 1")];
    log.newSegment(0);
    log.queue.resume();
    expect((await Promise.all(held)).map(codeOf)).toEqual([0, "SEQLOG_CONFLICT", 1]);
    expect(await log.add("new 2", 2)).toBe(2);
    expect(log.texts("/b.log")).toEqual(["new 0", "new 1", "new 2"]);
    expect(log.queue.pendingBytes).toBe(0);
  });

  test("a blocking call meanwhile is a TypeError", async () => {
    const log = new QueuedLog();
    await log.queue.pause();
    expect(() => log.queue.drainSync()).toThrow(TypeError);
    expect(() => log.queue.throwIfPaused()).toThrow(TypeError);
    log.queue.resume();
    log.queue.drainSync();
  });
});

describe("rolling", () => {
  test("a record that would end past the segment's size opens the next one", async () => {
    const log = new QueuedLog();
    log.segmentBytes = 100;
    const answers = await Promise.all([log.add("x".repeat(36)), log.add(""), log.add("y"), log.add("z".repeat(35))]);
    expect(answers).toEqual([0, 1, 2, 3]);
    expect(log.rolls).toEqual([2]);
    expect(log.texts("/a.log")).toEqual(["x".repeat(36), ""]);
    expect(log.texts("/b.log")).toEqual(["y", "z".repeat(35)]);
  });

  test("a record larger than a segment is alone in it", async () => {
    const log = new QueuedLog();
    log.segmentBytes = 100;
    expect(await Promise.all([log.add("x".repeat(500)), log.add("y".repeat(500))])).toEqual([0, 1]);
    expect(log.rolls).toEqual([1]);
  });

  test("no roll while a callback is out: the batch goes to the old segment", async () => {
    const log = new QueuedLog();
    log.segmentBytes = 50;
    const first = log.add("x");
    await nextTick();
    const second = log.add("y".repeat(40));
    log.queue.drainSync();
    expect([await first, await second]).toEqual([0, 1]);
    expect(log.rolls).toEqual([]);
    await log.queue.idle();
    expect(await log.add("z")).toBe(2);
    expect(log.rolls).toEqual([2]);
    expect(log.texts("/a.log")).toEqual(["x", "y".repeat(40)]);
  });

  test("a batch that lost all its records to an earlier failure opens no segment", async () => {
    const log = new QueuedLog();
    await log.add("x");
    log.storage.faults.on({ kind: "write", path: ".log" }, failWith("ENOSPC"));
    const failed = log.add("fails");
    await nextTick();
    log.segmentBytes = 50;
    const relies = log.add("y".repeat(40), 2);
    expect([codeOf(await failed), codeOf(await relies)]).toEqual(["SEQLOG_NO_SPACE", "SEQLOG_CONFLICT"]);
    await log.queue.idle();
    expect(log.rolls).toEqual([]);
  });

  test("when the next segment cannot be made, the batch is rejected and the log goes on, or is poisoned", async () => {
    const log = new QueuedLog();
    log.segmentBytes = 50;
    await log.add("x");
    log.rollError = new SeqlogError("SEQLOG_NO_SPACE", "full", { path: "/b.log", errno: "ENOSPC" });
    expect(codeOf(await log.add("y".repeat(40)))).toBe("SEQLOG_NO_SPACE");
    log.rollError = undefined;
    expect(await log.add("y".repeat(40))).toBe(1);
    log.rollError = new SeqlogError("SEQLOG_IO", "bad", { path: "/c.log", syscall: "open", errno: "EIO" });
    expect(codeOf(await log.add("z".repeat(40)))).toBe("SEQLOG_POISONED");
  });
});

describe("where the disk is fast, a short batch is written in place", () => {
  /** A queue that has seen its disk: what comes next is written in place. */
  async function quickLog(): Promise<QueuedLog> {
    const log = new QueuedLog(undefined, undefined, "auto");
    for (let i = 0; i < 4; i++) await log.add(`w${i}`);
    return log;
  }

  function backgroundWrites(log: QueuedLog): number {
    return log.storage.operations.entries.filter((operation) => operation.kind === "write" && operation.background)
      .length;
  }

  test("in the next turn of the event loop, with all that came in this one", async () => {
    const log = await quickLog();
    const before = [log.writes(), backgroundWrites(log)];
    const answers = Promise.all([log.add("a"), log.add("b")]);
    await Promise.resolve().then(() => log.add("c"));
    expect(await answers).toEqual([4, 5]);
    // The three share a write; zeros were laid ahead before.
    expect([log.writes() - (before[0] as number), backgroundWrites(log) - (before[1] as number)]).toEqual([1, 0]);
  });

  test("a caller who appends as soon as it was told does not keep others from their turn", async () => {
    const log = await quickLog();
    let turns = 0;
    let next: NodeJS.Immediate;
    const turn = (): void => {
      turns++;
      next = setImmediate(turn);
    };
    next = setImmediate(turn);
    for (let i = 0; i < 20; i++) await log.add("x");
    clearImmediate(next);
    expect(turns).toBeGreaterThanOrEqual(19);
  });

  test("a full disk rejects its callers alone, and the file is cut back", async () => {
    const log = await quickLog();
    log.storage.faults.on({ kind: "write", path: ".log" }, failWith("ENOSPC"));
    expect(codeOf(await log.add("a"))).toBe("SEQLOG_NO_SPACE");
    expect(await log.add("b")).toBe(4);
    expect(log.poisonings).toEqual([]);
  });

  test("another error poisons, as it would in the background", async () => {
    const log = await quickLog();
    log.storage.faults.on({ kind: "write", path: ".log" }, failWith("EIO"));
    expect(codeOf(await log.add("a"))).toBe("SEQLOG_POISONED");
    expect(log.poisonings).toHaveLength(1);
  });

  test("a batch that grows long while it waits goes to the background", async () => {
    const log = await quickLog();
    const before = backgroundWrites(log);
    const answers = [log.add("a"), log.add("x".repeat(100_000))];
    expect(await Promise.all(answers)).toEqual([4, 5]);
    expect(backgroundWrites(log)).toBe(before + 1);
  });

  test("a blocking append in between writes what waits; the turn then finds nothing", async () => {
    const log = await quickLog();
    const waiting = log.add("a");
    log.queue.drainSync();
    expect(await waiting).toBe(4);
    await new Promise((resolve) => setImmediate(resolve));
    expect(await log.add("b")).toBe(5);
  });
});
