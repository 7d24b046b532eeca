import { expect, test } from "vitest";
import { failWith } from "../testing/fault-plan.ts";
import { SimulatedDisk } from "../testing/simulated-disk.ts";
import { type AheadRequest, type Plan, readAt, run, runSync } from "./plan.ts";
import type { StorageFile } from "./storage.ts";

function fileOf(text: string) {
  const disk = new SimulatedDisk();
  disk.writeFile("/a", Buffer.from(text));
  const machine = disk.boot();
  return { disk, machine, file: machine.storage.openSync("/a", "read") };
}

function* twoPieces(file: StorageFile): Plan<string> {
  const first = yield* readAt(file, 0, 3);
  const second = yield* readAt(file, 4, 100);
  return Buffer.concat([first, second]).toString();
}

test("blocking or not, a plan gives the same, and reads are short only at the end of the file", async () => {
  const { file, disk } = fileOf("one two");
  expect(runSync(twoPieces(file))).toBe("onetwo");
  expect(await run(twoPieces(file))).toBe("onetwo");
  expect(disk.log.filter(({ kind }) => kind === "read").map(({ background }) => background)).toEqual([
    false,
    false,
    true,
    true,
  ]);
});

test("an error of a read is thrown where the plan asked for it, so that it can clean up", async () => {
  const { file, machine } = fileOf("one two");
  const cleaned: string[] = [];
  function* careful(name: string): Plan<string> {
    try {
      return yield* twoPieces(file);
    } finally {
      cleaned.push(name);
    }
  }
  machine.faults.on({ kind: "read", skip: 1 }, failWith("EIO"));
  expect(() => runSync(careful("blocking"))).toThrow(expect.objectContaining({ code: "SEQLOG_IO" }));
  machine.faults.clear();
  machine.faults.on({ kind: "read", skip: 1 }, failWith("EIO"));
  await expect(run(careful("not"))).rejects.toMatchObject({ code: "SEQLOG_IO" });
  expect(cleaned).toEqual(["blocking", "not"]);
});

test("a plan may go on after an error of a read", async () => {
  const { file, machine } = fileOf("one");
  function* again(): Plan<string> {
    try {
      return (yield* readAt(file, 0, 3)).toString();
    } catch {
      return Buffer.from(yield* readAt(file, 0, 3)).toString();
    }
  }
  machine.faults.on({ kind: "read" }, failWith("EIO"));
  expect(runSync(again())).toBe("one");
  machine.faults.on({ kind: "read" }, failWith("EIO"));
  expect(await run(again())).toBe("one");
});

test("an error of the plan itself is the caller's", async () => {
  // oxlint-disable-next-line require-yield
  function* broken(): Plan<never> {
    throw new RangeError("broken");
  }
  expect(() => runSync(broken())).toThrow(RangeError);
  await expect(run(broken())).rejects.toThrow(RangeError);
});

test("a read ahead begins as soon as the one before has ended, and is made once", async () => {
  const { file, disk } = fileOf("one two");
  const begun: number[] = [];
  function* ahead(): Plan<string> {
    const [first, second] = [new Uint8Array(3), new Uint8Array(3)];
    const next: AheadRequest = { file, target: second, position: 4, begun: undefined };
    yield { file, target: first, position: 0, ahead: next };
    begun.push(next.begun === undefined ? 0 : 1);
    yield next;
    return `${Buffer.from(first).toString()}${Buffer.from(second).toString()}`;
  }
  expect(runSync(ahead())).toBe("onetwo");
  expect(await run(ahead())).toBe("onetwo");
  expect(begun).toEqual([0, 1]);
  expect(disk.operations.count("read")).toBe(4);
});
