import { expect, test } from "vitest";
import type { Figures } from "./figures.ts";
import type { Measurement, MeasurementKey } from "./measurement.ts";
import { tableLines, verdictLines, wrap } from "./report.ts";

function measurement(key: MeasurementKey, label: string, hasLatencies: boolean): Measurement {
  return { key, label, hasLatencies, measure: () => Promise.reject(new Error("not measured here")) };
}

function figures(recordsPerSecond: number): Figures {
  return { recordsPerSecond, spread: 0, p50Us: 200.4, p99Us: 1234, cpuShare: 0 };
}

test("the table has a heading, a ratio to the raw fsync rate, and latencies where there are any", () => {
  const groups = [
    { title: "One", measurements: [measurement("rawFsync", "raw write + fsync", true)] },
    { title: "Many", measurements: [measurement("fewCallers", "64 callers of await append", false)] },
    { title: "Reading", measurements: [measurement("readBatches", "readBatches, every CRC checked", false)] },
  ];
  const rates = new Map<MeasurementKey, Figures>([
    ["rawFsync", figures(5_000)],
    ["fewCallers", figures(1_234_567)],
    ["readBatches", figures(34_000_000)],
  ]);
  const lines = tableLines(groups, rates, 288, (text) => text);
  expect(lines.join("\n")).toMatchInlineSnapshot(`
    "One                                   records/s     MB/s  p50 µs  p99 µs × fsync
      raw write + fsync                       5,000     1.44     200   1,234    1.00

    Many
      64 callers of await append          1,234,567      356                     247

    Reading
      readBatches, every CRC checked     34,000,000    9,792"
  `);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
});

test("verdicts stand in one column", () => {
  const verdict = { key: "append", limit: "disk", text: "the disk" } as const;
  expect(
    verdictLines([
      { ...verdict, subject: "one" },
      { ...verdict, subject: "longer" },
    ]),
  ).toEqual(["  one     the disk.", "  longer  the disk."]);
});

test("text is broken between words at 80 columns, and a unit stays with its number", () => {
  const lines = wrap("  a  ", `${"word ".repeat(14)}12 µs, ${"word ".repeat(13)}and 5 % more`);
  expect(lines).toEqual([
    `  a  ${"word ".repeat(14)}`.trimEnd(),
    `     12 µs, ${"word ".repeat(13)}and`,
    "     5 % more",
  ]);
  expect(wrap("", "x".repeat(90))).toEqual(["x".repeat(90)]);
});
