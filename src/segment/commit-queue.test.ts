import { describe, expect, onTestFinished, test, vi } from "vitest";
import { SeqlogError } from "../errors.ts";
import { noSeed } from "../format/index-entry.ts";
import { headerLength } from "../format/record.ts";
import { createIdSourceV4 } from "../format/uuid.ts";
import { runSync } from "../storage/plan.ts";
import type { FaultInjectingStorage } from "../testing/fault-injecting-storage.ts";
import { withFaults } from "../testing/fault-injecting-storage.ts";
import { failWith, shortWrite } from "../testing/fault-plan.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import type { Batch, Waiter } from "./batch.ts";
import { type CommitHost, CommitQueue, checkedLength } from "./commit-queue.ts";
import type { WriteMode } from "./in-place-writes.ts";
import { IndexFile } from "./index-file.ts";
import { SegmentWriter } from "./segment-writer.ts";
import { type ChainRun, walkChain } from "./walk-chain.ts";

const mebibyte = 1024 * 1024;

/** What a caller was told: the seq of its first record, or the error. */
type Answer = number | Error;

class Caller implements Waiter {
  count: number;
  readonly expectedSeq: number;
  readonly answers: Answer[];
  readonly #told: (answer: Answer) => void;

  constructor(count: number, expectedSeq: number, answers: Answer[], told: (answer: Answer) => void) {
    this.count = count;
    this.expectedSeq = expectedSeq;
    this.answers = answers;
    this.#told = told;
  }

  get isOver(): boolean {
    return this.answers.some((answer) => typeof answer !== "number");
  }

  settled(batch: Batch, index: number): void {
    this.#tell(batch.firstSeq + index);
  }

  failed(error: Error): void {
    this.#tell(error);
  }

  #tell(answer: Answer): void {
    this.answers.push(answer);
    this.#told(answer);
  }
}

/** A queue on a simulated disk, in segments that are named by a letter. */
class Log implements CommitHost {
  readonly path = "/log";
  segmentBytes = Number.MAX_SAFE_INTEGER;
  readonly disk: SimulatedDisk;
  readonly storage: FaultInjectingStorage;
  readonly queue: CommitQueue;
  readonly poisonings: Error[] = [];
  readonly rolls: number[] = [];
  readonly windows: number[] = [];
  rollError: Error | undefined;
  windowError: Error | undefined;
  #segment: SegmentWriter;
  #letter = 0;
  readonly #machine;

  constructor(maxPendingBytes = 64 * mebibyte, maxRecordBytes = 32 * mebibyte, writes: WriteMode = "background") {
    this.disk = new SimulatedDisk();
    const { machine, storage } = withFaults(this.disk.boot());
    this.storage = storage;
    this.#machine = machine;
    this.#segment = this.newSegment(0);
    const clock = { ...machine.clock, elapsedUs: () => 0 };
    this.queue = new CommitQueue(this, createIdSourceV4(machine.random), clock, {
      maxRecordBytes,
      maxPendingBytes,
      writes,
    });
  }

