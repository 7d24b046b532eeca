import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { SeqlogError, seqlogErrorCodes } from "../../src/errors.ts";
import { asSeq } from "../../src/numbers.ts";
import { codesIn, tableUnder } from "./error-tables.ts";

const source = readFileSync(new URL("../../src/errors.ts", import.meta.url), "utf8");
const table = tableUnder("Codes");

/** The facts of each code as the source declares them. */
const declared = new Map(
  [...source.matchAll(/^ {2}(SEQLOG_[A-Z_]+): \{ ([^}]*) \};$/gm)].map(([, code = "", facts = ""]) => [
    code,
    facts.split("; ").map((fact) => fact.split(/\??:/)[0] ?? ""),
  ]),
);

test("the docs have a row for every code, in the order of the code, and no other", () => {
  expect(table.map(({ code }) => codesIn(code ?? ""))).toEqual(seqlogErrorCodes.map((code) => [code]));
});

test("the list of codes and the types of their facts agree", () => {
  expect([...declared.keys()]).toEqual(seqlogErrorCodes);
});

test.each(table)("the docs name the facts of $code", ({ code, facts }) => {
  expect(codesIn(facts ?? "")).toEqual(declared.get(codesIn(code ?? "")[0] ?? ""));
});

test.each(table)("the docs say of $code what happened and what to do", (row) => {
  expect(row["what happened"]).toMatch(/\.$/);
  expect(row["what to do"]).toMatch(/\.$/);
});

describe("SeqlogError", () => {
  const cause = new Error("the disk");
  const error = new SeqlogError("SEQLOG_TRIMMED", "record 3 was removed", { firstSeq: asSeq(7) }, { cause });

  test("has name, code, facts, message and cause", () => {
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: "SeqlogError", code: "SEQLOG_TRIMMED", facts: { firstSeq: 7 }, cause });
    expect(String(error)).toBe("SeqlogError: record 3 was removed");
  });

  test("is told apart by its code, which gives the type of its facts", () => {
    const caught: unknown = error;
    expect(SeqlogError.is(caught, "SEQLOG_RESET")).toBe(false);
    expect(SeqlogError.is(cause, "SEQLOG_TRIMMED")).toBe(false);
    expect(SeqlogError.is(undefined, "SEQLOG_TRIMMED")).toBe(false);
    if (!SeqlogError.is(caught, "SEQLOG_TRIMMED")) return expect.unreachable();
    const firstSeq: number = caught.facts.firstSeq;
    expect(firstSeq).toBe(7);
  });
});
