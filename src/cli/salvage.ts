/** `seqlog salvage`: every intact record of a damaged log, in a new one. */
import type { Command } from "commander";
import { type MissingRange, type SalvageReport, salvage as salvageLog } from "../index.ts";
import type { CliContext } from "./cli-context.ts";
import { bytesInWords } from "./damage-lines.ts";
import { exitCodes } from "./exit-codes.ts";
import { onInterruption } from "./interruption.ts";
import { isStreamLocation, requireFiles } from "./log-argument.ts";
import { printableLine } from "./printable.ts";
import { startProgress } from "./progress.ts";
import { UsageError } from "./usage-error.ts";

/** More lines than this nobody reads; all of them are in the file. */
const shownRanges = 20;

const help = `
Reads on past any damage: invalid bytes, a MANIFEST or segments that are gone, blocks that the disk
cannot read. LOG is only read, also on a read-only disk; stop its writer first. Exit code 1 when
something is missing.

DIR becomes a log of its own, with the ids and times of the records. Their seqs stay as they were up
to the first hole; behind it they close up, since a log has no gaps. DIR/salvage.ndjson says for each
record where it came from, and which byte ranges and seqs are missing.

A record that was found again behind damage by nothing but its own offset is marked as
resynchronised: it may be bytes that were stored inside a record that is lost.

Examples:
  seqlog salvage ./events --out ./events-salvaged
  seqlog salvage events.log --out ./salvaged --json
  seqlog salvage ./events/00000000000000000000.log --out ./one-segment`;

interface Options {
  readonly out: string;
  readonly json?: boolean;
}

/** Defines `salvage`. */
export function defineSalvage(command: Command, context: CliContext): void {
  command
    .description("Get every intact record out of a damaged log, into a new one, and say exactly what is missing.")
    .argument("<LOG>", "a directory log, a single .log file, or one segment of a log")
    .requiredOption("--out <DIR>", "the directory of the new log: not there yet, or empty")
    .option("--json", 'print {"ok","records","resynchronised","firstSeq","nextSeq","missing":[…],…,"report"}')
    .addHelpText("after", help)
    .action((location: string, options: Options) => salvage(location, options, context));
}

async function salvage(location: string, { out, json = false }: Options, context: CliContext): Promise<void> {
  if (location === "") throw new UsageError("LOG is empty; it must be a directory or a .log file");
  if (isStreamLocation(location)) requireFiles(location, "there are no damaged ones to salvage from here");
  if (out === "") throw new UsageError("--out is empty; it must be a directory");
  const stop = new AbortController();
  const interruption = onInterruption(() => stop.abort());
  const progress = await startProgress(context, "salvaging");
  let report: SalvageReport;
  try {
    report = await salvageLog(location, {
      out,
      signal: stop.signal,
      onProgress: ({ bytes, totalBytes, records }) => progress.update(bytes, totalBytes, records),
    });
  } catch (error) {
    if (interruption.exitCode === undefined) throw error;
    context.exitCode = interruption.exitCode;
    context.stderr.line(printableLine(`seqlog: interrupted; ${out} is not finished, and no log`));
    return;
  } finally {
    interruption.stopListening();
    progress.stop();
  }
  if (!report.ok) context.exitCode = exitCodes.damage;
  if (json) context.stdout.line(JSON.stringify(report));
  else for (const line of linesOf(report, out)) context.stdout.line(printableLine(line));
}

function linesOf(report: SalvageReport, out: string): string[] {
  const { records, resynchronised, firstSeq, nextSeq, missing, missingRanges, missingBytes, tornBytes } = report;
  const lines = missing.slice(0, shownRanges).map(missingLine);
  if (missingRanges > shownRanges)
    lines.push(`missing: ${missingRanges - shownRanges} more ranges, in ${report.report}`);
  lines.push(...report.notes.map(({ file, reason }) => `note: ${file}: ${reason}`));
  const seqs = records === 0 ? "" : `, seq ${firstSeq} to ${nextSeq - 1}`;
  lines.push(`salvaged ${records} records into ${out}${seqs}`);
  if (records > 0 && !report.seqsKept)
    lines.push(`behind the first hole the seqs are other ones than before: ${report.report} has both`);
  if (resynchronised > 0) lines.push(`${resynchronised} of them are resynchronised: found by their own offset alone`);
  if (tornBytes > 0) lines.push(`torn tail: ${tornBytes} bytes that were never acknowledged; not missing`);
  lines.push(
    missingRanges === 0
      ? "nothing is missing"
      : `MISSING: ${missingBytes} bytes in ${missingRanges} ${missingRanges === 1 ? "range" : "ranges"}`,
  );
  return lines;
}

function missingLine({ file, offset, end, firstSeq, lastSeq, isExact, reason }: MissingRange): string {
  return `missing: ${file}, ${bytesInWords(offset, end)}${seqsInWords(firstSeq, lastSeq, isExact)}: ${reason}`;
}

function seqsInWords(from: number | undefined, to: number | undefined, isExact: boolean): string {
  if (from === undefined) return "";
  if (to === undefined) return ` (some from seq ${from} on)`;
  const range = from === to ? `seq ${from}` : `seq ${from} to ${to}`;
  return isExact ? ` (${range})` : ` (some of ${range})`;
}
