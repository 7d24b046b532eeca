import { expect, test } from "vitest";
import { FaultPlan, crashAfter, failWith, shortWrite } from "./fault-plan.ts";
import type { Fault } from "./fault-plan.ts";
import type { Operation, OperationKind } from "./operation-log.ts";
import { SeededRandom } from "./seeded-random.ts";

function operation(kind: OperationKind, path = "/log/a.log", number = 0, length = 0): Operation {
  return { number, pid: 1, kind, path, position: 0, length, background: false, fault: undefined };
}

function ask(plan: FaultPlan, kind: OperationKind, times: number, path?: string): (Fault["kind"] | undefined)[] {
  return Array.from({ length: times }, () => plan.next(operation(kind, path))?.kind);
}

test("a fault at a number", () => {
  const plan = new FaultPlan().at(2, crashAfter);
  expect([0, 1, 2, 3].map((n) => plan.next(operation("read", "/x", n)))).toEqual([
    undefined,
    undefined,
    crashAfter,
    undefined,
  ]);
});

test("kinds are told apart, also where one name begins another", () => {
  const plan = new FaultPlan().on({ kind: "fsyncDirectory" }, failWith("EIO"));
  expect(plan.next(operation("fsync"))).toBeUndefined();
  expect(plan.next(operation("fsyncDirectory"))).toEqual(failWith("EIO"));
  const several = new FaultPlan().on({ kind: ["read", "write"], times: Infinity }, failWith("EIO"));
  expect(ask(several, "write", 1)).toEqual(["error"]);
  expect(ask(several, "fsync", 1)).toEqual([undefined]);
});

test("a path is matched by its end or by a pattern", () => {
  const plan = new FaultPlan().on({ path: ".idx", times: Infinity }, failWith("EIO"));
  expect(ask(plan, "write", 1, "/log/0.idx")).toEqual(["error"]);
  expect(ask(plan, "write", 1, "/log.idx/0.log")).toEqual([undefined]);
  const pattern = new FaultPlan().on({ path: /\/\d+\.log$/, times: Infinity }, failWith("EIO"));
  expect(ask(pattern, "write", 1, "/log/12.log")).toEqual(["error"]);
});

test("skip and times count the operations that match", () => {
  const plan = new FaultPlan().on({ kind: "write", skip: 2, times: 2 }, shortWrite(1));
  expect(ask(plan, "read", 3)).toEqual([undefined, undefined, undefined]);
  expect(ask(plan, "write", 6)).toEqual([undefined, undefined, "short", "short", undefined, undefined]);
});

test("the first rule decides, and every rule counts", () => {
  const plan = new FaultPlan().on({ kind: "write" }, failWith("EIO")).on({ kind: "write", skip: 1 }, shortWrite(1));
  expect(ask(plan, "write", 3)).toEqual(["error", "short", undefined]);
});

test("chances are drawn from the plan's own numbers", () => {
  const faults = (seed: number): (string | undefined)[] =>
    ask(new FaultPlan(new SeededRandom(seed)).on({ chance: 0.3, times: Infinity }, failWith("EIO")), "write", 200);
  expect(faults(1)).toEqual(faults(1));
  expect(faults(1)).not.toEqual(faults(2));
  expect(faults(1).filter(Boolean).length).toBeGreaterThan(30);
});

test("a fault can be made for the operation at hand", () => {
  const plan = new FaultPlan().on({ kind: "write" }, (op, random) => shortWrite(random.int(op.length)));
  const fault = plan.next(operation("write", "/x", 0, 100));
  expect(fault?.kind === "short" && fault.written < 100).toBe(true);
});

test("clear makes the disk well again", () => {
  const plan = new FaultPlan().at(0, crashAfter).on({ times: Infinity }, failWith("EIO"));
  plan.clear();
  expect(ask(plan, "write", 2)).toEqual([undefined, undefined]);
});
