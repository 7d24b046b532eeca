import { describe, expect, test } from "vitest";
import { problem } from "../format/record.ts";
import { type Action, type Evidence, decide } from "./recovery-table.ts";

/** Ten records in 1000 bytes, proven up to the eighth at 800, all durable and whole. */
const atRest: Evidence = {
  size: 1000,
  mark: { nextSeq: 10, end: 1000 },
  markProblem: undefined,
  indexWhole: true,
  redoFrom: { seq: 10, offset: 1000 },
  chain: { nextSeq: 10, end: 1000, problem: 0 },
  nonZeroEnd: 1000,
  window: 500,
  closed: undefined,
  isForeign: false,
};

const lagging: Evidence = { ...atRest, mark: { nextSeq: 8, end: 800 }, redoFrom: { seq: 8, offset: 800 } };
const noMark: Evidence = { ...atRest, mark: undefined, indexWhole: false, redoFrom: { seq: 5, offset: 500 } };
const closed = { nextSeq: 10, bytes: 1000 };

/** What a repairing action asks for; the rest is as at rest. */
function repairs(change: Partial<Action>): Partial<Action> {
  return {
    rebuildIndex: false,
    setAside: undefined,
    redoFrom: { seq: 10, offset: 1000 },
    end: 1000,
    nextSeq: 10,
    ...change,
  };
}

describe("nothing is damaged", () => {
  test.each<[string, Evidence, Partial<Action>]>([
    ["all is durable and proven", atRest, repairs({ row: "whole" })],
    ["records past the mark", lagging, repairs({ row: "whole", redoFrom: { seq: 8, offset: 800 } })],
    [
      "zeros behind the records",
      { ...lagging, size: 4096 },
      repairs({ row: "whole", redoFrom: { seq: 8, offset: 800 } }),
    ],
    [
      "a torn tail behind the mark",
      { ...atRest, size: 1040, chain: { ...atRest.chain, problem: problem.dataCut }, nonZeroEnd: 1040 },
      repairs({ row: "torn", setAside: { start: 1000, end: 1040 } }),
    ],
    [
      "a torn tail with zeros behind it, and records past the mark before it",
      { ...lagging, size: 4096, chain: { ...atRest.chain, problem: problem.wrongCrc }, nonZeroEnd: 1300 },
      repairs({ row: "torn", setAside: { start: 1000, end: 1300 }, redoFrom: { seq: 8, offset: 800 } }),
    ],
    [
      "a torn tail that reaches just as far as the window",
      { ...atRest, size: 1500, chain: { ...atRest.chain, problem: problem.wrongId }, nonZeroEnd: 1500 },
      repairs({ row: "torn", setAside: { start: 1000, end: 1500 } }),
    ],
    [
      "a torn tail far behind the records of a log with an unbounded window",
      { ...atRest, size: 9e9, window: Infinity, chain: { ...atRest.chain, problem: -4 }, nonZeroEnd: 9e9 },
      repairs({ row: "torn", setAside: { start: 1000, end: 9e9 } }),
    ],
    [
      "an entry before the mark is not valid",
      { ...atRest, indexWhole: false },
      repairs({ row: "whole", rebuildIndex: true }),
    ],
    ["no mark", noMark, repairs({ row: "whole", rebuildIndex: true, redoFrom: { seq: 5, offset: 500 } })],
    ["closed, and as close() left it", { ...atRest, closed }, repairs({ row: "whole" })],
    [
      "closed, whole, but the record index is not",
      { ...noMark, closed, redoFrom: { seq: 10, offset: 1000 } },
      repairs({ row: "whole", rebuildIndex: true }),
    ],
    [
      "closed, whole, but the record index points elsewhere",
      { ...atRest, closed, markProblem: "another header stands there", indexWhole: false },
      repairs({ row: "whole", rebuildIndex: true }),
    ],
    [
      "an empty file",
      {
        ...noMark,
        size: 0,
        chain: { nextSeq: 0, end: 0, problem: 0 },
        nonZeroEnd: 0,
        redoFrom: { seq: 0, offset: 0 },
      },
      repairs({ row: "whole", rebuildIndex: true, redoFrom: { seq: 0, offset: 0 }, end: 0, nextSeq: 0 }),
    ],
  ])("%s", (_, evidence, expected) => {
    const action = decide(evidence);
    expect(action.damage).toBeUndefined();
    expect(action).toEqual(expected);
  });
});

describe("damage", () => {
  test.each<[string, Evidence, string, number, RegExp]>([
    [
      "the mark's record is cut off",
      { ...atRest, size: 950, mark: { nextSeq: 10, end: 900 }, markProblem: "the file ends inside it, at 950" },
      "mark-gone",
      900,
      /the file ends inside it, at 950/,
    ],
    [
      "the chain ends before the mark",
      { ...atRest, indexWhole: false, chain: { nextSeq: 4, end: 400, problem: problem.wrongCrc } },
      "chain-short-of-mark",
      400,
      /the CRC-32 of the data does not match, before offset 1000/,
    ],
    [
      "bytes one past the window",
      { ...atRest, size: 1501, chain: { ...atRest.chain, problem: problem.wrongOffset }, nonZeroEnd: 1501 },
      "beyond-window",
      1000,
      /own offset is not its position.*reaches to 1501.*500 bytes/,
    ],
    [
      "no mark, and bytes past the window",
      { ...noMark, size: 5000, chain: { ...atRest.chain, problem: problem.wrongId }, nonZeroEnd: 5000 },
      "beyond-window",
      1000,
      /UUID/,
    ],
    [
      "closed, but the file is shorter",
      {
        ...atRest,
        closed,
        size: 930,
        mark: { nextSeq: 10, end: 900 },
        markProblem: "the file ends inside it",
        chain: { nextSeq: 9, end: 900, problem: problem.headerCut },
      },
      "closed-mismatch",
      900,
      /fewer than 32 bytes.*close\(\) left 1000 bytes and next seq 10, found 930 bytes, valid up to 900/,
    ],
    [
      "closed, but a record in the middle is not valid",
      { ...atRest, closed, indexWhole: false, chain: { nextSeq: 3, end: 300, problem: problem.wrongCrc } },
      "closed-mismatch",
      300,
      /CRC-32/,
    ],
    [
      "closed, but the file is longer, if only by zeros",
      { ...atRest, closed, size: 4096 },
      "closed-mismatch",
      1000,
      /found 4096 bytes/,
    ],
    [
      "closed, but there are more records",
      { ...atRest, closed: { nextSeq: 9, bytes: 900 } },
      "closed-mismatch",
      1000,
      /close\(\) left 900 bytes/,
    ],
    [
      "closed, the bytes are right and the count is not",
      { ...atRest, closed: { nextSeq: 11, bytes: 1000 } },
      "closed-mismatch",
      1000,
      /next seq 11/,
    ],
  ])("%s", (_, evidence, row, offset, reason) => {
    const action = decide(evidence);
    expect(action.row).toBe(row);
    expect(action.damage).toEqual({ offset, reason: expect.stringMatching(reason) });
  });
});

test("a file that does not begin as a log does is damage, whatever else it holds", () => {
  expect(decide({ ...atRest, mark: undefined, isForeign: true })).toMatchObject({
    row: "foreign",
    damage: { offset: 0 },
  });
});
