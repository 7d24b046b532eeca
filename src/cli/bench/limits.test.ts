import { describe, expect, test } from "vitest";
import type { Figures } from "./figures.ts";
import { cautionsOf, limitOf, micros, verdictsOf } from "./limits.ts";
import { type MeasurementKey, sizesFor } from "./measurement.ts";

const sizes = sizesFor(256);

/** As on a disk that takes 200 µs for an fsync, with some figures changed. */
function figuresWith(changes: Partial<Record<MeasurementKey, Partial<Figures>>>): Map<MeasurementKey, Figures> {
  const rates: Record<MeasurementKey, number> = {
    rawFsync: 5_000,
    rawDsync: 6_250,
    appendSync: 5_000,
    append: 4_000,
    rawFew: 200_000,
    fewCallers: 160_000,
    rawMany: 2_000_000,
    manyCallers: 500_000,
    rawBatch: 2_000_000,
    appendBatch: 800_000,
    rawRead: 30_000_000,
    readBatches: 6_000_000,
  };
  return new Map(
    (Object.keys(rates) as MeasurementKey[]).map((key) => [
      key,
      { recordsPerSecond: rates[key], spread: 0.1, p50Us: 1, p99Us: 2, cpuShare: 0.3, ...changes[key] },
    ]),
  );
}

function verdict(key: MeasurementKey, changes: Partial<Record<MeasurementKey, Partial<Figures>>> = {}) {
  return verdictsOf(figuresWith(changes), sizes).find((one) => one.key === key);
}

test.each([
  [0.9, 0.2, "disk"],
  [0.5, 0.74, "disk"],
  [1.2, 0.1, "disk"],
  [0.5, 0.75, "both"],
  [0.49, 0.75, "processor"],
  [0.1, 1.4, "processor"],
  [0.49, 0.74, "neither"],
] as const)("raw work %d of the time, processor busy %d: %s", (rawShare, cpuShare, limit) => {
  expect(limitOf(rawShare, cpuShare)).toBe(limit);
});

test("each way of appending and reading has one verdict", () => {
  expect(verdictsOf(figuresWith({}), sizes).map(({ key, subject }) => [key, subject])).toEqual([
    ["appendSync", "appendSync"],
    ["append", "await append"],
    ["fewCallers", "64 callers"],
    ["manyCallers", "4,096 callers"],
    ["appendBatch", "appendBatch"],
    ["readBatches", "reading"],
  ]);
});

describe("the times told are those of one record, or of one group", () => {
  test("one record", () => {
    expect(verdict("appendSync")).toMatchObject({
      limit: "disk",
      text: "the disk: a raw write of the same bytes takes 160 of the 200 µs",
    });
  });

  test("64 callers", () => {
    expect(verdict("fewCallers")?.text).toBe("the disk: a raw write of the same bytes takes 320 of the 400 µs");
  });

  test("4,096 callers, who keep a processor busy", () => {
    expect(verdict("manyCallers", { manyCallers: { cpuShare: 1.1 } })).toMatchObject({
      limit: "processor",
      text: "the processor: a raw write of the same bytes takes 2,048 of the 8,192 µs, and the process uses 110 % of one processor",
    });
  });

  test("a log that is faster than the raw write", () => {
    expect(verdict("appendSync", { appendSync: { recordsPerSecond: 8_000 } })).toMatchObject({
      limit: "disk",
      text: "the disk: it takes 125 µs, and a raw write of the same bytes by itself 160 µs",
    });
  });
});

test("where neither fills the time they wait for each other", () => {
  expect(verdict("append", { append: { recordsPerSecond: 2_000 } })).toMatchObject({
    limit: "neither",
    text: expect.stringMatching(/^neither alone, .*: .*160 of the 500 µs, and .*30 % of one processor$/) as string,
  });
});

test("reading is compared with copying out of the page cache", () => {
  expect(verdict("readBatches")).toMatchObject({ limit: "processor", text: expect.stringContaining("80 %") as string });
  expect(verdict("readBatches", { rawRead: { recordsPerSecond: 10_000_000 } })).toMatchObject({
    limit: "memory",
    text: expect.stringContaining("60 %") as string,
  });
});

describe("cautions", () => {
  test("none for a disk like others", () => {
    expect(cautionsOf(figuresWith({}))).toEqual([]);
    expect(cautionsOf(figuresWith({ rawFsync: { recordsPerSecond: 20_000 } }))).toEqual([]);
  });

  test("an fsync that is too fast to be true without help", () => {
    const [caution, ...others] = cautionsOf(figuresWith({ rawFsync: { recordsPerSecond: 25_000 } }));
    expect(others).toEqual([]);
    expect(caution).toMatch(/^An fsync in 40\.0 µs .*power-loss protection.*cannot be told apart/);
  });

  test("rounds that lie far apart", () => {
    expect(cautionsOf(figuresWith({ rawFsync: { spread: 0.8 } }))).toEqual([expect.stringContaining("80 % apart")]);
  });
});

test("microseconds have the digits that matter", () => {
  expect([2.34, 23.46, 234.5, 2345].map(micros)).toEqual(["2.3", "23.5", "235", "2,345"]);
});
