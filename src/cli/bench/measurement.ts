/** What one thing that is measured looks like, and how much is written at once. */
import { headerLength } from "../../format/record.ts";
import type { Sample, Span } from "./meter.ts";

/** The names in JSON. */
export type MeasurementKey =
  | "rawFsync"
  | "rawDsync"
  | "appendSync"
  | "append"
  | "rawFew"
  | "fewCallers"
  | "rawMany"
  | "manyCallers"
  | "rawBatch"
  | "appendBatch"
  | "rawRead"
  | "readBatches";

/** One thing that is measured. */
export interface Measurement {
  readonly key: MeasurementKey;
  /** In the table. */
  readonly label: string;
  /** Each of its operations is one durable write of one record. */
  readonly hasLatencies: boolean;
  /** @param directory new and empty, of this measurement and round alone */
  measure(directory: string, span: Span): Promise<Sample>;
}

/** How much is written at once. */
export interface Sizes {
  /** Bytes of data in a record. */
  readonly size: number;
  /** Bytes of a record with its header. */
  readonly recordBytes: number;
  /** Records, of callers at once or in a batch. */
  readonly few: number;
  readonly many: number;
  readonly batch: number;
}

/** A group stays well below the log's limit of pending bytes. */
const mostGroupBytes = 16 * 1024 * 1024;

/** Groups of large records are smaller. */
export function sizesFor(size: number): Sizes {
  const recordBytes = size + headerLength;
  const atMost = (wanted: number): number => Math.min(wanted, Math.floor(mostGroupBytes / recordBytes));
  return { size, recordBytes, few: atMost(64), many: atMost(4096), batch: atMost(1024) };
}
