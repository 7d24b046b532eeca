/** `seqlog get`: one record. */
import type { Command } from "commander";
import type { CliContext } from "./cli-context.ts";
import { logArgumentHelp, openForReading, type ReadableLog } from "./log-argument.ts";
import { parseSeqOrId } from "./position.ts";
import { contentOf } from "./record-content.ts";
import { chosenFormat, formatHelp, type FormatName, parseFormat, recordFormat } from "./record-format.ts";
import { RecordView } from "./record-view.ts";
import { UsageError } from "./usage-error.ts";

interface GetOptions {
  readonly format?: FormatName;
  readonly json?: boolean;
}

type Wanted = ReturnType<typeof parseSeqOrId>;

const help = `
Examples:
  seqlog get ./events 42
  seqlog get ./events 42 --json
  seqlog get ./events id:01890a5d-ac96-774b-bcce-b302099a8057 --format hex`;

/** Defines `get`. */
export function defineGet(command: Command, context: CliContext): void {
  command
    .description("Print one record. Exit code 2 when there is no such record.")
    .argument("<LOG>", logArgumentHelp)
    .argument("<SEQ|id:UUID>", "which record", parseSeqOrId)
    .option("--format <format>", formatHelp, parseFormat)
    .option("--json", "same as --format json")
    .addHelpText("after", help)
    .action((location: string, wanted: Wanted, options: GetOptions) => get(location, wanted, options, context));
}

async function get(
  location: string,
  wanted: Wanted,
  options: GetOptions,
  { stdout, stderr }: CliContext,
): Promise<void> {
  const format = recordFormat(chosenFormat(options) ?? "raw", stdout);
  const log = await openForReading(location, stderr);
  try {
    const record = typeof wanted === "number" ? await log.get(wanted) : await log.find(wanted.id);
    if (record === undefined) throw noRecord(log, location, wanted);
    format(new RecordView(record, undefined, contentOf(location)(record)), stdout);
    await stdout.flush();
  } finally {
    await log.close();
  }
}

function noRecord({ firstSeq, nextSeq }: ReadableLog, location: string, wanted: Wanted): UsageError {
  const what = typeof wanted === "number" ? `seq ${wanted}` : `id ${wanted.id}`;
  const there = nextSeq > firstSeq ? `holds seq ${firstSeq} to ${nextSeq - 1}` : "is empty";
  const facts = { firstSeq, nextSeq, ...(typeof wanted === "number" ? { seq: wanted } : wanted) };
  return new UsageError(`${location}: there is no record with ${what}; the log ${there}`, "NO_RECORD", facts);
}
