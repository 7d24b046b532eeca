/** How far an export is: by seqs, since what a range weighs is not known before it was read. */
import type { ReadOptions } from "../../index.ts";
import type { CliContext } from "../cli-context.ts";
import type { ReadableLog } from "../log-argument.ts";
import type { Output } from "../output.ts";
import { startProgress } from "../progress.ts";

/** Told of each record. */
export interface ExportProgress {
  update(seq: number, bytes: number, records: number): void;
  stop(): void;
}

/** Starts it, unless the records themselves go to the terminal. */
export async function startExportProgress(
  { nextSeq }: ReadableLog,
  { to }: ReadOptions,
  limit: number,
  output: Output,
  context: CliContext,
): Promise<ExportProgress> {
  if (output.isTerminal) return { update() {}, stop() {} };
  const progress = await startProgress(context, "exporting");
  const end = to === undefined ? nextSeq : typeof to === "number" ? Math.min(to, nextSeq) : undefined;
  let first: number | undefined;
  return {
    update(seq, bytes, records) {
      first ??= seq;
      const done = shareDone(first, seq, end, records, limit);
      progress.update(bytes, done === undefined ? 0 : bytes / done, records);
    },
    stop: () => progress.stop(),
  };
}

/** From 0 to 1; undefined where the end of the range is not known. Whichever of range and limit ends it sooner. */
export function shareDone(
  first: number,
  seq: number,
  end: number | undefined,
  records: number,
  limit: number,
): number | undefined {
  const byLimit = records / limit;
  const bySeq = end === undefined ? 0 : (seq + 1 - first) / (end - first);
  const share = Math.max(byLimit, bySeq);
  return share > 0 ? Math.min(share, 1) : undefined;
}
