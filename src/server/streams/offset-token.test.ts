import { expect, test } from "vitest";
import { offsetToken, parseOffsetToken } from "./offset-token.ts";

test("tokens sort as the places they stand for", () => {
  const seqs = [0, 9, 10, 99_999, 2 ** 40, Number.MAX_SAFE_INTEGER];
  expect(seqs.map(offsetToken).sort()).toEqual(seqs.map(offsetToken));
  expect(seqs.map((seq) => parseOffsetToken(offsetToken(seq)))).toEqual(seqs);
});

test("the start is sixteen zeros, and sixteen nines lie past every end", () => {
  expect(parseOffsetToken(`${"0".repeat(16)}_${"0".repeat(16)}`)).toBe(0);
  expect(parseOffsetToken(`${"9".repeat(16)}_${"9".repeat(16)}`)).toBe("beyond");
  // One that a number would round to a place that may be there.
  expect(parseOffsetToken(`9007199254740993_${"0".repeat(16)}`)).toBe("beyond");
  expect(parseOffsetToken(`${"0".repeat(15)}1_${"0".repeat(15)}1`)).toBe("beyond");
});

test.each(["", "-1", "now", "12", "1_", "_1", "1_1_1", "1,1", "0x1_0", "１_0", " 1_0", "1_0 ", `${"1".repeat(33)}_0`])(
  "%j is no token",
  (text) => expect(parseOffsetToken(text)).toBeUndefined(),
);
