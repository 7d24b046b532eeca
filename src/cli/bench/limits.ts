/**
 * Says what limits each way of appending, and reading, from what was measured. Pure.
 *
 * Two facts decide: how much of the time of an append the raw write of the same bytes takes by
 * itself, and how busy the process keeps a processor meanwhile.
 */
import type { Figures } from "./figures.ts";
import type { MeasurementKey, Sizes } from "./measurement.ts";

/** The disk stands for what lies below the log: device, file system and the calls of the system. */
export type Limit = "disk" | "processor" | "both" | "neither" | "memory";

/** For one measurement. */
export interface Verdict {
  readonly key: MeasurementKey;
  readonly limit: Limit;
  /** How it stands at the front of its line. */
  readonly subject: string;
  readonly text: string;
}

/** The raw work takes this share of the time or more: it decides. */
const rawDecides = 0.5;

/** The processor is this busy: it would be the next limit at the latest. */
const isBusy = 0.75;

/** @param rawShare time of the raw work by time of the whole */
export function limitOf(rawShare: number, cpuShare: number): Exclude<Limit, "memory"> {
  if (rawShare >= rawDecides) return cpuShare >= isBusy ? "both" : "disk";
  return cpuShare >= isBusy ? "processor" : "neither";
}

/** What one append, of a record or a group, is compared with. */
interface Comparison {
  readonly key: MeasurementKey;
  readonly raw: MeasurementKey;
  readonly subject: string;
  /** Records in a write. */
  readonly records: number;
}

/** Verdicts for all measurements of the log. */
export function verdictsOf(figures: ReadonlyMap<MeasurementKey, Figures>, sizes: Sizes): readonly Verdict[] {
  const few = sizes.few.toLocaleString("en-US");
  const many = sizes.many.toLocaleString("en-US");
  const appends: readonly Comparison[] = [
    { key: "appendSync", raw: "rawDsync", subject: "appendSync", records: 1 },
    { key: "append", raw: "rawDsync", subject: "await append", records: 1 },
    { key: "fewCallers", raw: "rawFew", subject: `${few} callers`, records: sizes.few },
    { key: "manyCallers", raw: "rawMany", subject: `${many} callers`, records: sizes.many },
    { key: "appendBatch", raw: "rawBatch", subject: "appendBatch", records: sizes.batch },
  ];
  const known = (key: MeasurementKey): Figures => figures.get(key) as Figures;
  return [
    ...appends.map((comparison) => appendVerdict(comparison, known(comparison.raw), known(comparison.key))),
    readVerdict(known("rawRead"), known("readBatches")),
  ];
}

function appendVerdict({ key, subject, records }: Comparison, raw: Figures, whole: Figures): Verdict {
  const rawUs = (records / raw.recordsPerSecond) * 1e6;
  const wholeUs = (records / whole.recordsPerSecond) * 1e6;
  const limit = limitOf(rawUs / wholeUs, whole.cpuShare);
  const busy = `the process uses ${percent(whole.cpuShare)} of one processor`;
  const write =
    rawUs < wholeUs
      ? `a raw write of the same bytes takes ${micros(rawUs)} of the ${micros(wholeUs)} µs`
      : `it takes ${micros(wholeUs)} µs, and a raw write of the same bytes by itself ${micros(rawUs)} µs`;
  const texts = {
    disk: `the disk: ${write}`,
    processor: `the processor: ${write}, and ${busy}`,
    both: `the disk and the processor alike: ${write}, and ${busy}`,
    neither: `neither alone, the disk and the processor wait for each other: ${write}, and ${busy}`,
  };
  return { key, limit, subject, text: texts[limit] };
}

function readVerdict(raw: Figures, whole: Figures): Verdict {
  const share = whole.recordsPerSecond / raw.recordsPerSecond;
  const fromCache =
    "A log that is not in the page cache is read no faster than the disk reads, which is not measured here";
  const isReading = share >= rawDecides;
  return {
    key: "readBatches",
    limit: isReading ? "memory" : "processor",
    subject: "reading",
    text: isReading
      ? `the memory: copying out of the page cache takes ${percent(share)} of the time. ${fromCache}`
      : `the processor: checking takes ${percent(1 - share)} of the time, copying out of the page cache the rest. ${fromCache}`,
  };
}

/** No disk that a computer usually has is this fast without help, in fsyncs a second. */
const implausibleFsyncs = 20_000;

/** Rounds that lie further apart than this say little as absolute figures. */
const wideSpread = 0.5;

/** What to keep in mind about the figures. */
export function cautionsOf(figures: ReadonlyMap<MeasurementKey, Figures>): readonly string[] {
  const { recordsPerSecond, spread } = figures.get("rawFsync") as Figures;
  const cautions: string[] = [];
  if (recordsPerSecond > implausibleFsyncs) {
    cautions.push(
      `An fsync in ${micros(1e6 / recordsPerSecond)} µs is faster than most flash memory can store anything. Either this disk has a cache that outlives a power cut (power-loss protection), or it, or the virtual machine, acknowledges before the data is safe. That cannot be told apart from here: look at the drive's data sheet and the host's cache mode`,
    );
  }
  if (spread > wideSpread) {
    cautions.push(
      `The rounds of the raw fsync lie ${percent(spread)} apart: something else uses this machine or its disk, or the disk is uneven. Measure again, longer, before you rely on these figures`,
    );
  }
  return cautions;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** Three digits that matter. */
export function micros(us: number): string {
  return us >= 100 ? Math.round(us).toLocaleString("en-US") : us.toPrecision(us >= 10 ? 3 : 2);
}
