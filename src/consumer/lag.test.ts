import { expect, test } from "vitest";
import { SeqlogError } from "../errors.ts";
import type { ConsumedView } from "./consumed-log.ts";
import { standingAt } from "./lag.ts";

/** A log whose records before `to` are removed while somebody measures in it. */
function viewTrimmedMeanwhile(to: number): ConsumedView {
  const view = {
    firstSeq: 0,
    nextSeq: 20,
    refresh: () => Promise.resolve(),
    lag: () => {
      view.firstSeq = to;
      return Promise.reject(new SeqlogError("SEQLOG_TRIMMED", "gone", { firstSeq: to as never }));
    },
  };
  return view as unknown as ConsumedView;
}

test("a consumer whose next record is removed just now is listed with that as its problem", async () => {
  const { lag, problem } = await standingAt(viewTrimmedMeanwhile(10), 5);
  expect(lag).toBeUndefined();
  expect(problem).toBe("the records before 10 were removed");
});

test("an error that has another reason is not taken for that", async () => {
  await expect(standingAt(viewTrimmedMeanwhile(5), 5)).rejects.toThrow("gone");
});
