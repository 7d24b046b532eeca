import { describe, expect, test } from "vitest";
import { Caller, QueuedLog, codeOf, mebibyte, nextTick } from "../../test/queue/queued-log.ts";
import { SeqlogError } from "../errors.ts";
import { headerLength } from "../format/record.ts";
import { failWith } from "../testing/fault-plan.ts";
import { checkedLength } from "./commit-queue.ts";

describe("group commit", () => {
  test("callers of one turn share a write and get their seqs in the order of their calls", async () => {
    const log = new QueuedLog();
    const answers = await Promise.all(Array.from({ length: 64 }, (_, i) => log.add(`record ${i}`)));
    expect(answers).toEqual(Array.from({ length: 64 }, (_, i) => i));
    expect(log.writes()).toBe(1);
    expect(log.texts()).toEqual(Array.from({ length: 64 }, (_, i) => `record ${i}`));
  });

  test("who comes while a write is in flight shares the next one, which begins when that is durable", async () => {
    const log = new QueuedLog();
    const first = log.add("first");
    await nextTick();
    expect([log.queue.hasWriteInFlight, log.writes()]).toEqual([true, 1]);
    const others = Array.from({ length: 20 }, (_, i) => log.add(`other ${i}`));
    await nextTick();
    expect(log.writes()).toBe(1);
    expect(await first).toBe(0);
    expect(await Promise.all(others)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(log.writes()).toBe(2);
  });

  test("data is copied before the call returns", async () => {
    const log = new QueuedLog();
    const data = Buffer.from("before");
    const answer = log.add(data);
    data.write("after!");
    await answer;
    expect(log.texts()).toEqual(["before"]);
  });

  test("a first record of 256 KiB is written without waiting for the end of the turn", async () => {
    const log = new QueuedLog();
    const large = log.add("x".repeat(256 * 1024 - headerLength));
    expect(log.writes()).toBe(1);
    expect(await large).toBe(0);
    const small = log.add("x".repeat(256 * 1024 - headerLength - 1));
    expect(log.writes()).toBe(1);
    expect(await small).toBe(1);
  });

  test("a batch ends at 8 MiB, and a record that is larger goes alone", async () => {
    const log = new QueuedLog();
    const first = log.add("");
    await nextTick();
    const all = [
      ...Array.from({ length: 9 }, () => log.add(new Uint8Array(mebibyte))),
      log.add(new Uint8Array(9 * mebibyte)),
      log.add("small"),
    ];
    expect(await Promise.all([first, ...all])).toEqual(Array.from({ length: 12 }, (_, i) => i));
    const lengths = log.storage.operations.entries.filter(({ kind, path }) => kind === "write" && path === "/a.log");
    const record = mebibyte + headerLength;
    expect(lengths.map(({ length }) => length)).toEqual([
      headerLength,
      7 * record,
      2 * record,
      9 * mebibyte + headerLength,
      headerLength + 5,
    ]);
  });

  test("every write is announced before it begins", async () => {
    const log = new QueuedLog();
    await log.add("12345");
    await Promise.all([log.add("1"), log.add("")]);
    expect(log.windows).toEqual([37, 65]);
  });

  test("empty data is a record, text is UTF-8", async () => {
    const log = new QueuedLog();
    await Promise.all([log.add(""), log.add(new Uint8Array(0)), log.add("ü€😀")]);
    expect(log.texts()).toEqual(["", "", Buffer.from("ü€😀").toString("latin1")]);
  });

  test("idle resolves when nothing waits and nothing is in flight, whatever became of it", async () => {
    const log = new QueuedLog();
    await log.queue.idle();
    const answers = [log.add("a"), log.add("b")];
    await log.queue.idle();
    expect([log.queue.pendingBytes, log.queue.hasWriteInFlight]).toEqual([0, false]);
    expect(await Promise.all(answers)).toEqual([0, 1]);
    log.storage.faults.on({ kind: "write", path: ".log" }, failWith("EIO"));
    const lost = log.add("c");
    await log.queue.idle();
    expect(codeOf(await lost)).toBe("SEQLOG_POISONED");
  });
});

describe("what is accepted", () => {
  test.each<[string, unknown]>([
    ["null", null],
    ["undefined", undefined],
    ["a number", 5],
    ["an object", {}],
    ["an array", [1, 2]],
    ["an ArrayBuffer", new ArrayBuffer(4)],
    ["a DataView", new DataView(new ArrayBuffer(4))],
    ["a Uint16Array", new Uint16Array(4)],
    ["text with a lone high surrogate", "a\ud800"],
    ["text with a lone low surrogate", "\udc00b"],
  ])("%s is a TypeError", (_, data) => {
    const log = new QueuedLog();
    expect(() => log.queue.add(data as string, new Caller(1, -1, [], () => {}))).toThrow(TypeError);
    expect(() => log.queue.addAll(["good", data as string], -1, () => expect.unreachable())).toThrow(TypeError);
    expect(log.queue.pendingBytes).toBe(0);
  });

  test("data over maxRecordBytes is a RangeError before anything is written", async () => {
    const log = new QueuedLog(64 * mebibyte, 10);
    expect(() => log.queue.add("12345678901", new Caller(1, -1, [], () => {}))).toThrow(RangeError);
    expect(() => log.queue.add("€€€€", new Caller(1, -1, [], () => {}))).toThrow(/12 bytes/);
    expect(() => log.queue.addAll(["", new Uint8Array(11)], -1, () => expect.unreachable())).toThrow(RangeError);
    expect(await log.add("1234567890")).toBe(0);
    expect(log.texts()).toEqual(["1234567890"]);
  });

  test("the length of text is that of its UTF-8 form", () => {
    expect(checkedLength("ü€😀", 100)).toBe(9);
    expect(checkedLength(new Uint8Array(7), 7)).toBe(7);
  });

  test("more pending bytes than allowed are refused, and nothing of them is kept", async () => {
    const log = new QueuedLog(200);
    const first = log.add("x".repeat(100));
    expect(log.queue.pendingBytes).toBe(132);
    expect(() => log.queue.add("x".repeat(37), new Caller(1, -1, [], () => {}))).toThrow(
      expect.objectContaining({ code: "SEQLOG_QUEUE_FULL", facts: { pendingBytes: 132 } }),
    );
    expect(() => log.queue.addAll(["", "", ""], -1, () => expect.unreachable())).toThrow(SeqlogError);
    const fits = log.add("x".repeat(36));
    expect(log.queue.pendingBytes).toBe(200);
    expect(await Promise.all([first, fits])).toEqual([0, 1]);
    expect(log.texts().map((text) => text.length)).toEqual([100, 36]);
  });

  test("one record larger than all pending bytes is taken when nothing else waits", async () => {
    const log = new QueuedLog(50);
    expect(await log.add("x".repeat(1000))).toBe(0);
    expect(await log.addAll(["x".repeat(1000), "y"])).toEqual([1]);
  });

  test("room resolves at half of what may be pending", async () => {
    const log = new QueuedLog(400);
    await log.queue.room();
    const first = log.add("x".repeat(300));
    let hasRoom = false;
    const room = log.queue.room().then(() => (hasRoom = true));
    await nextTick();
    expect(hasRoom).toBe(false);
    await first;
    await room;
    expect(log.queue.pendingBytes).toBe(0);
  });

  test("waiting for room ends with the signal's reason", async () => {
    const log = new QueuedLog(400);
    const first = log.add("x".repeat(300));
    const [one, other] = [new AbortController(), new AbortController()];
    const rooms = [log.queue.room(one.signal), log.queue.room(other.signal)];
    one.abort(new Error("enough"));
    await expect(rooms[0]).rejects.toThrow("enough");
    expect(() => log.queue.room(AbortSignal.abort(new Error("before")))).toThrow("before");
    await first;
    await rooms[1];
  });

  test("room resolves when the queue is poisoned: nothing is pending any more", async () => {
    const log = new QueuedLog(100);
    const first = log.add("x".repeat(300));
    const room = log.queue.room();
    log.queue.poison(new Error("elsewhere"));
    await room;
    expect(codeOf(await first)).toBe("SEQLOG_POISONED");
  });
});

describe("expectedSeq", () => {
  test("the next seq passes, counting what waits; any other is a conflict at once", async () => {
    const log = new QueuedLog();
    const answers = [log.add("a", 0), log.add("b"), log.add("c", 2)];
    for (const wrong of [0, 2, 4]) {
      expect(() => log.queue.add("x", new Caller(1, wrong, [], () => {}))).toThrow(
        expect.objectContaining({ code: "SEQLOG_CONFLICT", facts: { expectedSeq: wrong, nextSeq: 3 } }),
      );
    }
    expect(await Promise.all(answers)).toEqual([0, 1, 2]);
    expect(await log.add("d", 3)).toBe(3);
  });

  test("after an earlier append failed, those that rely on its seq fail and the others go on", async () => {
    const log = new QueuedLog();
    await log.add("zero");
    log.storage.faults.on({ kind: "write", path: ".log" }, failWith("ENOSPC", 10));
    const failed = log.add("fails");
    await nextTick();
    const waiting = [log.add("relies on seq 2", 2), log.add("one"), log.add("relies on seq 4", 4), log.add("two")];
    expect(codeOf(await failed)).toBe("SEQLOG_NO_SPACE");
    expect((await Promise.all(waiting)).map(codeOf)).toEqual(["SEQLOG_CONFLICT", 1, "SEQLOG_CONFLICT", 2]);
    expect(await log.add("three", 3)).toBe(3);
    expect(log.texts()).toEqual(["zero", "one", "two", "three"]);
    expect(log.queue.pendingBytes).toBe(0);
  });
});

test("a conflict that an earlier failure brought about names the seq that is next now", async () => {
  const log = new QueuedLog();
  await log.add("zero");
  log.storage.faults.on({ kind: "write", path: ".log" }, failWith("ENOSPC"));
  const failed = log.add("fails");
  await nextTick();
  const relies = log.add("relies on seq 2", 2);
  await failed;
  expect(await relies).toMatchObject({ code: "SEQLOG_CONFLICT", facts: { expectedSeq: 2, nextSeq: 1 } });
});

describe("many records of one caller", () => {
  test("lie in one batch where they fit", async () => {
    const log = new QueuedLog();
    const other = log.add("before");
    expect(await log.addAll(["a", "b", "c"])).toEqual([1]);
    expect([await other, log.writes()]).toEqual([0, 1]);
    expect(log.texts()).toEqual(["before", "a", "b", "c"]);
  });

  test("no records are no write", async () => {
    const log = new QueuedLog();
    log.queue.addAll([], -1, () => expect.unreachable());
    await log.queue.idle();
    expect(log.writes()).toBe(0);
  });

  test("that fill several batches are written one after the other", async () => {
    const log = new QueuedLog();
    expect(await log.addAll(Array.from({ length: 20 }, () => new Uint8Array(mebibyte)))).toEqual([0, 7, 14]);
    expect(log.writes()).toBe(3);
  });

  test("when an early batch fails, the rest of them is not written, and what others appended is", async () => {
    const log = new QueuedLog();
    await log.add("zero");
    log.storage.faults.on({ kind: "write", path: ".log" }, failWith("ENOSPC", 5000));
    const many = log.addAll(Array.from({ length: 20 }, (_, i) => String(i % 10).repeat(mebibyte)));
    const others = [log.add("one"), log.add("relies on all of them", 22), log.add("two")];
    const [failure, ...more] = await many;
    expect([codeOf(failure), more]).toEqual(["SEQLOG_NO_SPACE", []]);
    expect((await Promise.all(others)).map(codeOf)).toEqual([1, "SEQLOG_CONFLICT", 2]);
    expect(log.texts()).toEqual(["zero", "one", "two"]);
    expect(log.queue.pendingBytes).toBe(0);
  });

  test("when a later batch fails, the first of them stay", async () => {
    const log = new QueuedLog();
    log.storage.faults.on({ kind: "write", path: ".log", skip: 1 }, failWith("ENOSPC"));
    const answers = await log.addAll(Array.from({ length: 20 }, () => "x".repeat(mebibyte)));
    expect(answers.map(codeOf)).toEqual([0, "SEQLOG_NO_SPACE"]);
    await log.queue.idle();
    expect(log.texts()).toHaveLength(7);
    expect(await log.add("next")).toBe(7);
  });

  test("that expect a seq which an earlier failure takes away are refused as a whole", async () => {
    const log = new QueuedLog();
    log.storage.faults.on({ kind: "write", path: ".log" }, failWith("ENOSPC"));
    const failed = log.add("fails");
    await nextTick();
    const many = log.addAll(
      Array.from({ length: 10 }, () => "x".repeat(mebibyte)),
      1,
    );
    const other = log.add("zero");
    expect(codeOf(await failed)).toBe("SEQLOG_NO_SPACE");
    expect((await many).map(codeOf)).toEqual(["SEQLOG_CONFLICT"]);
    expect(await other).toBe(0);
    expect(log.texts()).toEqual(["zero"]);
  });
});
