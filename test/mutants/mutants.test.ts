/** That every mutant still fits the source it is cut for; `npm run test:mutants` shows that each is caught. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { edited } from "./apply.ts";
import { mutants } from "./mutants.ts";

const source = join(import.meta.dirname, "..", "..", "src");

test.each(mutants)("$name", ({ edits }) => {
  for (const edit of edits) {
    const original = readFileSync(join(source, edit.file), "utf8");
    expect(edited(original, edit)).not.toBe(original);
  }
});

test("a piece that is not there, or there twice, is refused", () => {
  const edit = { file: "x.ts", find: "a", replace: "b" };
  expect(() => edited("c", edit)).toThrow(/0 times/);
  expect(() => edited("a a", edit)).toThrow(/2 times/);
});

test("no two mutants have one name", () => {
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
});
