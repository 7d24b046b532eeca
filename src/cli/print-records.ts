/** From a log to the output: what `cat` and `tail` do once they know which records, and how. */
import type { LogRecord, ReadOptions } from "../index.ts";
import type { Projection } from "./fields.ts";
import type { ReadableLog } from "./log-argument.ts";
import type { Output } from "./output.ts";
import type { RecordContent } from "./record-content.ts";
import type { RecordFormat } from "./record-format.ts";
import { RecordView } from "./record-view.ts";
import type { Condition } from "./where.ts";

/** Which records are shown, and how. */
export interface Selection {
  readonly where: readonly Condition[];
  readonly fields: Projection | undefined;
  /** Infinity when there is none. */
  readonly limit: number;
  readonly content: RecordContent;
}

/** The record to show; undefined when it is not wanted. */
export function select(record: LogRecord, { where, fields, content }: Selection): RecordView | undefined {
  const view = new RecordView(record, fields, content(record));
  return where.every((holds) => holds(view.value)) ? view : undefined;
}

/**
 * Prints records until the range, the limit or the output ends. What was printed before an error
 * is handed over before the error is thrown.
 * @returns how many were printed
 */
export async function printRecords(
  log: ReadableLog,
  range: ReadOptions,
  selection: Selection,
  format: RecordFormat,
  output: Output,
): Promise<number> {
  let printed = 0;
  if (selection.limit === 0) return printed;
  try {
    for await (const batch of log.readBatches({ ...range, signal: output.signal })) {
      for (const record of batch) {
        const view = select(record, selection);
        if (view === undefined) continue;
        format(view, output);
        printed++;
        if (printed === selection.limit) return printed;
        if (output.isFull) await output.flush();
        if (output.closed) return printed;
      }
      // A batch is what there was: when following, the next one may be long in coming.
      await output.flush();
    }
  } finally {
    await output.flush();
  }
  return printed;
}
