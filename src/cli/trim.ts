/** `seqlog trim`: remove old records from the front of a log. */
import type { Command } from "commander";
import { FileLog, type LogStats, type Position } from "../index.ts";
import type { HeldBack } from "../log/retention.ts";
import type { CliContext } from "./cli-context.ts";
import { kindOfLog, noFileArgumentHelp } from "./log-argument.ts";
import { parsePosition } from "./position.ts";
import { printableLine } from "./printable.ts";
import { formatBytes } from "./progress.ts";
import { positionHelp } from "./read-options.ts";
import { removeFromStream, trimmableStream } from "./trim-stream.ts";
import { trimmable } from "./trimmable.ts";
import { UsageError } from "./usage-error.ts";

interface Options {
  readonly before: Position;
  readonly force?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** Counts of a log before and after. */
export interface Trimmed {
  readonly before: LogStats;
  readonly after: LogStats;
  /** Left out when there is nothing. */
  readonly heldBack?: HeldBack;
}

const help = `
Of a directory only whole segments go, from the front, as far as all their records are before the position; never the
segment that is being written. So records before it may be left, and a log of one segment keeps all. Of a log on
servers exactly the records before it go. The seqs of what is left do not change. There is no way back:
\`seqlog export\` keeps a copy.

What a named consumer has not acknowledged stays, and the command says for whom; with --force it goes.

--dry-run works beside a process that appends; without it that process has to trim for itself (exit
code 3).

Examples:
  seqlog trim ./events --before 30d --dry-run
  seqlog trim ./events --before 2026-05-01
  seqlog trim ./events --before 100000 --json`;

/** Defines `trim`. */
export function defineTrim(command: Command, context: CliContext): void {
  command
    .description("Remove records from the front.")
    .argument("<LOG>", noFileArgumentHelp)
    .requiredOption("--before <position>", `keep this record and those after it: ${positionHelp}`, parsePosition)
    .option("--force", "remove also what consumers have not acknowledged")
    .option("--dry-run", "say what would be removed, and remove nothing")
    .option("--json", 'print {"dryRun","removed":{"segments","records","bytes"},"heldBack","firstSeq","nextSeq"}')
    .addHelpText("after", help)
    .action((location: string, options: Options) => trim(location, options, context));
}

async function trim(location: string, options: Options, { stdout }: CliContext): Promise<void> {
  const kind = kindOfLog(location);
  if (kind === "file") {
    throw new UsageError(`${location} is a single file, which has no segments to remove; see \`seqlog reset\``);
  }
  const { before: position, dryRun = false, force = false } = options;
  const [look, act] = kind === "stream" ? [trimmableStream, removeFromStream] : [trimmable, remove];
  const { before, after, heldBack = none } = await (dryRun ? look : act)(location, position, force);
  // Servers have files of their own.
  const inSegments = (stats: Pick<LogStats, "segments">, comma: "" | ","): string =>
    kind === "stream" ? "" : `${comma} in ${segmentsOf(stats)}`;
  const removed = {
    segments: before.segments - after.segments,
    records: before.records - after.records,
    bytes: before.bytes - after.bytes,
  };
  if (options.json === true) {
    const { firstSeq, nextSeq } = after;
    stdout.line(JSON.stringify({ dryRun, removed, heldBack, firstSeq, nextSeq }));
    return;
  }
  const left =
    after.records === 0
      ? "nothing is left"
      : `left: ${inRecords(after)}, seq ${after.firstSeq} to ${after.nextSeq - 1}${inSegments(after, ",")}`;
  if (removed.records > 0) {
    const what = `${inRecords(removed)}${inSegments(removed, "")} (${formatBytes(removed.bytes)})`;
    const seqs = `seq ${before.firstSeq} to ${after.firstSeq - 1}`;
    stdout.line(`${dryRun ? "would remove" : "removed"} ${what}, ${seqs}; ${left}`);
  } else if (heldBack.records > 0 || kind === "stream") stdout.line(`nothing to remove; ${left}`);
  else stdout.line(`nothing to remove: no whole segment is before that position; ${left}`);
  if (heldBack.records > 0) stdout.line(printableLine(inWords(heldBack)));
}

const none: HeldBack = { records: 0, bytes: 0 };

function inWords({ records, bytes, by }: HeldBack): string {
  const why = by?.problem === undefined ? `needs seq ${by?.nextSeq} and what follows` : `cannot be read: ${by.problem}`;
  return `held back: ${inRecords({ records })} (${formatBytes(bytes)}) for the consumer ${by?.consumer}, which ${why}; --force removes them too`;
}

function inRecords({ records }: Pick<LogStats, "records">): string {
  return records === 1 ? "1 record" : `${records} records`;
}

function segmentsOf({ segments }: Pick<LogStats, "segments">): string {
  return segments === 1 ? "1 segment" : `${segments} segments`;
}

async function remove(location: string, position: Position, force: boolean): Promise<Trimmed> {
  const log = await FileLog.open(location, { create: false, retention: { protect: "consumers" } });
  try {
    const before = await log.stats();
    const { heldBack } = await log.trim({ before: position, force });
    return { before, after: await log.stats(), ...(heldBack === undefined ? {} : { heldBack }) };
  } finally {
    await log.close();
  }
}
