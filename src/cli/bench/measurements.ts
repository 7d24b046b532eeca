/** All that `seqlog bench` measures, in the order of its table. */
import * as path from "node:path";
import { nodeStorage } from "../../storage/node-storage.ts";
import { append, appendBatch, appendFrom, appendSync, fillLog, readBatches } from "./log-measurements.ts";
import { type Measurement, type Sizes } from "./measurement.ts";
import type { Span } from "./meter.ts";
import { fillFile, overwriteDurably, readRaw, writeAndFsync } from "./raw-measurements.ts";

export interface MeasurementGroup {
  readonly title: string;
  readonly measurements: readonly Measurement[];
}

/** Lays out in `scratch` what is only written into or read, and says what to measure. */
export async function prepareMeasurements(
  scratch: string,
  sizes: Sizes,
  signal: AbortSignal,
): Promise<readonly MeasurementGroup[]> {
  const filled = path.join(scratch, "filled");
  const log = path.join(scratch, "scanned");
  fillFile(filled);
  await fillLog(log, sizes, signal);
  return [
    { title: "One at a time", measurements: oneAtATime(filled, sizes) },
    { title: "Many at once", measurements: manyAtOnce(sizes) },
    { title: "Reading, from the page cache", measurements: reading(log, sizes) },
  ];
}

function oneAtATime(filled: string, sizes: Sizes): readonly Measurement[] {
  return [
    {
      key: "rawFsync",
      label: "raw write + fsync",
      hasLatencies: true,
      measure: (directory, span) => writeAndFsync(directory, 1, sizes, span),
    },
    {
      key: "rawDsync",
      label: `raw ${nodeStorage.hasDsync ? "O_DSYNC write" : "write + fsync"}, filled file`,
      hasLatencies: true,
      measure: (_directory, span) => overwriteDurably(filled, sizes, span),
    },
    {
      key: "appendSync",
      label: "appendSync",
      hasLatencies: true,
      measure: (directory, span) => appendSync(directory, sizes, span),
    },
    {
      key: "append",
      label: "await append",
      hasLatencies: true,
      measure: (directory, span) => append(directory, sizes, span),
    },
  ];
}

function manyAtOnce(sizes: Sizes): readonly Measurement[] {
  const { few, many, batch } = sizes;
  const raw = (key: Measurement["key"], records: number): Measurement => ({
    key,
    label: `raw write + fsync of ${inWords(records)}`,
    hasLatencies: false,
    measure: (directory, span) => writeAndFsync(directory, records, sizes, span),
  });
  const callers = (key: Measurement["key"], count: number): Measurement => ({
    key,
    label: `${inWords(count)} callers of await append`,
    hasLatencies: false,
    measure: (directory, span) => appendFrom(count, directory, sizes, span),
  });
  return [
    raw("rawFew", few),
    callers("fewCallers", few),
    raw("rawMany", many),
    callers("manyCallers", many),
    raw("rawBatch", batch),
    {
      key: "appendBatch",
      label: `appendBatch of ${inWords(batch)}`,
      hasLatencies: false,
      measure: (directory, span) => appendBatch(directory, sizes, span),
    },
  ];
}

function reading(log: string, sizes: Sizes): readonly Measurement[] {
  return [
    {
      key: "rawRead",
      label: "raw read, 1 MiB at a time",
      hasLatencies: false,
      measure: (_directory, span) => readRaw(log, sizes, unlimited(span)),
    },
    {
      key: "readBatches",
      label: "readBatches, every CRC checked",
      hasLatencies: false,
      measure: (_directory, span) => readBatches(log, unlimited(span)),
    },
  ];
}

/** Reading fills no disk. */
function unlimited(span: Span): Span {
  return { ...span, mostRecords: Number.POSITIVE_INFINITY };
}

function inWords(count: number): string {
  return count.toLocaleString("en-US");
}
