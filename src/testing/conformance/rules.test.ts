import { AssertionError } from "node:assert";
import { expect, test } from "vitest";
import { SeqlogError } from "../../errors.ts";
import { given, holds, outcomeOf, refused, refusedAs, rejectedWith, same, thrownBy } from "./rules.ts";

const closed = new SeqlogError("SEQLOG_CLOSED", "closed", { path: "/log" });
const rejects = (reason: unknown) => async (): Promise<unknown> => {
  throw reason;
};

/** The message of the assertion that fails. */
async function messageOf(work: () => unknown): Promise<string> {
  const error = await (async () => work())().catch((error: unknown) => error);
  expect(error).toBeInstanceOf(AssertionError);
  return (error as AssertionError).message;
}

test("what keeps the rule passes", async () => {
  same([1, { a: Number.NaN }], [1, { a: Number.NaN }], "the same");
  holds(true, "it holds");
  expect(given(0, "given")).toBe(0);
  await refused(rejects(closed), "SEQLOG_CLOSED", "refused", { path: "/log" });
  await refused(outcomeOf(rejects(closed)()), "SEQLOG_CLOSED", "refused");
  await refusedAs(rejects(new RangeError("no")), RangeError, "refused");
  await rejectedWith(rejects(7), 7, "rejected");
  expect(thrownBy(() => given(undefined, "thrown"), "thrown")).toBeInstanceOf(AssertionError);
});

test.each<[string, () => unknown]>([
  ["another value", () => same([1], [2], "the rule")],
  ["another type", () => same(1, "1", "the rule")],
  ["false", () => holds(false, "the rule")],
  ["nothing", () => given(undefined, "the rule")],
  ["no rejection", () => refused(() => Promise.resolve(1), "SEQLOG_CLOSED", "the rule")],
  ["another code", () => refused(rejects(closed), "SEQLOG_RESET", "the rule")],
  ["an error that is none of seqlog", () => refused(rejects(new Error("x")), "SEQLOG_CLOSED", "the rule")],
  ["other facts", () => refused(rejects(closed), "SEQLOG_CLOSED", "the rule", { path: "/other" })],
  ["another kind", () => refusedAs(rejects(new TypeError("no")), RangeError, "the rule")],
  ["an equal reason that is another one", () => rejectedWith(rejects({ a: 1 }), { a: 1 }, "the rule")],
  ["a call that does not throw", () => thrownBy(() => 1, "the rule")],
])("%s fails with the rule in front", async (_name, work) => {
  expect(await messageOf(work)).toMatch(/^the rule/);
});

test("a call that throws where it must reject breaks the rule, whatever it throws", async () => {
  const throws = (): Promise<unknown> => {
    throw closed;
  };
  const rule = "the rule (as a rejection, not thrown)";
  expect((await messageOf(() => refused(throws, "SEQLOG_CLOSED", "the rule"))).slice(0, rule.length)).toBe(rule);
});

test("a failure carries both values, for runners that show the difference", async () => {
  const error = await (async () => same({ a: 1 }, { a: 2 }, "the rule"))().catch((error: unknown) => error);
  expect(error).toMatchObject({ actual: { a: 1 }, expected: { a: 2 } });
  expect((error as Error).message).toBe("the rule\n  found:  { a: 1 }\n  wanted: { a: 2 }");
});
