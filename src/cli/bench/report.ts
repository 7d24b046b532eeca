/** How the figures are shown to a person: a table and lines of at most 80 columns. Pure. */
import type { Figures } from "./figures.ts";
import { micros, type Verdict } from "./limits.ts";
import type { MeasurementKey } from "./measurement.ts";
import type { MeasurementGroup } from "./measurements.ts";

const columns = 80;
const labelWidth = 36;
const widths = [11, 9, 8, 8, 8];

function row(label: string, cells: readonly string[]): string {
  return (label.padEnd(labelWidth) + cells.map((cell, i) => cell.padStart(widths[i] ?? 0)).join("")).trimEnd();
}

/** @param heading paints what heads a column or a group */
export function tableLines(
  groups: readonly MeasurementGroup[],
  figures: ReadonlyMap<MeasurementKey, Figures>,
  recordBytes: number,
  heading: (text: string) => string,
): string[] {
  const fsyncs = figures.get("rawFsync")?.recordsPerSecond ?? Number.NaN;
  const lines: string[] = [];
  for (const { title, measurements } of groups) {
    const heads = lines.length === 0 ? ["records/s", "MB/s", "p50 µs", "p99 µs", "× fsync"] : [];
    if (lines.length > 0) lines.push("");
    lines.push(heading(row(title, heads)));
    for (const { key, label, hasLatencies } of measurements) {
      const { recordsPerSecond, p50Us, p99Us } = figures.get(key) as Figures;
      const isRead = key === "rawRead" || key === "readBatches";
      const ratio = recordsPerSecond / fsyncs;
      lines.push(
        row(`  ${label}`, [
          amount(recordsPerSecond),
          amount((recordsPerSecond * recordBytes) / 1e6),
          hasLatencies ? micros(p50Us) : "",
          hasLatencies ? micros(p99Us) : "",
          isRead ? "" : amount(ratio),
        ]),
      );
    }
  }
  return lines;
}

/** The verdicts, each behind what it is about. */
export function verdictLines(verdicts: readonly Verdict[]): string[] {
  const width = 4 + Math.max(...verdicts.map(({ subject }) => subject.length));
  return verdicts.flatMap(({ subject, text }) => wrap(`  ${subject}`.padEnd(width), `${text}.`));
}

/** Text after `first`, broken between words; the lines below it begin where it began. */
export function wrap(first: string, text: string): string[] {
  const lines: string[] = [];
  const indent = " ".repeat(first.length);
  let line = first;
  // A unit stays with its number.
  for (const word of text.split(/ (?!(?:µs|%)(?!\w))/)) {
    const isEmpty = line.length === first.length;
    if (!isEmpty && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = indent + word;
    } else {
      line += isEmpty ? word : ` ${word}`;
    }
  }
  return [...lines, line];
}

function amount(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en-US");
  return value.toFixed(value >= 10 ? 1 : 2);
}
