import { expect, test } from "vitest";
import { TextLines, recordOf } from "./record-of.ts";

test("a record is a line without its one line feed", () => {
  expect(["a\n", "a", "\n", "", "a\n\n", "a\nb\n"].map((line) => recordOf(line))).toEqual([
    "a",
    "a",
    "",
    "",
    "a\n",
    "a\nb",
  ]);
});

test("a lone surrogate is replaced, not refused", () => {
  expect(recordOf("a\ud800b\n")).toBe("a\ufffdb");
});

test("pieces are cut into lines wherever they were cut before", () => {
  const whole = "one\n\nthree\r\nvier ü\nlast";
  for (let at = 0; at <= whole.length; at++) {
    const lines = new TextLines();
    const found = [...lines.add(whole.slice(0, at)), ...lines.add(whole.slice(at)), ...lines.end()];
    expect(found).toEqual(["one", "", "three\r", "vier ü", "last"]);
    expect(lines.end()).toEqual([]);
  }
});