  newSegment(base: number): SegmentWriter {
    const name = `/${String.fromCharCode(97 + this.#letter++)}`;
    const index = IndexFile.openSync(this.#machine.storage, `${name}.idx`, "create", base, noSeed);
    const at = { end: 0, nextSeq: base };
    const options = { ackPoint: "durable", zeroAhead: false } as const;
    this.#segment = SegmentWriter.openSync(this.#machine.storage, `${name}.log`, index, at, options);
    this.#machine.storage.fsyncDirectorySync("/");
    return this.#segment;
  }

  current(): SegmentWriter {
    return this.#segment;
  }

  roll(): void {
    if (this.rollError !== undefined) throw this.rollError;
    this.rolls.push(this.#segment.nextSeq);
    this.#segment.seal();
    this.newSegment(this.#segment.nextSeq);
  }

  beforeWrite(length: number): void {
    if (this.windowError !== undefined) throw this.windowError;
    this.windows.push(length);
  }

  committed(): void {}

  poisoned(cause: Error): void {
    this.poisonings.push(cause);
  }

  add(data: Uint8Array | string, expectedSeq = -1): Promise<Answer> {
    return new Promise((resolve) => this.queue.add(data, new Caller(1, expectedSeq, [], resolve)));
  }

  /** Appends records of one caller; resolves with all it was told once it was told of every batch, or of a failure. */
  addAll(data: readonly (Uint8Array | string)[], expectedSeq = -1): Promise<readonly Answer[]> {
    return new Promise((resolve) => {
      const answers: Answer[] = [];
      const parts: Caller[] = [];
      const told = (answer: Answer): void => {
        if (answers.length === parts.length || typeof answer !== "number") resolve(answers);
      };
      this.queue.addAll(data, expectedSeq, (first) => {
        parts.push(new Caller(0, expectedSeq < 0 ? -1 : expectedSeq + first, answers, told));
        return parts.at(-1) as Caller;
      });
    });
  }

  /** The data of the valid records of a segment, as text. */
  texts(name = "/a.log", from: "cache" | "medium" = "medium"): string[] {
    const bytes = Buffer.from(this.disk.readFile(name, from) ?? []);
    const found: string[] = [];
    const file = this.disk.boot().storage.openSync(name, "read");
    const visit = ({ offset, count, end, ...run }: ChainRun): void => {
      const starts = run.starts();
      for (let i = 0; i < count; i++) {
        const start = offset + (starts[i] as number) + headerLength;
        found.push(bytes.toString("latin1", start, offset + (starts[i + 1] ?? end)));
      }
    };
    const end = runSync(walkChain(file, { seq: 0, offset: 0 }, bytes.length, { visit }));
    return end.end === bytes.length ? found : [...found, `${bytes.length - end.end} bytes behind the records`];
  }

  writes(): number {
    return this.storage.operations.count("write", ".log");
  }
}

/** Lets the queue begin to write; a write that began stays in flight until the event loop turns. */
function nextTick(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

function codeOf(answer: Answer | undefined): unknown {
  return answer instanceof SeqlogError ? answer.code : answer;
}

describe("group commit", () => {
  test("callers of one turn share a write and get their seqs in the order of their calls", async () => {
    const log = new Log();
    const answers = await Promise.all(Array.from({ length: 64 }, (_, i) => log.add(`record ${i}`)));
    expect(answers).toEqual(Array.from({ length: 64 }, (_, i) => i));
    expect(log.writes()).toBe(1);
    expect(log.texts()).toEqual(Array.from({ length: 64 }, (_, i) => `record ${i}`));
  });

  test("who comes while a write is in flight shares the next one, which begins when that is durable", async () => {
    const log = new Log();
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
    const log = new Log();
    const data = Buffer.from("before");
    const answer = log.add(data);
    data.write("after!");
    await answer;
    expect(log.texts()).toEqual(["before"]);
  });

  test("a first record of 256 KiB is written without waiting for the end of the turn", async () => {
    const log = new Log();
    const large = log.add("x".repeat(256 * 1024 - headerLength));
    expect(log.writes()).toBe(1);
    expect(await large).toBe(0);
    const small = log.add("x".repeat(256 * 1024 - headerLength - 1));
    expect(log.writes()).toBe(1);
    expect(await small).toBe(1);
  });

  test("a batch ends at 8 MiB, and a record that is larger goes alone", async () => {
    const log = new Log();
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
    const log = new Log();
    await log.add("12345");
    await Promise.all([log.add("1"), log.add("")]);
    expect(log.windows).toEqual([37, 65]);
  });

  test("empty data is a record, text is UTF-8", async () => {
    const log = new Log();
    await Promise.all([log.add(""), log.add(new Uint8Array(0)), log.add("ü€😀")]);
    expect(log.texts()).toEqual(["", "", Buffer.from("ü€😀").toString("latin1")]);
  });

  test("idle resolves when nothing waits and nothing is in flight, whatever became of it", async () => {
    const log = new Log();
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
    const log = new Log();
    expect(() => log.queue.add(data as string, new Caller(1, -1, [], () => {}))).toThrow(TypeError);
    expect(() => log.queue.addAll(["good", data as string], -1, () => expect.unreachable())).toThrow(TypeError);
    expect(log.queue.pendingBytes).toBe(0);
  });

  test("data over maxRecordBytes is a RangeError before anything is written", async () => {
    const log = new Log(64 * mebibyte, 10);
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
    const log = new Log(200);
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
    const log = new Log(50);
    expect(await log.add("x".repeat(1000))).toBe(0);
    expect(await log.addAll(["x".repeat(1000), "y"])).toEqual([1]);
  });

  test("room resolves at half of what may be pending", async () => {
    const log = new Log(400);
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
    const log = new Log(400);
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
    const log = new Log(100);
    const first = log.add("x".repeat(300));
    const room = log.queue.room();
    log.queue.poison(new Error("elsewhere"));
    await room;
    expect(codeOf(await first)).toBe("SEQLOG_POISONED");
  });
});

describe("expectedSeq", () => {
  test("the next seq passes, counting what waits; any other is a conflict at once", async () => {
    const log = new Log();
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
    const log = new Log();
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
  const log = new Log();
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
    const log = new Log();
    const other = log.add("before");
    expect(await log.addAll(["a", "b", "c"])).toEqual([1]);
    expect([await other, log.writes()]).toEqual([0, 1]);
    expect(log.texts()).toEqual(["before", "a", "b", "c"]);
  });

  test("no records are no write", async () => {
    const log = new Log();
    log.queue.addAll([], -1, () => expect.unreachable());
    await log.queue.idle();
    expect(log.writes()).toBe(0);
  });

  test("that fill several batches are written one after the other", async () => {
    const log = new Log();
    expect(await log.addAll(Array.from({ length: 20 }, () => new Uint8Array(mebibyte)))).toEqual([0, 7, 14]);
    expect(log.writes()).toBe(3);
  });

  test("when an early batch fails, the rest of them is not written, and what others appended is", async () => {
    const log = new Log();
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
    const log = new Log();
    log.storage.faults.on({ kind: "write", path: ".log", skip: 1 }, failWith("ENOSPC"));
    const answers = await log.addAll(Array.from({ length: 20 }, () => "x".repeat(mebibyte)));
    expect(answers.map(codeOf)).toEqual([0, "SEQLOG_NO_SPACE"]);
    await log.queue.idle();
    expect(log.texts()).toHaveLength(7);
    expect(await log.add("next")).toBe(7);
  });

  test("that expect a seq which an earlier failure takes away are refused as a whole", async () => {
    const log = new Log();
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
    const log = new Log();
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
      const log = new Log();
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
    const log = new Log();
    log.windowError = new SeqlogError("SEQLOG_NO_SPACE", "full", { path: "/MANIFEST", errno: "ENOSPC" });
    expect(codeOf(await log.add("lost"))).toBe("SEQLOG_NO_SPACE");
    expect(log.writes()).toBe(0);
    log.windowError = undefined;
    expect(await log.add("zero")).toBe(0);
  });
});

describe("poison", () => {
  test("a failed write rejects what is in flight and what waits, and nothing touches the file any more", async () => {
    const log = new Log();
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
    const log = new Log();
    log.storage.faults.on({ kind: "write", path: ".idx" }, failWith("EIO"));
    expect(codeOf(await log.add("on disk, but not proven"))).toBe("SEQLOG_POISONED");
    expect(log.queue.isPoisoned).toBe(true);
  });

  test("an index entry for which there is no room is undone with its record, and the log goes on", async () => {
    for (const fault of [failWith("ENOSPC"), shortWrite(7)]) {
      const log = new Log();
      log.storage.faults.on({ kind: "write", path: ".idx" }, fault);
      expect(codeOf(await log.add("refused"))).toBe("SEQLOG_NO_SPACE");
      expect(log.queue.isPoisoned).toBe(false);
      expect(codeOf(await log.add("there is room again"))).toBe(0);
    }
  });

  test("from elsewhere: a write that lands afterwards acknowledges nobody", async () => {
    const log = new Log();
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

describe("drainSync", () => {
  test("writes what waits, and the callers are told before it returns", () => {
    const log = new Log();
    const answers: Answer[] = [];
    for (const data of ["a", "b"]) log.queue.add(data, new Caller(1, -1, answers, () => {}));
    log.queue.drainSync();
    expect(answers).toEqual([0, 1]);
    expect([log.writes(), log.queue.pendingBytes]).toEqual([1, 0]);
    expect(log.texts()).toEqual(["a", "b"]);
  });

  test("while a write is in flight: those bytes first, again at the same place, then what waits", async () => {
    const log = new Log();
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
    const log = new Log();
    const first = log.add("first");
    await nextTick();
    log.queue.drainSync();
    expect([await first, await log.add("second")]).toEqual([0, 1]);
    await log.queue.idle();
    expect(log.texts()).toEqual(["first", "second"]);
  });

  test("an error of the write in flight that comes later poisons", async () => {
    const log = new Log();
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
      const log = new Log();
      const answers = [log.add("first")];
      await nextTick();
      answers.push(log.add("second"));
      log.storage.faults.on({ kind, path: ".log" }, failWith("ENOSPC"));
      log.queue.drainSync();
      expect((await Promise.all(answers)).map(codeOf)).toEqual(["SEQLOG_POISONED", "SEQLOG_POISONED"]);
    },
  );

  test("a full disk rejects one batch, and those behind it are written", async () => {
    const log = new Log();
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
    const log = new Log();
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
    const log = new Log();
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
    const log = new Log();
    await log.queue.pause();
    expect(() => log.queue.drainSync()).toThrow(TypeError);
    expect(() => log.queue.throwIfPaused()).toThrow(TypeError);
    log.queue.resume();
    log.queue.drainSync();
  });
});

describe("rolling", () => {
  test("a record that would end past the segment's size opens the next one", async () => {
    const log = new Log();
    log.segmentBytes = 100;
    const answers = await Promise.all([log.add("x".repeat(36)), log.add(""), log.add("y"), log.add("z".repeat(35))]);
    expect(answers).toEqual([0, 1, 2, 3]);
    expect(log.rolls).toEqual([2]);
    expect(log.texts("/a.log")).toEqual(["x".repeat(36), ""]);
    expect(log.texts("/b.log")).toEqual(["y", "z".repeat(35)]);
  });

  test("a record larger than a segment is alone in it", async () => {
    const log = new Log();
    log.segmentBytes = 100;
    expect(await Promise.all([log.add("x".repeat(500)), log.add("y".repeat(500))])).toEqual([0, 1]);
    expect(log.rolls).toEqual([1]);
  });

  test("no roll while a callback is out: the batch goes to the old segment", async () => {
    const log = new Log();
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
    const log = new Log();
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
    const log = new Log();
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
  async function quickLog(): Promise<Log> {
    const log = new Log(undefined, undefined, "auto");
    for (let i = 0; i < 4; i++) await log.add(`w${i}`);
    return log;
  }

  function backgroundWrites(log: Log): number {
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
    const log = new Log(12 * mebibyte);
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
    const log = new Log(64 * mebibyte);
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
    const log = new Log(64 * mebibyte);
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
