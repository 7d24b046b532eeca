/** From the samples of all rounds to one figure for each measurement. Pure. */
import type { Sample } from "./meter.ts";

/** What is told of one measurement. */
export interface Figures {
  /** The median of the rounds. */
  readonly recordsPerSecond: number;
  /** How far the rounds lie apart: the highest less the lowest, as a share of the median. */
  readonly spread: number;
  /** Of all operations of all rounds. */
  readonly p50Us: number;
  readonly p99Us: number;
  /** Processor time of the process by the time that passed; 1 is one processor, all the time. */
  readonly cpuShare: number;
}

export function figuresOf(samples: readonly Sample[]): Figures {
  const rates = samples.map(({ records, seconds }) => records / seconds);
  const recordsPerSecond = median(rates);
  const latencies = samples.flatMap(({ latenciesUs }) => latenciesUs).sort((a, b) => a - b);
  const sum = (of: (sample: Sample) => number): number => samples.reduce((total, sample) => total + of(sample), 0);
  return {
    recordsPerSecond,
    spread: (Math.max(...rates) - Math.min(...rates)) / recordsPerSecond,
    p50Us: percentile(latencies, 0.5),
    p99Us: percentile(latencies, 0.99),
    cpuShare: sum(({ cpuSeconds }) => cpuSeconds) / sum(({ seconds }) => seconds),
  };
}

/** Of values in any order; NaN of none. */
export function median(values: readonly number[]): number {
  return percentile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
}

/** Of values in ascending order, between its two neighbours in proportion; NaN of none. */
export function percentile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at % 1);
}
