/** The tests of one log: all of its files flipped and cut. */
import { beforeAll, describe, expect, test } from "vitest";
import {
  type Selection,
  flipIndexes,
  flipLogs,
  flipManifest,
  manifestFile,
  remove,
  truncateIndexes,
  truncateLogs,
  truncateManifest,
} from "./damage.ts";
import { type Figures, Judge } from "./judge.ts";
import type { Sample, SampleSegment } from "./logs.ts";

const isAll = process.env["SEQLOG_BYTES"] === "all";
const timeout = isAll ? 4 * 3_600_000 : 120_000;

/** Does it, and with `SEQLOG_BYTES=all` prints the figures. */
async function judgeAll(sample: Sample, work: (judge: Judge) => Promise<void>): Promise<Figures> {
  const judge = new Judge(sample);
  // Damage is reported by the hundred thousand here, and nobody reads where from.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    await work(judge);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  if (isAll) console.log(sample.name, expect.getState().currentTestName, JSON.stringify(judge.figures));
  return judge.figures;
}

/** Registers the tests of a sample's segments and record indexes: a slice, or with `SEQLOG_BYTES=all` every bit and every length. */
export function sweep(make: () => Promise<Sample>, slice: Exclude<Selection, "all">): void {
  const selection = isAll ? "all" : slice;
  let sample: Sample;
  beforeAll(async () => {
    sample = await make();
  });

  describe("the segments", () => {
    test("a flipped bit of an acknowledged record is always reported", { timeout }, async () => {
      const figures = await judgeAll(sample, (judge) => flipLogs(judge, selection));
      if (sample.isClosed) expect(figures.refusedToReader + figures.reportedByRead).toBe(figures.copies);
      else expect(figures.setAside).toBeGreaterThan(0);
      expect(figures.reportedToWriter).toBeGreaterThan(0);
      expect(figures.refusedToWriter).toBeGreaterThan(0);
      if (isAll) expect(figures.copies).toBe(8 * lengthOf(sample));
    });

    test("a cut into acknowledged records is always reported", { timeout }, async () => {
      const figures = await judgeAll(sample, (judge) => truncateLogs(judge, selection));
      // The reader of a log of segments comes to the damage, all others do not let it begin.
      expect(figures.refusedToReader).toBeGreaterThan(0);
      expect(figures.refusedToWriter).toBeGreaterThan(0);
      expect(figures.reportedToWriter).toBe(0);
      if (isAll) expect(figures.copies).toBe(lengthOf(sample));
    });
  });

  describe("the record indexes", () => {
    test("a flipped bit changes no read", { timeout }, async () => {
      const figures = await judgeAll(sample, (judge) => flipIndexes(judge, selection));
      if (sample.isClosed) expect(figures.identicalReads).toBe(figures.copies);
      expect(figures.reportedByVerify).toBeGreaterThan(0);
    });

    test("a cut changes no read", { timeout }, async () => {
      const figures = await judgeAll(sample, truncateIndexes);
      if (sample.isClosed) expect(figures.identicalReads).toBe(figures.copies);
    });

    test("one that is gone changes no read", async () => {
      const { index, base } = sample.segments[0] as SampleSegment;
      const atLeast = sample.isClosed ? sample.acknowledged : base;
      await judgeAll(sample, (judge) => remove(judge, { kind: "index", file: index, atLeast, isSeenByVerify: false }));
    });
  });
}

/** Registers the tests of a directory log's MANIFEST. */
export function sweepManifest(make: () => Promise<Sample>): void {
  test("a flipped bit or a cut of MANIFEST, or its loss, is never a new log", { timeout }, async () => {
    const sample = await make();
    for (const work of [flipManifest, truncateManifest]) {
      const figures = await judgeAll(sample, work);
      expect(figures.refusedToReader).toBe(figures.copies);
    }
    await judgeAll(sample, (judge) => remove(judge, { kind: "manifest", file: manifestFile }));
  });
}

function lengthOf(sample: Sample): number {
  return sample.segments.reduce((sum, { log }) => sum + (sample.files.get(log) as Buffer).length, 0);
}
