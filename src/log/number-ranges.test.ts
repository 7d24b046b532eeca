import { describe, expect, test } from "vitest";
import { numberRanges } from "./number-ranges.ts";

const any = { from: 0, to: Infinity };
const at = (seq: number): { from: number; to: number } => ({ from: seq, to: seq });
const records = (count: number, seq?: number): { kind: "records"; count: number; seq: number | undefined } => ({
  kind: "records",
  count,
  seq,
});
const missing = (bytes: number): { kind: "missing"; bytes: number } => ({ kind: "missing", bytes });

describe("the seqs of records around damage", () => {
  test("are known up to the first hole, and bounded by its bytes behind it", () => {
    expect(numberRanges([records(3), missing(100), records(2)], at(10), any)).toEqual([
      at(10),
      at(13),
      { from: 14, to: 16 },
      { from: 16, to: 18 },
    ]);
  });

  test("are known behind a hole where the record index knows them", () => {
    expect(numberRanges([records(3), missing(100), records(2, 15)], at(10), any)).toEqual([
      at(10),
      at(13),
      at(15),
      at(17),
    ]);
  });

  test("are known around one hole when the end is known", () => {
    expect(numberRanges([records(3), missing(100), records(2)], at(10), at(17))).toEqual([
      at(10),
      at(13),
      at(15),
      at(17),
    ]);
  });

  test("are bounded from both sides between two holes", () => {
    expect(numberRanges([missing(64), records(1), missing(64)], at(0), at(3))).toEqual([
      at(0),
      { from: 1, to: 2 },
      { from: 2, to: 3 },
      at(3),
    ]);
  });

  test("bytes behind the last record may be of none", () => {
    expect(numberRanges([records(1), missing(64)], at(0), any).at(-1)).toEqual({ from: 1, to: 3 });
  });

  test("without any base only counts are known", () => {
    expect(numberRanges([records(2), missing(32), records(1)], any, any)).toEqual([
      { from: 0, to: Infinity },
      { from: 2, to: Infinity },
      { from: 3, to: Infinity },
      { from: 4, to: Infinity },
    ]);
  });

  test("what contradicts the end is bounded from the front alone", () => {
    expect(numberRanges([records(9)], at(0), at(5))).toEqual([at(0), at(9)]);
  });
});
